/**
 * Replicas that are replaced one after the other, by others of the same version or of another one: no call fails, no
 * event is missed, nothing runs twice, and nobody waits for a process that could have been started before.
 *
 * CLUSTER_FAULTS=1 replaces the version before these sources by that of these sources, and back
 * (`bun run test:long:cluster`); UPGRADE_FROM=FILE is an executable of that version, built from the history otherwise.
 */
import { describe, expect, test } from 'bun:test'
import { join, resolve } from 'node:path'
import { commandOf, repository } from '../support/gateway.ts'
import { RawClient } from '../support/raw-client.ts'
import { redisProgram } from '../support/redis-server.ts'
import { ReplicaTraffic, ranTwice } from '../support/replica-traffic.ts'
import { startReplicas } from '../support/replicas.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'

const rawServer = resolve(import.meta.dir, '../support/raw-server.ts')
const wanted = process.env['CLUSTER_FAULTS'] === '1' && redisProgram !== null

describe.skipIf(redisProgram === null)('a replica that goes', () => {
  test('gives a session away only when its next process is there', async () => {
    const slowStart = `sleep 1; exec ${process.execPath} ${rawServer} --transport stdio`
    await using cluster = await startReplicas({
      count: 2,
      mcps: [{ name: 'slow', transport: 'stdio', command: 'sh', args: ['-c', slowStart] }],
    })
    const client = await RawClient.open(cluster.face('slow', 'stream'), { capabilities: { roots: {} } })
    const first = await client.call<{ pid: number }>('first', 'pid', {})
    const [owner] = cluster.gateways.filter(({ url }) => url === cluster.splitter.begunAt(client.sessionId))
    if (owner === undefined) throw new Error('unreachable')
    owner.process.signal('SIGTERM')
    cluster.splitter.targets = cluster.splitter.targets.filter((url) => url !== owner.url)
    let slowestMs = 0
    let isGone = false
    void owner.process.exited.then(() => {
      isGone = true
    })
    for (let at = 0; !isGone; at++) {
      const startedMs = performance.now()
      await client.call(`c${at}`, 'pid', {})
      slowestMs = Math.max(slowestMs, performance.now() - startedMs)
      await Bun.sleep(10)
    }
    expect((await client.call<{ pid: number }>('last', 'pid', {})).pid).not.toBe(first.pid)
    expect(slowestMs).toBeLessThan(800)
  }, 60_000)
})

describe.skipIf(!wanted)('a rolling upgrade', () => {
  test('from the version before, and back to it, fails nothing', async () => {
    using directory = temporaryDirectory()
    const tally = join(directory.path, 'calls')
    const before = process.env['UPGRADE_FROM'] ?? executableBefore(directory.path)
    const [now = ''] = commandOf('executable')
    await using cluster = await startReplicas({
      program: before,
      settings: { shutdown_timeout: '15s' },
      mcps: [
        {
          ...{ name: 'raw', transport: 'stdio', command: process.execPath },
          args: [rawServer, '--transport', 'stdio', '--tally', tally],
        },
      ],
    })
    const traffic = new ReplicaTraffic({
      endpoints: [cluster.face('raw', 'stream')],
      ...{ sessions: 14, listening: 4, asked: 4, callsPerSecond: 40 },
    })
    await traffic.start()
    let gateways = [...cluster.gateways]
    for (const program of [now, before]) {
      const next = []
      for (const gateway of gateways) next.push(await cluster.replace(gateway, program))
      gateways = next
    }
    await Bun.sleep(1_000)
    await traffic.stop()
    expect(traffic.failures.map(({ nonce, text }) => `${nonce}: ${text}`)).toEqual([])
    expect(traffic.wrong).toEqual([])
    expect(traffic.missed()).toEqual([])
    expect(traffic.astray()).toEqual([])
    expect(ranTwice(tally)).toEqual([])
    expect(traffic.told).toBeGreaterThan(50)
  }, 240_000)
})

/** The commit before the sources that are checked out, built in a worktree of its own. */
function executableBefore(directory: string): string {
  const tree = join(directory, 'before')
  const run = (...command: string[]): void => {
    const { exitCode, stderr } = Bun.spawnSync(command, { cwd: tree, env: process.env })
    if (exitCode !== 0) throw new Error(`${command.join(' ')}: ${stderr.toString()}`)
  }
  const git = (...words: string[]): string =>
    Bun.spawnSync(['git', '-C', repository, ...words])
      .stdout.toString()
      .trim()
  // Where only tests or documents have changed since, the sources of that commit would be these.
  const commit = git('log', '-1', '--skip=1', '--format=%H', '--', 'src')
  git('worktree', 'add', '--detach', tree, commit)
  try {
    run(process.execPath, 'install', '--frozen-lockfile')
    run(process.execPath, 'scripts/build.ts', '--outfile', join(directory, 'compozy-before'))
  } finally {
    git('worktree', 'remove', '--force', tree)
  }
  return join(directory, 'compozy-before')
}
