/** The stages of a night, in their order. What fails up to `commit` fails the backup; what comes after is told apart. */
export const stages = [
  'configuration',
  'store',
  'lock',
  'inspect',
  'snapshot',
  'dump',
  'prove',
  'commit',
  'promote',
  'prune',
  'audit',
  'mail',
] as const

export type Stage = (typeof stages)[number]

export const isStage = (text: string): text is Stage => stages.some((stage) => stage === text)

/** What a stage is, as the subject of a sentence in a mail. */
export const stageText: Readonly<Record<Stage, string>> = {
  configuration: 'reading the configuration',
  store: 'reaching the store',
  lock: 'taking the lock of all backup work',
  inspect: 'looking at the database and at what backups there are',
  snapshot: 'locking the tables and freezing one instant',
  dump: 'dumping, sealing and storing',
  prove: 'proving what was stored',
  commit: 'committing the manifest',
  promote: 'promoting to monthlies',
  prune: 'pruning',
  audit: 'writing the audit row',
  mail: 'sending mail',
}

/** What the log says when a stage has ended well. */
export const stageDone: Readonly<Record<Stage, string>> = {
  configuration: 'Read the configuration.',
  store: 'Reached the store.',
  lock: 'Took the lock of all backup work.',
  inspect: 'Looked at the database and at what backups there are.',
  snapshot: 'Locked the tables and froze one instant.',
  dump: 'Dumped, sealed and stored.',
  prove: 'Proved what was stored.',
  commit: 'Committed the manifest.',
  promote: 'Promoted what was due.',
  prune: 'Pruned what was due.',
  audit: 'Came to the end of the audit row.',
  mail: 'Came to the end of the mail.',
}
