import type { FaultCode } from '../errors.ts'
import type { DumpSection, Metered } from '../ports.ts'

/**
 * What `src/dump-meter.ts` tells whoever started it: a line of JSON each, on the descriptor `report`. After `fault` and
 * `reader-gone` it waits to be ended, so that the programs before it do not fail for want of a reader, and are not the news.
 */
export type MeterLine =
  | { readonly kind: 'at'; readonly bytes: number }
  | { readonly kind: 'metered'; readonly metered: Metered }
  | { readonly kind: 'reader-gone' }
  | {
      readonly kind: 'fault'
      /** Where it was met: the end of that section's pg_dump may be the reason. */
      readonly section: DumpSection
      readonly code: FaultCode
      readonly message: string
      readonly hint?: string | undefined
    }

/** Which descriptor is what to it. Those up to 2 are made to block by libuv, as the large section and the output must. */
export const meterDescriptors = { data: 0, out: 1, report: 3, 'pre-data': 4, 'post-data': 5 } as const
