/**
 * A server on stdio whose tool `token` (with NAMED in its environment, a tool of what TOKEN holds) answers after `ms` with what its variable TOKEN held when it was started, and
 * which writes that on its standard error: `bun environment-server.ts`.
 */
import { createInterface } from 'node:readline'

const token = process.env['TOKEN'] ?? ''
const version = '2025-06-18'

function reply(id: unknown, result: object): void {
  process.stdout.write(`${JSON.stringify({ jsonrpc: '2.0', id, result })}\n`)
}

process.stderr.write(`my token is ${token}\n`)
createInterface({ input: process.stdin }).on('line', async (line) => {
  const { id, method, params } = JSON.parse(line) as {
    id?: unknown
    method?: string
    params?: { arguments?: { ms?: number } }
  }
  if (id === undefined) return
  if (method === 'initialize') {
    const serverInfo = { name: 'environment', version: '1' }
    reply(id, { protocolVersion: version, capabilities: { tools: {} }, serverInfo })
  } else if (method === 'tools/list')
    reply(id, { tools: [{ name: process.env['NAMED'] ? token : 'token', inputSchema: { type: 'object' } }] })
  else if (method === 'tools/call') {
    await Bun.sleep(params?.arguments?.ms ?? 0)
    reply(id, { content: [{ type: 'text', text: `${process.pid} ${token}` }] })
  } else if (method === 'ping') reply(id, {})
  else
    process.stdout.write(
      `${JSON.stringify({ jsonrpc: '2.0', id, error: { code: -32601, message: 'unknown' } })}\n`,
    )
})
