/** What is left when the gateway itself is killed: nothing. */
import { expect, test } from 'bun:test'
import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { gatewayForms, startGatewayProcess } from '../support/gateway.ts'

const faultServer = fileURLToPath(new URL('../support/fault-stdio.ts', import.meta.url))

interface Process {
  readonly pid: number
  readonly parent: number
  readonly zombie: boolean
}

function processes(): Process[] {
  return readdirSync('/proc')
    .filter((entry) => /^\d+$/.test(entry))
    .flatMap((entry) => {
      try {
        const stat = readFileSync(`/proc/${entry}/stat`, 'utf8')
        const [state, parent] = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
        return [{ pid: Number(entry), parent: Number(parent), zombie: state === 'Z' }]
      } catch {
        return []
      }
    })
}

function descendants(root: number): number[] {
  const all = processes()
  const found = [root]
  for (const pid of found) found.push(...all.filter(({ parent }) => parent === pid).map((child) => child.pid))
  return found.slice(1)
}

test.concurrent.each([...gatewayForms])(
  'the %s leaves no process of a server alive ten seconds after kill -9',
  async (via) => {
    const server = { command: process.execPath, args: [faultServer, 'stubborn-tree'] }
    await using gateway = await startGatewayProcess({
      via,
      config: { mcpServers: { one: server, two: server } },
    })
    const deadlineMs = performance.now() + 15_000
    // The watchdog, and for each server the child and its grandchild.
    while (descendants(gateway.pid).length < 5 && performance.now() < deadlineMs) await Bun.sleep(50)
    const tree = descendants(gateway.pid)
    expect(tree.length).toBe(5)
    await gateway.kill()
    const killedAtMs = performance.now()
    const left = (): Process[] => processes().filter(({ pid, zombie }) => tree.includes(pid) && !zombie)
    while (left().length > 0 && performance.now() - killedAtMs < 10_000) await Bun.sleep(100)
    expect(left()).toEqual([])
  },
  40_000,
)
