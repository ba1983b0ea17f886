import { access, constants, readdir, realpath } from 'node:fs/promises'
import { join } from 'node:path'

/** Paths of an executable of this name in the folders of a PATH, in order. */
export const inPath = async (path: string, name: string): Promise<string[]> => {
  const candidates = path
    .split(':')
    .filter((folder) => folder.startsWith('/'))
    .map((folder) => join(folder, name))
  const runnable = await Promise.all(
    candidates.map((file) =>
      access(file, constants.X_OK).then(
        () => true,
        () => false,
      ),
    ),
  )
  return candidates.filter((_, index) => runnable[index] === true)
}

/** Where Debian's and Ubuntu's packages put each major's own programs, beside the version-choosing ones in /usr/bin. */
const debianFolder = '/usr/lib/postgresql'

/** What /usr/bin/psql and the like are there: it chooses one of the majors', and takes a tenth of a second to do so. */
const isChooser = async (file: string): Promise<boolean> =>
  (await realpath(file).catch(() => '')).endsWith('/pg_wrapper')

/** Every installed copy of a PostgreSQL program: by major first, then what else PATH finds. */
export const installedPgPrograms = async (path: string, name: string): Promise<string[]> => {
  const majors = await readdir(debianFolder).catch(() => [])
  const byMajor = await Promise.all(majors.map((major) => inPath(join(debianFolder, major, 'bin'), name)))
  const found = await inPath(path, name)
  const chooses = await Promise.all(found.map(isChooser))
  return [...byMajor.flat(), ...found.filter((_, index) => byMajor.flat().length === 0 || chooses[index] !== true)]
}
