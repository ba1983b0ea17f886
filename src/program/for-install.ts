import { common, type Add, type Flags } from './flags.ts'

/** Commands that only install.sh calls. */

export const addEnvTemplate: Add = (command, edge, begin) => {
  command
    .option('--from-env <path>', "take over the names that are ours from the application's file")
    .option('--set <name=value...>', 'a value that is known')
    .action(async (flags: Flags & { fromEnv?: string; set?: readonly string[] }) => {
      const { openTemplate } = await import('../context/for-install.ts')
      await begin(
        'env-template',
        common(flags),
        () => openTemplate(edge, flags.fromEnv, flags.set ?? []),
        (text) => Promise.resolve({ exitStatus: 0, text, document: { text } }),
      )
    })
}

export const addEnvValue: Add = (command, _edge, begin) => {
  command.argument('<name>').action(async (name: string, flags: Flags) => {
    const { openValue } = await import('../context/for-install.ts')
    await begin(
      'env-value',
      common(flags),
      () => openValue(common(flags), name),
      (value) => Promise.resolve({ exitStatus: 0, text: value === '' ? '' : `${value}\n`, document: { value } }),
    )
  })
}
