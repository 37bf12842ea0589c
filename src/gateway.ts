/**
 * The composition root: configuration → parts → { url, stop }. Read it aloud and you know the product.
 */

import { version } from '../package.json'
import type { Config } from './config/schema.ts'
import { GatewayError } from './errors.ts'
import { createApp } from './http/app.ts'
import type { McpHandlers } from './http/context.ts'
import { type Access, createAccess } from './http/hooks/access.ts'
import { type AccessRules, compileRules } from './http/hooks/rules.ts'
import { startListener } from './http/listener.ts'
import { adminRoutes } from './http/routes/admin.ts'
import type { McpParts } from './http/routes/mcp.ts'
import { messageHandler, sseHandler } from './http/routes/sse.ts'
import { streamHandler } from './http/routes/stream.ts'
import { LATEST_LEGACY_VERSION } from './protocol/eras.ts'
import { createMemoryStore } from './registry/memory.ts'
import { openSqliteStore } from './registry/sqlite.ts'
import type { DefinitionStore } from './registry/store.ts'
import { Sessions } from './session/sessions.ts'
import { Sweeper } from './sweeper.ts'
import type { Log } from './telemetry/log.ts'
import { createMetrics, type ServerGauges } from './telemetry/metrics.ts'
import { createLog } from './telemetry/pino.ts'
import { sharedInitialize } from './upstream/handshake.ts'
import type { Server } from './upstream/server.ts'
import { Servers } from './upstream/servers.ts'
import { openWire } from './upstream/wire.ts'

export interface Gateway {
  /** Where it listens. */
  readonly url: string
  /** Settles when it has stopped, for whatever reason. */
  readonly stopped: Promise<void>
  /** Lets calls in flight finish within the shutdown time-out, then ends everything in order. */
  stop(): Promise<void>
  /** Ends everything at once. */
  stopNow(): void
  /** Takes tokens, allow-lists and trusted proxies from a configuration that was read again. */
  reload(config: Config): void
}

export interface GatewayOptions {
  readonly reload?: () => Promise<Config>
}

export async function startGateway(config: Config, _options: GatewayOptions = {}): Promise<Gateway> {
  const log = await createLog(config.logging)
  const rules = accessRules(config, log)
  const { limits, timeouts } = config
  const sessions = new Sessions({ ...limits, ...timeouts })
  const servers: Servers = new Servers(
    {
      log,
      sharedInitialize: sharedInitialize(LATEST_LEGACY_VERSION, version),
      createTransport: (definition) => openWire(definition, config),
      processesMax: limits.processesMax,
      sessionCount: (name) => sessions.countOf(name),
      callIdleMs: timeouts.callIdleMs,
      callTotalMs: timeouts.callTotalMs,
      laneIdleMs: timeouts.laneIdleMs,
      healthProbeMs: timeouts.healthProbeMs,
      startWaitMs: timeouts.startWaitMs,
      inFlightMax: limits.inFlightPerServerMax,
      openAccess: config.auth.globalTokens.length === 0,
    },
    (name) =>
      sessions.closeWhere(
        (session) => session.serverName === name,
        new GatewayError('SESSION_UNKNOWN', `the server ${name} was removed`),
      ),
  )
  const store: DefinitionStore =
    config.storage.type === 'memory' ? createMemoryStore() : openSqliteStore(config.storage.path)
  const sweeper = new Sweeper()
  sweeper.add((nowMs) => {
    sessions.sweep(nowMs)
    servers.sweep(nowMs)
  })
  const metrics = createMetrics({
    servers: () => servers.list().map(gaugesOf),
    linesDropped: () => log.linesDropped,
  })
  const parts: McpParts = { servers, sessions, metrics, log, bodyBytesMax: limits.bodyBytesMax }
  const access = openAccess(rules, servers, sessions)
  const state = { draining: false }
  const admin = adminRoutes({ directory: servers, store, config, log })
  const app = createApp({ directory: servers, state, metrics, admin, mcp: mcpHandlers(parts), log })
  const { host, port } = config
  const listener = await startListener({ host, port, access, app, log, metrics, state })
  // After the port is had, so that a taken port leaves no process behind; before the first request is read.
  for (const definition of config.servers) servers.add(definition, 'file')
  for (const definition of store.list()) if (!servers.get(definition.name)) servers.add(definition, 'store')
  const stopped = Promise.withResolvers<void>()
  const end = async (untilMs: number) => {
    listener.drain()
    await servers.finishCalls(untilMs)
    await servers.stop(new GatewayError('DRAINING', 'the gateway is shutting down'))
    sessions.closeWhere(() => true, new GatewayError('DRAINING', 'the gateway is shutting down'))
    sweeper.stop()
    await listener.stop(Math.max(0, untilMs - Date.now()))
    store.close()
    await log.flush(LOG_FLUSH_MS)
    stopped.resolve()
  }
  return {
    url: listener.url,
    stopped: stopped.promise,
    stop: () => end(Date.now() + config.shutdownTimeoutMs),
    stopNow: () => void end(0),
    reload: (fresh) => access.reload(accessRules(fresh, log)),
  }
}

function mcpHandlers(parts: McpParts): McpHandlers {
  return { stream: streamHandler(parts), sse: sseHandler(parts), message: messageHandler(parts) }
}

/** The access chain; it knows the servers' own tokens, and ends the sessions of tokens that are gone. */
function openAccess(rules: AccessRules, servers: Servers, sessions: Sessions): Access {
  const access = createAccess(rules, {
    of: (name) => servers.get(name)?.definition.authTokens ?? [],
    names: () => servers.list().map(({ name }) => name),
  })
  access.onPrincipalsRevoked((ids) =>
    sessions.closeWhere(
      (session) => ids.includes(session.principalId),
      new GatewayError('SESSION_UNKNOWN', 'the token of this session is no longer valid'),
    ),
  )
  return access
}

/** Longest wait for the reader of the log at the end. */
const LOG_FLUSH_MS = 1000

/** Throws one line that names every setting at fault. */
function accessRules(config: Config, log: Log): AccessRules {
  const result = compileRules(config)
  if (!result.ok) throw new Error(result.errors.join('; '))
  for (const warning of result.warnings) log.warn({}, warning)
  return result.rules
}

function gaugesOf(server: Server): ServerGauges {
  const { name, status, sessions, processes } = server.status()
  return { name, sessions, processes, connected: status === 'connected' }
}
