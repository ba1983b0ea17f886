import { harmless } from '../../domain/harmless.ts'

/**
 * A mail as its parts, from which both forms are made: text that is complete by itself, and HTML of tables and inline
 * styles alone, one column of at most 600 pixels, for that is what a phone and every mail program show as it is meant.
 * Nothing here is HTML but what this file writes: every value is escaped.
 */
export interface Page {
  readonly subject: string
  readonly tone: 'good' | 'attention' | 'bad'
  readonly title: string
  /** The answer in a sentence or two; what an inbox shows beside the subject. */
  readonly lead: string
  /** What must not be overlooked; stands before everything else. */
  readonly first: readonly string[]
  readonly sections: readonly Section[]
  readonly footer: readonly string[]
}

export interface Section {
  readonly title: string
  readonly sentences?: readonly string[]
  readonly facts?: readonly (readonly [label: string, value: string])[]
  readonly points?: readonly string[]
  readonly steps?: readonly Step[]
}

export interface Step {
  readonly sentence: string
  /** A line to paste. */
  readonly command?: string
}

export interface Mail {
  readonly subject: string
  readonly text: string
  readonly html: string
}

export const mailOfPage = (page: Page): Mail => ({
  subject: oneLine(page.subject),
  text: textOf(page),
  html: htmlOf(page),
})

const oneLine = (text: string): string => harmless(text.replaceAll(/\s+/g, ' ').trim())

// -- text

const width = 72

/** Lines of at most 72 characters where the words allow it; `indent` stands before all but the first. */
const wrapped = (text: string, first = '', indent = ' '.repeat(first.length)): string => {
  const lines: string[] = []
  let line = first
  let isEmpty = true
  for (const word of oneLine(text).split(' ')) {
    if (!isEmpty && line.length + 1 + word.length > width) {
      lines.push(line)
      line = indent
      isEmpty = true
    }
    line += isEmpty ? word : ` ${word}`
    isEmpty = false
  }
  return [...lines, line].join('\n')
}

const textOf = (page: Page): string => {
  const title = oneLine(page.title)
  const blocks = [
    `${title}\n${'='.repeat(Math.min(title.length, width))}`,
    ...(page.first.length === 0 ? [] : [page.first.map((one) => wrapped(one, '!! ')).join('\n')]),
    wrapped(page.lead),
    ...page.sections.map(sectionText),
    `-- \n${page.footer.map((line) => wrapped(line)).join('\n')}`,
  ]
  return `${blocks.join('\n\n')}\n`
}

const sectionText = ({ title, sentences = [], facts = [], points = [], steps = [] }: Section): string =>
  [
    `${oneLine(title)}\n${'-'.repeat(oneLine(title).length)}`,
    ...sentences.map((sentence) => wrapped(sentence)),
    ...points.map((point) => wrapped(point, '- ')),
    ...facts.map(([label, value]) => wrapped(value, `${oneLine(label)}: `, '  ')),
    ...steps.map(
      ({ sentence, command }, at) =>
        `${wrapped(sentence, `${String(at + 1)}. `)}${command === undefined ? '' : `\n\n       ${oneLine(command)}\n`}`,
    ),
  ]
    .join('\n')
    .trimEnd()

// -- HTML

export const escapeHtml = (text: string): string =>
  oneLine(text)
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;')
    .replaceAll("'", '&#39;')

const colours = {
  good: { band: '#1a7f4b', wash: '#e8f5ee' },
  attention: { band: '#a15c00', wash: '#fff4e0' },
  bad: { band: '#b3261e', wash: '#fdecea' },
} as const

const sans = "font-family:-apple-system,'Segoe UI',Roboto,Helvetica,Arial,sans-serif"
const mono = "font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,'Liberation Mono',monospace"
const body = `${sans};font-size:16px;line-height:1.5;color:#1f2328`
const small = `${sans};font-size:13px;line-height:1.4;color:#59636e`

const row = (content: string, style = ''): string => `<tr><td style="padding:6px 24px;${style}">${content}</td></tr>`
const paragraph = (text: string, style = body): string => row(escapeHtml(text), style)

const htmlOf = (page: Page): string => {
  const { band, wash } = colours[page.tone]
  const rows = [
    `<tr><td style="padding:20px 24px;background:${band};${sans};font-size:20px;line-height:1.3;font-weight:600;color:#ffffff">${escapeHtml(page.title)}</td></tr>`,
    ...page.first.map((one) =>
      row(
        `<table role="presentation" width="100%" cellpadding="0" cellspacing="0"><tr><td style="padding:10px 14px;background:${wash};border-left:4px solid ${band};${body};font-weight:600;word-break:break-word">${escapeHtml(one)}</td></tr></table>`,
        'padding-top:14px',
      ),
    ),
    row(escapeHtml(page.lead), `${body};padding-top:18px`),
    ...page.sections.flatMap(sectionRows),
    row(page.footer.map(escapeHtml).join('<br>'), `${small};padding:18px 24px 20px;border-top:1px solid #d1d9e0`),
  ]
  return [
    '<!DOCTYPE html>',
    '<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">',
    `<meta name="color-scheme" content="light"><title>${escapeHtml(page.subject)}</title></head>`,
    '<body style="margin:0;padding:0;background:#f0f2f4">',
    `<div style="display:none;max-height:0;overflow:hidden">${escapeHtml(page.lead)}</div>`,
    '<table role="presentation" width="100%" cellpadding="0" cellspacing="0" style="background:#f0f2f4"><tr><td align="center" style="padding:16px 8px">',
    '<table role="presentation" width="100%" cellpadding="0" cellspacing="0" style="max-width:600px;background:#ffffff;border:1px solid #d1d9e0;text-align:left">',
    ...rows,
    '</table></td></tr></table></body></html>',
    '',
  ].join('\n')
}

const sectionRows = ({ title, sentences = [], facts = [], points = [], steps = [] }: Section): string[] => [
  row(escapeHtml(title), `${sans};font-size:17px;line-height:1.3;font-weight:600;color:#1f2328;padding-top:20px`),
  ...sentences.map((sentence) => paragraph(sentence, `${body};word-break:break-word`)),
  ...points.map((point) => paragraph(`• ${point}`, `${body};word-break:break-word`)),
  ...facts.map(([label, value]) =>
    row(
      `<span style="${small}">${escapeHtml(label)}</span><br><span style="word-break:break-word">${escapeHtml(value)}</span>`,
      `${body};border-bottom:1px solid #eef1f4`,
    ),
  ),
  ...steps.map(({ sentence, command }, at) =>
    row(
      `${String(at + 1)}. ${escapeHtml(sentence)}${
        command === undefined
          ? ''
          : `<div style="margin-top:6px;padding:10px 12px;background:#f0f2f4;${mono};font-size:14px;line-height:1.4;word-break:break-word">${escapeHtml(command)}</div>`
      }`,
      body,
    ),
  ),
]
