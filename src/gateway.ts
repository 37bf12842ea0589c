/**
 * The composition root: configuration → parts → { url, stop }. Read it aloud and you know the product.
 *
 * Only this file names concrete parts together. Stopping closes their owners in order: health says 503 and
 * new requests are refused, calls in flight finish within the shutdown time-out, sessions and streams end,
 * children end as groups, the port closes, the log is flushed.
 */
import { version } from '../package.json'
import { keepsOutOthers } from './access/server-door.ts'
import type { Config } from './config/schema.ts'
import { drainingError, GatewayError, reasonOf } from './errors.ts'
import { createApp } from './http/app.ts'
import { type Access, createAccess } from './http/hooks/access.ts'
import { type AccessRules, compileRules } from './http/hooks/rules.ts'
import { type Listener, type ServingState, startListener } from './http/listener.ts'
import { adminRoutes } from './http/routes/admin/admin.ts'
import { AdminStreams } from './http/routes/admin/streams.ts'
import type { McpParts } from './http/routes/mcp.ts'
import { messageHandler, sseHandler } from './http/routes/sse.ts'
import { streamHandler } from './http/routes/stream.ts'
import type { ServerDefinition } from './registry/definition.ts'
import { openSqliteStore } from './registry/sqlite.ts'
import { createMemoryStore, type DefinitionStore } from './registry/store.ts'
import { ByteLedger } from './runtime/byte-ledger.ts'
import { IdleMemory } from './runtime/idle-memory.ts'
import { Sweeper } from './runtime/sweeper.ts'
import { Sessions } from './session/legacy/sessions.ts'
import type { ModernCallDriver } from './session/modern/call-driver.ts'
import { ModernRequests } from './session/modern/requests.ts'
import type { Log, ProcessLog } from './telemetry/log.ts'
import { createMetrics, type Metrics, type ServerGauges } from './telemetry/metrics.ts'
import { createLog } from './telemetry/pino.ts'
import { createMask } from './telemetry/redaction.ts'
import { createSecretsOf, openTransport } from './upstream/server/open-transport.ts'
import type { ServerSurroundings } from './upstream/server/parts.ts'
import { createRegistrationGate } from './upstream/server/registration-gate.ts'
import type { Server } from './upstream/server/server.ts'
import { Servers, type ServersListener } from './upstream/server/servers.ts'
import type { UrlPolicy } from './upstream/transports/http/client/url-guard.ts'
import { Watchdog } from './upstream/transports/stdio/watchdog.ts'

export interface Gateway {
  /** `http://host:port` of the listener, no trailing slash. */
  readonly url: string
  /** The servers it began with: those of the file, then those of the store. */
  readonly servers: readonly ServerDefinition[]
  /** HTTP requests so far. */
  readonly requestCount: number
  /** Resolves when everything is closed, however that came about. */
  readonly stopped: Promise<void>
  /** Drains within the shutdown time-out, then closes. */
  stop(): Promise<void>
  /** Ends children and sockets without waiting. */
  stopNow(): void
  /** Takes what can change while running: tokens, allow-lists and trusted proxies. Throws on a bad rule. */
  reload(config: Config): void
}

/** Resolves once the port is bound. Rejects when it cannot be, or when a rule or the store makes no sense. */
export async function startGateway(config: Config): Promise<Gateway> {
  const log = await createLog(config.logging)
  const rules = rulesOf(config, log)
  const store = openStore(config)
  // What clients have open: sessions, and the requests that stand alone.
  const ledger = new ByteLedger(config.limits, () => Bun.gc(true))
  const sessions = new Sessions({ ...config.limits, ...config.timeouts }, ledger)
  const requests = new ModernRequests<ModernCallDriver>({ ...config.limits, ...config.timeouts }, ledger)
  // The servers behind the gateway.
  const watchdog = new Watchdog(log)
  const state: ServingState = { draining: false, listening: null }
  const urlPolicy: UrlPolicy = {
    privateUpstreams: config.security.privateUpstreams,
    ownListener: () => state.listening,
  }
  const metrics = createMetrics()
  const servers = new Servers(serverParts(config, { log, metrics, watchdog, sessions, store, urlPolicy }))
  // Who may come, and whose work ends when a server or its tokens go.
  const access = createAccess(rules, {
    of: (name) => servers.get(name)?.definition,
    names: () => servers.list().map(({ name }) => name),
  })
  servers.subscribe(endClientsOf({ sessions, requests, access, servers }))
  // The front door.
  const mcp: McpParts = {
    servers,
    requests,
    sessions,
    log,
    recorder: { log, metrics },
    bodyBytesMax: config.limits.bodyBytesMax,
    ledger,
    access,
    clientInputMs: config.timeouts.clientInputMs,
  }
  const gate = createRegistrationGate({ admin: config.admin, urlPolicy, environment: process.env })
  const streams = new AdminStreams(ledger, config.timeouts.heartbeatMs)
  const app = createApp({
    directory: servers,
    state,
    metrics: { snapshot: () => metrics.snapshot(servers.list().map(gaugesOf), log.linesDropped) },
    log,
    admin: adminRoutes({
      directory: servers,
      store,
      config,
      gate,
      log,
      streams,
      closedReason: (name) => access.closedReason(name),
    }),
    mcp: { stream: streamHandler(mcp), sse: sseHandler(mcp), message: messageHandler(mcp) },
  })
  const { host, port } = config
  const listener = await startListener({ host, port, access, app, log, metrics, state }).catch(
    (thrown: unknown) => {
      store.close()
      throw thrown
    },
  )
  // The port is ours from here on; a gateway that cannot listen has started no child.
  for (const definition of config.servers) servers.add(definition, 'file', firstAnswerMs)
  addStored(servers, store, log)
  warnOfClosed(servers, access, log)
  const sweeper = startSweeper({ log, sessions, requests, servers, streams })
  return running({ config, log, access, store, sessions, requests, servers, watchdog, listener, sweeper })
}

