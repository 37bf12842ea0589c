/**
 * The ceiling: the least that a gateway can do and still be right for one upstream. Ids are remapped and
 * sessions are issued; there is no authentication, no routing, no log, no limit, no isolation, no error
 * handling. What a real gateway costs is measured against this.
 *
 *   bun bench/bare-relay.ts stdio COMMAND ARGS…     prints its port; POST / for Streamable HTTP,
 *   bun bench/bare-relay.ts http URL                GET /sse and POST /message for HTTP+SSE
 */
import { spawn } from 'node:child_process'

interface Message {
  id?: string | number
  readonly method?: string
}

type Waiting = (answer: Message) => void

const [kind, first = '', ...rest] = process.argv.slice(2)
const headers = { 'content-type': 'application/json', accept: 'application/json, text/event-stream' }
const waiting = new Map<number, { readonly id: string | number; readonly settle: Waiting }>()
let nextId = 1

function openChild(): (line: string) => void {
  const child = spawn(first, rest, { stdio: ['pipe', 'pipe', 'inherit'] })
  let pieces: Buffer[] = []
  child.stdout.on('data', (chunk: Buffer) => {
    let from = 0
    for (let at = chunk.indexOf(10); at >= 0; at = chunk.indexOf(10, from)) {
      pieces.push(chunk.subarray(from, at))
      from = at + 1
      const line = pieces.length === 1 ? String(pieces[0]) : Buffer.concat(pieces).toString()
      pieces = []
      settle(JSON.parse(line) as Message)
    }
    if (from < chunk.length) pieces.push(chunk.subarray(from))
  })
  let queued = ''
  return (line) => {
    if (queued === '')
      queueMicrotask(() => {
        child.stdin.write(queued)
        queued = ''
      })
    queued += line
  }
}

function settle(answer: Message): void {
  const call = waiting.get(Number(answer.id))
  if (call === undefined) return
  waiting.delete(Number(answer.id))
  answer.id = call.id
  call.settle(answer)
}

const write = kind === 'stdio' ? openChild() : () => {}

function ask(message: Message, id: string | number, done: Waiting): void {
  const number = nextId++
  waiting.set(number, { id, settle: done })
  message.id = number
  write(`${JSON.stringify(message)}\n`)
}

async function forward(message: Message, session: Record<string, string>): Promise<Response> {
  const answer = await fetch(first, { method: 'POST', headers, body: JSON.stringify(message) })
  return new Response(await answer.text(), {
    status: answer.status,
    headers: { 'content-type': 'application/json', ...session },
  })
}

const streams = new Map<string, ReadableStreamDefaultController<Uint8Array>>()
const encoder = new TextEncoder()

function openStream(): Response {
  const id = crypto.randomUUID()
  const body = new ReadableStream<Uint8Array>({
    start(controller) {
      streams.set(id, controller)
      controller.enqueue(encoder.encode(`event: endpoint\ndata: /message?sessionId=${id}\n\n`))
    },
    cancel() {
      streams.delete(id)
    },
  })
  return new Response(body, { headers: { 'content-type': 'text/event-stream' } })
}

function take(request: Request, message: Message): Response {
  const stream = streams.get(new URL(request.url).searchParams.get('sessionId') ?? '')
  if (stream === undefined) return new Response(null, { status: 404 })
  if (message.id === undefined) write(`${JSON.stringify(message)}\n`)
  else {
    ask(message, message.id, (answer) => {
      stream.enqueue(encoder.encode(`event: message\ndata: ${JSON.stringify(answer)}\n\n`))
    })
  }
  return new Response('Accepted', { status: 202 })
}

const { port } = Bun.serve({
  port: 0,
  hostname: '127.0.0.1',
  idleTimeout: 0,
  async fetch(request) {
    if (request.method !== 'POST') {
      return request.url.endsWith('/sse') ? openStream() : new Response(null, { status: 405 })
    }
    const message = (await request.json()) as Message
    if (request.url.includes('/message?')) return take(request, message)
    const session: Record<string, string> =
      message.method === 'initialize' ? { 'mcp-session-id': crypto.randomUUID() } : {}
    if (kind === 'http') return forward(message, session)
    if (message.id === undefined) {
      write(`${JSON.stringify(message)}\n`)
      return new Response(null, { status: 202 })
    }
    const { id } = message
    const answer = await new Promise<Message>((resolve) => ask(message, id, resolve))
    return Response.json(answer, { headers: session })
  },
})
console.log(port)
