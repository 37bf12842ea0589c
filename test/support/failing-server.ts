/**
 * A server on a pipe whose tools fail in every way that there is, in either era.
 *
 *   bun test/support/failing-server.ts [--modern]
 *
 * Tools: `work` does; `fail` says `isError`, where in its result and beside how many bytes its arguments say;
 * `error` is answered with a JSON-RPC error; `die` ends the process; `hang` is never answered; `report` sends
 * progress and fails once `release` is called; `ask` wants input first. Resources and prompts are answered with errors.
 */
import { createInterface } from 'node:readline'

interface Message {
  readonly id?: string | number
  readonly method?: string
  readonly params?: {
    readonly name?: string
    readonly arguments?: { readonly at?: 'first' | 'middle' | 'last'; readonly bytes?: number }
    readonly requestState?: string
    readonly _meta?: { readonly progressToken?: string | number }
  }
}

const modern = process.argv.includes('--modern')
const kind = modern ? '"resultType":"complete",' : ''
const capabilities = { tools: {}, resources: {}, prompts: {} }
/** Calls of `report` that wait. */
const reports: (() => void)[] = []
const serverInfo = { name: 'failing', version: '1.0.0' }

function write(text: string): void {
  process.stdout.write(`${text}\n`)
}

function result(id: unknown, text: string): void {
  write(`{"jsonrpc":"2.0","id":${JSON.stringify(id)},"result":${text}}`)
}

function error(id: unknown, code: number, message: string): void {
  write(JSON.stringify({ jsonrpc: '2.0', id, error: { code, message } }))
}

function failure({ at = 'last', bytes = 8 }: { at?: 'first' | 'middle' | 'last'; bytes?: number }): string {
  const content = `"content":[{"type":"text","text":"${'x'.repeat(bytes)}"}]`
  const more = `"structuredContent":{"isError":false,"text":"\\"isError\\":false${'y'.repeat(bytes)}"}`
  if (at === 'first') return `{"isError":true,${kind}${content},${more}}`
  if (at === 'middle') return `{${kind}${content},"isError":true,${more}}`
  return `{${kind}${content},${more},"isError":true}`
}

function call(id: unknown, { name, arguments: args = {}, requestState, _meta }: Message['params'] & object) {
  const token = _meta?.progressToken
  switch (name) {
    case 'work':
      // Words that mean something elsewhere.
      result(
        id,
        `{${kind}"content":[{"type":"text","text":"\\"isError\\":true"}],"structuredContent":{"isError":true}}`,
      )
      return
    case 'fail':
      result(id, failure(args))
      return
    case 'error':
      error(id, -32602, 'no such thing')
      return
    case 'report':
      write(
        JSON.stringify({
          jsonrpc: '2.0',
          method: 'notifications/progress',
          params: { progressToken: token, progress: 1 },
        }),
      )
      reports.push(() => result(id, failure(args)))
      return
    case 'release':
      for (const report of reports.splice(0)) report()
      result(id, `{${kind}"content":[]}`)
      return
    case 'ask':
      if (requestState !== undefined) result(id, failure(args))
      else if (modern)
        result(
          id,
          '{"resultType":"input_required","inputRequests":{"who":{"method":"roots/list","params":{}}},"requestState":"1"}',
        )
      else write(JSON.stringify({ jsonrpc: '2.0', id: `q${String(id)}`, method: 'roots/list', params: {} }))
      return
    case 'die':
      process.exit(3)
      return
    default:
  }
}

createInterface({ input: process.stdin })
  .on('line', (text) => {
    const { id, method, params = {} } = JSON.parse(text) as Message
    if (method === 'initialize' && !modern)
      result(id, JSON.stringify({ protocolVersion: '2025-03-26', capabilities, serverInfo }))
    else if (method === 'server/discover' && modern)
      result(
        id,
        JSON.stringify({ supportedVersions: ['2026-07-28'], capabilities, ttlMs: 0, cacheScope: 'private' }),
      )
    else if (method === 'tools/call') call(id, params)
    else if (method === 'tools/list') result(id, `{${kind}"tools":[]}`)
    else if (method === 'ping') result(id, '{}')
    // The answer to the question of `ask`.
    else if (method === undefined && String(id).startsWith('q'))
      result(Number(String(id).slice(1)), failure({}))
    else if (id !== undefined) error(id, -32601, 'no such method')
  })
  .on('close', () => process.exit(0))
