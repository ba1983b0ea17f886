import { Fault, isErrno } from '../errors.ts'

/** What the file system says of the store in this folder, as a Fault with a next step; anything else as it came. */
export const translate = (root: string, thrown: unknown): unknown => {
  const more = { cause: thrown }
  if (isErrno(thrown, 'ENOSPC', 'EDQUOT'))
    return new Fault('storage-failed', `There is no space left in ${root}.`, {
      ...more,
      hint: `Make room: df -h ${root}`,
    })
  if (isErrno(thrown, 'EACCES', 'EPERM', 'ELOOP'))
    return new Fault('configuration', `The store in ${root} may not be used by this user: permission denied.`, {
      ...more,
      hint: 'It should belong to the user that runs oslrs-backup, with mode 0700.',
    })
  if (isErrno(thrown, 'EROFS'))
    return new Fault('storage-failed', `The file system of ${root} is read-only.`, {
      ...more,
      hint: 'After a disk error Linux mounts it so: dmesg | tail',
    })
  if (isErrno(thrown, 'EEXIST', 'ENOTDIR', 'EISDIR', 'ENOTEMPTY', 'ERR_FS_EISDIR'))
    return new Fault(
      'configuration',
      `Something stands in the way in ${root}: a file where a folder of backups belongs, or a folder where a backup does.`,
      {
        ...more,
        hint: `See what it is: ls -lR ${root}`,
      },
    )
  if (isErrno(thrown, 'ENOENT'))
    return new Fault('configuration', `The folder of BACKUP_STORE_DIR does not exist: ${root}`, {
      ...more,
      hint: `Mount the disk, or make the folder: install -d -m 0700 ${root}`,
    })
  if (isErrno(thrown, 'EFBIG'))
    return new Fault('storage-failed', `A file as large as this backup is not allowed in ${root}.`, {
      ...more,
      hint: 'In the unit: LimitFSIZE=; in a shell: ulimit -f; or the file system allows none so large.',
    })
  if (isErrno(thrown, 'EIO', 'EBUSY', 'ESTALE'))
    return new Fault('storage-failed', `The store in ${root} failed (${thrown.code ?? ''}).`, {
      ...more,
      hint: 'See: dmesg | tail',
    })
  return thrown
}
