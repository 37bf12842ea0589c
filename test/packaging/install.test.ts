/** scripts/install.sh, run by the system's own shell against a release that a local server offers. */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { releaseTargets } from '../../scripts/build-all/targets.ts'
import { type TemporaryDirectory, temporaryDirectory } from '../support/temporary-directory.ts'
import { programPath, repository } from './repository.ts'

const script = join(repository, 'scripts/install.sh')

/** The script takes either; a machine with neither cannot install anything. */
const downloaders = (['curl', 'wget'] as const).filter((name) => programPath(name) !== null)

/** Stands in for an executable: a real one has a hundred megabytes. */
const stub = (target: string) => `#!/bin/sh\necho "compozy 9.9.9 for ${target}"\n`
const broken = '#!/bin/sh\necho "no such library" >&2\nexit 127\n'

const sha256 = (text: string) => new Bun.CryptoHasher('sha256').update(text).digest('hex')

function sumsOf(files: Readonly<Record<string, string>>): string {
  return Object.entries(files)
    .map(([name, text]) => `${sha256(text)}  ${name}\n`)
    .join('')
}

const release = Object.fromEntries(releaseTargets.map(({ name, file }) => [file, stub(name)]))

/** Releases by the first part of the path. */
const releases: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  good: { ...release, SHA256SUMS: sumsOf(release) },
  tampered: {
    ...release,
    'compozy-linux-x64': stub('somebody else'),
    SHA256SUMS: sumsOf(release),
  },
  incomplete: { SHA256SUMS: sumsOf({ 'compozy-linux-x64.txt': '', 'other-compozy-linux-x64': '' }) },
  nonsense: { ...release, SHA256SUMS: '<html>  compozy-linux-x64\n' },
  broken: { 'compozy-linux-x64-musl': broken, SHA256SUMS: sumsOf({ 'compozy-linux-x64-musl': broken }) },
  vanished: { SHA256SUMS: sumsOf(release) },
}

let server: ReturnType<typeof Bun.serve>

beforeAll(() => {
  server = Bun.serve({
    hostname: '127.0.0.1',
    port: 0,
    fetch: (request) => {
      const [, name = '', file = ''] = new URL(request.url).pathname.split('/')
      const text = releases[name]?.[file]
      return text === undefined ? new Response('not here', { status: 404 }) : new Response(text)
    },
  })
})

afterAll(() => server.stop(true))

interface Outcome {
  readonly code: number
  readonly out: string
  readonly err: string
}

interface Machine {
  /** What `uname -s` and `-m` say, and `ldd /bin/sh`. */
  readonly system: string
  readonly processor: string
  readonly libraries?: string
}

const usual: Machine = { system: 'Linux', processor: 'x86_64' }

/** The folders of programs that the script sees: stand-ins for the machine, and only what it may need. */
function programs(place: TemporaryDirectory, machine: Machine, downloader: 'curl' | 'wget'): string {
  const bin = join(place.path, 'programs')
  mkdirSync(bin)
  const put = (name: string, text: string) => {
    writeFileSync(join(bin, name), `#!/bin/sh\n${text}\n`)
    chmodSync(join(bin, name), 0o755)
  }
  put('uname', `case $1 in -s) echo ${machine.system} ;; -m) echo ${machine.processor} ;; esac`)
  put('ldd', `echo "${machine.libraries ?? 'libc.so.6 => /lib/libc.so.6'}"`)
  const needed = [
    'sh',
    'grep',
    'awk',
    'cut',
    'head',
    'mkdir',
    'mktemp',
    'mv',
    'rm',
    'chmod',
    'sha256sum',
    downloader,
  ]
  for (const name of needed) symlinkSync(programPath(name) ?? `/missing/${name}`, join(bin, name))
  return bin
}

async function install(
  place: TemporaryDirectory,
  args: readonly string[],
  options: { machine?: Machine; downloader?: 'curl' | 'wget' } = {},
): Promise<Outcome> {
  const path = programs(place, options.machine ?? usual, options.downloader ?? downloaders[0] ?? 'curl')
  const child = Bun.spawn([join(path, 'sh'), script, ...args], {
    env: { PATH: path, HOME: place.path },
    stdin: 'ignore',
    stdout: 'pipe',
    stderr: 'pipe',
  })
  const [code, out, err] = await Promise.all([child.exited, child.stdout.text(), child.stderr.text()])
  return { code, out, err }
}

function fromRelease(name: string, place: TemporaryDirectory): string[] {
  return ['--base-url', `http://127.0.0.1:${server.port}/${name}`, '--dir', join(place.path, 'bin')]
}

