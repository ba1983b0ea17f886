import { describe, expect, test } from 'vitest'
import { earlyExpiries } from '../../src/domain/lifecycle.ts'
import { layout } from '../support/builders.ts'

const periods = { dailyDays: 7, monthlyMonths: 84 }
const rule = (prefix: string, afterDays: number) => ({ name: 'cleanup', prefix, afterDays })

describe("a bucket's own rule is told", () => {
  test.each([
    ['the whole bucket after 90 days', rule('', 90), ['monthly/', 'manifests/', 'drills/', 'acks/']],
    ['the prefix after 90 days', rule('backups/', 90), ['monthly/', 'manifests/', 'drills/', 'acks/']],
    ['half of the prefix', rule('back', 90), ['monthly/', 'manifests/', 'drills/', 'acks/']],
    ['monthlies on a fixed date', rule('backups/monthly/', 0), ['monthly/']],
    ['one year of monthlies', rule('backups/monthly/2026', 365), ['monthly/']],
    ['dailies after 3 days', rule('backups/daily/', 3), ['daily/']],
    ['all after 3 days', rule('', 3), ['daily/', 'monthly/']],
  ])('%s', (_what, one, folders) => {
    const [sentence, ...more] = earlyExpiries([one], layout, periods)
    expect(more).toEqual([])
    expect(sentence).toContain('"cleanup"')
    for (const folder of folders) expect(sentence).toContain(`backups/${folder}`)
  })

  test('as often as there are such rules', () => {
    expect(earlyExpiries([rule('', 1), rule('photos/', 1), rule('backups/', 2)], layout, periods)).toHaveLength(2)
  })
})

describe("a bucket's own rule is nobody's business", () => {
  test.each([
    ['for other things', rule('photos/', 1)],
    ['for a name that begins alike', rule('backups2/', 1)],
    ['for dailies, once they are let go anyway', rule('backups/daily/', 7)],
    ['for everything, after more than seven years', rule('', 84 * 31)],
  ])('%s', (_what, one) => {
    expect(earlyExpiries([one], layout, periods)).toEqual([])
  })
})
