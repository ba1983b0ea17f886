import { Chalk, type ChalkInstance } from 'chalk'
import Table from 'cli-table3'

/** Colours, or none: decided once at the edge (terminal, NO_COLOR). */
export type Paint = ChalkInstance

export const paintFor = (colour: boolean): Paint => new Chalk({ level: colour ? 1 : 0 })

/** Columns without lines: fits 80 columns, pastes into a mail, and `awk` can read it. */
export const columns = (
  head: readonly string[],
  rows: readonly (readonly string[])[],
  right: readonly number[] = [],
): string => {
  const table = new Table({
    head: [...head],
    colAligns: head.map((_, index) => (right.includes(index) ? 'right' : 'left')),
    chars: {
      top: '',
      'top-mid': '',
      'top-left': '',
      'top-right': '',
      bottom: '',
      'bottom-mid': '',
      'bottom-left': '',
      'bottom-right': '',
      left: '',
      'left-mid': '',
      mid: '',
      'mid-mid': '',
      right: '',
      'right-mid': '',
      middle: '  ',
    },
    style: { head: [], border: [], 'padding-left': 0, 'padding-right': 0 },
  })
  table.push(...rows.map((row) => [...row]))
  return table
    .toString()
    .split('\n')
    .map((line) => line.trimEnd())
    .join('\n')
}
