/**
 * A server in the process of the test, over HTTP, in either era: what it lists, how long it takes for that and what it
 * announces is the test's to say, at any time. Its tools are `echo`, which says whose it is and what came, and `link`,
 * which answers with a link to a URI and with its contents.
 */
import { createHash } from 'node:crypto'

import { poll } from './gateway.ts'

type Item = Readonly<Record<string, unknown>>
type Params = Readonly<Record<string, unknown>>

export interface ReceivedMessage {
  readonly method: string
  readonly id?: string | number
  readonly params: Params
}

export interface ListingOptions {
  readonly era?: 'legacy' | 'modern'
  readonly tools?: readonly Item[]
  readonly prompts?: readonly Item[]
  readonly resources?: readonly Item[]
  readonly templates?: readonly Item[]
  /** Items on a page; all on one when left out. */
  readonly pageSize?: number
  readonly instructions?: string
  /** Its tool `begin` begins a task, which it knows under this id. */
  readonly taskId?: string
  /** Hint of the modern era. */
  readonly ttlMs?: number
}

const lists = {
  'tools/list': 'tools',
  'prompts/list': 'prompts',
  'resources/list': 'resources',
  'resources/templates/list': 'resourceTemplates',
} as const

const meta = 'io.modelcontextprotocol/'

export class ListingServer implements Disposable {
  readonly name: string
  readonly received: ReceivedMessage[] = []
  tools: readonly Item[]
  /** Says for a request which tools are listed in its answer, where they are not those of all. */
  toolsFor: ((headers: Headers) => readonly Item[] | null) | null = null
  prompts: readonly Item[]
  resources: readonly Item[]
  templates: readonly Item[]
  /** Answers to list requests come so much later. */
  listDelayMs = 0
  /** Answers to list requests are no lists. */
  garbage = false
  /** Sessions that were ended with DELETE. */
  ended = 0
  readonly #options: ListingOptions
  readonly #http: ReturnType<typeof Bun.serve>
  readonly #sessions = new Set<string>()
  readonly #streams = new Set<{ send(message: unknown): void; readonly listenId?: unknown; end(): void }>()

  constructor(name: string, options: ListingOptions = {}) {
    this.name = name
    this.#options = options
    this.tools = options.tools ?? [tool('echo'), tool('link')]
    this.prompts = options.prompts ?? []
    this.resources = options.resources ?? []
    this.templates = options.templates ?? []
    this.#http = Bun.serve({ port: 0, idleTimeout: 0, fetch: (request) => this.#answer(request) })
  }

  get definition(): { name: string; transport: string; url: string } {
    return { name: this.name, transport: 'streamable-http', url: `http://127.0.0.1:${this.#http.port}/mcp` }
  }

  /** The parameters of all requests of this method that have come. */
  requests(method: string): Params[] {
    return this.received.filter((message) => message.method === method).map(({ params }) => params)
  }

  /** Tells everybody who listens. */
  announce(method: string, params: Params = {}): void {
    for (const { send, listenId } of this.#streams) {
      const _meta = listenId === undefined ? {} : { _meta: { [`${meta}subscriptionId`]: listenId } }
      send({ jsonrpc: '2.0', method, params: { ...params, ..._meta } })
    }
  }

  /** How many listen. */
  get listeners(): number {
    return this.#streams.size
  }

