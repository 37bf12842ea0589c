/** The MCP servers behind every subject: HTTP ones are started once, stdio ones by whoever needs them. */
import { join, resolve } from 'node:path'
import { printed, type Started, start } from '../child-process.ts'
import { Once, type Place, type Subject } from './subject.ts'

const script = resolve(import.meta.dir, '../echo-server.ts')

export type Eras = 'both' | 'legacy' | 'modern'

/** The command line of a stdio echo server. */
export function echoCommand(eras: Eras): readonly [string, ...string[]] {
  return [process.execPath, script, 'stdio', eras]
}

interface Listening {
  readonly process: Started
  readonly url: string
}

export class EchoServers {
  readonly #directory: string
  readonly #servers = new Once<Listening>()

  constructor(directory: string) {
    this.#directory = directory
  }

  http(): Promise<Listening> {
    return this.#listening('http', 'mcp')
  }

  sse(): Promise<Listening> {
    return this.#listening('sse', 'sse')
  }

  async stop(): Promise<void> {
    for (const { process } of await this.#servers.all()) await process.stop()
  }

  #listening(wire: 'http' | 'sse', path: string): Promise<Listening> {
    return this.#servers.get(wire, async () => {
      const started = start({
        command: [process.execPath, script, wire],
        directory: this.#directory,
        name: join(`echo-${wire}`),
      })
      const port = await printed(started, /^(\d+)$/m)
      return { process: started, url: `http://127.0.0.1:${port}/${path}` }
    })
  }
}

/** No gateway at all: the client calls the HTTP echo server. */
export function direct(echo: EchoServers): Subject {
  return {
    name: 'direct',
    async place(upstream, face): Promise<Place | null> {
      if (upstream !== 'http' || face !== 'stream') return null
      const { url, process } = await echo.http()
      return { url, face, token: null, pid: process.pid }
    },
    async stop() {},
  }
}