/** Lets time pass for whoever owns something that expires. */
function startSweeper(
  parts: Pick<RunningParts, 'log' | 'sessions' | 'requests' | 'servers'> & { readonly streams: AdminStreams },
): Sweeper {
  const { log, sessions, requests, servers, streams } = parts
  const sweeper = new Sweeper((thrown) => log.error({ reason: reasonOf(thrown) }, 'a sweep failed'))
  const idleMemory = new IdleMemory({
    rssBytes: () => process.memoryUsage.rss(),
    collect: () => Bun.gc(true),
  })
  sweeper.add((nowMs) => sessions.sweep(nowMs))
  sweeper.add((nowMs) => requests.sweep(nowMs))
  sweeper.add((nowMs) => servers.sweep(nowMs))
  sweeper.add((nowMs) => streams.sweep(nowMs))
  sweeper.add((nowMs) => idleMemory.sweep(servers.inFlight, sessions.ended, nowMs))
  return sweeper
}

interface RunningParts {
  readonly config: Config
  readonly log: ProcessLog
  readonly access: Access
  readonly store: DefinitionStore
  readonly sessions: Sessions
  readonly requests: ModernRequests<ModernCallDriver>
  readonly servers: Servers
  readonly watchdog: Watchdog
  readonly listener: Listener
  readonly sweeper: Sweeper
}

function running(parts: RunningParts): Gateway {
  const { config, log, access, listener, servers } = parts
  const stopped = Promise.withResolvers<void>()
  let ending: Promise<void> | null = null
  return {
    url: listener.url,
    servers: servers.list().map(({ definition }) => definition),
    get requestCount() {
      return listener.requestCount
    },
    stopped: stopped.promise,
    stop() {
      ending ??= end(parts, performance.now() + config.shutdownTimeoutMs).finally(stopped.resolve)
      return ending
    },
    stopNow() {
      void end(parts, 0).finally(stopped.resolve)
    },
    reload(changed) {
      access.reload(rulesOf({ ...config, ...pickReloadable(changed) }, log))
      endUnadmitted(parts)
      warnOfClosed(servers, access, log)
    },
  }
}

/**
 * Servers start so long after the port is open: starting a process stops the loop for about 10 ms, and whoever has
 * waited for the port is answered before that.
 */
const firstAnswerMs = 5
const flushMs = 500
/** Servers and sockets may take this long to close even when the shutdown time-out is over. */
const closingMs = 700

async function end(parts: RunningParts, untilMs: number): Promise<void> {
  const { log, store, sessions, requests, servers, watchdog, listener, sweeper } = parts
  log.info({}, 'stopping')
  listener.drain()
  const error = drainingError()
  // A subscription never finishes by itself.
  requests.abortWhere(({ endless }) => endless, error)
  await servers.finishCalls(untilMs)
  sessions.closeWhere(() => true, error)
  requests.abortWhere(() => true, error)
  const closeMs = Math.max(closingMs, untilMs - performance.now())
  const closed = Promise.all([servers.stop(error), listener.stop(closeMs)]).then(() => true)
  if (!(await Promise.race([closed, Bun.sleep(closeMs + 50).then(() => false)])))
    log.warn({}, 'some processes do not end by themselves; the watchdog ends them')
  sweeper.stop()
  watchdog.close()
  store.close()
  log.info({}, 'stopped')
  await log.flush(flushMs)
}

