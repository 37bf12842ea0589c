/**
 * The whole front door behind a real socket: listener, hooks, app and the real admin routes, with a
 * directory that starts nothing and MCP handlers that only say that they were reached.
 */
import { connect } from 'node:net'
import type { RuledFields } from '../../src/access/reach.ts'
import type { DoorFields } from '../../src/access/server-door.ts'
import { GatewayError } from '../../src/errors.ts'
import { createApp } from '../../src/http/app.ts'
import { readBodyText } from '../../src/http/body.ts'
import type { McpHandler, McpHandlers, RequestContext } from '../../src/http/context.ts'
import { type Access, createAccess, type GuardedServers } from '../../src/http/hooks/access.ts'
import { type AccessRules, type AccessSettings, compileRules } from '../../src/http/hooks/rules.ts'
import { type Listener, type ServingState, startListener } from '../../src/http/listener.ts'
import { replyJson, replyRpcError } from '../../src/http/reply.ts'
import { adminRoutes } from '../../src/http/routes/admin/admin.ts'
import { AdminStreams } from '../../src/http/routes/admin/streams.ts'
import { IdentityOpener } from '../../src/identity/open-identity.ts'
import { createMemoryStore } from '../../src/registry/storage/store.ts'
import { ByteLedger } from '../../src/runtime/byte-ledger.ts'
import type { AccessEntry } from '../../src/telemetry/access-line.ts'
import { Events } from '../../src/telemetry/events.ts'
import { createMetrics, type ProcessMetrics } from '../../src/telemetry/metrics.ts'
import type { ServerDirectory, ServerEntry, ServerState } from '../../src/upstream/server/directory.ts'
import { OutputTail } from '../../src/upstream/server/output-tail.ts'
import { documentedFetch } from '../support/api-document.ts'
import { defaultConfig } from '../support/default-config.ts'
import { definitionFrom } from './admin-server.ts'

/** One server of the directory. */
export interface FrontServer extends Partial<DoorFields & RuledFields> {
  readonly name: string
  state?: ServerState
  settled?: boolean
  readonly origin?: 'file' | 'store'
}

export interface FrontOptions {
  readonly settings?: SettingsChange
  readonly servers?: readonly FrontServer[]
  readonly mcp?: Partial<McpHandlers>
  readonly idleSeconds?: number
  /** Whether the console is served; true when left out. */
  readonly console?: boolean
  /** Binds this instead of `settings.host`, so that rules for a public address can be tried on loopback. */
  readonly bind?: string
}

/** Changes to the default settings, one level deep. */
export interface SettingsChange {
  readonly host?: string
  readonly baseUrl?: string | null
  readonly auth?: Partial<AccessSettings['auth']>
  readonly security?: Partial<AccessSettings['security']>
  readonly metrics?: Partial<AccessSettings['metrics']>
  readonly limits?: Partial<AccessSettings['limits']>
}

export interface Front extends AsyncDisposable {
  readonly url: string
  readonly port: number
  readonly listener: Listener
  readonly access: Access
  readonly metrics: ProcessMetrics
  readonly events: Events
  readonly streams: AdminStreams
  /** Every access log entry so far. */
  readonly entries: AccessEntry[]
  /** Every other log line so far. */
  readonly lines: { level: string; message: string }[]
  /** The context of every request that reached an MCP handler. */
  readonly reached: RequestContext[]
  readonly routes: readonly { readonly method: string; readonly path: string }[]
  send(path: string, init?: RequestInit): Promise<Response>
}

/** The settings of an untouched gateway with `change` applied. */
export function settingsWith(change: SettingsChange = {}): AccessSettings {
  return {
    host: change.host ?? '127.0.0.1',
    baseUrl: change.baseUrl ?? null,
    auth: { ...defaultConfig({ stateDirectory: '/', terminal: false }).auth, ...change.auth },
    security: { trustedProxies: [], allowedHosts: [], allowedOrigins: [], ...change.security },
    metrics: { public: false, ...change.metrics },
    limits: { bodyBytesMax: 4096, rate: { perSecond: 0, burst: 20 }, ...change.limits },
  }
}

