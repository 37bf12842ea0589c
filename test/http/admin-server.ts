/**
 * The admin routes behind a real socket, with a directory that keeps entries but starts nothing.
 * What a server lists and answers is set by the test; the store is the real one.
 */
import { GatewayError } from '../../src/errors.ts'
import { attachContext } from '../../src/http/context.ts'
import { adminRoutes } from '../../src/http/routes/admin/admin.ts'
import type { AdminOptions } from '../../src/http/routes/admin/parts.ts'
import { AdminStreams } from '../../src/http/routes/admin/streams.ts'
import type { ClientAddress, PeerAddress } from '../../src/net/address.ts'
import type { ServerDefinition } from '../../src/registry/definition.ts'
import { parseDefinition } from '../../src/registry/definition-schema.ts'
import { createMemoryStore, type DefinitionStore } from '../../src/registry/storage/store.ts'
import { ByteLedger } from '../../src/runtime/byte-ledger.ts'
import { Events } from '../../src/telemetry/events.ts'
import type { Log, LogFields } from '../../src/telemetry/log.ts'
import { createMetrics } from '../../src/telemetry/metrics.ts'
import type {
  ServerDirectory,
  ServerEntry,
  ServerStatus,
  ToolDescription,
} from '../../src/upstream/server/directory.ts'
import { OutputTail } from '../../src/upstream/server/output-tail.ts'
import { createRegistrationGate, type GateParts } from '../../src/upstream/server/registration-gate.ts'
import type { UrlPolicy } from '../../src/upstream/transports/http/client/url-guard.ts'
import { documentedFetch } from '../support/api-document.ts'

/** What one server of the directory does when it is asked. */
export interface ServerBehaviour {
  readonly status?: Partial<ServerStatus>
  readonly listTools?: () => Promise<ToolDescription[]>
  readonly callTool?: (
    tool: string,
    args: Readonly<Record<string, unknown>>,
  ) => Promise<Record<string, unknown>>
}

export interface AdminServer extends AsyncDisposable {
  readonly url: string
  readonly store: DefinitionStore
  readonly directory: ServerDirectory
  /** Every log line so far. */
  readonly lines: { level: string; fields: LogFields; message: string }[]
  /** What the access log would carry for the last request. */
  lastLog(): Readonly<Record<string, unknown>>
  behave(name: string, behaviour: ServerBehaviour): void
  /** A request; a body that is not a string is sent as JSON. */
  send(method: string, path: string, body?: unknown): Promise<Response>
}

export type AdminServerOptions = Partial<
  Omit<AdminOptions, 'directory' | 'config' | 'gate' | 'log' | 'streams'>
> & {
  readonly admin?: Partial<GateParts['admin']>
  /** The gateway's own variables; those of the test when absent. */
  readonly environment?: GateParts['environment']
  readonly privateUpstreams?: UrlPolicy['privateUpstreams']
  /** Every address of a host name; the system's resolver when absent. */
  readonly resolve?: NonNullable<UrlPolicy['resolve']>
  /** Definitions of the configuration file. */
  readonly file?: readonly Readonly<Record<string, unknown>>[]
}

