/**
 * An MCP-shaped server that says one thing over and over, as fast as it is read, once it is asked to with a call
 * of `flood`: `bun flooding-server.ts KIND` on a pipe, `bun flooding-server.ts KIND PLACE` over HTTP, where it
 * prints its address. PLACE is `standing` (the streams of all GETs, those that come later too) or `answer` (that of
 * the call).
 */
import { createServer, type ServerResponse } from 'node:http'
import { createInterface } from 'node:readline'
import type { Writable } from 'node:stream'

const [kind = '', place] = process.argv.slice(2)

const change = '{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}'
const updated =
  '{"jsonrpc":"2.0","method":"notifications/resources/updated","params":{"uri":"file:///kept/zz"}}'
const logged = '{"jsonrpc":"2.0","method":"notifications/message","params":{"level":"error","data":"x"}}'

const kinds: Readonly<Record<string, string>> = {
  list_changed: `${change}\n`,
  updated: `${updated}\n`,
  logged: `${logged}\n`,
  objects: '{}\n',
  'blank lines': '\n',
  comments: ':\n',
  'blank events': '\n',
  ids: 'id: 1\n\n',
  'other events': 'event: other\ndata: x\n\n',
  'no JSON': 'data: hello world\n\n',
  changes: `data: ${change}\n\n`,
  questions: 'data: {"jsonrpc":"2.0","id":1,"method":"ping"}\n\n',
}

/** Sixty-three megabytes. */
const largeBytes = 63 * 1024 * 1024

async function flood(out: Writable): Promise<void> {
  if (kind === 'unfinished') {
    const fill = Buffer.alloc(64 * 1024, 'y')
    await written(out, Buffer.from('data: '))
    for (let sent = 0; sent < largeBytes; sent += fill.length) await written(out, fill)
    return
  }
  if (kind === 'batch') {
    await written(out, Buffer.from(`[${'{},'.repeat(largeBytes / 3)}{}]\n`))
    return
  }
  const unit = kinds[kind] ?? ''
  const block = Buffer.from(unit.repeat(Math.ceil((128 * 1024) / unit.length)))
  while (!out.destroyed) await written(out, block)
}

function written(out: Writable, bytes: Buffer): Promise<void> {
  return new Promise((resolve) => {
    out.write(bytes, () => resolve())
  })
}

interface Request {
  readonly id?: number
  readonly method?: string
  readonly params?: { readonly name?: string; readonly protocolVersion?: string }
}

function answerTo({ id, method, params }: Request): string {
  const result =
    method === 'initialize'
      ? {
          protocolVersion: params?.protocolVersion,
          capabilities: { tools: { listChanged: true }, resources: { subscribe: true }, logging: {} },
          serverInfo: { name: 'flooding', version: '1' },
        }
      : { content: [] }
  return method === 'server/discover'
    ? JSON.stringify({ jsonrpc: '2.0', id, error: { code: -32601, message: 'unknown' } })
    : JSON.stringify({ jsonrpc: '2.0', id, result })
}

function onPipe(): void {
  let flooding = false
  createInterface({ input: process.stdin }).on('line', (line) => {
    const request = JSON.parse(line) as Request
    if (request.id === undefined) return
    process.stdout.write(`${answerTo(request)}\n`)
    if (request.params?.name !== 'flood' || flooding) return
    flooding = true
    void flood(process.stdout)
  })
}

/** Called with the first `flood`. */
const flooding = Promise.withResolvers<void>()

function overHttp(): void {
  const server = createServer(async (incoming, outgoing) => {
    if (incoming.method === 'GET' && place === 'standing') {
      outgoing.writeHead(200, { 'content-type': 'text/event-stream' }).flushHeaders()
      await flooding.promise
      await flood(outgoing)
      return
    }
    const body = await new Response(incoming as unknown as ReadableStream).text()
    reply(outgoing, incoming.method === 'POST' ? (JSON.parse(body) as Request) : null)
  })
  server.listen(0, '127.0.0.1', () => {
    const address = server.address()
    if (address !== null && typeof address === 'object') console.log(`http://127.0.0.1:${address.port}/mcp`)
  })
}

function reply(outgoing: ServerResponse, request: Request | null): void {
  if (request?.params?.name === 'flood' && place === 'standing') flooding.resolve()
  if (request === null) outgoing.writeHead(405).end()
  else if (request.id === undefined) outgoing.writeHead(202).end()
  else if (request.params?.name === 'flood' && place === 'answer') {
    const type = kind === 'batch' || kind === 'tiny chunks' ? 'application/json' : 'text/event-stream'
    outgoing.writeHead(200, { 'content-type': type }).flushHeaders()
    if (kind === 'tiny chunks') void tinyChunks(outgoing)
    else void flood(outgoing).then(() => kind === 'batch' && outgoing.end())
  } else {
    const session = request.method === 'initialize' ? { 'mcp-session-id': crypto.randomUUID() } : {}
    outgoing.writeHead(200, { 'content-type': 'application/json', ...session }).end(answerTo(request))
  }
}

/** A body of blanks, each a chunk of its own. */
async function tinyChunks({ socket }: ServerResponse): Promise<void> {
  const block = Buffer.from('1\r\n \r\n'.repeat(20_000))
  while (socket !== null && !socket.destroyed) await written(socket, block)
}

if (place === undefined) onPipe()
else overHttp()
