/**
 * A whole release, built here: formats, sums, documents, and the executables that this machine can run.
 * Takes about a minute and fetches the runtimes of seven platforms; asked for with COMPOZY_TEST_RELEASE=1.
 * The musl executable runs only where root, crun, apt and pip are to be had, the one for arm64 where qemu is.
 */
import { beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test'
import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fetchRuntimes } from '../../scripts/build-all/runtimes.ts'
import { type ReleaseTarget, releaseTargets } from '../../scripts/build-all/targets.ts'
import { buildAll, licencesFile, releaseDirectory, sbomFile, sumsFile } from '../../scripts/build-all.ts'
import type { ImageConfig } from '../../scripts/images/buildah.ts'
import { startProcess } from '../support/process.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'
import { startContainer } from './container.ts'
import { openDoor } from './container-door.ts'
import { formatOf } from './executable-format.ts'
import { leaksIn } from './leaks.ts'
import { makeMuslRoot } from './musl-root.ts'
import { isAskedFor, programPath, repository } from './repository.ts'

setDefaultTimeout(180_000)

const isX64Linux = process.platform === 'linux' && process.arch === 'x64'
const canRunMusl =
  isX64Linux &&
  process.getuid?.() === 0 &&
  ['crun', 'apt-get', 'python3'].every((name) => programPath(name) !== null)

/** Debian: qemu-user-static, libc6-arm64-cross. */
const emulator = isX64Linux ? programPath('qemu-aarch64-static') : null
const arm64Libraries = '/usr/aarch64-linux-gnu'

describe.if(isAskedFor('RELEASE'))('a release', () => {
  let runtimeOf: (target: ReleaseTarget) => string
  const bytesOf = (name: string) => readFileSync(join(releaseDirectory, name))
  const fileOf = (name: string) => releaseTargets.find((target) => target.name === name)?.file ?? ''

  beforeAll(async () => {
    await buildAll()
    runtimeOf = fetchRuntimes(join(repository, 'dist/runtimes'))
  }, 600_000)

  test.each([
    { name: 'linux-x64', format: 'elf x64 /lib64/ld-linux-x86-64.so.2' },
    { name: 'linux-x64-musl', format: 'elf x64 /lib/ld-musl-x86_64.so.1' },
    { name: 'linux-arm64', format: 'elf arm64 /lib/ld-linux-aarch64.so.1' },
    { name: 'linux-arm64-musl', format: 'elf arm64 /lib/ld-musl-aarch64.so.1' },
    { name: 'darwin-x64', format: 'mach-o x64 signed' },
    { name: 'darwin-arm64', format: 'mach-o arm64 signed' },
    { name: 'windows-x64', format: 'pe x64' },
  ])('$name is $format', ({ name, format }) => {
    expect(formatOf(bytesOf(fileOf(name)))).toBe(format)
  })

  test('holds exactly what its sums name, and the sums are right', () => {
    const names = [...releaseTargets.map(({ file }) => file), sbomFile, licencesFile].sort()
    const lines = names.map(
      (name) => `${new Bun.CryptoHasher('sha256').update(bytesOf(name)).digest('hex')}  ${name}\n`,
    )
    expect(bytesOf(sumsFile).toString()).toBe(lines.join(''))
    expect(readdirSync(releaseDirectory).sort()).toEqual([...names, sumsFile].sort())
  })

  test.each(releaseTargets.map(({ name }) => name))('%s holds nothing of this machine', (name) => {
    const target = releaseTargets.find((one) => one.name === name)
    if (target === undefined) throw new Error(`no target ${name}`)
    expect(leaksIn(bytesOf(target.file), readFileSync(runtimeOf(target)))).toEqual([])
  })

  test('its documents hold nothing of this machine', () => {
    for (const name of [sbomFile, licencesFile]) expect(leaksIn(bytesOf(name))).toEqual([])
  })

  test.if(isX64Linux)('linux-x64 says what it is, and serves', async () => {
    using place = temporaryDirectory()
    const executable = join(releaseDirectory, fileOf('linux-x64'))
    const { stdout } = Bun.spawnSync([executable, '--version'])
    expect(stdout.toString()).toMatch(
      /^compozy \d+\.\d+\.\d+ \(commit [0-9a-f]{7,12}, built \d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ, bun 1\.4\.5\)\n$/,
    )
    await using running = startProcess({
      command: [executable, 'mcp-proxy', '--mcp-port', '0'],
      cwd: place.path,
      env: { HOME: place.path },
    })
    const line = JSON.parse(await running.line((text) => text.includes('listening'))) as { url: string }
    expect(await (await fetch(`${line.url}/healthz`)).json()).toEqual({ status: 'ok' })
    expect(await running.stop()).toBe(0)
  })

  test.if(emulator !== null && existsSync(arm64Libraries))(
    'linux-arm64 says what it is, and serves, under emulation',
    async () => {
      using place = temporaryDirectory()
      const emulated = [emulator ?? '', '-L', arm64Libraries, join(releaseDirectory, fileOf('linux-arm64'))]
      expect(Bun.spawnSync([...emulated, '--version']).stdout.toString()).toMatch(
        /^compozy .* bun 1\.4\.5\)\n$/,
      )
      await using running = startProcess({
        command: [...emulated, 'mcp-proxy', '--mcp-port', '0'],
        cwd: place.path,
        // A cap that is set already: the emulator does not follow a program that replaces itself.
        env: { HOME: place.path, BUN_CONFIG_MAX_HTTP_REQUESTS: '20000' },
      })
      const line = JSON.parse(await running.line((text) => text.includes('listening'))) as { url: string }
      expect(await (await fetch(`${line.url}/healthz`)).json()).toEqual({ status: 'ok' })
      expect(await running.stop()).toBe(0)
    },
  )

  test.if(canRunMusl)(
    'linux-x64-musl serves in a root with nothing but musl and the C++ library',
    async () => {
      using place = temporaryDirectory()
      const root = join(place.path, 'root')
      const work = join(place.path, 'work')
      mkdirSync(work)
      makeMuslRoot(root, work)
      copyFileSync(join(releaseDirectory, fileOf('linux-x64-musl')), join(root, 'compozy'))
      const config: ImageConfig = {
        User: '65532:65532',
        WorkingDir: '/',
        Env: ['PATH=/', 'HOME=/tmp'],
        Entrypoint: ['/compozy'],
        Cmd: ['mcp-proxy'],
        Volumes: {},
        ExposedPorts: {},
        StopSignal: 'SIGTERM',
        Healthcheck: { Test: [] },
      }
      await using container = await startContainer({ config, root, directory: place.path })
      await using door = await openDoor(container, place.path)
      expect(await (await door.fetch('/healthz')).json()).toEqual({ status: 'ok' })
      process.kill(container.pid, 'SIGTERM')
      expect(await container.process.exited).toBe(0)
    },
  )
})
