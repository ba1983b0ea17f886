import type { News } from '../../domain/news.ts'
import { drillPage } from './drill.ts'
import { failurePage } from './failure.ts'
import { mailOfPage, type Mail } from './page.ts'
import { successPage } from './success.ts'

/** The mail that tells the news. */
export const mailOf = (news: News): Mail => {
  switch (news.kind) {
    case 'success':
      return mailOfPage(successPage(news.facts))
    case 'failure':
      return mailOfPage(failurePage(news.facts))
    case 'drill':
      return mailOfPage(drillPage(news.facts))
  }
}
