import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { inTurns, needsSuperuser } from '../../src/pipeline/turns.ts'
import type { Bytes } from '../../src/ports.ts'
import { collected } from '../support/builders.ts'

describe('what needs a superuser', () => {
  test.each([
    ['CREATE EVENT TRIGGER watch ON ddl_command_end\n   EXECUTE FUNCTION public.watches();', true],
    ['ALTER EVENT TRIGGER watch ENABLE ALWAYS;', true],
    ["CREATE PUBLICATION all_tables FOR ALL TABLES WITH (publish = 'insert');", true],
    ["CREATE FOREIGN TABLE public.f (a integer)\nSERVER s\nOPTIONS (\n    filename 'x'\n);", true],
    ["CREATE PUBLICATION some WITH (publish = 'insert');", false],
    ['CREATE TABLE public.t (a integer);', false],
    ["CREATE FUNCTION public.f() RETURNS text LANGUAGE sql AS 'SELECT ''CREATE EVENT TRIGGER x''';", false],
    ["SELECT 'CREATE FOREIGN TABLE x';", false],
  ])('%s', (statement, needed) => {
    expect(needsSuperuser(statement)).toBe(needed)
  })
})

const trigger = 'CREATE EVENT TRIGGER watch ON ddl_command_end EXECUTE FUNCTION public.w();'
const foreign = 'CREATE FOREIGN TABLE public.f (a integer) SERVER s;'
const dump = `SET client_encoding = 'UTF8';
CREATE TABLE public.a (id integer);
SET default_table_access_method = heap;
${foreign}
COPY public.a (id) FROM stdin;
1
${trigger}
\\.
CREATE VIEW public.v AS SELECT * FROM public.f;
${trigger}
`

async function* inChunks(text: string, size: number): AsyncGenerator<Uint8Array> {
  await Promise.resolve()
  const bytes = Buffer.from(text)
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size)
}

const turnsOf = async (text: string, size: number): Promise<string[]> => {
  const turns: string[] = []
  await inTurns(
    inChunks(text, size),
    async (part: Bytes) => {
      turns.push(String(await collected(part)))
    },
    (statement) => {
      turns.push(`alone: ${statement}`)
      return Promise.resolve()
    },
  )
  return turns
}

describe('a dump in turns', () => {
  test('keeps the order, and each turn the settings made until then; data is no statement', async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: 80 }), async (size) => {
        const [first, alone, second, last, rest, ...none] = await turnsOf(dump, size)
        expect(none).toEqual([])
        expect(first).toBe(dump.slice(0, dump.indexOf(foreign)))
        expect(alone).toBe(`alone: ${foreign}`)
        expect(second).toBe(
          `SET client_encoding = 'UTF8';\nSET default_table_access_method = heap;\n${dump.slice(dump.indexOf(foreign) + foreign.length, dump.lastIndexOf(trigger))}`,
        )
        expect(second).toContain(`1\n${trigger}\n\\.`)
        expect(last).toBe(`alone: ${trigger}`)
        expect(rest).toBe("SET client_encoding = 'UTF8';\nSET default_table_access_method = heap;\n\n")
      }),
      { numRuns: 40 },
    )
  })

  test('without any such statement is one turn, byte for byte', async () => {
    const plain = dump.replaceAll(trigger, '').replaceAll(foreign, '')
    expect(await turnsOf(plain, 7)).toEqual([plain])
  })

  test('ends with the fault of whoever fails', async () => {
    const broken = inTurns(
      inChunks(dump, 10),
      async (part) => {
        await collected(part)
      },
      () => Promise.reject(new Error('refused')),
    )
    await expect(broken).rejects.toThrow('refused')
  })
})
