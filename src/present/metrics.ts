import type { Status } from '../domain/status.ts'

/** Prometheus' text format, made of what is remembered: for node_exporter's textfile collector. Never fails. */
export const metricsText = (status: Status): string => `${families(status).map(familyText).join('\n')}\n`

interface Family {
  readonly name: string
  readonly type: 'gauge' | 'histogram'
  readonly help: string
  readonly samples: readonly (readonly [suffix: string, value: number])[]
}

const familyText = ({ name, type, help, samples }: Family): string =>
  [
    `# HELP ${name} ${help}`,
    `# TYPE ${name} ${type}`,
    ...samples.map(([suffix, value]) => `${name}${suffix} ${String(value)}`),
  ].join('\n')

const gauge = (name: string, help: string, value: number): Family => ({
  name,
  type: 'gauge',
  help,
  samples: [['', value]],
})

/** What never was is long ago: an alert on the age fires, where a missing sample would be silence. */
const secondsOf = (instant: string | undefined): number => (instant === undefined ? 0 : Date.parse(instant) / 1000)

const families = (status: Status): readonly Family[] => {
  const { lastSuccess, lastDrill, sizes } = status
  const bySize = (['daily', 'monthly'] as const).flatMap((tier) => {
    const size = sizes[tier]
    return size === null ? [] : [[`{tier="${tier}"}`, size] as const]
  })
  return [
    gauge(
      'backup_last_success_timestamp',
      'Start of the last complete backup, in seconds since 1970; 0: there was none.',
      secondsOf(lastSuccess?.startedAt),
    ),
    durations(status),
    { name: 'backup_size_bytes', type: 'gauge', help: 'Size of the newest archive, as it is stored.', samples: bySize },
    gauge(
      'backup_consecutive_failures',
      'Nights that failed since the last complete backup.',
      status.consecutiveFailures,
    ),
    gauge(
      'backup_last_drill_timestamp',
      'When the last restore drill ended, in seconds since 1970; 0: there was none.',
      secondsOf(lastDrill?.at),
    ),
    gauge(
      'backup_last_drill_success',
      'Whether the last restore drill passed: 1, else 0.',
      lastDrill?.passed === true ? 1 : 0,
    ),
    gauge(
      'backup_last_success_notes',
      'What failed or was not done after the last complete backup: promoting, pruning, the audit row.',
      lastSuccess?.notes.length ?? 0,
    ),
    gauge(
      'backup_last_success_anomalies',
      'What the last complete backup has lost, compared with the one before.',
      lastSuccess?.anomalies.length ?? 0,
    ),
    gauge(
      'backup_mail_undelivered',
      'Whether the last mail reached nobody: 1, else 0.',
      status.undelivered === null ? 0 : 1,
    ),
  ]
}

const durations = ({ durations: { boundsSeconds, counts, sumMs } }: Status): Family => {
  const name = 'backup_duration_seconds'
  const total = counts.reduce((sum, count) => sum + count, 0)
  let below = 0
  const buckets = boundsSeconds.map((bound, at) => {
    below += counts[at] ?? 0
    return [`_bucket{le="${String(bound)}"}`, below] as const
  })
  return {
    name,
    type: 'histogram',
    help: 'How long complete backups took, from the start to the proof that all is stored.',
    samples: [...buckets, ['_bucket{le="+Inf"}', total], ['_sum', sumMs / 1000], ['_count', total]],
  }
}
