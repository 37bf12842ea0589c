/** A path that a comment or a document names must be there: a reader who follows it must arrive. */
import { describe, expect, test } from 'bun:test'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join, posix } from 'node:path'
import { pairs } from '../conformance/pairs.ts'
import { rowsUnder } from '../house/rules.ts'
import { readTree, repository } from '../house/source-tree.ts'

/** Written files, by their path from the repository: those that git would take along. */
function files(ending: string): string[] {
  const { stdout } = Bun.spawnSync(['git', 'ls-files', '-co', '--exclude-standard'], { cwd: repository })
  const listed = stdout.toString().split('\n')
  // Sources that came as an archive have no git.
  const all = listed.length > 1 ? listed : readdirSync(repository, { recursive: true, encoding: 'utf8' })
  return all
    .filter((path) => path.endsWith(ending) && isThere(path) && !/(^|\/)(node_modules|dist)\//.test(path))
    .sort()
}

const textOf = (path: string): string => readFileSync(join(repository, path), 'utf8')
const isThere = (path: string): boolean => path !== '' && existsSync(join(repository, path))
const documents = files('.md')

/** Paths from the root, and those from `src` on, which comments use for a file of another room. */
const citedPath = /(?<![\w./@:{}$~-])(?:[\w-]+\/)+[\w.-]*\w\.(?:ts|md|json|ya?ml|txt|sh|lua|svg)\b/g
const citedDocument = /(?<![\w./@:{}$~-])[A-Z][A-Z_-]+\.md\b/g
const rooted = /^(?:src|test|scripts|bench|docs|deploy|examples)\//

/** Where a path may start from: the root, the sources, the tests, the file that names it, its room. */
function arrives(path: string, from: string): boolean {
  const bases = rooted.test(path)
    ? ['']
    : ['', 'src', 'test', 'test/support', 'docs', dirname(from), dirname(dirname(from))]
  return bases.some((base) => isThere(posix.join(base, path)))
}

function commentsOf(code: string): string {
  return [...code.matchAll(/\/\*[\s\S]*?\*\/|(?<=^|\s)\/\/.*$/gm)].map(([comment]) => comment).join('\n')
}

/** Code blocks are shown output and examples: what they name is the reader's. */
function proseOf(document: string): string {
  return document.replaceAll(/^ *(```|~~~)[\s\S]*?^ *\1/gm, '')
}

function missingIn(text: string, from: string): string[] {
  const cited = [...text.matchAll(citedPath), ...text.matchAll(citedDocument)].map(([path]) => path)
  return cited.filter((path) => !arrives(path, from)).map((path) => `${from}: ${path}`)
}

/** As a forge makes them: lower case, no punctuation, hyphens for spaces. */
function anchorsOf(document: string): Set<string> {
  const headings = [...proseOf(document).matchAll(/^#+ (.*)$/gm)].map(([, heading = '']) => heading)
  return new Set(
    headings.map((heading) =>
      heading
        .replaceAll(/\[([^\]]*)\]\([^)]*\)/g, '$1')
        .toLowerCase()
        .replaceAll(/[^\p{L}\p{N} _-]/gu, '')
        .replaceAll(' ', '-'),
    ),
  )
}

/** Links that lead nowhere in the repository: no such file, or no such heading in it. */
function deadLinks(from: string): string[] {
  const links = [...proseOf(textOf(from)).matchAll(/\]\(([^)\s]+)\)/g)].map(([, target = '']) => target)
  return links
    .filter((target) => !/^[a-z]+:/.test(target))
    .filter((target) => {
      const [file = '', anchor] = target.split('#')
      const path = file === '' ? from : posix.join(posix.dirname(from), file)
      if (!isThere(path)) return true
      return anchor !== undefined && !anchorsOf(textOf(path)).has(anchor)
    })
    .map((target) => `${from}: ${target}`)
}

describe('comments', () => {
  const tree = [...readTree('src', 'test', 'scripts', 'bench')]

  test('name only files that are there', () => {
    // The samples of the house and of this test stand in strings, and name files that are not there.
    const own = tree.filter(([path]) => !path.startsWith('test/house/'))
    expect(own.flatMap(([path, code]) => missingIn(commentsOf(code), path))).toEqual([])
  })

  test('name only sections that the document has', () => {
    const sections = tree.flatMap(([path, code]) =>
      [...commentsOf(code).matchAll(/\b([A-Z_]+\.md),\s+(?:\*\s+)?"([^"]+)"/g)].map(
        ([, name = '', heading = '']) => ({ path, name, heading }),
      ),
    )
    expect(sections.length).toBeGreaterThan(5)
    const absent = sections.filter(({ name, heading }) => !textOf(`docs/${name}`).includes(`## ${heading}\n`))
    expect(absent).toEqual([])
  })
})

