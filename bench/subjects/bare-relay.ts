/** The bare relay as a subject: one process for each upstream. */
import { resolve } from 'node:path'
import { printed, type Started, start } from '../child-process.ts'
import { type EchoServers, echoCommand } from './echo-servers.ts'
import { Once, type Subject } from './subject.ts'

const script = resolve(import.meta.dir, '../bare-relay.ts')

export function bareRelay(echo: EchoServers, directory: string): Subject {
  const relays = new Once<{ readonly process: Started; readonly port: string }>()
  const relay = (kind: 'stdio' | 'http') =>
    relays.get(kind, async () => {
      const upstream = kind === 'stdio' ? echoCommand('both') : [(await echo.http()).url]
      const started = start({
        command: [process.execPath, script, kind, ...upstream],
        directory,
        name: `bare-relay-${kind}`,
      })
      return { process: started, port: await printed(started, /^(\d+)$/m) }
    })
  return {
    name: 'bare relay',
    async place(upstream, face) {
      if (upstream !== 'stdio' && (upstream !== 'http' || face === 'sse')) return null
      const { port, process } = await relay(upstream)
      return {
        url: `http://127.0.0.1:${port}/${face === 'sse' ? 'sse' : 'mcp'}`,
        face,
        token: null,
        pid: process.pid,
      }
    },
    async stop() {
      for (const { process } of await relays.all()) await process.stop()
    },
  }
}
