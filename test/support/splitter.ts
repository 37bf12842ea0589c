/**
 * A load balancer that is as unkind as it can be: each request goes to another gateway than the one before, and those
 * of a session never to the gateway that has begun it. Streams both ways; where a gateway takes no connection the
 * request goes to the next one, as every balancer does it. Browsers are kept at the first gateway, as docs/CONSOLE.md
 * asks of a balancer: each gateway knows the sign-ins that were made at it.
 */

export interface Splitter extends AsyncDisposable {
  /** `http://127.0.0.1:PORT`, no trailing slash. */
  readonly url: string
  /** Sends to these from now on. */
  targets: readonly string[]
  /** How many requests went where. */
  readonly counts: ReadonlyMap<string, number>
  /** The gateway that has begun a session. */
  begunAt(sessionId: string): string | undefined
}

const sessionHeader = 'mcp-session-id'
/** Of an answer: the gateway that the request was sent to, also where it gave none. */
export const sentToHeader = 'splitter-sent-to'
const refusals = new Set(['ConnectionRefused', 'ECONNREFUSED', 'FailedToOpenSocket'])

export function startSplitter(targets: readonly string[]): Splitter {
  const counts = new Map<string, number>()
  /** By id of a session, who has begun it. */
  const begunAt = new Map<string, string>()
  let next = 0
  const state = { targets }

  const order = (request: Request): string[] => {
    if (request.headers.has('sec-fetch-site')) return [...state.targets]
    const at = next++ % state.targets.length
    const turned = [...state.targets.slice(at), ...state.targets.slice(0, at)]
    const owner = begunAt.get(request.headers.get(sessionHeader) ?? '')
    return turned.sort((one, other) => Number(one === owner) - Number(other === owner))
  }

  const serve = async (request: Request): Promise<Response> => {
    const { pathname, search } = new URL(request.url)
    const body = request.method === 'POST' ? await request.arrayBuffer() : null
    for (const target of order(request)) {
      try {
        const response = await fetch(`${target}${pathname}${search}`, {
          method: request.method,
          headers: request.headers,
          body,
          redirect: 'manual',
          signal: request.signal,
          timeout: false,
        } as RequestInit)
        counts.set(target, (counts.get(target) ?? 0) + 1)
        const id = response.headers.get(sessionHeader)
        if (id !== null && !begunAt.has(id)) begunAt.set(id, target)
        const headers = new Headers(response.headers)
        headers.delete('connection')
        headers.set(sentToHeader, target)
        return new Response(response.body, { status: response.status, headers })
      } catch (thrown) {
        const code = (thrown as { code?: string }).code ?? ''
        if (refusals.has(code)) continue
        const headers = { [sentToHeader]: target }
        return new Response(`the splitter: ${code} ${String(thrown)}`, { status: 599, headers })
      }
    }
    return new Response('the splitter: no gateway takes connections', { status: 598 })
  }

  const server = Bun.serve({ port: 0, hostname: '127.0.0.1', idleTimeout: 0, fetch: serve })
  return {
    url: `http://127.0.0.1:${server.port}`,
    counts,
    begunAt: (id) => begunAt.get(id),
    get targets() {
      return state.targets
    },
    set targets(others) {
      state.targets = others
    },
    async [Symbol.asyncDispose]() {
      await server.stop(true)
    },
  }
}
