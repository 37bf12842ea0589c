/** The page as a client of 2026-07-28: each request stands alone, and questions of the server's are part of a result. */
import { latestModernVersion, metaKeys } from '../../../protocol/eras.ts'
import { encodeHeaderValue } from '../../../protocol/headers.ts'
import { memberText } from '../../../protocol/spans.ts'
import { ApiFailure } from '../api/api.ts'
import {
  CancelledFailure,
  clientInfo,
  type Greeting,
  givenUp,
  greetingOf,
  type Headers,
  type McpClient,
  type OnWire,
  objectText,
  recordOf,
  resultIn,
  streamEnded,
  type Watch,
  Wire,
} from './wire.ts'

const version = latestModernVersion
/** How often one call may come back with questions. */
const roundsMax = 32

export class ModernClient implements McpClient {
  readonly era = 'modern'
  greeting: Greeting = greetingOf({}, version)
  readonly #wire: Wire
  readonly #capabilities: string
  #lastId = 0

  private constructor(wire: Wire, capabilities: string) {
    this.#wire = wire
    this.#capabilities = capabilities
  }

  /** Asks what the server can do. `capabilities` is JSON text: what it may ask. */
  static async connect(
    server: string,
    capabilities: string,
    onWire: OnWire,
    watch: Watch,
  ): Promise<ModernClient> {
    const client = new ModernClient(new Wire(server, onWire), capabilities)
    const result = recordOf(JSON.parse(await client.request('server/discover', {}, watch)))
    const serverInfo = recordOf(result['_meta'])[metaKeys.serverInfo] ?? result['serverInfo']
    client.greeting = greetingOf({ ...result, serverInfo }, version)
    return client
  }

  async request(
    method: string,
    params: Readonly<Record<string, string>>,
    watch: Watch = {},
    headers: Headers = {},
  ): Promise<string> {
    let more: Readonly<Record<string, string>> = {}
    for (let round = 0; round < roundsMax; round++) {
      const text = await this.#once(method, { ...params, ...more }, watch, headers)
      const result = recordOf(JSON.parse(text))
      if (result['resultType'] !== 'input_required') return text
      const state = memberText(text, 'requestState')
      more = {
        inputResponses: await answersTo(recordOf(result['inputRequests']), watch),
        ...(state === null ? {} : { requestState: state }),
      }
      if (watch.signal?.aborted === true) throw givenUp()
    }
    throw new ApiFailure(0, 'ENDLESS', 'The server asks without end', `It has asked ${roundsMax} times.`)
  }

  /** Nothing is kept between requests. */
  close(): void {}

  async #once(
    method: string,
    params: Readonly<Record<string, string>>,
    watch: Watch,
    headers: Headers,
  ): Promise<string> {
    const id = ++this.#lastId
    const meta = objectText({
      [metaKeys.protocolVersion]: JSON.stringify(version),
      [metaKeys.clientInfo]: clientInfo,
      [metaKeys.clientCapabilities]: this.#capabilities,
      [metaKeys.logLevel]: '"info"',
      progressToken: String(id),
    })
    const text = objectText({
      jsonrpc: '"2.0"',
      id: String(id),
      method: JSON.stringify(method),
      params: objectText({ ...params, _meta: meta }),
    })
    const named = method === 'completion/complete' ? undefined : (params['name'] ?? params['uri'])
    const mirrored = {
      'mcp-protocol-version': version,
      'mcp-method': method,
      ...(named === undefined ? {} : { 'mcp-name': encodeHeaderValue(JSON.parse(named) as string) }),
      ...headers,
    }
    // Giving the response up is the cancel.
    const response = await this.#wire.post(text, mirrored, watch.signal)
    let result: string | null = null
    const ended = await this.#wire
      .read(response, (answer, message) => {
        if (typeof message.method === 'string') {
          watch.onNotification?.(message.method, recordOf(message.params))
          return false
        }
        result = resultIn(message, memberText(answer, 'result'))
        return true
      })
      .catch((thrown: unknown) => {
        if (watch.signal?.aborted === true) throw givenUp()
        throw thrown
      })
    if (ended && result !== null) return result
    throw streamEnded()
  }
}

/** The answers to all questions of one result, as JSON text. Rejects where one is refused that has no word for no. */
async function answersTo(requests: Readonly<Record<string, unknown>>, watch: Watch): Promise<string> {
  const answers: Record<string, string> = {}
  for (const [key, request] of Object.entries(requests)) {
    const { method, params } = recordOf(request)
    const reply = await watch.ask?.({ method: String(method), params: recordOf(params) })
    if (reply === undefined || 'refused' in reply)
      throw new CancelledFailure(reply?.refused ?? 'The question was not answered.')
    answers[key] = reply.result
  }
  return objectText(answers)
}
