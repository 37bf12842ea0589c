import { afterAll, describe, expect, test } from 'bun:test'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { hiddenCommands } from '../../../../src/runtime/self-command.ts'
import { Watchdog } from '../../../../src/upstream/transports/stdio/watchdog.ts'
import { type RunningProcess, startProcess } from '../../../support/process.ts'

const doomed = fileURLToPath(new URL('../../../support/doomed-gateway.ts', import.meta.url))
const main = fileURLToPath(new URL('../../../../src/main.ts', import.meta.url))

interface Pids {
  watchdog: number
  children: { child: number; grandchild: number | null }[]
}

const started: RunningProcess[] = []

afterAll(async () => {
  await Promise.all(started.map((gateway) => gateway.kill()))
})

async function startDoomed(
  ...modes: string[]
): Promise<{ gateway: RunningProcess; pids: Pids; all: number[] }> {
  const gateway = startProcess({ command: [process.execPath, doomed, ...modes], stdin: 'pipe' })
  started.push(gateway)
  const pids = JSON.parse(await gateway.line((line) => line.startsWith('{'))) as Pids
  const tree = pids.children.flatMap(({ child, grandchild }) => [
    child,
    ...(grandchild === null ? [] : [grandchild]),
  ])
  return { gateway, pids, all: [pids.watchdog, ...tree] }
}

/** Zombies that nobody has reaped do not live. */
function alive(pid: number): boolean {
  try {
    return !/\) Z /.test(readFileSync(`/proc/${pid}/stat`, 'utf8'))
  } catch {
    return false
  }
}

/** True once the process has a handler for the signal. */
function catches(pid: number, signalNumber: number): boolean {
  const mask = /^SigCgt:\s*([0-9a-f]+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? '0'
  return (BigInt(`0x${mask}`) & (1n << BigInt(signalNumber - 1))) !== 0n
}

async function goneWithin(pids: readonly number[], waitMs: number): Promise<boolean> {
  const deadlineMs = performance.now() + waitMs
  while (pids.some(alive)) {
    if (performance.now() > deadlineMs) return false
    await Bun.sleep(50)
  }
  return true
}

describe.concurrent('the watchdog', () => {
  test('leaves no process behind when the gateway is killed, whatever the processes ignore', async () => {
    const { gateway, all } = await startDoomed('stubborn-tree', 'orphaning', 'deaf')
    expect(all.every(alive)).toBe(true)
    gateway.signal('SIGKILL')
    expect(await goneWithin(all, 10_000)).toBe(true)
  }, 20_000)

  test('also ends a grandchild whose parent died before the gateway', async () => {
    const { gateway, pids, all } = await startDoomed('orphaning')
    const [{ child = 0, grandchild = null } = {}] = pids.children
    gateway.signal('SIGSTOP')
    process.kill(child, 'SIGKILL')
    expect(alive(grandchild ?? 0)).toBe(true)
    gateway.signal('SIGKILL')
    expect(await goneWithin(all, 10_000)).toBe(true)
  }, 20_000)

  test('goes when the gateway ends as it should, and ignores signals until then', async () => {
    const { gateway, pids } = await startDoomed('deaf')
    while (!catches(pids.watchdog, 15)) await Bun.sleep(10)
    for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.kill(pids.watchdog, signal)
    await Bun.sleep(100)
    expect(alive(pids.watchdog)).toBe(true)
    gateway.write('stop\n')
    await gateway.exited
    expect(await goneWithin([pids.watchdog], 2_000)).toBe(true)
  }, 20_000)

  test('is started again when it dies, and told what it must know', async () => {
    const { gateway, pids } = await startDoomed('stubborn-tree')
    process.kill(pids.watchdog, 'SIGKILL')
    await Bun.sleep(1_800)
    gateway.signal('SIGKILL')
    const tree = pids.children.flatMap(({ child, grandchild }) => [child, grandchild ?? 0])
    expect(await goneWithin(tree, 10_000)).toBe(true)
  }, 20_000)

  test('is not started before there is something to watch', () => {
    const watchdog = new Watchdog({ debug() {}, info() {}, warn() {}, error() {} })
    expect(watchdog.pid).toBeNull()
    watchdog.close()
  })

  test('ends only what was not taken back, and never takes 0 or 1 for a group', async () => {
    const [kept, ended] = [
      startProcess({ command: ['sleep', '60'] }),
      startProcess({ command: ['sleep', '60'] }),
    ]
    const watchdog = Bun.spawn([process.execPath, main, hiddenCommands.watchdog], { stdin: 'pipe', env: {} })
    watchdog.stdin.write(`+0\n+1\n+-1\n+x\n+${kept.pid}\n+${ended.pid}\n-${kept.pid}\n`)
    watchdog.stdin.flush()
    await Bun.sleep(300)
    expect(alive(ended.pid)).toBe(true)
    watchdog.stdin.end()
    expect(await goneWithin([ended.pid, watchdog.pid], 8_000)).toBe(true)
    expect(alive(kept.pid)).toBe(true)
    await kept.kill()
  }, 20_000)
})