export function rulesWith(change: SettingsChange = {}): AccessRules {
  const compiled = compileRules(settingsWith(change))
  if (!compiled.ok) throw new Error(compiled.errors.join('; '))
  return compiled.rules
}

/** What a definition says about who may come in, the defaults for what is left out. */
export function doorOf({
  authTokens,
  authTokensOnly,
  allowedIPs,
  requireAuth,
  name,
  access,
}: Partial<DoorFields & RuledFields>): DoorFields & RuledFields {
  return {
    name: name ?? '',
    access: access ?? null,
    authTokens: authTokens ?? [],
    authTokensOnly: authTokensOnly ?? false,
    allowedIPs: allowedIPs ?? [],
    requireAuth: requireAuth ?? false,
  }
}

export async function startFront(options: FrontOptions = {}): Promise<Front> {
  const servers = options.servers ?? [{ name: 'files' }]
  const rules = rulesWith(options.settings)
  const entries: AccessEntry[] = []
  const lines: Front['lines'] = []
  const reached: RequestContext[] = []
  const at = (level: string) => (_fields: unknown, message: string) => void lines.push({ level, message })
  const log = {
    debug: at('debug'),
    info: at('info'),
    warn: at('warn'),
    error: at('error'),
    access: (entry: AccessEntry) => void entries.push(entry),
    call: () => {},
  }
  const directory = directoryOf(servers)
  const metrics = createMetrics()
  const state: ServingState = { draining: false, listening: null }
  const events = new Events()
  const streams = new AdminStreams(new ByteLedger({ heldBytesMax: 1e9, heldBytesPerClientMax: 1e9 }), {
    heartbeatMs: 15_000,
  })
  const store = createMemoryStore()
  const place = { store, directory: null }
  const people = new IdentityOpener(log, { privateUpstreams: 'allowed' }, () => rules.settings, place)
  const admin = adminRoutes({
    recorder: { log, metrics, events },
    gate: async () => {},
    directory,
    store,
    keys: () => people.loadKeys(),
    log,
    config: { limits: rules.settings.limits },
    streams,
    reload: () => Promise.reject(new Error('nothing to reload')),
  })
  const echo = echoHandler(rules.settings.limits.bodyBytesMax, reached)
  const mcp = { stream: echo, sse: echo, message: echo, ...options.mcp }
  const app = createApp({
    directory,
    state,
    metrics: { snapshot: () => metrics.snapshot([], 0) },
    admin,
    mcp,
    log,
    identity: () => access.identity,
    connect: {
      load: () => Promise.reject(new Error('nobody logs in here')),
      wantsLogin: () => false,
      wantsLogins: () => false,
      signIn: () => Promise.reject(new Error('nobody logs in here')),
      ownerOf: () => null,
      access: { admits: () => false },
    },
    me: {
      access: {
        holderOf: (token) => access.holderOf(token),
        asksWho: true,
        admits: () => true,
        get asksAdmins() {
          return access.asksAdmins
        },
        get decider() {
          return access.decider
        },
      },
      settings: { config: { ...rules.settings, console: options.console ?? true } },
      credentials: {
        directory: { list: () => [] },
        confirm: (work) => work(),
        logins: () => Promise.reject(new GatewayError('NOT_FOUND', 'Nobody logs in here.')),
        userValues: () => Promise.reject(new GatewayError('NOT_FOUND', 'Nothing is stored here.')),
        log,
      },
      signIn: () => people.loadSignIn((principal) => access.current(principal)),
    },
  })
  const doors = new Map(servers.map((server) => [server.name, doorOf(server)]))
  const guarded: GuardedServers = {
    of: (name) => doors.get(name),
    names: () => servers.map(({ name }) => name),
  }
  const identity = await people.open(rules.settings)
  const signIn = () => people.signIn
  const access = createAccess(rules, guarded, identity, signIn, () => people.keys)
  people.whenKeysChange(() => access.keysChanged())
  const listener = await startListener({
    host: options.bind ?? '127.0.0.1',
    port: 0,
    access,
    app,
    log,
    metrics,
    events,
    state,
    ...(options.idleSeconds === undefined ? {} : { idleSeconds: options.idleSeconds }),
  })
  return {
    url: listener.url,
    port: listener.port,
    listener,
    access,
    metrics,
    events,
    streams,
    entries,
    lines,
    reached,
    routes: app.routes,
    send: (path, init) => documentedFetch(listener.url + path, init),
    [Symbol.asyncDispose]: () => listener.stop(0),
  }
}

