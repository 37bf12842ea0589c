/**
 * A Streamable HTTP server that counts on its own side how often each call reached it and how often it ran. What
 * it does with a call the first time is the test's to say; every later time it runs the call and answers.
 */
import { createServer, type ServerResponse } from 'node:http'

/** What becomes of a call that comes for the first time. */
export interface FirstTime {
  /** True when the tool runs before the server says what it says. */
  readonly runs: boolean
  respond(response: ServerResponse, id: number): void
}

/** What has happened to the calls of one path. */
export class Counts {
  readonly arrivals = new Map<string, number>()
  readonly runs = new Map<string, number>()
  sessions = 0
}

export interface CountedHttp extends AsyncDisposable {
  /** The server under this name; every name has sessions and counts of its own. */
  url(name: string): string
  counts(name: string): Counts
}

interface Inbound {
  readonly id?: number
  readonly method?: string
  readonly params?: { readonly name?: string; readonly arguments?: { readonly nonce?: string } }
}

/** `firstTimes` says by name what to do with a call of the tool `odd`; the tool `plain` just runs. */
export async function startCountedHttp(
  firstTimes: Readonly<Record<string, FirstTime>>,
): Promise<CountedHttp> {
  const all = new Map<string, Counts>()
  const countsOf = (name: string): Counts => {
    const counts = all.get(name) ?? new Counts()
    all.set(name, counts)
    return counts
  }
  const server = createServer((request, response) => {
    let body = ''
    request.on('data', (chunk: Buffer) => {
      body += chunk.toString()
    })
    request.on('end', () => {
      const name = (request.url ?? '').split('/')[1] ?? ''
      const counts = countsOf(name)
      if (request.method !== 'POST') {
        response.writeHead(request.method === 'GET' ? 405 : 200).end()
        return
      }
      const { id, method, params } = JSON.parse(body) as Inbound
      if (id === undefined) response.writeHead(202).end()
      else if (method === 'initialize') welcome(response, id, ++counts.sessions)
      else if (method !== 'tools/call') answer(response, id, method === 'ping' ? {} : undefined)
      else {
        const nonce = params?.arguments?.nonce ?? ''
        const first = count(counts.arrivals, nonce) === 1
        const odd = first && params?.name === 'odd' ? firstTimes[name] : undefined
        if (odd === undefined || odd.runs) count(counts.runs, nonce)
        if (odd === undefined) answer(response, id, { content: [], structuredContent: { nonce } })
        else odd.respond(response, id)
      }
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  const port = typeof address === 'object' && address !== null ? address.port : 0
  return {
    url: (name) => `http://127.0.0.1:${port}/${name}/mcp`,
    counts: countsOf,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

function count(table: Map<string, number>, key: string): number {
  const times = (table.get(key) ?? 0) + 1
  table.set(key, times)
  return times
}

function welcome(response: ServerResponse, id: number, session: number): void {
  const serverInfo = { name: 'counted', version: '1' }
  const result = { protocolVersion: '2025-11-25', capabilities: { tools: {} }, serverInfo }
  response.setHeader('mcp-session-id', `session-${session}`)
  answer(response, id, result)
}

/** Answers with a result, or that there is no such method. */
function answer(response: ServerResponse, id: number, result?: object): void {
  const error = { code: -32601, message: 'Method not found' }
  json(response, 200, { jsonrpc: '2.0', id, ...(result ? { result } : { error }) })
}

/** Answers with a JSON body. */
export function json(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))
}
