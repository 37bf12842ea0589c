/** A real Redis, or Valkey, on a free port and in an empty directory: started, emptied, stopped and killed by a test. */
import { createServer } from 'node:net'
import { type RunningProcess, startProcess } from './process.ts'
import { temporaryDirectory } from './temporary-directory.ts'

/** The program; null where none is installed. */
export const redisProgram = Bun.which('redis-server') ?? Bun.which('valkey-server')

export interface RedisServer extends AsyncDisposable {
  readonly port: number
  /** Without a password. */
  readonly url: string
  readonly process: RunningProcess
  /** One command, with its answer as text. */
  command(...words: readonly string[]): Promise<string>
  /** Ends it at once. */
  kill(): Promise<void>
  /** Starts it again on its port, with nothing in it. */
  restart(): Promise<void>
}

/** Starts one; `options` are those of its command line. */
export async function startRedis(
  options: readonly string[] = [],
  env: Readonly<Record<string, string>> = {},
): Promise<RedisServer> {
  if (redisProgram === null) throw new Error('no redis-server is installed')
  const directory = temporaryDirectory()
  const port = await freePort()
  const begin = async (): Promise<RunningProcess> => {
    const command = [
      ...[redisProgram ?? '', '--port', String(port), '--bind', '127.0.0.1', '--dir', directory.path],
      ...['--save', '', '--appendonly', 'no', ...options],
    ]
    const process = startProcess({ command, env })
    await process.line((line) => /Ready to accept connections|Sentinel ID/.test(line))
    return process
  }
  let process = await begin()
  return {
    port,
    url: `redis://127.0.0.1:${port}`,
    get process() {
      return process
    },
    command: (...words) => ask(port, words),
    kill: () => process.kill(),
    async restart() {
      process = await begin()
    },
    async [Symbol.asyncDispose]() {
      await process.kill()
      directory[Symbol.dispose]()
    },
  }
}

/** A port that nobody listens on. */
export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer()
    server.once('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const address = server.address()
      server.close(() => resolve(typeof address === 'object' && address !== null ? address.port : 0))
    })
  })
}

/** Asks on a connection of its own, without the client that the gateway uses. */
async function ask(port: number, words: readonly string[]): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>()
  let text = ''
  const socket = await Bun.connect({
    hostname: '127.0.0.1',
    port,
    socket: {
      data(_socket, bytes) {
        text += bytes.toString()
      },
      error: (_socket, error) => reject(error),
      close: () => resolve(text),
    },
  })
  const parts = words.map((word) => `$${Buffer.byteLength(word)}\r\n${word}\r\n`)
  socket.write(`*${words.length}\r\n${parts.join('')}*1\r\n$4\r\nQUIT\r\n`)
  return (await promise).replace(/\+OK\r\n$/, '')
}
