/** What goes into the executables and the images: which versions, from where, under which terms. */
import { beforeAll, describe, expect, test } from 'bun:test'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { engines, version } from '../../package.json'
import { build } from '../../scripts/build.ts'
import { type Licence, licenceList, licencesOf } from '../../scripts/build-all/licences.ts'
import { lockedPackages, packagesOf } from '../../scripts/build-all/lock.ts'
import { cycloneDx } from '../../scripts/build-all/sbom.ts'
import { releaseTargets } from '../../scripts/build-all/targets.ts'
import { commandOf } from '../support/gateway.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'
import { instructions } from './dockerfile.ts'
import { leaksIn } from './leaks.ts'
import { readText, repository } from './repository.ts'

function sha256(file: string): string {
  return new Bun.CryptoHasher('sha256').update(readFileSync(file)).digest('hex')
}

const sample = `{
  "packages": {
    "a": ["a@1.0.0", "", { "dependencies": { "b": "^2", "@s/c": "1" } }, "sha512-AAAA"],
    "b": ["b@1.0.0", "", {}, "sha512-AAAA"],
    "@s/c": ["@s/c@1.2.3", "", { "peerDependencies": { "b": "*", "absent": "*" } }, "sha512-AAAA"],
    "a/b": ["b@2.0.0", "", { "dependencies": { "@s/c": "1" } }, "sha512-AAAA"],
  },
}`

describe('reading bun.lock', () => {
  const packages = lockedPackages(sample)

  test.each([
    { key: 'a', needs: ['@s/c', 'a/b'], why: 'its own copy of b is nearer than the one of everybody' },
    { key: '@s/c', needs: ['b'], why: 'a peer that is not installed is not needed' },
    { key: 'a/b', needs: ['@s/c'], why: 'a nested package finds what lies further out' },
  ])('$key needs $needs, because $why', ({ key, needs }) => {
    expect(packages.get(key)?.needs).toEqual(needs)
  })

  test('knows the package of every file, nested and scoped ones too', () => {
    const paths = [
      'src/main.ts',
      'node_modules/a/x.js',
      'node_modules/a/node_modules/b/y.js',
      '../node_modules/@s/c/dist/z.js',
    ]
    const found = packagesOf(paths, packages).map(
      ({ name, version: its, place }) => `${name} ${its} ${place}`,
    )
    expect(found).toEqual([
      '@s/c 1.2.3 node_modules/@s/c',
      'a 1.0.0 node_modules/a',
      'b 2.0.0 node_modules/a/node_modules/b',
    ])
  })

  test('stops at a file of a package that is not locked', () => {
    expect(() => packagesOf(['node_modules/stranger/x.js'], packages)).toThrow(
      'stranger went into the executable',
    )
  })
})

describe('the parts of the executable', () => {
  let licences: readonly Licence[]
  let sum: string
  const given = { COMPOZY_COMMIT: 'abc1234', SOURCE_DATE_EPOCH: '1767225600' }

  beforeAll(async () => {
    using place = temporaryDirectory()
    const outfile = join(place.path, 'compozy')
    Object.assign(process.env, given)
    try {
      const inputs = await build({ outfile })
      licences = licencesOf(packagesOf(inputs, lockedPackages(readText('bun.lock'))), repository)
    } finally {
      for (const name of Object.keys(given)) delete process.env[name]
    }
    sum = sha256(outfile)
  }, 60_000)

  test('are put together in the same way whatever the environment of the builder', async () => {
    using place = temporaryDirectory()
    const outfile = join(place.path, 'compozy')
    const { exited } = Bun.spawn([process.execPath, 'scripts/build.ts', '--outfile', outfile], {
      cwd: repository,
      // Tests have another mode, which would go into the executable.
      env: { ...process.env, ...given, NODE_ENV: 'development' },
      stdout: 'ignore',
    })
    expect(await exited).toBe(0)
    expect(sha256(outfile)).toBe(sum)
    const built = `commit abc1234, built 2026-01-01T00:00:00Z, bun ${Bun.version}`
    expect(Bun.spawnSync([outfile, '--version']).stdout.toString()).toBe(`compozy ${version} (${built})\n`)
  }, 60_000)

  test('come under terms that ask for no more than to be named', () => {
    const terms = new Set(licences.map((licence) => licence.terms))
    const harmless = ['0BSD', 'Apache-2.0', 'BSD-2-Clause', 'BSD-3-Clause', 'BlueOak-1.0.0', 'ISC', 'MIT']
    expect([...terms].filter((name) => !harmless.includes(name))).toEqual([])
  })

  test('are all in the licence list, behind the program, the runtime and the model of the word vectors', () => {
    const list = licenceList(licences, repository, Bun.version)
    const titles = list
      .split('\n')
      .filter((_, index, lines) => lines[index - 1]?.startsWith('===') && lines[index + 1]?.startsWith('==='))
    expect(titles).toEqual([
      'compozy: MIT',
      `Bun ${Bun.version}: MIT, with parts under other terms`,
      'all-MiniLM-L6-v2: Apache-2.0',
      ...licences.map(({ component, terms }) => `${component.name} ${component.version}: ${terms}`),
    ])
    expect(list).toContain(readText('LICENSE').trim())
  })

  test('are all in the bill of materials, with sums and with whoever needs them', () => {
    const input = { version, runtimeVersion: Bun.version, time: '2026-01-31T12:00:00.000Z', licences }
    const document = JSON.parse(cycloneDx(input)) as {
      serialNumber: string
      components: { 'bom-ref': string; name: string; hashes?: { content: string }[] }[]
      dependencies: { ref: string; dependsOn: string[] }[]
    }
    expect(document).toMatchObject({ bomFormat: 'CycloneDX', specVersion: '1.6' })
    expect(document.serialNumber).toMatch(
      /^urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/,
    )
    const libraries = document.components.slice(2)
    expect(libraries).toHaveLength(licences.length)
    for (const { hashes } of libraries) expect(hashes?.[0]?.content).toMatch(/^[0-9a-f]{128}$/)
    const reached = new Set(['compozy'])
    for (const ref of reached) {
      for (const next of document.dependencies.find((entry) => entry.ref === ref)?.dependsOn ?? [])
        reached.add(next)
    }
    expect([...reached].sort()).toEqual(
      ['compozy', ...document.components.map((part) => part['bom-ref'])].sort(),
    )
    expect(cycloneDx(input)).toBe(cycloneDx(input))
  })
})

