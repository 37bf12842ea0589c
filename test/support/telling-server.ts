/**
 * A server on stdio that tells everything that it was started with, wherever it can say something:
 * `bun telling-server.ts MODE …`. Modes: `serve`, `refuse` (initialize is answered with an error), `crash`
 * (at once), `crash-on-call`, `dump FILE` (writes its environment there and serves).
 */
import { writeFileSync } from 'node:fs'
import { createInterface } from 'node:readline'

const [mode = 'serve', file = ''] = process.argv.slice(2)
const everything = { argv: process.argv.slice(2), env: process.env }

/** The same secrets in every spelling that programs print them in. */
function tell(): void {
  const values = [...everything.argv, ...Object.values(everything.env)].map((value) => value ?? '')
  process.stderr.write(`started with ${values.join(' ')}\n${JSON.stringify(everything)}\n`)
  process.stderr.write(`${values.map(encodeURIComponent).join('&')}\n`)
  process.stderr.write(`${Object.values(everything.env).map(inBase64).join('\n')}\n`)
  // Neither JSON, nor JSON-RPC, on the wire of the messages.
  process.stdout.write(
    `started with ${values.join(' ').replaceAll('\n', ' ')}\n${JSON.stringify(everything)}\n`,
  )
}

function inBase64(text: string | undefined): string {
  return Buffer.from(text ?? '').toString('base64')
}

function reply(id: unknown, body: object): void {
  process.stdout.write(`${JSON.stringify({ jsonrpc: '2.0', id, ...body })}\n`)
}

function refusal(): object {
  return { error: { code: -32000, message: `cannot serve ${JSON.stringify(everything)}`, data: everything } }
}

function answer({ id, method }: { id?: unknown; method?: string }): void {
  if (id === undefined) return
  if (method === 'initialize' && mode !== 'refuse') {
    const serverInfo = { name: `telling ${everything.argv.join(' ')}`, version: process.env['KEY'] ?? '1' }
    reply(id, { result: { protocolVersion: '2025-06-18', capabilities: { tools: {} }, serverInfo } })
  } else if (method === 'tools/list') reply(id, { result: { tools: [{ name: 'tell', inputSchema: {} }] } })
  else if (method === 'ping') reply(id, { result: {} })
  else if (method === 'tools/call' && mode === 'crash-on-call') {
    tell()
    process.exit(4)
  } else reply(id, refusal())
}

if (mode === 'dump') writeFileSync(file, JSON.stringify(process.env))
tell()
if (mode === 'crash') process.exit(3)
createInterface({ input: process.stdin }).on('line', (line) => answer(JSON.parse(line) as { id?: unknown }))
