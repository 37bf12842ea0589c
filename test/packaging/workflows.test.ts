/** The workflows on GitHub call what a person calls, with no more rights than that takes. */
import { describe, expect, test } from 'bun:test'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { scripts } from '../../package.json'
import { releaseTargets } from '../../scripts/build-all/targets.ts'
import { at, programPath, readText, readYaml, repository } from './repository.ts'

interface Step {
  readonly uses?: string
  readonly run?: string
  readonly with?: Readonly<Record<string, unknown>>
}

interface Job {
  readonly permissions?: Readonly<Record<string, string>>
  readonly 'timeout-minutes'?: number
  readonly steps: readonly Step[]
}

describe.each(['ci', 'release'])('%s.yml', (name) => {
  const path = `.github/workflows/${name}.yml`
  const workflow = readYaml(path)
  const jobs = Object.values(at(workflow, 'jobs') as Record<string, Job>)
  const steps = jobs.flatMap((job) => job.steps)
  const commands = steps.flatMap(({ run }) => (run === undefined ? [] : [run]))

  test('may only read, unless a job says otherwise', () => {
    expect(at(workflow, 'permissions')).toEqual({ contents: 'read' })
    const more = jobs.flatMap((job) =>
      Object.entries(job.permissions ?? {}).filter(([, right]) => right === 'write'),
    )
    expect(more.map(([what]) => what)).toEqual(name === 'ci' ? [] : ['contents', 'packages', 'packages'])
  })

  test('every job ends by itself', () => {
    for (const job of jobs) expect(job['timeout-minutes']).toBeGreaterThan(0)
  })

  test('takes actions by commit, and leaves no token behind in the work tree', () => {
    const actions = steps.filter(({ uses }) => uses !== undefined)
    expect(actions.length).toBeGreaterThan(0)
    for (const action of actions) {
      expect(action.uses).toMatch(/^actions\/checkout@[0-9a-f]{40}$/)
      expect(action.with).toEqual({ 'persist-credentials': false })
    }
  })

  test('puts nothing from outside into a command line', () => {
    for (const command of commands) expect(command).not.toContain('${{')
    expect(readText(path)).not.toMatch(/secrets\./)
  })

  test('runs only scripts that there are', () => {
    for (const command of commands) {
      for (const [, script = ''] of command.matchAll(/bun@[\d.]+ run (\S+)/g)) {
        expect(Object.keys(scripts)).toContain(script)
      }
      for (const [file] of command.matchAll(/(?:scripts|test)\/[\w./-]+\.(?:sh|ts)|\.ci\/run/g)) {
        expect({ file, exists: existsSync(join(repository, file)) }).toEqual({ file, exists: true })
      }
    }
  })
})

test('an image is made of the executable of its processor', () => {
  const include = at(
    readYaml('.github/workflows/release.yml'),
    'jobs',
    'image',
    'strategy',
    'matrix',
    'include',
  )
  const names = releaseTargets.map(({ name }) => name)
  expect(include).toEqual([
    { arch: 'amd64', target: 'linux-x64', runner: 'ubuntu-24.04' },
    { arch: 'arm64', target: 'linux-arm64', runner: 'ubuntu-24.04-arm' },
  ])
  for (const { target } of include as { target: string }[]) expect(names).toContain(target)
})

/** `go install github.com/rhysd/actionlint/cmd/actionlint@v1.7.12`. */
const actionlint = programPath('actionlint')

test.if(actionlint !== null)('actionlint has nothing to say about the workflows', () => {
  const files = ['ci', 'release'].map((name) => join(repository, `.github/workflows/${name}.yml`))
  const { exitCode, stdout, stderr } = Bun.spawnSync([actionlint ?? '', ...files])
  expect({ exitCode, said: `${stdout}${stderr}` }).toEqual({ exitCode: 0, said: '' })
})
