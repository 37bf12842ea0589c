/** The page as a client of 2025-11-25: a handshake, a session, and questions of the server's as requests. */
import { latestLegacyVersion } from '../../../protocol/eras.ts'
import { memberText } from '../../../protocol/spans.ts'
import {
  clientInfo,
  type Greeting,
  givenUp,
  greetingOf,
  type Headers,
  type McpClient,
  type Message,
  type OnWire,
  objectText,
  recordOf,
  resultIn,
  streamEnded,
  type Watch,
  Wire,
} from './wire.ts'

const version = latestLegacyVersion

export class LegacyClient implements McpClient {
  readonly era = 'legacy'
  readonly greeting: Greeting
  readonly #wire: Wire
  readonly #session: Headers
  #lastId = 1

  private constructor(wire: Wire, session: Headers, greeting: Greeting) {
    this.#wire = wire
    this.#session = session
    this.greeting = greeting
  }

  /** Shakes hands. `capabilities` is JSON text: what the server may ask. */
  static async connect(
    server: string,
    capabilities: string,
    onWire: OnWire,
    watch: Watch,
  ): Promise<LegacyClient> {
    const wire = new Wire(server, onWire)
    const params = objectText({
      protocolVersion: JSON.stringify(version),
      capabilities,
      clientInfo,
    })
    const text = objectText({ jsonrpc: '"2.0"', id: '1', method: '"initialize"', params })
    const response = await wire.post(text, {}, watch.signal)
    let result: Readonly<Record<string, unknown>> = {}
    await wire.read(response, (answer, message) => {
      if (message.id !== 1) return false
      result = recordOf(JSON.parse(resultIn(message, memberText(answer, 'result'))))
      return true
    })
    const agreed = typeof result['protocolVersion'] === 'string' ? result['protocolVersion'] : version
    const session = {
      'mcp-session-id': response.headers.get('mcp-session-id') ?? '',
      'mcp-protocol-version': agreed,
    }
    const client = new LegacyClient(wire, session, greetingOf(result, agreed))
    await client.#tell(objectText({ jsonrpc: '"2.0"', method: '"notifications/initialized"' }))
    return client
  }

  async request(
    method: string,
    params: Readonly<Record<string, string>>,
    watch: Watch = {},
  ): Promise<string> {
    const id = ++this.#lastId
    const withToken = { ...params, _meta: JSON.stringify({ progressToken: id }) }
    const text = objectText({
      jsonrpc: '"2.0"',
      id: String(id),
      method: JSON.stringify(method),
      params: objectText(withToken),
    })
    // A connection that is given up cancels nothing in this era: the server is told, then nobody reads on.
    const left = new AbortController()
    const giveUp = (): void => {
      const cancel = { requestId: id, reason: 'Given up in the console.' }
      void this.#tell(
        objectText({ jsonrpc: '"2.0"', method: '"notifications/cancelled"', params: JSON.stringify(cancel) }),
      ).catch(() => {})
      left.abort()
    }
    watch.signal?.addEventListener('abort', giveUp, { once: true })
    try {
      return await this.#answered(id, text, left.signal, watch)
    } catch (thrown) {
      if (left.signal.aborted) throw givenUp()
      throw thrown
    } finally {
      watch.signal?.removeEventListener('abort', giveUp)
    }
  }

  close(): void {
    void this.#wire.end(this.#session)
  }

  async #answered(id: number, text: string, signal: AbortSignal, watch: Watch): Promise<string> {
    const response = await this.#wire.post(text, this.#session, signal)
    let result: string | null = null
    const ended = await this.#wire.read(response, (answer, message) => {
      if (message.method !== undefined) {
        this.#hear(message, answer, watch)
        return false
      }
      if (message.id !== id && message.id !== null) return false
      result = resultIn(message, memberText(answer, 'result'))
      return true
    })
    if (ended && result !== null) return result
    throw streamEnded()
  }

  #hear({ id, method, params }: Message, text: string, watch: Watch): void {
    const name = String(method)
    if (id === undefined) watch.onNotification?.(name, recordOf(params))
    else void this.#reply(memberText(text, 'id') ?? 'null', name, recordOf(params), watch)
  }

  async #reply(
    id: string,
    method: string,
    params: Readonly<Record<string, unknown>>,
    watch: Watch,
  ): Promise<void> {
    const reply =
      method === 'ping'
        ? { result: '{}' }
        : ((await watch.ask?.({ method, params })) ?? { refused: 'Nobody answers this here.' })
    const body =
      'result' in reply
        ? { result: reply.result }
        : { error: JSON.stringify({ code: -1, message: reply.refused }) }
    await this.#tell(objectText({ jsonrpc: '"2.0"', id, ...body })).catch(() => {})
  }

  async #tell(text: string): Promise<void> {
    await (await this.#wire.post(text, this.#session)).text()
  }
}
