/** The official reference server `@modelcontextprotocol/server-everything`, in each of its modes. */
import { createServer } from 'node:net'
import { type RunningProcess, startProcess } from './process.ts'

const entry = Bun.resolveSync('@modelcontextprotocol/server-everything/dist/index.js', import.meta.dir)

/** The command line of its stdio mode. */
export const everythingStdio: readonly string[] = [process.execPath, entry, 'stdio']

export interface EverythingServer extends AsyncDisposable {
  readonly url: string
  readonly process: RunningProcess
}

/** Starts one of its HTTP modes on a free port. */
export async function startEverything(mode: 'sse' | 'streamableHttp'): Promise<EverythingServer> {
  const port = await freePort()
  const running = startProcess({
    command: [process.execPath, entry, mode],
    env: { PORT: String(port) },
  })
  await running.line((line) => line.includes(String(port)))
  return {
    url: `http://127.0.0.1:${port}/${mode === 'sse' ? 'sse' : 'mcp'}`,
    process: running,
    [Symbol.asyncDispose]: () => running.kill(),
  }
}

/** The server takes a port only by number: one that was free a moment ago. */
function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer()
    probe.on('error', reject)
    probe.listen(0, '127.0.0.1', () => {
      const address = probe.address()
      probe.close(() => resolve(typeof address === 'object' && address !== null ? address.port : 0))
    })
  })
}
