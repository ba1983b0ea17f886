/** What a history reached, so that a test can show that it tested something. */
export interface Tally {
  steps: number
  nights: number
  committed: number
  monthlies: number
  removed: number
  /** Troubles that really struck. */
  struck: number
  frozen: number
  years: number
}
export const newTally = (): Tally => ({
  steps: 0,
  nights: 0,
  committed: 0,
  monthlies: 0,
  removed: 0,
  struck: 0,
  frozen: 0,
  years: 0,
})