describe('documents', () => {
  test('name only files that are there', () => {
    expect(documents.length).toBeGreaterThan(10)
    expect(documents.flatMap((path) => missingIn(proseOf(textOf(path)), path))).toEqual([])
  })

  test('link only to files and headings that are there', () => {
    expect(documents.flatMap(deadLinks)).toEqual([])
  })
})

describe('scripts', () => {
  const { scripts } = JSON.parse(textOf('package.json')) as { scripts: Readonly<Record<string, string>> }
  const run = (text: string): string[] =>
    [...text.matchAll(/\bbun(?:@[\d.]+)? run ([a-z][a-z:-]*[a-z])(?![\w./])/g)].map(([, name = '']) => name)

  test('that documents and other scripts run are there', () => {
    const named = [...documents.map(textOf), ...Object.values(scripts)].flatMap(run)
    expect(named.length).toBeGreaterThan(20)
    expect([...new Set(named)].filter((name) => !Object.hasOwn(scripts, name))).toEqual([])
  })

  test.each(['test:long', 'test:long:replicas', 'test:long:conformance'])(
    '%s runs each of its parts',
    (name) => {
      const parts = Object.keys(scripts).filter((part) => new RegExp(`^${name}:[a-z]+$`).test(part))
      expect(parts.length).toBeGreaterThan(3)
      expect(run(scripts[name] ?? '')).toEqual(parts)
    },
  )

  test('the parts of conformance leave no way out', () => {
    const words = Object.values(scripts).flatMap(
      (text) => /--via executable --only (\S+)/.exec(text)?.[1] ?? [],
    )
    expect(pairs.filter(({ name }) => words.filter((word) => name.includes(word)).length !== 1)).toEqual([])
  })
})

describe('CONTRIBUTING.md', () => {
  const rows = rowsUnder(textOf('CONTRIBUTING.md'), '…')
  const quoted = (cell = ''): string[] => [...cell.matchAll(/`([^`]+)`/g)].map(([, path = '']) => path)

  test('leads to tests that are there', () => {
    expect(rows.length).toBeGreaterThan(15)
    expect(rows.flatMap((cells) => quoted(cells[2])).filter((path) => !isThere(path))).toEqual([])
  })

  test.if(isThere('src/runtime'))('leads to folders that are there', () => {
    const folders = rows.flatMap((cells) => quoted(cells[1])).map((path) => posix.join('src', path))
    expect(folders.filter((path) => !isThere(path))).toEqual([])
  })
})

test('test/README.md names every fixture, and none that is not there', () => {
  const rows = rowsUnder(textOf('test/README.md'), 'file')
  const named = rows.flatMap(([cell = '']) => [...cell.matchAll(/`([^`]+)`/g)].map(([, path = '']) => path))
  const fixtures = readdirSync(join(repository, 'test', 'support'))
  expect(fixtures.filter((name) => !named.some((path) => path === name || path === `${name}/`))).toEqual([])
  expect(named.filter((path) => !isThere(posix.join('test', 'support', path)))).toEqual([])
})

describe('the rule', () => {
  test.each([
    { why: 'a file from the root', text: 'see `src/gone.ts`', found: ['src/gone.ts'] },
    { why: 'a file of a room', text: 'as http/gone.ts says', found: ['http/gone.ts'] },
    { why: 'a document', text: '(GONE.md, "Errors")', found: ['GONE.md'] },
    { why: 'a document below docs', text: 'docs/GONE.md.', found: ['docs/GONE.md'] },
  ])('finds $why', ({ text, found }) => {
    expect(missingIn(text, 'src/main.ts')).toEqual(found.map((path) => `src/main.ts: ${path}`))
  })

  test.each([
    { why: 'a file that is there', text: 'src/errors.ts' },
    { why: 'a file of a room', text: 'http/reply.ts' },
    { why: 'a file beside', text: 'config/schema.ts' },
    { why: 'an address', text: 'https://example.com/a/b.json' },
    { why: 'a package', text: '@modelcontextprotocol/sdk/client/index.ts' },
    { why: 'an absolute path', text: '/etc/compozy/compozy.yaml' },
  ])('lets $why pass', ({ text }) => {
    expect(missingIn(text, 'src/main.ts')).toEqual([])
  })

  test('takes a heading for the anchor that a forge makes of it', () => {
    expect([...anchorsOf('# A `b`: c, d\n\n```\n# no heading\n```\n')]).toEqual(['a-b-c-d'])
  })
})
