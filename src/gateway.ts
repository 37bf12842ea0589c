/**
 * The composition root: configuration → parts → { url, stop }. Read it aloud and you know the product.
 *
 * Only this file names concrete parts together. Stopping closes their owners in order: health says 503 and
 * new requests are refused, calls in flight finish within the shutdown time-out, sessions and streams end,
 * children end as groups, the port closes, the log is flushed.
 */
import { version } from '../package.json'
import type { Config } from './config/schema.ts'
import { GatewayError, reasonOf } from './errors.ts'
import { createApp } from './http/app.ts'
import { type Access, createAccess } from './http/hooks/access.ts'
import { type AccessRules, compileRules } from './http/hooks/rules.ts'
import { type Listener, startListener } from './http/listener.ts'
import { adminRoutes } from './http/routes/admin.ts'
import type { McpParts } from './http/routes/mcp.ts'
import { messageHandler, sseHandler } from './http/routes/sse.ts'
import { streamHandler } from './http/routes/stream.ts'
import type { ServerDefinition } from './registry/definition.ts'
import { secretValuesOf } from './registry/definition-wire.ts'
import { createMemoryStore } from './registry/memory.ts'
import { openSqliteStore } from './registry/sqlite.ts'
import type { DefinitionStore } from './registry/store.ts'
import { IdleMemory } from './runtime/idle-memory.ts'
import { Sweeper } from './runtime/sweeper.ts'
import { Sessions } from './session/legacy/sessions.ts'
import type { ModernCallDriver } from './session/modern/call-driver.ts'
import { ModernRequests } from './session/modern/requests.ts'
import type { Log, ProcessLog } from './telemetry/log.ts'
import { createMetrics, type Metrics, type ServerGauges } from './telemetry/metrics.ts'
import { createLog } from './telemetry/pino.ts'
import type { Server } from './upstream/server/server.ts'
import { Servers, type ServersListener } from './upstream/server/servers.ts'
import { createMask } from './upstream/transports/mask.ts'
import { openTransport } from './upstream/transports/open-transport.ts'
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
  const sessions = new Sessions({ ...config.limits, ...config.timeouts })
  const calls = new ModernRequests<ModernCallDriver>({ ...config.limits, ...config.timeouts })
  const watchdog = new Watchdog(log)
  const metrics = createMetrics({
    servers: () => servers.list().map(gaugesOf),
    linesDropped: () => log.linesDropped,
  })
  const servers = openServers(
    config,
    log,
    metrics,
    watchdog,
    {
      leaving(name) {
        calls.abortWhere(({ endless, serverName }) => endless && serverName === name, removalOf(name))
      },
      removed(name) {
        const error = removalOf(name)
        sessions.closeWhere(({ serverName }) => serverName === name, error)
        calls.abortWhere(({ serverName }) => serverName === name, error)
      },
      replaced: () => endUnadmitted(access, sessions, calls),
    },
    sessions,
  )
  const access = createAccess(rules, {
    of: (name) => servers.get(name)?.definition.authTokens ?? [],
    names: () => servers.list().map(({ name }) => name),
  })
  const state = { draining: false }
  const parts: McpParts = {
    servers,
    calls,
    sessions,
    log,
    bodyBytesMax: config.limits.bodyBytesMax,
    access,
    clientInputMs: config.timeouts.clientInputMs,
  }
  const app = createApp({
    directory: servers,
    state,
    metrics,
    log,
    admin: adminRoutes({ directory: servers, store, config, log }),
    mcp: { stream: streamHandler(parts), sse: sseHandler(parts), message: messageHandler(parts) },
  })
  const listener = await startListener({
    host: config.host,
    port: config.port,
    access,
    app,
    log,
    metrics,
    state,
  }).catch((thrown: unknown) => {
    store.close()
    throw thrown
  })
  // The port is ours from here on; a gateway that cannot listen has started no child.
  for (const definition of config.servers) servers.add(definition, 'file')
  addStored(servers, store, log)
  const sweeper = new Sweeper((thrown) => log.error({ reason: reasonOf(thrown) }, 'a sweep failed'))
  const idleMemory = new IdleMemory({
    rssBytes: () => process.memoryUsage.rss(),
    collect: () => Bun.gc(true),
  })
  sweeper.add((nowMs) => sessions.sweep(nowMs))
  sweeper.add((nowMs) => calls.sweep(nowMs))
  sweeper.add((nowMs) => servers.sweep(nowMs))
  sweeper.add((nowMs) => idleMemory.sweep(servers.inFlight, sessions.ended, nowMs))
  return running({ config, log, access, store, sessions, calls, servers, watchdog, listener, sweeper })
}

