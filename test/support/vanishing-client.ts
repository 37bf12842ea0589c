/**
 * Clients by the thousand that leave without a word: no DELETE, no end of a stream, the socket is just gone.
 * A socket and a few texts each; `fetch` would share connections and count its requests.
 */
import { type HttpSocket, openHttpSocket } from '../../bench/load/http-socket.ts'
import { statelessEnvelope } from './callers.ts'

const accept = 'Accept: application/json, text/event-stream\r\n'

export interface VanishingClient {
  readonly sessionId: string
  /** Opens the standing stream; resolves with its status. */
  stand(): Promise<number>
  /** Sends a call and waits for nothing. */
  call(id: number, name: string, args: unknown): void
  /** The socket is gone, whatever is under way. */
  vanish(): void
}

/** Opens a connection and a session on it. */
export async function openVanishingClient(url: URL, capabilities: unknown = {}): Promise<VanishingClient> {
  const socket = await openHttpSocket({ host: url.hostname, port: Number(url.port) })
  const hello = {
    protocolVersion: '2025-11-25',
    capabilities,
    clientInfo: { name: 'vanishing', version: '1' },
  }
  const { status, head } = await socket.request(
    postText(url, '', { jsonrpc: '2.0', id: 0, method: 'initialize', params: hello }),
  )
  const [, sessionId] = /\r\nmcp-session-id: *(\S+)/i.exec(head) ?? []
  if (status !== 200 || sessionId === undefined) throw new Error(`initialize: ${status}`)
  return clientOn(socket, url, sessionId)
}

/** Opens a connection of a client without a session, revision 2026-07-28. */
export async function openVanishingStateless(url: URL): Promise<Pick<VanishingClient, 'call' | 'vanish'>> {
  const socket = await openHttpSocket({ host: url.hostname, port: Number(url.port) })
  return {
    call(id, name, args) {
      const params = { name, arguments: args, _meta: statelessEnvelope }
      const headers = `Mcp-Protocol-Version: 2026-07-28\r\nMcp-Method: tools/call\r\nMcp-Name: ${name}\r\n`
      socket
        .request(postText(url, headers, { jsonrpc: '2.0', id, method: 'tools/call', params }))
        .catch(() => {})
    },
    vanish: () => socket.destroy(),
  }
}

function clientOn(socket: HttpSocket, url: URL, sessionId: string): VanishingClient {
  const session = `Mcp-Session-Id: ${sessionId}\r\n`
  return {
    sessionId,
    async stand() {
      const text = `GET ${url.pathname} HTTP/1.1\r\nHost: ${url.host}\r\n${accept}${session}\r\n`
      return (await socket.stream(text, () => {})).status
    },
    call(id, name, args) {
      const params = { name, arguments: args }
      socket
        .request(postText(url, session, { jsonrpc: '2.0', id, method: 'tools/call', params }))
        .catch(() => {})
    },
    vanish: () => socket.destroy(),
  }
}

function postText(url: URL, headers: string, message: unknown): string {
  const body = JSON.stringify(message)
  return `POST ${url.pathname} HTTP/1.1\r\nHost: ${url.host}\r\nContent-Type: application/json\r\n${accept}${headers}Content-Length: ${body.length}\r\n\r\n${body}`
}

/** Runs `one` for every number below `count`, `atOnce` at a time. */
export async function inBatches(
  count: number,
  atOnce: number,
  one: (n: number) => Promise<void>,
): Promise<void> {
  let next = 0
  const worker = async (): Promise<void> => {
    while (next < count) await one(next++)
  }
  await Promise.all(Array.from({ length: atOnce }, worker))
}
