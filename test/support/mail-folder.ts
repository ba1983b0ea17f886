import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { SMTPServer } from 'smtp-server'

/** A mail server that takes everything and delivers into a folder, a file each: node mail-folder.ts FOLDER PORT */
const [, , folder = '', port = ''] = process.argv
await mkdir(folder, { recursive: true })
let delivered = 0

new SMTPServer({
  authOptional: true,
  disabledCommands: ['STARTTLS'],
  onData: (stream, _session, done) => {
    const chunks: Buffer[] = []
    stream.on('data', (chunk: Buffer) => chunks.push(chunk))
    stream.on('end', () => {
      void writeFile(join(folder, `${String(++delivered)}.eml`), Buffer.concat(chunks)).then(() => {
        done()
      }, done)
    })
  },
}).listen(Number(port), '127.0.0.1')
