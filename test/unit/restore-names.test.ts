import { describe, expect, test } from 'vitest'
import { beforeName, isBeforeOf, isScratchOf, scratchName } from '../../src/domain/restore-names.ts'

const now = new Date('2026-03-02T03:15:00.987Z')

describe('a database beside the target', () => {
  test('is named after it, what it is, and the second', () => {
    expect(scratchName('app_db', now)).toBe('app_db_restore_20260302t031500z')
    expect(beforeName('app_db', now)).toBe('app_db_before_20260302t031500z')
  })

  const long = 'a'.repeat(60)
  test.each([
    'app_db',
    'with space',
    'Ọ̀yọ́',
    long,
    `${long}1`,
    `${long}2`,
    'Ọ'.repeat(30),
    'x'.repeat(38),
    'x'.repeat(39),
  ])('%s fits into 63 bytes, is known again, and is nobody else’s', (database) => {
    for (const name of [scratchName(database, now), beforeName(database, now)])
      expect(Buffer.byteLength(name)).toBeLessThanOrEqual(63)
    expect(isScratchOf(database, scratchName(database, now))).toBe(true)
    expect(isBeforeOf(database, beforeName(database, now))).toBe(true)
    expect(isScratchOf(database, beforeName(database, now))).toBe(false)
    expect(isBeforeOf(database, scratchName(database, now))).toBe(false)
    expect(isScratchOf(`${database}x`.slice(-60), scratchName(database, now))).toBe(false)
    expect(scratchName(database, now)).not.toContain('\uFFFD')
  })

  test('two long names that begin alike have two', () => {
    expect(scratchName(`${long}1`, now)).not.toBe(scratchName(`${long}2`, now))
  })

  test.each([
    'app_db',
    'app_db_restore_',
    'app_db_restore_old',
    'app_db_restore_20260302t031500z_kept',
    'app_db_restore_20260302T031500Z',
    'app_db_restored_20260302t031500z',
    'app_db2_restore_20260302t031500z',
    'my_app_db_restore_20260302t031500z',
  ])('%s is not one of ours', (name) => {
    expect(isScratchOf('app_db', name)).toBe(false)
  })
})
