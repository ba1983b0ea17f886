import type { Json } from '../domain/canonical.ts'
import { statusOfChecks, type Check } from '../domain/check.ts'
import type { ExitStatus } from '../errors.ts'
import type { Outcome } from './outcome.ts'
import { columns, type Paint } from './paint.ts'
import { harmless } from '../domain/harmless.ts'

const mark = (state: Check['state'], paint: Paint): string => {
  switch (state) {
    case 'ok':
      return paint.green('ok')
    case 'warning':
      return paint.yellow('note')
    case 'failed':
      return paint.red('FAILED')
  }
}

export const checkJson = (one: Check): Json => ({
  name: one.name,
  state: one.state,
  detail: one.detail,
  hint: one.hint ?? null,
})

export const checkRows = (checks: readonly Check[], paint: Paint): string[][] =>
  checks.map((one) => [
    mark(one.state, paint),
    one.name,
    harmless(one.hint === undefined ? one.detail : `${one.detail}\n→ ${one.hint}`),
  ])

export const preflightOutcome = (checks: readonly Check[], paint: Paint): Outcome => {
  const exitStatus = statusOfChecks(checks)
  const verdict =
    exitStatus === 0
      ? paint.green('A backup would run. Nothing was changed.')
      : paint.red('A backup would fail. Nothing was changed.')
  return {
    exitStatus,
    text: `${columns(['', 'check', 'result'], checkRows(checks, paint))}\n\n${verdict}\n`,
    document: { checks: checks.map(checkJson) },
  }
}

export interface VerifiedView {
  readonly depth: string
  readonly backups: readonly { readonly key: string; readonly checks: readonly Check[] }[]
  readonly warnings: readonly string[]
}

const depthMeans: Readonly<Record<string, string>> = {
  stored: 'The stored bytes are the ones that were written. Whether they open was not tried: --depth archive does.',
  archive: 'The archive opens and holds every row that was recorded. Whether a server takes it was not tried.',
}

export const verifyOutcome = (result: VerifiedView, paint: Paint): Outcome => {
  const exitStatus: ExitStatus = statusOfChecks(result.backups.flatMap((backup) => backup.checks))
  const bad = result.backups.filter((backup) => backup.checks.some((one) => one.state === 'failed')).length
  const blocks = result.backups.map(
    (backup) =>
      `${paint.bold(harmless(backup.key))}\n${columns(['', '', ''], checkRows(backup.checks, paint)).trimStart()}`,
  )
  const verdict =
    bad === 0
      ? `${paint.green(`${String(result.backups.length)} of ${String(result.backups.length)} good.`)} ${depthMeans[result.depth] ?? ''}`
      : paint.red(`${String(bad)} of ${String(result.backups.length)} NOT good.`)
  return {
    exitStatus,
    text: `${[...blocks, verdict].join('\n\n')}\n${result.warnings.map((warning) => `${paint.yellow(harmless(warning))}\n`).join('')}`,
    document: {
      depth: result.depth,
      warnings: result.warnings,
      backups: result.backups.map((backup) => ({
        key: backup.key,
        ok: backup.checks.every((one) => one.state !== 'failed'),
        checks: backup.checks.map(checkJson),
      })),
    },
  }
}
