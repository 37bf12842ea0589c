/** One client as the raw server sees it: messages in, texts out. Knows no transport. */
import { runTool } from './tools.ts'

export type RpcId = string | number

/** A message as it was parsed; the text that it came as is beside it wherever bytes matter. */
export interface RpcMessage {
  readonly id?: RpcId
  readonly method?: string
  readonly params?: {
    readonly name?: string
    readonly arguments?: Readonly<Record<string, unknown>>
    readonly _meta?: { readonly progressToken?: RpcId }
    readonly requestId?: RpcId
    readonly cursor?: string
    readonly uri?: string
    readonly capabilities?: unknown
    readonly protocolVersion?: string
  }
  readonly result?: unknown
  readonly error?: unknown
}

/** How texts leave. `related` is the request on whose stream they belong, where there are streams. */
export type Send = (texts: readonly string[], related: RpcId | null) => Promise<void> | void

export interface Reception {
  readonly text: string
  readonly receivedAtMs: number
}

const pageSize = 50
const toolsTotal = 250

export class Peer {
  /** Everything received, as text, for tools that tell what has arrived. */
  readonly received: Reception[] = []
  readonly cancelled = new Map<RpcId, { wake(): void }>()
  capabilities: unknown = null
  private readonly asked = new Map<RpcId, (answer: RpcMessage) => void>()
  private lastAskedId = 0

  constructor(
    private readonly out: Send,
    /** Writes raw bytes where the transport has them in its hand; null elsewhere. */
    readonly writeBytes: ((bytes: Uint8Array) => Promise<void>) | null,
  ) {}

  /** Takes one message. Never throws for what a client may send. */
  async receive(text: string): Promise<void> {
    this.received.push({ text, receivedAtMs: Date.now() })
    const message = JSON.parse(text) as RpcMessage
    if (message.method === undefined) {
      if (message.id !== undefined) this.asked.get(message.id)?.(message)
      return
    }
    if (message.id === undefined) {
      if (message.method === 'notifications/cancelled' && message.params?.requestId !== undefined) {
        this.cancelled.get(message.params.requestId)?.wake()
      }
      return
    }
    await this.answer(message.id, message, text)
  }

  /** Sends texts in one write. */
  async send(texts: readonly string[], related: RpcId | null): Promise<void> {
    await this.out(texts, related)
  }

  /** Asks the client something during a call and resolves with whatever answer comes. */
  async ask(method: string, params: unknown, related: RpcId): Promise<RpcMessage> {
    const id = ++this.lastAskedId
    const answer = new Promise<RpcMessage>((resolve) => this.asked.set(id, resolve))
    await this.send([JSON.stringify({ jsonrpc: '2.0', id, method, params })], related)
    return answer
  }

  private async answer(id: RpcId, message: RpcMessage, text: string): Promise<void> {
    if (message.method === 'tools/call') {
      await runTool(this, id, message, text)
      return
    }
    const result = this.resultOf(message)
    const body =
      result === null
        ? { error: { code: -32601, message: `no method ${message.method}`, data: { heard: message.method } } }
        : { result }
    await this.send([JSON.stringify({ jsonrpc: '2.0', id, ...body })], id)
  }

  private resultOf(message: RpcMessage): unknown {
    const { method, params } = message
    if (method === 'initialize') {
      this.capabilities = params?.capabilities
      return {
        protocolVersion: params?.protocolVersion,
        capabilities: { tools: { listChanged: true }, resources: { subscribe: true }, logging: {} },
        serverInfo: { name: 'raw-fixture', version: '1.0.0' },
      }
    }
    if (method === 'ping' || method === 'logging/setLevel' || method?.startsWith('resources/')) return {}
    if (method === 'tools/list') return toolsPage(params?.cursor)
    // A method of a vendor that nobody else has heard of.
    if (method === 'x-vendor/reverse') return { 'x-heard': params, 'x-nested': { deep: [1, [2, [3]]] } }
    return null
  }
}

/** Five pages; the cursors are opaque and awkward on purpose. */
function toolsPage(cursor: string | undefined): unknown {
  const first = cursor === undefined ? 0 : Number(/^ü\|(\d+)==$/.exec(cursor)?.[1] ?? Number.NaN)
  if (Number.isNaN(first)) return null
  const tools = Array.from({ length: pageSize }, (_, index) => ({
    name: `tool-${first + index}`,
    inputSchema: { type: 'object' },
    'x-unknown': { kept: true },
  }))
  const next = first + pageSize
  return { tools, ...(next < toolsTotal && { nextCursor: `ü|${next}==` }) }
}
