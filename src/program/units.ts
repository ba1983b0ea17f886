import type { Add, Flags } from './flags.ts'
import { common } from './flags.ts'

/** Commands that only the units of systemd/ call. */

export const addRetryWait: Add = (command, edge, begin) => {
  command.argument('<unit>').action(async (unit: string, flags: Flags) => {
    const { openRetryWait } = await import('../context/units.ts')
    await begin(
      'retry-wait',
      common(flags),
      () => openRetryWait(edge, common(flags)),
      async (context) => {
        const { retryWait } = await import('../commands/retry-wait.ts')
        const waitedSeconds = await retryWait(context, unit)
        return { exitStatus: 0, text: '', document: { waitedSeconds } }
      },
    )
  })
}

export const addAlert: Add = (command, edge, begin) => {
  command.argument('<unit>').action(async (unit: string, flags: Flags) => {
    const { openAlert } = await import('../context/units.ts')
    await begin(
      'alert',
      common(flags),
      () => openAlert(edge, common(flags)),
      async (context) => {
        const { alert } = await import('../commands/alert.ts')
        const { sentence, accepted } = await alert(context, unit)
        return { exitStatus: 0, text: `${sentence}\n`, document: { accepted } }
      },
    )
  })
}
