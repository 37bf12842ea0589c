/** docs/DEPLOYMENT.md: what it names is there, and what the published examples print is in it. */
import { describe, expect, test } from 'bun:test'
import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { scripts } from '../../package.json'
import { releaseTargets } from '../../scripts/build-all/targets.ts'
import { licencesFile, sbomFile, sumsFile } from '../../scripts/build-all.ts'
import { targets } from '../../scripts/images.ts'
import { configVariable } from '../../src/config/environment.ts'
import { namedSettings } from '../../src/config/shape.ts'
import { defaultConfig } from '../support/default-config.ts'
import { finalStage, instructions } from './dockerfile.ts'
import { referenceCompose, referenceDeployment, referenceDockerfile } from './reference-deployment.ts'
import { at, readText, repository } from './repository.ts'

const guide = readText('docs/DEPLOYMENT.md')
const defaults = defaultConfig({ terminal: false, stateDirectory: '/var/lib/compozy' })

function found(pattern: RegExp): string[] {
  return [...new Set([...guide.matchAll(pattern)].map(([, name = '']) => name))]
}

describe('what the guide names', () => {
  test('files of the repository are there', () => {
    const paths = found(/\b((?:deploy|scripts|test)\/[\w./-]+)/g)
    expect(paths.length).toBeGreaterThan(10)
    expect(paths.filter((path) => !existsSync(join(repository, path)))).toEqual([])
  })

  test.each(['README.md', 'docs/DEPLOYMENT.md', 'docs/ARCHITECTURE.md'])(
    'every link of %s leads somewhere',
    (document) => {
      const text = readText(document)
      const links = [...text.matchAll(/\]\((?!https?:)([^)#\s]*)(?:#([\w-]+))?\)/g)]
      expect(links.length).toBeGreaterThan(0)
      for (const [link, path = '', anchor] of links) {
        const file = path === '' ? document : join(dirname(document), path)
        expect({ link, exists: existsSync(join(repository, file)) }).toEqual({ link, exists: true })
        if (anchor !== undefined) expect(anchorsOf(readText(file))).toContain(anchor)
      }
    },
  )

  test('commands of package.json and of the program are there', () => {
    const known = Object.keys(scripts)
    const named = found(/bun(?:@[\d.]+)? run ([\w:]+)/g)
    expect(named.length).toBeGreaterThan(2)
    expect(named.filter((name) => !known.includes(name))).toEqual([])
    const subcommands = found(/(?:`|\n)compozy ([a-z][\w-]*)/g)
    expect(subcommands.sort()).toEqual(['healthcheck', 'mcp-proxy'])
  })

  test('variables and keys are those of the gateway', () => {
    const variables = found(/\b((?:MCP_PROXY|COMPOZY)_[A-Z_]+)\b/g)
    // Of the build, not of the gateway.
    const known = [...namedSettings.map(({ env }) => env), configVariable, 'COMPOZY_COMMIT']
    expect(variables.filter((name) => !known.includes(name))).toEqual([])
    const keys = found(/`((?:auth|security|limits|timeouts)\.[a-z_.]+)`/g)
    expect(keys.filter((key) => namedSettings.every((setting) => setting.key !== key))).toEqual([])
  })

  test('ports, user and places are those of the image', () => {
    const image = finalStage('distroless')
    expect(found(/[:\s](\d{4}):\d{4}/g)).toEqual([String(defaults.port)])
    expect(guide).toContain(`listen on \`${image.env['MCP_PROXY_HOST']}:${defaults.port}\``)
    expect(guide).toContain(`user ${image.user.split(':')[0]}`)
    for (const place of [...image.volumes, `${image.workdir}/compozy.yaml`]) expect(guide).toContain(place)
  })

  test('targets and base arguments are those of the Dockerfile', () => {
    expect(found(/--target (\w+)/g).sort()).toEqual([...targets].sort())
    const bases = instructions().flatMap(({ name, text }) =>
      name === 'ARG' && text.includes('_BASE=') ? [text.split('=')[0] ?? ''] : [],
    )
    expect(found(/`(\w+_BASE)`/g).sort()).toEqual(bases.sort())
  })

  test('every file of a release is there, with what was checked of it', () => {
    expect(found(/`(compozy-(?:linux|darwin|windows)[\w.-]+)`/g)).toEqual([
      'compozy-linux-x64',
      'compozy-linux-x64-musl',
      'compozy-linux-arm64',
      'compozy-linux-arm64-musl',
      'compozy-darwin-x64',
      'compozy-darwin-arm64',
      'compozy-windows-x64.exe',
    ])
    expect(releaseTargets).toHaveLength(7)
    for (const file of [sumsFile, sbomFile, licencesFile]) expect(guide).toContain(`\`${file}\``)
  })
})

describe('the published examples', () => {
  const table = guide.slice(guide.indexOf('## The published examples'))
  const printed = [...table.matchAll(/^\| (.+?) \| [^|]+ \|/gm)].map(([, cell = '']) => cell).join('\n')
  const composeService = at(Bun.YAML.parse(referenceCompose), 'services', 'mcp-proxy')
  const deployment = Bun.YAML.parse(referenceDeployment)
  const [container] = at(deployment, 'spec', 'template', 'spec', 'containers') as object[]

  test.each([
    {
      example: 'Dockerfile',
      points: referenceDockerfile
        .trim()
        .split('\n')
        .map((line) =>
          line
            .replace(/ --interval.*$/, '')
            .replace(/\|\|/g, '\\|\\|')
            .trim(),
        ),
    },
    { example: 'Compose file', points: ['version', ...Object.keys(composeService as object)] },
    {
      example: 'Deployment',
      points: ['apiVersion', 'kind', ...Object.keys(at(deployment, 'spec') as object)]
        // Its content is what follows.
        .filter((name) => name !== 'template'),
    },
    { example: 'container', points: Object.keys(container ?? {}).filter((name) => name !== 'name') },
  ])('the table speaks of every point of the $example', ({ points }) => {
    // The port of a container is its only member.
    const named = points.map((point) => (point === 'ports' ? /ports|containerPort/ : point))
    for (const point of named) expect(printed).toMatch(point)
  })

  test('our Deployment has the resources, replicas and selector of the published one', () => {
    const ours = Bun.YAML.parse(readText('deploy/kubernetes/deployment.yaml'))
    for (const path of [
      ['spec', 'replicas'],
      ['spec', 'selector'],
      ['spec', 'template', 'spec', 'containers', 0, 'resources'],
    ]) {
      expect({ path, value: at(ours, ...path) }).toEqual({ path, value: at(deployment, ...path) })
    }
  })

  test('our Compose file differs from the published service only where it says more', () => {
    const ours = at(Bun.YAML.parse(readText('deploy/compose/compose.yaml')), 'services', 'mcp-proxy')
    for (const key of ['image', 'command', 'ports', 'restart']) {
      expect({ key, value: at(ours, key) }).toEqual({ key, value: at(composeService, key) })
    }
    for (const key of ['interval', 'timeout', 'retries']) {
      expect(at(ours, 'healthcheck', key)).toEqual(at(composeService, 'healthcheck', key))
    }
  })
})

/** As GitHub makes them of headings. */
function anchorsOf(markdown: string): string[] {
  return [...markdown.matchAll(/^#+ (.+)$/gm)].map(([, heading = '']) =>
    heading
      .toLowerCase()
      .replace(/[^\w\s-]/g, '')
      .replace(/\s/g, '-'),
  )
}
