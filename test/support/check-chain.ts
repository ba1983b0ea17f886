import { restoredContents } from '../../src/adapters/scratch/contents.ts'
import { auditCheck } from '../../src/commands/drill-checks.ts'
import { parsePostgresUrl } from '../../src/config/postgres-url.ts'

/** node check-chain.ts URL ROWS: the drill's check of the audit chain, in a process of its own, and its peak of memory. */
const [url = '', rows = '0'] = process.argv.slice(2)
const target = parsePostgresUrl(url)
if (typeof target === 'string') throw new Error(target)
const contents = restoredContents(target, target.database, 'check-chain', new AbortController().signal)
const { check, figures } = await auditCheck(contents, { rows: Number(rows), tailHash: null }, null, null)
process.stdout.write(JSON.stringify({ check, figures, peakBytes: process.resourceUsage().maxRSS * 1024 }))