test('the executable holds no path, host or token of the machine that built it', () => {
  const [executable = ''] = commandOf('executable')
  expect(leaksIn(readFileSync(executable), readFileSync(process.execPath))).toEqual([])
}, 60_000)

describe('versions', () => {
  const runtimes = JSON.parse(readText('scripts/build-all/runtimes/package.json')) as {
    dependencies: Record<string, string>
  }

  test('the same runtime is asked for everywhere', () => {
    const asked = engines.bun.replace('>=', '')
    expect(asked).toBe(Bun.version)
    expect(new Set(Object.values(runtimes.dependencies))).toEqual(new Set([asked]))
    expect(readText('Dockerfile')).toContain(`ARG BUILD_BASE=docker.io/oven/bun:${asked}-debian`)
    for (const file of ['.ci/run', '.github/workflows/ci.yml', '.github/workflows/release.yml']) {
      const named = [...readText(file).matchAll(/bun@([\d.]+)/g)].map(([, found]) => found)
      expect({ file, versions: [...new Set(named)] }).toEqual({ file, versions: [asked] })
    }
  })

  test('the runtime of every platform is locked by its sum, and by no host', () => {
    const text = readText('scripts/build-all/runtimes/bun.lock')
    expect(text).not.toMatch(/https?:/)
    const locked = lockedPackages(text)
    expect([...locked.keys()].sort()).toEqual(releaseTargets.map((target) => target.runtimePackage).sort())
    for (const { integrity } of locked.values()) expect(integrity).toMatch(/^sha512-[A-Za-z0-9+/]{86}==$/)
  })

  test('every base image is an argument with a tag, and none is "latest"', () => {
    const all = instructions()
    const bases = all
      .filter(({ name, text }) => name === 'ARG' && text.includes('_BASE='))
      .map(({ text }) => text)
    const used = all.filter(({ name }) => name === 'FROM').map(({ text }) => /^\$\{(\w+)\}/.exec(text)?.[1])
    expect(bases.map((text) => text.split('=')[0]).sort()).toEqual([...new Set(used)].sort())
    for (const base of bases) expect(base).toMatch(/=[a-z0-9./-]+:(?!latest)[A-Za-z0-9._-]+$/)
  })

  test('the default image is the distroless one', () => {
    expect(instructions().findLast(({ name }) => name === 'FROM')?.text).toEndWith(' AS distroless')
  })

  test('the sources that go into an image are listed one by one', () => {
    const [first, ...rest] = readText('.dockerignore')
      .split('\n')
      .filter((line) => line !== '' && !line.startsWith('#'))
    expect(first).toBe('*')
    const taken = rest.filter((line) => line.startsWith('!')).map((line) => line.slice(1))
    const copied = instructions()
      .filter(({ name, text }) => name === 'COPY' && !text.startsWith('--from'))
      .flatMap(({ text }) => text.split(' ').slice(0, -1))
    expect(taken.filter((path) => path !== 'scripts').sort()).toEqual([...new Set(copied)].sort())
  })
})
