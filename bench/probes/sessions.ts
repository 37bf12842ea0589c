/** Sessions in bulk: opened with a stream and left idle, or opened, used once and deleted. */
import { type HttpSocket, openHttpSocket } from '../load/http-socket.ts'
import {
  baseHeaders,
  bodyless,
  callHeaders,
  callText,
  type Endpoint,
  INITIALIZE,
  INITIALIZED,
  post,
  postHead,
  targetOf,
} from '../load/mcp-request.ts'

/** Clients that work at the same time. */
const WORKERS = 32

const call = callText('legacy', '{"text":"hello"}')

/** Opens sessions until there are `count`, each with its GET stream; the streams stay open in `held`. */
export async function openIdleSessions(
  endpoints: readonly Endpoint[],
  count: number,
  held: HttpSocket[],
): Promise<void> {
  let next = 0
  const worker = async () => {
    for (let n = next++; n < count; n = next++) {
      const endpoint = endpoints[n % endpoints.length]
      if (endpoint === undefined) return
      const socket = await openHttpSocket(targetOf(endpoint.url))
      held.push(socket)
      const sessionId = await initialize(socket, endpoint)
      const headers = { ...callHeaders(endpoint, 'legacy', sessionId), Accept: 'text/event-stream' }
      const opened = await socket.stream(bodyless('GET', endpoint.url, headers), () => {})
      if (opened.status !== 200) throw new Error(`GET stream: ${opened.status} ${opened.body}`)
    }
  }
  await Promise.all(Array.from({ length: WORKERS }, worker))
}

export interface Churn {
  readonly sessions: number
  readonly seconds: number
  readonly sessionsPerSecond: number
  readonly errors: number
}

/** Initialize, initialized, one call, DELETE; again and again until a bound is reached. */
export async function churn(
  endpoint: Endpoint,
  bounds: { readonly sessionsMax: number; readonly secondsMax: number },
): Promise<Churn> {
  const startedMs = performance.now()
  const untilMs = startedMs + bounds.secondsMax * 1000
  let begun = 0
  let ended = 0
  let errors = 0
  const worker = async () => {
    const socket = await openHttpSocket(targetOf(endpoint.url))
    while (begun < bounds.sessionsMax && performance.now() < untilMs) {
      begun++
      if (await oneSession(socket, endpoint)) ended++
      else errors++
    }
    socket.close()
  }
  await Promise.all(Array.from({ length: WORKERS }, worker))
  const seconds = (performance.now() - startedMs) / 1000
  return { sessions: ended, seconds, sessionsPerSecond: ended / seconds, errors }
}

async function oneSession(socket: HttpSocket, endpoint: Endpoint): Promise<boolean> {
  const sessionId = await initialize(socket, endpoint)
  const headers = callHeaders(endpoint, 'legacy', sessionId)
  const head = postHead(endpoint.url, headers)
  await socket.request(post(head, INITIALIZED))
  const answer = await socket.request(post(head, `${call.before}1${call.after}`))
  const deleted = await socket.request(bodyless('DELETE', endpoint.url, headers))
  return answer.body.includes('"content"') && deleted.status < 300
}

async function initialize(socket: HttpSocket, endpoint: Endpoint): Promise<string> {
  const answer = await socket.request(post(postHead(endpoint.url, baseHeaders(endpoint)), INITIALIZE))
  const [, id] = /\r\nmcp-session-id: *([^\r\n]+)/i.exec(answer.head) ?? []
  if (answer.status !== 200 || id === undefined)
    throw new Error(`initialize: ${answer.status} ${answer.body.slice(0, 300)}`)
  return id
}
