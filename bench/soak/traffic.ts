/**
 * Clients that come and go, each of the official SDKs' kinds: every call carries a secret of its own, and an
 * answer that does not hold it is wrong. A call may fail while something is broken; it may never be wrong.
 */
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client'
import { connectV1, connectV2 } from '../../test/support/sdk-clients.ts'
import { cancelled, type Detour, resumed } from './detours.ts'

/** What the traffic has come to since the last look. */
export interface TrafficWindow {
  latenciesMs: number[]
  /** Refused or broken off, which faults may cause. */
  failed: number
}

interface EchoClient {
  callTool(call: { name: string; arguments: Record<string, unknown> }): Promise<unknown>
  close(): Promise<void>
}

type Connect = (base: string) => Promise<EchoClient>

const identity = { name: 'soak', version: '1.0.0' }

function over(face: 'stream' | 'sse', server: string): Connect {
  const kind = face === 'sse' ? 'sse' : 'streamable-http'
  return (base) => connectV1({ over: kind, url: new URL(`${base}/mcp-proxy/${server}/${face}`) })
}

function legacy(server: string): Connect {
  return (base) => connectV2({ over: 'streamable-http', url: new URL(`${base}/mcp-proxy/${server}/stream`) })
}

function modern(server: string): Connect {
  return async (base) => {
    const client = new Client(identity, { versionNegotiation: { mode: { pin: '2026-07-28' } } })
    await client.connect(new StreamableHTTPClientTransport(new URL(`${base}/mcp-proxy/${server}/stream`)))
    return client
  }
}

/** Both faces, both eras, both bridges, both kinds of upstream. */
const kinds: readonly Connect[] = [
  over('stream', 'stdio'),
  over('sse', 'stdio'),
  over('stream', 'http'),
  over('sse', 'http'),
  legacy('stdio'),
  modern('stdio'),
  modern('http'),
  modern('stdio-legacy'),
  legacy('stdio-modern'),
  legacy('extra'),
]

/** Kept up at the raw server, which the faults hit like the others. */
const detours: readonly Detour[] = [resumed, cancelled]

/** A client ends its session after this many calls, and the next one comes. */
const CALLS_MAX = 40
const CALL_MS_MAX = 20_000
/** Between two calls of one client. */
const THINK_MS = 20
const LARGE = 200_000

export class Traffic {
  calls = 0
  /** Of these calls, those that were resumed or cancelled. */
  detours = 0
  wrong: string[] = []
  window: TrafficWindow = { latenciesMs: [], failed: 0 }
  readonly #base: string
  readonly #clients: Promise<void>[] = []
  #over = false

  constructor(base: string) {
    this.#base = base
    for (const connect of kinds) this.#clients.push(this.#comeAndGo(connect))
    for (const detour of detours) this.#clients.push(this.#takeDetours(detour))
  }

  /** The figures since the last call of this. */
  takeWindow(): TrafficWindow {
    const taken = this.window
    this.window = { latenciesMs: [], failed: 0 }
    return taken
  }

  async stop(): Promise<void> {
    this.#over = true
    await Promise.all(this.#clients)
  }

  async #comeAndGo(connect: Connect): Promise<void> {
    while (!this.#over) {
      try {
        const client = await connect(this.#base)
        for (let n = 0; n < CALLS_MAX && !this.#over; n++) if (!(await this.#call(client, n))) break
        await client.close()
      } catch {
        this.window.failed++
        await Bun.sleep(200)
      }
    }
  }

  async #takeDetours(detour: Detour): Promise<void> {
    const url = new URL(`${this.#base}/mcp-proxy/raw/stream`)
    while (!this.#over) {
      try {
        const late = Bun.sleep(CALL_MS_MAX).then(() => 'no answer in time')
        const fault = await Promise.race([detour(url), late])
        this.calls++
        this.detours++
        if (fault !== null) this.wrong.push(fault)
      } catch {
        this.window.failed++
        await Bun.sleep(200)
      }
      await Bun.sleep(THINK_MS)
    }
  }

  /** False when the session is of no more use. */
  async #call(client: EchoClient, n: number): Promise<boolean> {
    const text = n % 20 === 19 ? 'x'.repeat(LARGE) + crypto.randomUUID() : crypto.randomUUID()
    const startedMs = performance.now()
    const delayMs = n % 5 === 4 ? 100 : 0
    try {
      const answer = client.callTool({ name: 'echo', arguments: { text, delayMs } })
      const late = Bun.sleep(CALL_MS_MAX).then(() => Promise.reject(new Error('no answer in time')))
      const result = await Promise.race([answer, late])
      this.calls++
      this.window.latenciesMs.push(performance.now() - startedMs - delayMs)
      const [block] = (result as { content?: { text?: string }[] }).content ?? []
      if (block?.text !== text) this.wrong.push(JSON.stringify(result).slice(0, 300))
      await Bun.sleep(THINK_MS)
      return true
    } catch (thrown) {
      this.window.failed++
      if (thrown instanceof Error && thrown.message === 'no answer in time') this.wrong.push(thrown.message)
      await Bun.sleep(THINK_MS)
      return false
    }
  }
}