export function startAdminServer(options: AdminServerOptions = {}): AdminServer {
  const { admin, environment, privateUpstreams, resolve, file, ...rest } = options
  const behaviours = new Map<string, ServerBehaviour>()
  const directory = directoryOf(behaviours)
  for (const input of file ?? []) directory.add(definitionFrom(input), 'file')
  const store = options.store ?? createMemoryStore()
  const lines: AdminServer['lines'] = []
  const app = adminRoutes({
    ...rest,
    store,
    directory,
    log: logInto(lines),
    config: { limits: { bodyBytesMax: 1_048_576 } },
    recorder: { log: { access() {}, call() {} }, metrics: createMetrics(), events: new Events() },
    streams: new AdminStreams(new ByteLedger({ heldBytesMax: 1e9, heldBytesPerClientMax: 1e9 }), {
      heartbeatMs: 15_000,
    }),
    reload: options.reload ?? (() => Promise.reject(new Error('nothing to reload'))),
    gate: createRegistrationGate({
      admin: { stdio: 'enabled', commands: [], ...admin },
      urlPolicy: { privateUpstreams: privateUpstreams ?? 'allowed', ...(resolve && { resolve }) },
      environment: environment ?? process.env,
    }),
  })
  let lastLog: Readonly<Record<string, unknown>> = {}
  const listener = Bun.serve({
    port: 0,
    hostname: '127.0.0.1',
    fetch(request) {
      const log = {}
      lastLog = log
      attachContext(request, {
        request,
        place: 0,
        requestId: 'r-1',
        area: 'admin',
        path: new URL(request.url).pathname,
        server: '',
        endpoint: '',
        peer: '127.0.0.1' as PeerAddress,
        client: '192.0.2.7' as ClientAddress,
        externalBase: 'http://127.0.0.1',
        principal: {
          id: `admin:${'01234567'.repeat(8)}`,
          shown: 'admin:01234567',
          role: 'admin',
          grants: null,
        },
        startedAtMs: 0,
        bodyRead: false,
        untimed: false,
        log,
      })
      return app.fetch(request)
    },
  })
  const url = `http://127.0.0.1:${listener.port}`
  return {
    url,
    store,
    directory,
    lines,
    lastLog: () => lastLog,
    behave: (name, behaviour) => void behaviours.set(name, behaviour),
    send: (method, path, body) =>
      documentedFetch(url + path, {
        method,
        ...(body === undefined
          ? {}
          : {
              body: typeof body === 'string' ? body : JSON.stringify(body),
              headers: { 'content-type': 'application/json' },
            }),
      }),
    async [Symbol.asyncDispose]() {
      await listener.stop(true)
    },
  }
}

/** A definition as the file would give it; fails the test when it is not one. */
export function definitionFrom(input: Readonly<Record<string, unknown>>): ServerDefinition {
  const parsed = parseDefinition(input, { now: '2026-01-01T00:00:00.000Z', allowCwd: true })
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.problems))
  return parsed.definition
}

function directoryOf(behaviours: ReadonlyMap<string, ServerBehaviour>): ServerDirectory {
  const entries = new Map<string, ServerEntry>()
  const put = (definition: ServerDefinition, origin: 'file' | 'store', disabledAt: string | null = null) => {
    const entry = entryOf(definition, origin, disabledAt, behaviours)
    entries.set(definition.name, entry)
    return entry
  }
  const known = (name: string): ServerEntry => {
    const entry = entries.get(name)
    if (entry === undefined) throw new Error(`no entry ${name}`)
    return entry
  }
  return {
    list: () => [...entries.values()],
    get: (name) => entries.get(name),
    add: put,
    replace: (definition) => put(definition, entries.get(definition.name)?.origin ?? 'store'),
    async remove(name) {
      entries.delete(name)
    },
    async restart(name) {
      const { definition, origin } = known(name)
      put(definition, origin)
    },
    async disable(name, disabledAt) {
      const { definition, origin } = known(name)
      put(definition, origin, disabledAt)
    },
    enable(name) {
      const { definition, origin } = known(name)
      put(definition, origin)
    },
    try: () => Promise.reject(new Error('nothing can be started here')),
  }
}

function entryOf(
  definition: ServerDefinition,
  origin: 'file' | 'store',
  disabledAt: string | null,
  behaviours: ReadonlyMap<string, ServerBehaviour>,
): ServerEntry {
  const unavailable = () => Promise.reject(new GatewayError('SERVER_UNAVAILABLE', 'The server is down.'))
  const output = new OutputTail(logInto([]))
  return {
    definition,
    origin,
    disabledAt,
    output,
    settled: () => true,
    untilSettled: async () => {},
    listTools: () => (behaviours.get(definition.name)?.listTools ?? unavailable)(),
    async callTool(tool, args) {
      const result = await (behaviours.get(definition.name)?.callTool ?? unavailable)(tool, args)
      return { result, text: JSON.stringify(result) }
    },
    status: () => ({
      name: definition.name,
      status: 'disconnected',
      lastConnected: null,
      lastError: null,
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
      disabledAt,
      ...behaviours.get(definition.name)?.status,
    }),
  }
}

function logInto(lines: AdminServer['lines']): Log {
  const at = (level: string) => (fields: LogFields, message: string) =>
    void lines.push({ level, fields, message })
  return { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') }
}
