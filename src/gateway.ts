/** Composition root: config → parts → { start, stop }. */
import type { Config } from './config/schema.ts'

export interface Gateway {
  /** `http://host:port` of the listener, no trailing slash. */
  readonly url: string
  /** Resolves when everything is closed, however that came about. */
  readonly stopped: Promise<void>
  /** Drains within the shutdown time-out, then closes. */
  stop(): Promise<void>
  /** Ends children and sockets without waiting. */
  stopNow(): void
  /** Takes what can change while running: tokens, allow-lists, trusted proxies, servers of the file. */
  reload(config: Config): void
}

export interface GatewayOptions {
  /** Reads the configuration again. */
  readonly reload?: () => Promise<Config>
}

/** Resolves once the port is bound. Rejects when it cannot be. */
export async function startGateway(config: Config, _options: GatewayOptions = {}): Promise<Gateway> {
  const { promise, resolve } = Promise.withResolvers<void>()
  const server = Bun.serve({
    hostname: config.host,
    port: config.port,
    fetch: () => Response.json({ status: 'ok' }),
  })
  const stopNow = (): void => {
    void server.stop(true)
    resolve()
  }
  return {
    url: server.url.origin,
    stopped: promise,
    stop: async () => stopNow(),
    stopNow,
    reload: () => {},
  }
}
