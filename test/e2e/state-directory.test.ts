/** The state directory: one gateway has it, an older one's is taken over, a newer one's is refused, a full disk is called so. */
import { Database } from 'bun:sqlite'
import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statfsSync,
  writeFileSync,
} from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { version } from '../../package.json'
import { commandOf, poll, type RunningGateway, repository, startGatewayProcess } from '../support/gateway.ts'
import { startProcess } from '../support/process.ts'
import { rawStdio } from '../support/supervised.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'

const inState = (path: string) => ({ mcp_proxy: { storage: { path } } })

/** Starts the executable where it cannot run, and gives its last words. */
async function refusedStart(
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
  wrap: (command: string[]) => string[] = (command) => command,
): Promise<{ code: number; says: string }> {
  using home = temporaryDirectory()
  await using process = startProcess({
    command: wrap([...commandOf('executable'), 'mcp-proxy', ...args]),
    cwd: home.path,
    env: { HOME: home.path, ...env },
  })
  const code = await process.exited
  return { code, says: process.lines().join('\n') }
}

async function namesOf(gateway: RunningGateway): Promise<string[]> {
  const { mcps } = (await (await gateway.admin('/mcps')).json()) as {
    mcps: { definition: { name: string } }[]
  }
  return mcps.map(({ definition }) => definition.name)
}

describe('a second gateway', () => {
  test('is refused in one line that names the first, which is not disturbed; after kill -9 it starts', async () => {
    using state = temporaryDirectory()
    await using first = await startGatewayProcess({ via: 'executable', config: inState(state.path) })
    const { code, says } = await refusedStart(['--mcp-port', '0'], { MCP_PROXY_STORAGE_PATH: state.path })
    expect([code, says]).toEqual([
      1,
      `compozy: the state directory ${state.path} is in use by another gateway (compozy ${version}, pid ${first.pid}, listening on ${first.url}); stop that one, or set storage.path to a directory of this one's own`,
    ])
    expect((await first.admin('/mcps', { method: 'POST', body: rawStdio('kept') })).status).toBe(201)
    await first.kill()
    await using second = await startGatewayProcess({ via: 'executable', config: inState(state.path) })
    expect(await namesOf(second)).toEqual(['kept'])
  })

  test('on the port of the first is told who has both', async () => {
    using state = temporaryDirectory()
    await using first = await startGatewayProcess({ via: 'executable', config: inState(state.path) })
    const { port } = new URL(first.url)
    const { code, says } = await refusedStart(['--mcp-port', port], { MCP_PROXY_STORAGE_PATH: state.path })
    expect(code).toBe(1)
    expect(says).toStartWith(
      `compozy: port ${port} is taken: compozy ${version} (pid ${first.pid}) listens on ${first.url} and uses the state directory ${state.path}.`,
    )
  })

  test('with a state of its own is told that a compozy has the port, and its pid', async () => {
    await using first = await startGatewayProcess({ via: 'executable' })
    const { port } = new URL(first.url)
    expect(await refusedStart(['--mcp-port', port])).toEqual({
      code: 1,
      says: `compozy: port ${port} is taken on 127.0.0.1 by another compozy mcp-proxy (pid ${first.pid}); choose another with --mcp-port`,
    })
  })

  test('says no more than that the port is taken when somebody else has it, who answers or not', async () => {
    using foreign = Bun.serve({
      port: 0,
      hostname: '127.0.0.1',
      fetch: () => Response.json({ status: 'ok' }),
    })
    const silent = createServer((socket) => void socket.resume().on('end', () => socket.destroy()))
    await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve))
    const address = silent.address()
    const ports = [foreign.port, typeof address === 'object' ? address?.port : 0]
    for (const port of ports)
      expect(await refusedStart(['--mcp-port', String(port)])).toEqual({
        code: 1,
        says: `compozy: port ${port} is taken on 127.0.0.1; choose another with --mcp-port`,
      })
    await new Promise((resolve) => silent.close(resolve))
  })

  test('with its state in memory is no second one', async () => {
    using state = temporaryDirectory()
    await using first = await startGatewayProcess({ via: 'executable', config: inState(state.path) })
    await using second = await startGatewayProcess({
      via: 'executable',
      config: { mcp_proxy: { storage: { type: 'memory', path: state.path } } },
    })
    expect([await namesOf(first), await namesOf(second)]).toEqual([[], []])
  })
})

describe('the state of another version', () => {
  const fixture = (name: string) => join(repository, 'test/registry/fixtures/killed', name)

  test('that was killed before this one began is served with nothing lost', async () => {
    using state = temporaryDirectory()
    for (const name of ['definitions.sqlite', 'definitions.sqlite-wal'])
      copyFileSync(fixture(name), join(state.path, name))
    await using gateway = await startGatewayProcess({ via: 'executable', config: inState(state.path) })
    expect(await namesOf(gateway)).toEqual(['docs', 'files'])
  })

  test('that is newer is refused in one line, and left as it is', async () => {
    using state = temporaryDirectory()
    const path = join(state.path, 'definitions.sqlite')
    const database = new Database(path)
    database.run('PRAGMA user_version = 99')
    database.close()
    const before = readFileSync(path)
    const { code, says } = await refusedStart(['--mcp-port', '0'], { MCP_PROXY_STORAGE_PATH: state.path })
    expect(code).toBe(1)
    expect(says).toBe(
      `compozy: ${path} was written by a newer version of compozy (format 99); upgrade, or restore a copy that this version has written, or set storage.path.`,
    )
    expect(readFileSync(path).equals(before)).toBe(true)
  })
})

