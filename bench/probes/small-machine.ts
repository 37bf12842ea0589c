/**
 * The gateway and its server within a fifth of a CPU and 256 MiB, as the Kubernetes example of the
 * command reference grants: does it start in time, and does a steady light load pass without an error?
 */
import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { freePort, start } from '../child-process.ts'
import type { LoadResult } from '../load/load.ts'
import { openSession } from '../load/open-session.ts'
import { driveWithSockets } from '../load/socket-load.ts'
import { gatewayCommand, stdioServer, tokens } from '../subjects/gateway.ts'
import { untilHealthy } from './start-time.ts'

const CPU_SHARE = 0.2
const MEMORY_BYTES = 256 * 1024 * 1024
const PERIOD_US = 100_000
const RATE_PER_SECOND = 200

export interface SmallMachineFigures {
  readonly startMs: number
  readonly load: LoadResult
}

/** Null where control groups cannot be made: it takes Linux and the right to write them. */
export async function measureSmallMachine(
  executable: string,
  directory: string,
  seconds: number,
): Promise<SmallMachineFigures | null> {
  const group = openGroup(`compozy-bench-${process.pid}`)
  if (group === null) return null
  const place = join(directory, 'small')
  const command = gatewayCommand({ executable, directory: place, servers: [stdioServer('stdio', 'both')] })
  const port = freePort()
  const startedMs = performance.now()
  const joinAndRun = 'for group in $GROUPS_TO_JOIN; do echo $$ > "$group/cgroup.procs"; done; exec "$@"'
  const gateway = start({
    command: ['/bin/sh', '-c', joinAndRun, 'sh', ...command, '--mcp-port', String(port)],
    env: { GROUPS_TO_JOIN: group.paths.join(' ') },
    directory: place,
    name: 'gateway',
  })
  try {
    await untilHealthy(port, startedMs + 60_000)
    const startMs = performance.now() - startedMs
    const url = `http://127.0.0.1:${port}/mcp-proxy/stdio/stream`
    const endpoint = { url, face: 'stream', token: tokens[0] ?? null } as const
    const sessionId = await openSession(endpoint)
    const load = await driveWithSockets(
      {
        endpoint,
        era: 'legacy',
        argumentsText: '{"text":"hello"}',
        connections: 16,
        seconds,
        ratePerSecond: RATE_PER_SECOND,
      },
      sessionId,
    )
    return { startMs, load }
  } finally {
    await gateway.stop()
    await group.remove()
  }
}

interface Group {
  readonly paths: readonly string[]
  remove(): Promise<void>
}

const root = '/sys/fs/cgroup'

/** A group below that of this process, in version 2 or 1 of the interface. */
function openGroup(name: string): Group | null {
  const made: string[] = []
  const make = (parent: string, limits: Readonly<Record<string, string>>): void => {
    const path = join(parent, name)
    mkdirSync(path)
    made.push(path)
    for (const [file, value] of Object.entries(limits)) writeFileSync(join(path, file), value)
  }
  const quotaUs = String(PERIOD_US * CPU_SHARE)
  try {
    if (existsSync(join(root, 'cgroup.controllers'))) {
      make(ownPath(''), { 'cpu.max': `${quotaUs} ${PERIOD_US}`, 'memory.max': String(MEMORY_BYTES) })
    } else {
      make(ownPath('cpu'), { 'cpu.cfs_period_us': String(PERIOD_US), 'cpu.cfs_quota_us': quotaUs })
      make(ownPath('memory'), { 'memory.limit_in_bytes': String(MEMORY_BYTES) })
    }
  } catch {
    for (const path of made) rmdirSync(path)
    return null
  }
  return { paths: made, remove: () => removeAll(made) }
}

/** Where this process stands in one hierarchy; the empty name is the unified one. */
function ownPath(controller: string): string {
  for (const line of readFileSync('/proc/self/cgroup', 'utf8').split('\n')) {
    const [, controllers = '', path = ''] = line.split(':')
    if (controllers.split(',').includes(controller)) {
      const own = join(root, controller, path)
      return existsSync(own) ? own : join(root, controller)
    }
  }
  throw new Error(`no control group for ${controller}`)
}

/** A group goes only once its last process has been reaped. */
async function removeAll(paths: readonly string[]): Promise<void> {
  for (const path of paths) {
    for (let tries = 0; tries < 100; tries++) {
      try {
        rmdirSync(path)
        break
      } catch {
        await Bun.sleep(20)
      }
    }
  }
}