  /** Resolves when somebody listens: a session opens its stream behind its first answers. */
  heard(): Promise<void> {
    return poll(`a listener of ${this.name}`, async () => this.#streams.size > 0)
  }

  /** As a server that was started anew: it knows no session. */
  forget(): void {
    this.#sessions.clear()
    for (const { end } of this.#streams) end()
    this.#streams.clear()
  }

  [Symbol.dispose](): void {
    for (const { end } of this.#streams) end()
    void this.#http.stop(true)
  }

  async #answer(request: Request): Promise<Response> {
    if (request.method === 'GET' && this.#options.era !== 'modern') return this.#stream()
    if (request.method === 'DELETE') this.ended++
    if (request.method !== 'POST') return new Response(null, { status: request.method === 'GET' ? 405 : 200 })
    const session = request.headers.get('mcp-session-id')
    if (session !== null && !this.#sessions.has(session)) return new Response(null, { status: 404 })
    const message = (await request.json()) as ReceivedMessage
    this.received.push({ ...message, params: message.params ?? {} })
    if (message.id === undefined) return new Response(null, { status: 202 })
    const modern = this.#options.era === 'modern'
    if (modern && message.method === 'subscriptions/listen') return this.#listen(message)
    if (message.method in lists && this.listDelayMs > 0) await Bun.sleep(this.listDelayMs)
    const body = this.#bodyFor(message, request.headers)
    const headers = new Headers()
    if (message.method === 'initialize') {
      const id = crypto.randomUUID()
      this.#sessions.add(id)
      headers.set('mcp-session-id', id)
    }
    const status = 'error' in body && modern ? 400 : 200
    return Response.json({ jsonrpc: '2.0', id: message.id, ...body }, { status, headers })
  }

  #bodyFor(
    { method, params = {} }: ReceivedMessage,
    headers: Headers,
  ): { result: unknown } | { error: unknown } {
    const modern = this.#options.era === 'modern'
    const complete = modern
      ? { resultType: 'complete', _meta: { [`${meta}serverInfo`]: { name: this.name, version: '1' } } }
      : {}
    const hints = modern ? { ttlMs: this.#options.ttlMs ?? 0, cacheScope: 'private' } : {}
    if (modern ? method === 'server/discover' : method === 'initialize')
      return { result: { ...complete, ...hints, ...this.#greeting(params) } }
    if (method in lists)
      return {
        result: { ...complete, ...hints, ...this.#page(method as keyof typeof lists, params, headers) },
      }
    if (method === 'tools/call') return { result: { ...complete, ...this.#call(params) } }
    if (method === 'resources/read')
      return { result: { ...complete, ...hints, contents: [{ uri: params['uri'], text: this.name }] } }
    if (method.startsWith('tasks/') && this.#options.taskId !== undefined)
      return { result: { ...complete, ...this.#task(method, params) } }
    if (method === 'prompts/get') return { result: { ...complete, messages: [], description: this.name } }
    if (method === 'completion/complete')
      return { result: { ...complete, completion: { values: [this.name] } } }
    const known = ['ping', 'logging/setLevel', 'resources/subscribe', 'resources/unsubscribe']
    if (!modern && known.includes(method)) return { result: {} }
    return { error: { code: modern && method === 'initialize' ? -32022 : -32601, message: method } }
  }

  #greeting({ protocolVersion }: Params): Item {
    const { instructions } = this.#options
    const capabilities = {
      tools: { listChanged: true },
      prompts: { listChanged: true },
      ...((this.resources.length > 0 || this.templates.length > 0) && {
        resources: { listChanged: true, subscribe: true },
      }),
      completions: {},
      logging: {},
      ...(this.#options.taskId !== undefined &&
        (this.#options.era === 'modern'
          ? { extensions: { [`${meta}tasks`]: {} } }
          : { tasks: { list: {}, cancel: {}, requests: { tools: { call: {} } } } })),
    }
    return {
      ...(this.#options.era === 'modern'
        ? { supportedVersions: ['2026-07-28'] }
        : { protocolVersion, serverInfo: { name: this.name, version: '1' } }),
      capabilities,
      ...(instructions !== undefined && { instructions }),
    }
  }

  #page(method: keyof typeof lists, { cursor }: Params, headers: Headers): Item {
    if (this.garbage) return { nonsense: [1, 2, 3] }
    const { prompts, resources, templates } = this
    const tools = this.toolsFor?.(headers) ?? this.tools
    const all = { tools, prompts, resources, resourceTemplates: templates }[lists[method]]
    const pageSize = this.#options.pageSize ?? all.length
    const start = Number(cursor ?? 0)
    const next = start + pageSize
    return {
      [lists[method]]: all.slice(start, next),
      ...(next < all.length && { nextCursor: String(next) }),
    }
  }

  /** Says whose it is. */
  #task(method: string, { taskId }: Params): Item {
    const task = { taskId: taskId ?? this.#options.taskId, status: 'working', statusMessage: this.name }
    return method === 'tasks/list' ? { tasks: [task] } : task
  }

  #call({ name, arguments: args = {} }: Params): Item {
    const { taskId } = this.#options
    if (name === 'begin') return { resultType: 'task', task: { taskId, status: 'working' } }
    const { uri } = args as { uri?: string }
    if (name === 'link')
      return {
        content: [
          { type: 'resource_link', uri, name: 'link' },
          { type: 'resource', resource: { uri, text: this.name } },
        ],
      }
    return {
      content: [{ type: 'text', text: this.name }],
      structuredContent: { server: this.name, name, args },
    }
  }

  #stream(): Response {
    return this.#open((send) => ({ send, first: null }))
  }

  #listen({ id, params }: ReceivedMessage): Response {
    return this.#open((send) => ({
      send,
      listenId: id,
      first: {
        jsonrpc: '2.0',
        method: 'notifications/subscriptions/acknowledged',
        params: { notifications: params['notifications'], _meta: { [`${meta}subscriptionId`]: id } },
      },
    }))
  }

  #open(
    make: (send: (message: unknown) => void) => {
      readonly send: (message: unknown) => void
      readonly first: unknown
      readonly listenId?: unknown
    },
  ): Response {
    let entry: { send(message: unknown): void; end(): void } | null = null
    const body = new ReadableStream<string>({
      start: (controller) => {
        const { first, ...made } = make((message) =>
          controller.enqueue(`data: ${JSON.stringify(message)}\n\n`),
        )
        entry = { ...made, end: () => controller.close() }
        this.#streams.add(entry)
        controller.enqueue(first === null ? ': ok\n\n' : `data: ${JSON.stringify(first)}\n\n`)
      },
      cancel: () => {
        if (entry) this.#streams.delete(entry)
      },
    })
    return new Response(body, { headers: { 'content-type': 'text/event-stream' } })
  }
}

/** A tool as it is listed. */
export function tool(name: string, more: Item = {}): Item {
  return { name, description: `The tool ${name}.`, inputSchema: { type: 'object' }, ...more }
}

/** So many tools whose names and texts all differ. */
export function manyTools(count: number, prefix: string): Item[] {
  return Array.from({ length: count }, (_, index) => {
    const digest = createHash('sha256').update(`${prefix}${index}`).digest('hex')
    return tool(`${prefix}-${index}`, { description: `Number ${index}: ${digest}` })
  })
}