/** A disk of 256 KiB; null where this user may not make one. */
function smallDisk(): (Disposable & { readonly path: string }) | null {
  const path = mkdtempSync(join(tmpdir(), 'disk-'))
  const { exitCode } = Bun.spawnSync(['mount', '-t', 'tmpfs', '-o', 'size=256k', 'tmpfs', path])
  if (exitCode !== 0) rmSync(path, { recursive: true })
  return exitCode === 0
    ? {
        path,
        [Symbol.dispose]() {
          Bun.spawnSync(['umount', '-l', path])
          rmSync(path, { recursive: true })
        },
      }
    : null
}

const canMount = (() => {
  using disk = smallDisk()
  return disk !== null
})()

describe.if(canMount)('a disk that is full', () => {
  let disk: Disposable & { readonly path: string }
  beforeAll(() => {
    const made = smallDisk()
    if (made === null) return expect.unreachable()
    disk = made
  })
  afterAll(() => disk[Symbol.dispose]())

  const fill = (): void => {
    const { bavail, bsize } = statfsSync(disk.path)
    if (bavail > 0) writeFileSync(join(disk.path, 'filler'), Buffer.alloc(Number(bavail) * Number(bsize)))
  }
  const empty = (): void => rmSync(join(disk.path, 'filler'), { force: true })

  test('is said on start where nothing is stored yet', async () => {
    const state = join(disk.path, 'new')
    mkdirSync(state)
    fill()
    const { code, says } = await refusedStart(['--mcp-port', '0'], { MCP_PROXY_STORAGE_PATH: state })
    empty()
    expect(code).toBe(1)
    expect(says).toBe(
      `compozy: The disk of ${join(state, 'definitions.sqlite')} is full. Make room there and try again; what was stored before is whole.`,
    )
  })

  test('is said to whoever registers a server, changes nothing, and is over when there is room', async () => {
    const state = join(disk.path, 'state')
    {
      await using gateway = await startGatewayProcess({ via: 'executable', config: inState(state) })
      expect((await gateway.admin('/mcps', { method: 'POST', body: rawStdio('before') })).status).toBe(201)
      fill()
      const refused = await gateway.admin('/mcps', { method: 'POST', body: rawStdio('refused') })
      expect([refused.status, await refused.json()]).toEqual([
        507,
        {
          error: 'Disk is full',
          details: expect.stringMatching(/^The disk of .*definitions\.sqlite is full\. Make room/),
          code: 'STORAGE_FULL',
        },
      ])
      const kept = await gateway.admin('/mcps/before', { method: 'DELETE' })
      expect(kept.status).toBe(507)
      expect(await namesOf(gateway)).toEqual(['before'])
      await gateway.kill()
    }
    // It is full still: what is stored is served all the same.
    await using gateway = await startGatewayProcess({ via: 'executable', config: inState(state) })
    expect(await namesOf(gateway)).toEqual(['before'])
    empty()
    expect((await gateway.admin('/mcps', { method: 'POST', body: rawStdio('after') })).status).toBe(201)
  })

  test('does not end a gateway that logs onto it, and the log goes on when there is room', async () => {
    const log = join(disk.path, 'gateway.log')
    await using gateway = await startGatewayProcess({
      via: 'executable',
      config: { mcps: [rawStdio('raw')] },
    })
    writeFileSync(
      join(gateway.directory, 'compozy.yaml'),
      JSON.stringify({ mcp_proxy: { logging: { file: log } }, mcps: [rawStdio('raw')] }),
    )
    await gateway.admin('/reload', { method: 'POST' })
    fill()
    for (let n = 0; n < 200; n++) await (await fetch(`${gateway.url}/mcp-proxy/none/stream`)).text()
    await gateway.process.line((line) => line.includes('the log cannot be written: the disk is full'))
    expect((await fetch(`${gateway.url}/healthz`)).status).toBe(200)
    empty()
    const dropped = () => readFileSync(log, 'utf8').includes('"dropped":')
    await poll('the log', async () => {
      await (await fetch(`${gateway.url}/mcp-proxy/none/stream`)).text()
      return dropped()
    })
    await gateway.process.line((line) => line.includes('the log can be written again'))
    expect(gateway.lines().filter((line) => line.includes('cannot be written'))).toHaveLength(1)
    // No line is torn: each is JSON, but for the part of one at which the disk was full.
    const broken = readFileSync(log, 'utf8')
      .split('\n')
      .filter((line) => line !== '' && !(line.startsWith('{') && line.endsWith('}')))
    expect(broken.length).toBeLessThanOrEqual(1)
  })
})

test('a file that may not grow counts as a full disk: the bound of a user is one too', async () => {
  using state = temporaryDirectory()
  // 8 KiB; its signal is ignored as a service manager would have it.
  const limited = (command: string[]) => [
    'sh',
    '-c',
    'trap "" XFSZ; ulimit -f 16; exec "$@"',
    'sh',
    ...command,
  ]
  const { code, says } = await refusedStart(
    ['--mcp-port', '0'],
    { MCP_PROXY_STORAGE_PATH: state.path },
    limited,
  )
  expect([code, says]).toEqual([1, expect.stringContaining('is full. Make room there')])
})
