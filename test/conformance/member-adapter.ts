/**
 * One server in front, a group that holds it behind: lets the suite, which knows the names of one fixture, test a
 * group of several. It passes on every request and answer as it comes, and maps names and URIs within
 * (member-names.ts).
 */
import { headerToGroup, toClient, toGroup } from './member-names.ts'

export interface MemberAdapter {
  readonly url: string
  stop(): Promise<void>
}

/** How the adapter changes what passes; the pair of a member, or one that changes nothing. */
export interface Mapping {
  toGroup(message: unknown): unknown
  toClient(message: unknown): unknown
  header(method: string, value: string): string
}

export function mappingOf(member: string): Mapping {
  return {
    toGroup: (message) => toGroup(message, member),
    toClient: (message) => toClient(message, member),
    header: (method, value) => headerToGroup(method, value, member),
  }
}

/** For what belongs to one connection, and what fetch has taken off. */
const ownHeaders = ['connection', 'content-length', 'content-encoding', 'transfer-encoding', 'keep-alive']

/** Listens on a free port and passes everything on to `target`. */
export function startMemberAdapter(target: URL, mapping: Mapping): MemberAdapter {
  const server = Bun.serve({
    hostname: '127.0.0.1',
    port: 0,
    idleTimeout: 0,
    fetch: async (request) => {
      const text = request.method === 'POST' ? await request.text() : null
      const response = await fetch(target, {
        method: request.method,
        headers: headersTo(target, request, mapping),
        signal: request.signal,
        ...(text === null ? {} : { body: mappedText(text, mapping.toGroup) }),
      })
      const headers = new Headers(response.headers)
      for (const name of ownHeaders) headers.delete(name)
      const type = headers.get('content-type') ?? ''
      if (response.body === null) return new Response(null, { status: response.status, headers })
      if (type.startsWith('text/event-stream'))
        return new Response(response.body.pipeThrough(mappedEvents(mapping)), {
          status: response.status,
          headers,
        })
      return new Response(mappedText(await response.text(), mapping.toClient), {
        status: response.status,
        headers,
      })
    },
  })
  return {
    url: `http://127.0.0.1:${server.port}/mcp`,
    stop: () => server.stop(true),
  }
}

function headersTo(target: URL, request: Request, mapping: Mapping): Headers {
  const headers = new Headers(request.headers)
  for (const name of ownHeaders) headers.delete(name)
  // The adapter's own port is no business of the gateway's; a foreign name is.
  for (const name of ['host', 'origin']) {
    const value = headers.get(name)
    if (value !== null) headers.set(name, value.replace(`:${new URL(request.url).port}`, `:${target.port}`))
  }
  const named = headers.get('mcp-name')
  if (named !== null) headers.set('mcp-name', mapping.header(headers.get('mcp-method') ?? '', named))
  return headers
}

/** The text itself where it is no JSON: the suite sends such things on purpose. */
function mappedText(text: string, change: (message: unknown) => unknown): string {
  try {
    const message: unknown = JSON.parse(text)
    const changed = change(message)
    return JSON.stringify(changed) === JSON.stringify(message) ? text : JSON.stringify(changed)
  } catch {
    return text
  }
}

/** Events pass line by line; the data of each is one line. */
function mappedEvents(mapping: Mapping): TransformStream<Uint8Array, Uint8Array> {
  const decoder = new TextDecoder()
  const encoder = new TextEncoder()
  let rest = ''
  return new TransformStream({
    transform(chunk, controller) {
      const lines = (rest + decoder.decode(chunk, { stream: true })).split('\n')
      rest = lines.pop() ?? ''
      const out = lines.map((line) => {
        const [, head = '', data] = /^(data: ?)(.*)$/.exec(line) ?? []
        return data === undefined ? line : head + mappedText(data, mapping.toClient)
      })
      if (out.length > 0) controller.enqueue(encoder.encode(`${out.join('\n')}\n`))
    },
    flush(controller) {
      if (rest !== '') controller.enqueue(encoder.encode(rest))
    },
  })
}
