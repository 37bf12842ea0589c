/** The raw server behind a gateway, over a pipe and over HTTP. */
import { resolve } from 'node:path'
import { type GatewayForm, type RunningGateway, startGatewayProcess } from './gateway.ts'
import { startProcess } from './process.ts'
import { type OpenOptions, RawClient } from './raw-client.ts'

const server = resolve(import.meta.dir, 'raw-server.ts')

/** `command` and `args` of the raw server on stdio, for a definition. */
export function commandOfRawServer(): { command: string; args: string[] } {
  return { command: process.execPath, args: [server] }
}

/** The names under which the raw server is registered: once for each transport. */
export type RawName = 'raw-stdio' | 'raw-http'

export interface RawFixture extends AsyncDisposable {
  readonly gateway: RunningGateway
  /** Opens a session with one of the raw servers through the gateway. */
  open(name: RawName, options?: OpenOptions): Promise<RawClient>
  url(name: RawName): URL
}

export interface RawFixtureOptions {
  /** The executable unless said otherwise: it is what users run. */
  readonly via?: GatewayForm
  /** Merged into `mcp_proxy` of the configuration. */
  readonly settings?: Readonly<Record<string, unknown>>
  /** Merged into both definitions. */
  readonly definition?: Readonly<Record<string, unknown>>
}

/** Starts the HTTP server and a gateway that knows both. */
export async function startRawFixture(options: RawFixtureOptions = {}): Promise<RawFixture> {
  const upstream = startProcess({ command: [process.execPath, server, '--transport', 'http'] })
  const { url: upstreamUrl } = JSON.parse(await upstream.line((line) => line.startsWith('{"url"'))) as {
    url: string
  }
  const mcps = [
    {
      name: 'raw-stdio',
      transport: 'stdio',
      command: process.execPath,
      args: [server],
      ...options.definition,
    },
    { name: 'raw-http', transport: 'streamable-http', url: upstreamUrl, ...options.definition },
  ]
  const gateway = await startGatewayProcess({
    via: options.via ?? 'executable',
    config: { ...(options.settings && { mcp_proxy: options.settings }), mcps },
  })
  const url = (name: RawName) => gateway.face(name, 'stream')
  return {
    gateway,
    url,
    open: (name, open) => RawClient.open(url(name), open),
    [Symbol.asyncDispose]: async () => {
      await gateway.stop()
      await upstream.kill()
    },
  }
}