/** Reads the body as the real handlers do, and says who was admitted. */
function echoHandler(bodyBytesMax: number, reached: RequestContext[]): McpHandler {
  return async (request, context, name) => {
    reached.push(context)
    try {
      const body = request.method === 'POST' ? await readBodyText(request, bodyBytesMax) : ''
      return replyJson(200, { name, body, principal: context.principal, base: context.externalBase })
    } catch (thrown) {
      if (thrown instanceof GatewayError) return replyRpcError(thrown, null)
      throw thrown
    }
  }
}

function directoryOf(servers: readonly FrontServer[]): ServerDirectory {
  const refuse = () => {
    throw new Error('this directory is read-only')
  }
  const entries = servers.map(entryOf)
  return {
    list: () => entries,
    get: (name) => entries.find(({ definition }) => definition.name === name),
    add: refuse,
    replace: refuse,
    remove: refuse,
    restart: refuse,
    disable: refuse,
    enable: refuse,
    try: refuse,
  }
}

function entryOf(server: FrontServer): ServerEntry {
  return {
    definition: definitionFrom({ name: server.name, transport: 'stdio', command: 'true' }),
    origin: server.origin ?? 'file',
    disabledAt: null,
    output: new OutputTail({ debug() {}, info() {}, warn() {}, error() {} }),
    settled: () => server.settled ?? true,
    untilSettled: async () => {},
    listTools: async () => [],
    callTool: async () => ({ result: {}, text: '{}' }),
    status: () => ({
      name: server.name,
      status: server.state ?? 'connected',
      lastConnected: null,
      lastError: 'a reason that health must not tell',
      lastErrorTime: null,
      reconnectAttempts: 0,
      restarts: 0,
      since: '2026-01-01T00:00:00Z',
      reason: null,
      lastExit: null,
      upTime: 0,
      totalRequests: 0,
      totalErrors: 0,
      toolErrors: 0,
      avgResponseTime: 0,
      protocolVersion: null,
      era: null,
      serverInfo: null,
      capabilities: null,
      processes: 0,
      sessions: 0,
      stderrTail: [],
      disabledAt: null,
    }),
  }
}

/** What came back over a raw socket. */
export interface RawAnswer {
  readonly text: string
  /** The status of the first response, or 0 when there was none. */
  readonly status: number
  /** Whether the gateway closed the connection by itself. */
  readonly closed: boolean
}

/**
 * Sends bytes as they are and collects the answer until the gateway closes, or until `complete` says
 * that enough has come (by default: a head with all the body that it announces).
 */
export function sendRaw(
  port: number,
  bytes: string | Uint8Array,
  complete: (text: string) => boolean = isWholeResponse,
): Promise<RawAnswer> {
  const { promise, resolve } = Promise.withResolvers<RawAnswer>()
  let text = ''
  const socket = connect(port, '127.0.0.1')
  const finish = (closed: boolean) => {
    resolve({ text, status: Number(/^HTTP\/1\.[01] (\d{3})/.exec(text)?.[1] ?? 0), closed })
    socket.destroy()
  }
  socket.on('data', (chunk) => {
    text += chunk.toString('latin1')
    if (complete(text)) finish(false)
  })
  socket.on('close', () => finish(true))
  socket.on('error', () => finish(true))
  socket.write(bytes)
  return promise
}

/** A request as text, with Host and what else is given; a name may come more than once. */
export function rawRequest(
  line: string,
  headers: readonly string[] = ['Host: localhost'],
  body = '',
): string {
  return `${line} HTTP/1.1\r\n${headers.map((header) => `${header}\r\n`).join('')}\r\n${body}`
}

function isWholeResponse(text: string): boolean {
  const end = text.indexOf('\r\n\r\n')
  if (end < 0) return false
  const length = Number(/^content-length: (\d+)/im.exec(text.slice(0, end))?.[1] ?? 0)
  return text.length >= end + 4 + length
}
