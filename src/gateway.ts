/**
 * The composition root: configuration → parts → { url, stop }. Read it aloud and you know the product.
 */

import { version } from '../package.json'
import type { Config } from './config/schema.ts'
import { GatewayError } from './errors.ts'
import type { McpHandlers } from './http/context.ts'
import { interimFront } from './http/interim-front.ts'
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
import { sharedInitialize } from './upstream/handshake.ts'
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
  const log: Log = { debug() {}, info() {}, warn() {}, error() {} }
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
  for (const definition of config.servers) servers.add(definition, 'file')
  for (const definition of store.list()) if (!servers.get(definition.name)) servers.add(definition, 'store')
  const sweeper = new Sweeper()
  sweeper.add((nowMs) => {
    sessions.sweep(nowMs)
    servers.sweep(nowMs)
  })
  const parts: McpParts = {
    servers,
    sessions,
    metrics: { requestStarted() {}, requestEnded() {} },
    log,
    bodyBytesMax: limits.bodyBytesMax,
  }
  const handlers: McpHandlers = {
    stream: streamHandler(parts),
    sse: sseHandler(parts),
    message: messageHandler(parts),
  }
  const front = interimFront(config.host, config.port, handlers, () => new Response(null, { status: 404 }))
  const stopped = Promise.withResolvers<void>()
  const end = async (untilMs: number) => {
    await servers.finishCalls(untilMs)
    await servers.stop(new GatewayError('DRAINING', 'the gateway is shutting down'))
    sessions.closeWhere(() => true, new GatewayError('DRAINING', 'the gateway is shutting down'))
    sweeper.stop()
    await front.stop()
    store.close()
    stopped.resolve()
  }
  return {
    url: front.url,
    stopped: stopped.promise,
    stop: () => end(Date.now() + config.shutdownTimeoutMs),
    stopNow: () => void end(0),
    reload: () => {},
  }
}
