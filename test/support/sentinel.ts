/** A Redis with a replica, and a Sentinel that makes the replica the master when the master is gone. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { startProcess } from './process.ts'
import { freePort, type RedisServer, redisProgram, startRedis } from './redis-server.ts'
import { temporaryDirectory } from './temporary-directory.ts'

export interface Failover extends AsyncDisposable {
  readonly master: RedisServer
  readonly replica: RedisServer
  /** `host:port` of the Sentinel. */
  readonly sentinel: string
  readonly masterName: string
  /** Resolves when the Sentinel has made the replica the master. */
  switched(): Promise<unknown>
}

export async function startFailover(): Promise<Failover> {
  const stack = new AsyncDisposableStack()
  const master = stack.use(await startRedis())
  const replica = stack.use(await startRedis(['--replicaof', '127.0.0.1', String(master.port)]))
  const files = stack.use(temporaryDirectory())
  const port = await freePort()
  const config = join(files.path, 'sentinel.conf')
  const masterName = 'tools'
  writeFileSync(
    config,
    [
      `port ${port}`,
      `dir ${files.path}`,
      `sentinel monitor ${masterName} 127.0.0.1 ${master.port} 1`,
      `sentinel down-after-milliseconds ${masterName} 500`,
      `sentinel failover-timeout ${masterName} 3000`,
    ].join('\n'),
  )
  const sentinel = stack.use(startProcess({ command: [redisProgram ?? '', config, '--sentinel'] }))
  await sentinel.line((line) => line.includes('+monitor'))
  await sentinel.line((line) => line.includes('+slave'))
  return {
    master,
    replica,
    sentinel: `127.0.0.1:${port}`,
    masterName,
    switched: () => sentinel.line((line) => line.includes('+switch-master')),
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  }
}
