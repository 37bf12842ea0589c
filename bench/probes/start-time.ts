/** From exec to the first 200 on /healthz. */
import { join } from 'node:path'
import { freePort, start } from '../child-process.ts'
import { openHttpSocket } from '../load/http-socket.ts'
import { gatewayCommand, stdioServer } from '../subjects/gateway.ts'

const patienceMs = 20_000

/** Milliseconds of each start, in the order of the starts. */
export async function measureStarts(
  executable: string,
  directory: string,
  count: number,
): Promise<readonly number[]> {
  const place = join(directory, 'start')
  const command = gatewayCommand({ executable, directory: place, servers: [stdioServer('stdio', 'both')] })
  const times: number[] = []
  for (let n = 0; n < count; n++) times.push(await startOnce(command, place))
  return times
}

/** Milliseconds of one start of this command, which takes a port. The gateway has ended when this resolves. */
export async function startOnce(command: readonly string[], directory: string): Promise<number> {
  const port = freePort()
  const startedMs = performance.now()
  const gateway = start({ command: [...command, '--mcp-port', String(port)], directory, name: 'gateway' })
  try {
    await untilHealthy(port, startedMs + patienceMs)
    return performance.now() - startedMs
  } finally {
    await gateway.stop()
  }
}

/** Asks as soon as somebody listens. */
export async function untilHealthy(port: number, untilMs: number): Promise<void> {
  while (performance.now() < untilMs) {
    try {
      const socket = await openHttpSocket({ host: '127.0.0.1', port })
      const answer = await socket.request(`GET /healthz HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\n\r\n`)
      socket.close()
      if (answer.status === 200) return
    } catch {
      // Nobody listens yet.
    }
    // Asking in a tight loop would take the processor that the start needs.
    await Bun.sleep(1)
  }
  throw new Error('the gateway did not become healthy')
}
