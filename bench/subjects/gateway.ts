/**
 * The gateway as it is served: the compiled executable with a configuration file, tokens on, the request
 * log on and written to a file, metrics on, everything else by default.
 */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { printed, type Started, start } from '../child-process.ts'
import type { Endpoint } from '../load/mcp-request.ts'
import { type EchoServers, type Eras, echoCommand } from './echo-servers.ts'
import { Once, type Place, type Subject, type Upstream } from './subject.ts'

/** One client may have 1,000 sessions by default, so many sessions need several tokens. */
export const tokens: readonly string[] = Array.from({ length: 8 }, (_, n) => `bench-token-${n}-0123456789`)

/** A server in the configuration file; subjects look it up by the name of its upstream. */
type ServerEntry = { readonly name: Upstream } & Readonly<Record<string, unknown>>

export interface RunningGateway {
  readonly process: Started
  readonly url: string
  place(server: string, face: Endpoint['face'], token?: string): Place
}

export interface GatewayOptions {
  readonly executable: string
  /** Command that runs the executable in its own place, such as `taskset -c 0`; none without. */
  readonly launcher?: readonly string[]
  /** Everything that this gateway writes goes here; made when it is missing. */
  readonly directory: string
  readonly servers: readonly ServerEntry[]
  /** More settings of `mcp_proxy`. */
  readonly settings?: Readonly<Record<string, unknown>>
}

/** Writes the configuration; answers the command that serves it. */
export function gatewayCommand({
  executable,
  launcher = [],
  directory,
  servers,
  settings = {},
}: GatewayOptions): readonly string[] {
  mkdirSync(directory, { recursive: true })
  const config = {
    mcp_proxy: {
      port: 0,
      auth: { global_tokens: tokens },
      // The default place may hold what somebody has registered on this machine.
      storage: { path: join(directory, 'state') },
      ...settings,
    },
    mcps: servers,
  }
  writeFileSync(join(directory, 'compozy.yaml'), JSON.stringify(config, null, 2))
  return [...launcher, executable, 'mcp-proxy']
}

/** Resolves once it listens and every server has connected or failed. */
export async function startGateway(options: GatewayOptions): Promise<RunningGateway> {
  const command = gatewayCommand(options)
  const started = start({ command, directory: options.directory, name: 'gateway' })
  const url = await printed(started, /"url":"(http[^"]+)"/)
  for (let tries = 0; tries < 500; tries++) {
    const answer = await fetch(`${url}/readyz`)
    await answer.body?.cancel()
    if (answer.status === 200) break
    await Bun.sleep(20)
  }
  return {
    process: started,
    url,
    place: (server, face, token = tokens[0] ?? '') => ({
      url: `${url}/mcp-proxy/${server}/${face}`,
      face,
      token,
      pid: started.pid,
    }),
  }
}

/** A launcher is a command that runs the server in its own place, such as `taskset -c 1`. */
export function stdioServer(name: Upstream, eras: Eras, launcher: readonly string[] = []): ServerEntry {
  const [command, ...args] = [...launcher, ...echoCommand(eras)]
  return { name, transport: 'stdio', command, args }
}

/** One server for each upstream that a workload may name. */
export async function allServers(
  echo: EchoServers,
  launcher: readonly string[] = [],
): Promise<readonly ServerEntry[]> {
  return [
    stdioServer('stdio', 'both', launcher),
    stdioServer('stdio-legacy', 'legacy', launcher),
    stdioServer('stdio-modern', 'modern', launcher),
    { name: 'http', transport: 'streamable-http', url: (await echo.http()).url },
    { name: 'sse', transport: 'sse', url: (await echo.sse()).url },
  ]
}

export function gateway(echo: EchoServers, executable: string, directory: string): Subject {
  const running = new Once<RunningGateway>()
  return {
    name: 'compozy',
    async place(upstream, face) {
      const one = await running.get('', async () =>
        startGateway({
          executable,
          directory: join(directory, 'compozy'),
          servers: await allServers(echo),
        }),
      )
      return one.place(upstream, face)
    },
    async stop() {
      for (const { process } of await running.all()) await process.stop()
    },
  }
}
