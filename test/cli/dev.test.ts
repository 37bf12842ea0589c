import { expect, test } from 'bun:test'
import { appendFileSync, cpSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { poll, repository } from '../support/gateway.ts'
import { type RunningProcess, startProcess } from '../support/process.ts'
import { alive, descendants } from '../support/process-facts.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'

const configuration = JSON.stringify({
  mcp_proxy: { port: 0, storage: { type: 'memory' } },
  mcps: [
    {
      name: 'raw',
      transport: 'stdio',
      command: process.execPath,
      args: [join(repository, 'test', 'support', 'raw-server.ts')],
    },
  ],
})

/** How many gateways have begun to listen. */
function starts(dev: RunningProcess): number {
  return dev.lines().filter((line) => line.includes(' listening on http://')).length
}

async function connected(dev: RunningProcess, count: number): Promise<number[]> {
  const pids = () => descendants(dev.pid)
  await poll(`gateway ${count} and its server`, async () => starts(dev) === count && pids().length >= 3)
  return pids()
}

test('bun run dev starts anew at a change, waits out a broken file, and leaves no process behind', async () => {
  using directory = temporaryDirectory({ 'compozy.yaml': configuration })
  const at = (path: string) => join(directory.path, path)
  for (const path of ['src', 'package.json', 'scripts/dev.ts'])
    cpSync(join(repository, path), at(path), { recursive: true })
  symlinkSync(join(repository, 'node_modules'), at('node_modules'))
  await using dev = startProcess({
    command: [process.execPath, at('scripts/dev.ts')],
    cwd: directory.path,
    env: { HOME: directory.path },
  })
  const first = await connected(dev, 1)

  appendFileSync(at('src/errors.ts'), '// changed\n')
  const second = await connected(dev, 2)
  // Zombies would be among them.
  expect(second.filter((pid) => first.includes(pid))).toEqual([])

  appendFileSync(at('src/errors.ts'), 'this is no TypeScript')
  await dev.line((line) => line.includes('waiting for a change'))
  await poll('no process but the watcher', async () => descendants(dev.pid).length === 0)

  cpSync(join(repository, 'src', 'errors.ts'), at('src/errors.ts'))
  const third = await connected(dev, 3)
  expect(await dev.stop()).toBe(0)
  // The watchdog learns from its pipe that its gateway is gone.
  const all = [...first, ...second, ...third]
  await poll('the end of all of them', async () => !all.some(alive))
})