interface RunningParts {
  readonly config: Config
  readonly log: ProcessLog
  readonly access: Access
  readonly store: DefinitionStore
  readonly sessions: Sessions
  readonly calls: ModernRequests<ModernCallDriver>
  readonly servers: Servers
  readonly watchdog: Watchdog
  readonly listener: Listener
  readonly sweeper: Sweeper
}

function running(parts: RunningParts): Gateway {
  const { config, log, access, listener, servers, sessions, calls } = parts
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
      ending ??= end(parts, Date.now() + config.shutdownTimeoutMs).finally(stopped.resolve)
      return ending
    },
    stopNow() {
      void end(parts, 0).finally(stopped.resolve)
    },
    reload(changed) {
      access.reload(rulesOf({ ...config, ...pickReloadable(changed) }, log))
      endUnadmitted(access, sessions, calls)
    },
  }
}

const FLUSH_MS = 500
/** Servers and sockets may take this long to close even when the shutdown time-out is over. */
const CLOSE_MS = 700

async function end(parts: RunningParts, untilMs: number): Promise<void> {
  const { log, store, sessions, calls, servers, watchdog, listener, sweeper } = parts
  log.info({}, 'stopping')
  listener.drain()
  const error = new GatewayError('DRAINING', 'the gateway is shutting down')
  // A subscription never finishes by itself.
  calls.abortWhere(({ endless }) => endless, error)
  await servers.finishCalls(untilMs)
  sessions.closeWhere(() => true, error)
  calls.abortWhere(() => true, error)
  const closeMs = Math.max(CLOSE_MS, untilMs - Date.now())
  const closed = Promise.all([servers.stop(error), listener.stop(closeMs)]).then(() => true)
  if (!(await Promise.race([closed, Bun.sleep(closeMs + 50).then(() => false)])))
    log.warn({}, 'some processes do not end by themselves; the watchdog ends them')
  sweeper.stop()
  watchdog.close()
  store.close()
  log.info({}, 'stopped')
  await log.flush(FLUSH_MS)
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
  return new GatewayError('SERVER_UNKNOWN', `the server ${name} was removed`)
}

/** Ends what tokens had opened that open nothing any more, streams and calls included. */
function endUnadmitted(access: Access, sessions: Sessions, calls: ModernRequests<ModernCallDriver>): void {
  const error = new GatewayError('SESSION_UNKNOWN', 'the token of this session was revoked')
  sessions.closeWhere(({ principalId, serverName }) => !access.admits(principalId, serverName), error)
  calls.abortWhere(({ principalId, serverName }) => !access.admits(principalId, serverName), error)
}

function openStore(config: Config): DefinitionStore {
  return config.storage.type === 'memory' ? createMemoryStore() : openSqliteStore(config.storage.path)
}

function openServers(
  config: Config,
  log: Log,
  metrics: Metrics,
  watchdog: Watchdog,
  listener: ServersListener,
  sessions: Sessions,
): Servers {
  const { limits, timeouts } = config
  return new Servers(
    {
      log,
      metrics,
      identity: { name: 'compozy-mcp-proxy', version },
      maskOf: (definition) => createMask(secretValuesOf(definition)),
      createTransport: (definition) =>
        openTransport(definition, secretValuesOf(definition), config, watchdog),
      processesMax: limits.processesMax,
      sessionCount: (name) => sessions.countOf(name),
      callIdleMs: timeouts.callIdleMs,
      callTotalMs: timeouts.callTotalMs,
      laneIdleMs: timeouts.laneIdleMs,
      healthProbeMs: timeouts.healthProbeMs,
      startWaitMs: timeouts.startWaitMs,
      inFlightMax: limits.inFlightPerServerMax,
      lanesPerClientMax: limits.sessionsPerClientMax,
      openAccess: config.auth.globalTokens.length === 0,
    },
    listener,
  )
}

/** The file wins over the store: what a person wrote down is not overruled by an earlier call. */
function addStored(servers: Servers, store: DefinitionStore, log: Log): void {
  for (const definition of store.list()) {
    if (servers.get(definition.name) === undefined) servers.add(definition, 'store')
    else
      log.warn(
        { mcp: definition.name },
        'the configuration file defines this server; the registered one is not used',
      )
  }
}

function gaugesOf(server: Server): ServerGauges {
  const { name, status, sessions, processes } = server.status()
  return { name, sessions, processes, connected: status === 'connected' }
}
