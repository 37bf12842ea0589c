/** The servers behind replicas under traffic: one a process, one over HTTP, both of which write down what reaches them. */
import { join, resolve } from 'node:path'
import { printed, start } from '../child-process.ts'

const rawServer = resolve(import.meta.dir, '../../test/support/raw-server.ts')

export interface TalliedServers {
  /** Their definitions: `stdio` and `http`. */
  readonly mcps: readonly Readonly<Record<string, unknown>>[]
  /** The file in which every call is noted that has reached one of them. */
  readonly tally: string
  stop(): Promise<void>
}

/** Starts the one over HTTP; the other is started by whoever serves it. Both write below this directory. */
export async function startTalliedServers(directory: string): Promise<TalliedServers> {
  const tally = join(directory, 'calls')
  const argsOf = (transport: string): string[] => [rawServer, '--transport', transport, '--tally', tally]
  const http = start({ command: [process.execPath, ...argsOf('http')], directory, name: 'raw-http' })
  const url = await printed(http, /"url":"(http[^"]+)"/)
  return {
    mcps: [
      { name: 'stdio', transport: 'stdio', command: process.execPath, args: argsOf('stdio') },
      { name: 'http', transport: 'streamable-http', url },
    ],
    tally,
    async stop() {
      await http.stop()
    },
  }
}
