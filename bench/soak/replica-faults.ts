/** What goes wrong with replicas on purpose, and what docs/SCALING.md allows each of these to cost. */
import { readdirSync } from 'node:fs'
import { resolve } from 'node:path'
import { poll, type RunningGateway } from '../../test/support/gateway.ts'
import type { RunningReplicas } from '../../test/support/replicas.ts'
import { childrenOf } from './faults.ts'

const echoScript = resolve(import.meta.dir, '../echo-server.ts')

/** The replicas of a soak, each at its place. */
export class ReplicaField {
  readonly cluster: RunningReplicas
  readonly gateways: RunningGateway[]

  constructor(cluster: RunningReplicas) {
    this.cluster = cluster
    this.gateways = [...cluster.gateways]
  }

  /** Any of them. */
  any(): RunningGateway {
    const gateway = this.gateways[Math.floor(Math.random() * this.gateways.length)]
    if (gateway === undefined) throw new Error('no replica is left')
    return gateway
  }

  /** Whoever balances sends nothing there any more. */
  avoid({ url }: RunningGateway): void {
    const { splitter } = this.cluster
    splitter.targets = splitter.targets.filter((target) => target !== url)
  }

  /** Another one stands in its place. */
  put(gone: RunningGateway, next: RunningGateway): void {
    this.gateways[this.gateways.indexOf(gone)] = next
    const { splitter } = this.cluster
    if (!splitter.targets.includes(next.url)) splitter.targets = [...splitter.targets, next.url]
  }
}

export interface ReplicaFault {
  /** What calls that were under way may fail with; null where none may fail. */
  readonly allowed: RegExp | null
  run(field: ReplicaField): Promise<void>
}

const ownerLost = /may have run|was lost|Another replica has taken|cannot be reached/
/** How a client sees that the replica is gone to which its request went. */
const frontLost = /the splitter: |socket connection was closed|ended without an answer|ECONNRESET/
const replicaLost = new RegExp(`${ownerLost.source}|${frontLost.source}`)
const serverLost = /UPSTREAM_CLOSED|Connection to the server|process|may have run/i

/** Longer than the lease of a soak. */
const beyondLeaseMs = 5_000

export const replicaFaults: Readonly<Record<string, ReplicaFault>> = {
  'kill -9 a replica': {
    allowed: replicaLost,
    async run(field) {
      const victim = field.any()
      victim.process.signal('SIGKILL')
      field.avoid(victim)
      await victim.kill()
      field.put(victim, await field.cluster.start())
    },
  },
  'replace a replica': {
    allowed: null,
    async run(field) {
      const gone = field.any()
      field.put(gone, await field.cluster.replace(gone))
    },
  },
  'stop a replica beyond its lease': {
    allowed: replicaLost,
    async run(field) {
      const victim = field.any()
      field.avoid(victim)
      victim.process.signal('SIGSTOP')
      await Bun.sleep(beyondLeaseMs)
      victim.process.signal('SIGCONT')
      await poll('the replica to answer', async () => (await fetch(`${victim.url}/healthz`)).ok)
      field.put(victim, victim)
    },
  },
  'kill Redis, and start it empty': {
    allowed: null,
    async run({ cluster }) {
      await cluster.redis.kill()
      await Bun.sleep(3_000)
      await cluster.redis.restart()
    },
  },
  'stop Redis for 5 s': {
    allowed: null,
    async run({ cluster }) {
      cluster.redis.process.signal('SIGSTOP')
      await Bun.sleep(5_000)
      cluster.redis.process.signal('SIGCONT')
    },
  },
  'empty Redis': {
    allowed: null,
    async run({ cluster }) {
      await cluster.redis.command('FLUSHALL')
    },
  },
  'kill -9 a server': {
    allowed: serverLost,
    async run(field) {
      const children = childrenOf(field.any().pid)
      const child = children[Math.floor(Math.random() * children.length)]
      if (child !== undefined) process.kill(child, 'SIGKILL')
    },
  },
  'read the configuration again': {
    allowed: null,
    async run({ gateways }) {
      for (const gateway of gateways) gateway.process.signal('SIGHUP')
    },
  },
  'change a definition': {
    allowed: null,
    async run(field) {
      const args = [echoScript, 'stdio', `--unused-${crypto.randomUUID()}`]
      const body = { name: 'extra', transport: 'stdio', command: process.execPath, args }
      const put = await field.any().admin('/mcps/extra', { method: 'PUT', body })
      if (put.status === 404) await field.any().admin('/mcps', { method: 'POST', body })
    },
  },
}

/** Open descriptors of a process; 0 where it is gone. */
export function descriptorsOf(pid: number): number {
  try {
    return readdirSync(`/proc/${pid}/fd`).length
  } catch {
    return 0
  }
}
