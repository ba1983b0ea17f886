/** What a drill knows of the application whose database it restores. */

/** Without these nobody could log in or be given rights. */
export const applicationRoles: readonly string[] = [
  'super_admin',
  'supervisor',
  'enumerator',
  'data_entry_clerk',
  'verification_assessor',
  'government_official',
  'public_user',
]
