/** Several gateways that are one to their clients: real processes, a real Redis, and a splitter in front of them. */

import { sessionKey } from '../../src/cluster/forward/owned-sessions.ts'
import { startReplica } from './cluster.ts'
import type { RunningGateway } from './gateway.ts'
import type { Host } from './hosts.ts'
import { RawClient } from './raw-client.ts'
import { freePort, type RedisServer, startRedis } from './redis-server.ts'
import { type Splitter, startSplitter } from './splitter.ts'

type Settings = Readonly<Record<string, unknown>>

export interface ReplicasOptions {
  /** 3 unless said otherwise. */
  readonly count?: number
  /** Settings under `mcp_proxy`, beside those of the cluster; they may say where the splitter is. */
  readonly settings?: Settings | ((url: string) => Settings)
  /** A Redis of its own unless said otherwise. */
  readonly redis?: RedisServer
  /** Settings of the cluster, beside those that it needs. */
  readonly cluster?: Readonly<Record<string, unknown>>
  readonly mcps?: readonly Readonly<Record<string, unknown>>[]
  readonly env?: Readonly<Record<string, string>>
  /** Another executable than the one of these sources. */
  readonly program?: string
  /** Where each new one runs; on this host unless said otherwise. */
  readonly host?: () => Host
}

export interface RunningReplicas extends AsyncDisposable {
  readonly redis: RedisServer
  readonly gateways: readonly RunningGateway[]
  /** `host:port` of the internal ports, in the same order. */
  readonly advertised: readonly string[]
  readonly splitter: Splitter
  /** The gateway that has a session by the directory. */
  ownerOf(sessionId: string): Promise<RunningGateway>
  /** The endpoint of a server, through the splitter. */
  face(name: string, face: 'stream' | 'sse'): URL
  /** One more gateway of the same kind, or of this executable, which the splitter does not know yet. */
  start(program?: string): Promise<RunningGateway>
  /**
   * Puts a new gateway in the place of one, as a rolling restart does it: the new one is there first, and what goes
   * gets no new request once it says that it goes. Resolves when the old one is gone.
   */
  replace(gateway: RunningGateway, program?: string): Promise<RunningGateway>
}

/** Starts them, and resolves once all of them know each other. */
export async function startReplicas(options: ReplicasOptions = {}): Promise<RunningReplicas> {
  const { count = 3, settings = {}, cluster = {}, mcps = [], env = {}, program: first } = options
  const redis = options.redis ?? (await startRedis())
  const splitter = startSplitter([])
  /** By the name that each gave itself. */
  const byInstance = new Map<string, RunningGateway>()
  const own = typeof settings === 'function' ? settings(splitter.url) : settings
  const started: RunningGateway[] = []
  const advertised: string[] = []
  const start = async (program = first): Promise<RunningGateway> => {
    const { address, within } = options.host?.() ?? { address: '127.0.0.1', within: [] }
    const advertise = `${address}:${await freePort()}`
    advertised.push(advertise)
    const gateway = await startReplica(redis, {
      via: 'executable',
      ...(program !== undefined && { program }),
      within,
      settings: { host: address, storage: { type: 'memory' }, ...own },
      cluster: { advertise, ...cluster },
      mcps,
      env,
    })
    started.push(gateway)
    byInstance.set(await (await fetch(`http://${advertise}/ping`)).text(), gateway)
    return gateway
  }
  const gateways: RunningGateway[] = []
  for (let at = 0; at < count; at++) gateways.push(await start())
  splitter.targets = gateways.map(({ url }) => url)
  return {
    redis,
    gateways,
    advertised,
    splitter,
    start,
    async ownerOf(sessionId) {
      const answer = await redis.command('HGET', `{cz:default}:${sessionKey(sessionId)}`, 'o')
      const owner = byInstance.get(answer.split('\r\n')[1] ?? '')
      if (owner === undefined) throw new Error(`nobody owns the session: ${answer}`)
      return owner
    },
    async replace(gateway, program) {
      const next = await start(program)
      splitter.targets = [...splitter.targets, next.url]
      gateway.process.signal('SIGTERM')
      // As a balancer does that asks `/healthz`.
      splitter.targets = splitter.targets.filter((url) => url !== gateway.url)
      await gateway.process.exited
      await gateway.kill()
      return next
    },
    face: (name, face) => new URL(`${splitter.url}${name === '' ? '/mcp' : `/mcp-proxy/${name}/${face}`}`),
    async [Symbol.asyncDispose]() {
      await splitter[Symbol.asyncDispose]()
      await Promise.all(started.map((gateway) => gateway.kill()))
      if (options.redis === undefined) await redis[Symbol.asyncDispose]()
    },
  }
}

/** A session at its server `raw` that begins at this gateway, and is called through the splitter. */
export async function openRawAt(cluster: RunningReplicas, url: string | undefined): Promise<RawClient> {
  const { splitter } = cluster
  const { targets } = splitter
  splitter.targets = [url ?? '']
  try {
    return await RawClient.open(cluster.face('raw', 'stream'))
  } finally {
    splitter.targets = targets
  }
}
