/**
 * Speaks on a legacy connection for the stateless clients of one principal with the same capabilities, the same name
 * and the same forwarded headers, which nothing tells apart: what the server asks is handed to the request that made
 * it ask, or where the wire does not say which that was, to one of those in flight.
 */
import { createHash } from 'node:crypto'
import type { Envelope } from '../../protocol/envelope.ts'
import { askableCapabilities, latestLegacyVersion } from '../../protocol/eras.ts'
import { idTextOf, type MessageText } from '../../protocol/jsonrpc.ts'
import { BridgeCall } from '../../upstream/connection/bridge-call.ts'
import type { UpstreamCall } from '../../upstream/connection/calls.ts'
import { type LaneClient, refuseServerRequest } from '../../upstream/connection/client.ts'
import { type GatewayIdentity, initializeRequest } from '../../upstream/connection/handshake.ts'

/** Questions whose request is remembered, in case the server withdraws one. */
const askedMax = 1_024

/**
 * The client for a request's client; null when one connection can speak for all such clients of the principal:
 * this one can be asked nothing, and forwards no `headers` by which the server may know its user.
 */
export function statelessClientFor(
  envelope: Envelope,
  { principalId, clientKey }: { principalId: string; clientKey: string },
  identity: GatewayIdentity,
  headers: Readonly<Record<string, string>> | undefined,
): StatelessClient | null {
  // The other capabilities of a modern client mean nothing to a legacy server.
  const declared = Object.entries(envelope.clientCapabilities).filter(([name]) =>
    askableCapabilities.has(name),
  )
  if (declared.length === 0 && headers === undefined) return null
  return new StatelessClient(
    principalId,
    clientKey,
    Object.fromEntries(declared),
    envelope.clientInfo ?? identity,
    headers,
  )
}

export class StatelessClient implements LaneClient {
  readonly id: string
  readonly principalId: string
  readonly clientKey: string
  readonly interactive: boolean
  readonly headers: Readonly<Record<string, string>> | undefined
  readonly #capabilities: Readonly<Record<string, unknown>>
  readonly #clientInfo: unknown
  readonly #asked = new Map<string, BridgeCall>()

  constructor(
    principalId: string,
    clientKey: string,
    capabilities: Readonly<Record<string, unknown>>,
    clientInfo: unknown,
    headers: Readonly<Record<string, string>> | undefined,
  ) {
    this.principalId = principalId
    this.clientKey = clientKey
    this.interactive = Object.keys(capabilities).length > 0
    this.headers = headers
    this.#capabilities = capabilities
    this.#clientInfo = clientInfo
    // Not to be made equal to another one on purpose: what shares an id shares a session.
    const self = JSON.stringify([capabilities, clientInfo, headers])
    this.id = `stateless ${principalId} ${createHash('sha256').update(self).digest('base64')}`
  }

  get initialize(): MessageText {
    return initializeRequest(latestLegacyVersion, this.#clientInfo, this.#capabilities)
  }

  notify(message: MessageText, call: UpstreamCall | null): void {
    if (call instanceof BridgeCall) call.notified(message, message.text)
  }

  ask(
    message: MessageText,
    call: UpstreamCall | null,
    answer: (text: string) => void,
    carrier: () => UpstreamCall | null,
  ): void {
    const carries = call ?? carrier()
    if (!(carries instanceof BridgeCall) || this.#asked.size >= askedMax) {
      refuseServerRequest(message, answer, 'no request of a client is in flight that could be asked')
      return
    }
    const id = idTextOf(message)
    const guessed = call === null
    this.#asked.set(id, carries)
    carries.asked(message, {
      guessed,
      answer: (text) => {
        this.#asked.delete(id)
        answer(text)
      },
      handBack: () => {
        this.#asked.delete(id)
        const next = guessed ? carrier() : null
        // Where all that still run wait for an answer of their own, the question was that of the call that ended.
        if (next instanceof BridgeCall && !next.waits) this.ask(message, null, answer, carrier)
        else refuseServerRequest(message, answer, 'the client gave no answer')
      },
    })
  }

  withdraw(_message: MessageText, requestIdText: string): void {
    this.#asked.get(requestIdText)?.withdrawn(requestIdText)
    this.#asked.delete(requestIdText)
  }

  laneLost(): void {
    this.#asked.clear()
  }
}