describe.if(downloaders.length > 0)('picks the executable of the machine', () => {
  test.each([
    { machine: usual, target: 'linux-x64' },
    { machine: { system: 'Linux', processor: 'aarch64' }, target: 'linux-arm64' },
    {
      machine: { system: 'Linux', processor: 'x86_64', libraries: '/lib/ld-musl-x86_64.so.1 (0x7f)' },
      target: 'linux-x64-musl',
    },
    {
      machine: { system: 'Linux', processor: 'aarch64', libraries: '/lib/ld-musl-aarch64.so.1 (0x7f)' },
      target: 'linux-arm64-musl',
    },
    { machine: { system: 'Darwin', processor: 'x86_64' }, target: 'darwin-x64' },
    { machine: { system: 'Darwin', processor: 'arm64' }, target: 'darwin-arm64' },
    { machine: { system: 'MINGW64_NT-10.0', processor: 'x86_64' }, target: 'windows-x64' },
  ])('$machine.system on $machine.processor gets $target', async ({ machine, target }) => {
    using place = temporaryDirectory()
    const { code, out } = await install(place, fromRelease('good', place), { machine })
    expect({ code, said: out.includes(`installed compozy 9.9.9 for ${target} as`) }).toEqual({
      code: 0,
      said: true,
    })
    const installed = join(place.path, 'bin', target.startsWith('windows') ? 'compozy.exe' : 'compozy')
    expect(readFileSync(installed, 'utf8')).toBe(stub(target))
  })

  test('no executable of a release is left out above', () => {
    expect(releaseTargets.map(({ name }) => name)).toEqual([
      'linux-x64',
      'linux-x64-musl',
      'linux-arm64',
      'linux-arm64-musl',
      'darwin-x64',
      'darwin-arm64',
      'windows-x64',
    ])
  })

  test('a machine without one is told to run from source', async () => {
    using place = temporaryDirectory()
    const machine = { system: 'Linux', processor: 'riscv64' }
    expect(await install(place, fromRelease('good', place), { machine })).toMatchObject({
      code: 1,
      err: 'install: there is no executable for riscv64 processors; run from source instead\n',
    })
  })
})

test.if(programPath('wget') !== null)('does with wget where there is no curl', async () => {
  using place = temporaryDirectory()
  const { code } = await install(place, fromRelease('good', place), { downloader: 'wget' })
  expect(code).toBe(0)
})

test.if(downloaders.length > 0)(
  'installs below HOME for those who may not write to /usr/local/bin',
  async () => {
    using place = temporaryDirectory()
    const text = readFileSync(script, 'utf8').replaceAll('/usr/local/bin', '/nowhere/bin')
    const copy = join(place.path, 'install.sh')
    writeFileSync(copy, text)
    const url = `http://127.0.0.1:${server.port}/good`
    const child = Bun.spawn(['sh', copy, '--base-url', url, '--target', 'linux-x64'], {
      env: { PATH: process.env['PATH'] ?? '', HOME: place.path },
      stdout: 'pipe',
    })
    expect(await child.stdout.text()).toContain('.local/bin is not in PATH')
    expect(existsSync(join(place.path, '.local/bin/compozy'))).toBe(true)
  },
)

describe.if(downloaders.length > 0)('changes nothing when something is wrong', () => {
  test.each([
    {
      why: 'the file is not the one of the sums',
      name: 'tampered',
      err: /not the file that SHA256SUMS names/,
    },
    {
      why: 'only similar names are in the sums',
      name: 'incomplete',
      err: /this release has no compozy-linux-x64$/m,
    },
    { why: 'the sums are no sums', name: 'nonsense', err: /SHA256SUMS says nothing sensible/ },
    { why: 'the file is in the sums only', name: 'vanished', err: /could not download/ },
    { why: 'there is no such release', name: 'unknown', err: /could not download .*SHA256SUMS/ },
  ])('because $why', async ({ name, err }) => {
    using place = temporaryDirectory({ 'bin/compozy': 'the old one' })
    const outcome = await install(place, fromRelease(name, place))
    expect(outcome.code).toBe(1)
    expect(outcome.err).toMatch(err)
    expect(readdirSync(join(place.path, 'bin'))).toEqual(['compozy'])
    expect(readFileSync(join(place.path, 'bin/compozy'), 'utf8')).toBe('the old one')
  })

  test('because it does not run here, and says what musl systems lack', async () => {
    using place = temporaryDirectory({ 'bin/compozy': 'the old one' })
    const args = [...fromRelease('broken', place), '--target', 'linux-x64-musl']
    const { code, err } = await install(place, args)
    expect(code).toBe(1)
    expect(err).toContain('does not run here: no such library. On Alpine: apk add libstdc++ libgcc')
    expect(readFileSync(join(place.path, 'bin/compozy'), 'utf8')).toBe('the old one')
  })
})

describe('refuses arguments', () => {
  test.each([
    { args: [], err: 'say where the release is' },
    { args: ['--base-url'], err: '--base-url needs a value' },
    { args: ['--base-url', 'http://downloads.example/compozy'], err: 'must begin with https://' },
    { args: ['--base-url', 'http://127.0.0.1.example/compozy'], err: 'must begin with https://' },
    { args: ['--base-url', 'http://127.0.0.1:80@downloads.example'], err: 'must not carry credentials' },
    { args: ['--version'], err: 'unknown argument --version' },
  ])('$args', async ({ args, err }) => {
    using place = temporaryDirectory()
    const outcome = await install(place, args)
    expect(outcome.code).toBe(2)
    expect(outcome.err).toContain(err)
  })
})

test.if(programPath('shellcheck') !== null)('shellcheck has nothing to say about the shell scripts', () => {
  const scripts = ['install.sh', 'ci-packages.sh'].map((name) => join(repository, 'scripts', name))
  const { exitCode, stdout } = Bun.spawnSync(['shellcheck', '--shell=sh', ...scripts])
  expect({ exitCode, said: stdout.toString() }).toEqual({ exitCode: 0, said: '' })
})
