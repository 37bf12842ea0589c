/** The page as a client of one server: how it is connected, and what went over the wire. */
import { useEffect, useState } from 'preact/hooks'
import { type ApiFailure, asFailure } from '../../api/api.ts'
import { LegacyClient } from '../../mcp/legacy.ts'
import { ModernClient } from '../../mcp/modern.ts'
import { type Era, type McpClient, type OnWire, objectText, RpcFailure } from '../../mcp/wire.ts'
import { createStore } from '../../store.ts'

/** What a client says of itself: who it is like. */
export interface ClientSettings {
  readonly era: Era
  readonly sampling: boolean
  readonly elicitation: boolean
  readonly roots: boolean
  /** One URI a line. */
  readonly rootUris: string
}

export const firstSettings: ClientSettings = {
  era: 'legacy',
  sampling: true,
  elicitation: true,
  roots: true,
  rootUris: 'file:///workspace',
}

export interface WireEntry {
  readonly id: number
  readonly direction: 'sent' | 'received'
  readonly text: string
}

export interface Connection {
  readonly client: McpClient | null
  readonly failure: ApiFailure | null
  readonly wire: WireLog
  connect(): void
}

const wireEntriesMax = 200
const wireCharsMax = 2_000_000
/** Of one message; the rest of it is not kept. */
const entryCharsMax = 100_000

/** The last messages, kept within bounds. */
export class WireLog {
  readonly entries = createStore<readonly WireEntry[]>([])
  #lastId = 0

  readonly note: OnWire = (direction, text) => {
    const kept = text.length > entryCharsMax ? `${text.slice(0, entryCharsMax)}…` : text
    const entries = [...this.entries.get(), { id: ++this.#lastId, direction, text: kept }].slice(
      -wireEntriesMax,
    )
    let chars = entries.reduce((sum, entry) => sum + entry.text.length, 0)
    while (chars > wireCharsMax) chars -= entries.shift()?.text.length ?? chars
    this.entries.set(entries)
  }

  clear(): void {
    this.entries.set([])
  }
}

/** JSON text of the capabilities that these settings declare. */
export function capabilitiesOf({ era, sampling, elicitation, roots }: ClientSettings): string {
  return objectText({
    ...(sampling ? { sampling: '{}' } : {}),
    ...(elicitation ? { elicitation: '{"form":{},"url":{}}' } : {}),
    ...(roots ? { roots: era === 'legacy' ? '{"listChanged":true}' : '{}' } : {}),
  })
}

/** JSON text of the answer to `roots/list`. */
export function rootsOf({ rootUris }: ClientSettings): string {
  const uris = rootUris
    .split('\n')
    .map((uri) => uri.trim())
    .filter((uri) => uri !== '')
  return JSON.stringify({ roots: uris.map((uri) => ({ uri })) })
}

/** Roots are no question for a person: what was said in the settings is the answer. */
function withRoots(client: McpClient, settings: ClientSettings): McpClient {
  return {
    era: client.era,
    greeting: client.greeting,
    close: () => client.close(),
    request: (method, params, watch = {}, headers = {}) =>
      client.request(
        method,
        params,
        {
          ...watch,
          ask: (question) =>
            question.method === 'roots/list'
              ? Promise.resolve({ result: rootsOf(settings) })
              : (watch.ask?.(question) ?? Promise.resolve({ refused: 'Nobody answers this here.' })),
        },
        headers,
      ),
  }
}

/** Connected as long as the view is open; anew when server or settings are others. */
export function useConnection(server: string, settings: ClientSettings): Connection {
  const [wire] = useState(() => new WireLog())
  const [times, setTimes] = useState(0)
  const [state, setState] = useState<Pick<Connection, 'client' | 'failure'>>({ client: null, failure: null })
  useEffect(() => {
    const left = new AbortController()
    let connected: McpClient | null = null
    setState({ client: null, failure: null })
    const kind = settings.era === 'legacy' ? LegacyClient : ModernClient
    kind.connect(server, capabilitiesOf(settings), wire.note, { signal: left.signal }).then(
      (client) => {
        if (left.signal.aborted) client.close()
        else {
          connected = client
          setState({ client: withRoots(client, settings), failure: null })
        }
      },
      (thrown: unknown) => {
        if (!left.signal.aborted) setState({ client: null, failure: failureOf(thrown) })
      },
    )
    const leave = (): void => {
      left.abort()
      connected?.close()
    }
    addEventListener('pagehide', leave)
    return () => {
      removeEventListener('pagehide', leave)
      leave()
    }
  }, [server, settings, times])
  return { ...state, wire, connect: () => setTimes((count) => count + 1) }
}

/** What kept a request from its result, whoever said it. */
export function failureOf(thrown: unknown): ApiFailure {
  const failure = asFailure(thrown)
  if (!(thrown instanceof RpcFailure)) return failure
  return Object.assign(failure, { title: `The server answered with error ${thrown.code}` })
}