function pickReloadable(config: Config): Pick<Config, 'auth' | 'security'> {
  return { auth: config.auth, security: config.security }
}

function rulesOf(config: Config, log: Log): AccessRules {
  const compiled = compileRules(config)
  if (!compiled.ok) throw new Error(compiled.errors.join('; '))
  for (const warning of compiled.warnings) log.warn({}, warning)
  return compiled.rules
}

function removalOf(name: string): GatewayError {
  return new GatewayError('SERVER_UNKNOWN', `The server ${name} was removed.`)
}

type ClientParts = Pick<RunningParts, 'sessions' | 'requests' | 'access'>

/** A server that nobody can reach looks healthy otherwise. */
function warnOfClosed(servers: Servers, access: Access, log: Log): void {
  for (const { name } of servers.list()) {
    const reason = access.closedReason(name)
    if (reason !== null) log.warn({ mcp: name, reason }, 'nobody can come in at this server')
  }
}

/** What ends at the clients of a server that is removed or replaced. */
function endClientsOf(parts: ClientParts & Pick<RunningParts, 'servers'>): ServersListener {
  const { sessions, requests, servers } = parts
  return {
    leaving(name) {
      requests.abortWhere(({ endless, serverName }) => endless && serverName === name, removalOf(name))
    },
    removed(name) {
      const error = removalOf(name)
      sessions.closeWhere(({ serverName }) => serverName === name, error)
      requests.abortWhere(({ serverName }) => serverName === name, error)
    },
    replaced(name, before) {
      endUnadmitted(parts)
      const after = servers.get(name)?.definition
      if (after === undefined || !keepsOutOthers(before, after)) return
      const error = new GatewayError('SESSION_UNKNOWN', 'The addresses of this server were changed.')
      sessions.closeWhere(({ serverName }) => serverName === name, error)
      requests.abortWhere(({ serverName }) => serverName === name, error)
    },
  }
}

/** Ends what tokens had opened that open nothing any more, streams and calls included. */
function endUnadmitted({ sessions, requests, access }: ClientParts): void {
  const error = new GatewayError('SESSION_UNKNOWN', 'The token of this session was revoked.')
  sessions.closeWhere(({ principalId, serverName }) => !access.admits(principalId, serverName), error)
  requests.abortWhere(({ principalId, serverName }) => !access.admits(principalId, serverName), error)
}

function openStore(config: Config): DefinitionStore {
  return config.storage.type === 'memory' ? createMemoryStore() : openSqliteStore(config.storage.path)
}

interface ServerNeeds {
  readonly log: Log
  readonly metrics: Metrics
  readonly watchdog: Watchdog
  readonly sessions: Pick<Sessions, 'countOf'>
  readonly store: Pick<DefinitionStore, 'disabledAt'>
  readonly urlPolicy: UrlPolicy
}

/** What servers may use of the rest of the gateway, and the settings that they need. */
function serverParts(config: Config, needs: ServerNeeds): ServerSurroundings {
  const { limits, timeouts } = config
  const { log, metrics, watchdog, sessions, store, urlPolicy } = needs
  const secretsOf = createSecretsOf(process.env, config.security.childEnvironment)
  return {
    log,
    metrics,
    identity: { name: 'compozy-mcp-proxy', version },
    maskOf: (definition) => createMask(secretsOf(definition)),
    createTransport: (definition) =>
      openTransport(definition, secretsOf(definition), config, urlPolicy, watchdog, log),
    processesMax: limits.processesMax,
    processesPerClientMax: limits.processesPerClientMax,
    disabledAt: (name) => store.disabledAt(name),
    sessionCount: (name) => sessions.countOf(name),
    callIdleMs: timeouts.callIdleMs,
    callTotalMs: timeouts.callTotalMs,
    laneIdleMs: timeouts.laneIdleMs,
    healthProbeMs: timeouts.healthProbeMs,
    startWaitMs: timeouts.startWaitMs,
    inFlightMax: limits.inFlightPerServerMax,
    resultBytesMax: limits.resultBytesMax,
    lanesPerClientMax: limits.sessionsPerClientMax,
    openAccess: config.auth.globalTokens.length === 0,
  }
}

/** The file wins over the store: what a person wrote down is not overruled by an earlier call. */
function addStored(servers: Servers, store: DefinitionStore, log: Log): void {
  for (const definition of store.list()) {
    if (servers.get(definition.name) === undefined) servers.add(definition, 'store', firstAnswerMs)
    else
      log.warn(
        { mcp: definition.name },
        'the configuration file defines this server; the registered one is not used',
      )
  }
}

function gaugesOf(server: Server): ServerGauges {
  const { name, status, sessions, processes, restarts } = server.status()
  return { name, sessions, processes, connected: status === 'connected', restarts }
}
