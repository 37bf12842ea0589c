/**
 * Brings requests that are no MCP to the one worker that answers them: what admins change has one order, and a browser
 * is known to whoever has signed it in. They pass the door there, as if they had come there; this side looks at nothing
 * of them but the path.
 */
import { createHash, timingSafeEqual } from 'node:crypto'
import type { Server } from 'bun'
import { GatewayError } from '../../errors.ts'
import type { Area } from '../../http/context.ts'
import type { Relay, RelayDoor } from '../../http/relay.ts'
import { replyErrorIn } from '../../http/reply.ts'
import type { WorkerLink } from './worker-link.ts'

/** Written by the worker that relays; whatever a client sends under these names is dropped. */
const secretHeader = 'x-compozy-relay'
const peerHeader = 'x-compozy-relay-peer'

/** A head that has ended is replaced at once by one that lives. */
const headTries = 20
const headPauseMs = 50

/** These are each worker's own: probes ask the one that they meet, and MCP goes where its session is. */
const ownAreas: ReadonlySet<Area> = new Set(['mcp', 'health'])

export class HeadRelay implements Relay {
  readonly #link: WorkerLink
  #server: Server<undefined> | null = null

  constructor(link: WorkerLink) {
    this.#link = link
  }

  takes(area: Area): boolean {
    return !ownAreas.has(area)
  }

  async serve(
    request: Request,
    area: Area,
    socketAddress: string | null,
    here: () => Response | Promise<Response>,
  ): Promise<Response> {
    for (let tries = 0; tries < headTries; tries++) {
      const { head } = this.#link
      if (head === null || this.#link.isHead) return await this.#asHead(request, here)
      try {
        return await this.#send(request, socketAddress, head.door)
      } catch (thrown) {
        if (request.signal.aborted) throw thrown
        if (!isRefused(thrown)) break
        await Bun.sleep(headPauseMs)
      }
    }
    return replyErrorIn(
      area,
      request,
      new GatewayError(
        'SERVER_UNAVAILABLE',
        'The worker that answers this has ended, and it is not known what it has done; look, and try again.',
      ),
    )
  }

  open(door: RelayDoor): void {
    this.#server = Bun.serve({
      unix: this.#link.orders.member.door,
      maxRequestBodySize: bodyBytesBackstop,
      development: false,
      fetch: (request, server) => {
        const { headers } = request
        if (!this.#isColleague(headers.get(secretHeader))) return new Response(null, { status: 403 })
        const peer = headers.get(peerHeader)
        headers.delete(secretHeader)
        headers.delete(peerHeader)
        return this.#asHead(request, () => door.serveHere(request, server, peer === '' ? null : peer))
      },
    })
  }

  async close(): Promise<void> {
    await this.#server?.stop(true)
  }

  /** What admins are told of servers is that of all, and what they change counts everywhere when it is answered. */
  async #asHead(request: Request, here: () => Response | Promise<Response>): Promise<Response> {
    if (request.method === 'GET' && request.url.includes('/admin/')) await this.#link.refresh()
    const response = await here()
    if (request.method !== 'GET') await this.#link.settled()
    return response
  }

  async #send(request: Request, socketAddress: string | null, unix: string): Promise<Response> {
    const { url, method, body, signal } = request
    const headers = new Headers(request.headers)
    // The body goes on as it comes, in pieces of this connection's own.
    for (const hop of hopHeaders) headers.delete(hop)
    headers.set(secretHeader, this.#link.orders.secret)
    headers.set(peerHeader, socketAddress ?? '')
    const answer = await fetch(url, {
      ...{ unix, method, headers, body, signal },
      redirect: 'manual',
      decompress: false,
      keepalive: false,
      // A stream is silent for as long as it likes.
      timeout: false,
    } as RequestInit)
    const given = new Headers(answer.headers)
    for (const hop of answeredHopHeaders) given.delete(hop)
    return new Response(answer.body, { status: answer.status, headers: given })
  }

  #isColleague(secret: string | null): boolean {
    return secret !== null && timingSafeEqual(digestOf(secret), digestOf(this.#link.orders.secret))
  }
}

const bodyBytesBackstop = 2 ** 40
const hopHeaders = ['connection', 'keep-alive', 'transfer-encoding', 'content-length'] as const
const answeredHopHeaders = ['connection', 'keep-alive', 'transfer-encoding', 'date'] as const

function digestOf(secret: string): Uint8Array {
  return createHash('sha256').update(secret).digest()
}

/** Nothing of the request was sent. */
function isRefused(thrown: unknown): boolean {
  const code = thrown instanceof Error && 'code' in thrown ? thrown.code : ''
  return (
    code === 'ConnectionRefused' ||
    code === 'ECONNREFUSED' ||
    code === 'ENOENT' ||
    code === 'FailedToOpenSocket'
  )
}
