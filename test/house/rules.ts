/** The rules of the house. Each takes a tree and gives one sentence for every violation. */
import { importsOf, roomOf, type Tree } from './source-tree.ts'

/** How a room may use another one: for its values, or for its types alone. */
type Use = 'values' | 'types'

const everywhere = {
  protocol: 'values',
  net: 'values',
  errors: 'values',
  telemetry: 'values',
  sweeper: 'values',
  'in-flight': 'values',
} as const
const data = { config: 'values', registry: 'values' } as const

/**
 * The one direction: `cli → gateway → http → session → upstream`. What is not listed is forbidden.
 * `protocol` and `net` are pure and import only themselves. `config` and `registry` hold data; the file
 * may define servers, so `config` reads them with the registry's own rules, and never the reverse.
 */
const mayUse: Readonly<Record<string, Readonly<Record<string, Use>>>> = {
  main: { ...everywhere, cli: 'values' },
  cli: {
    ...everywhere,
    ...data,
    gateway: 'values',
    http: 'values',
    session: 'values',
    upstream: 'values',
  },
  gateway: {
    ...everywhere,
    ...data,
    'idle-memory': 'values',
    http: 'values',
    session: 'values',
    upstream: 'values',
  },
  http: { ...everywhere, ...data, session: 'values', upstream: 'values' },
  session: { ...everywhere, config: 'types', registry: 'types', upstream: 'values' },
  upstream: { ...everywhere, config: 'types', registry: 'types' },
  config: { protocol: 'values', net: 'values', errors: 'values', registry: 'values' },
  registry: { protocol: 'values', net: 'values', errors: 'values', config: 'types' },
  protocol: {},
  net: {},
  errors: { protocol: 'values' },
  telemetry: {},
  sweeper: {},
  'in-flight': {},
  'idle-memory': {},
}

/** Packages that one room owns, so that the others stay ignorant of them. */
const owners: readonly { readonly packages: RegExp; readonly rooms: readonly string[] }[] = [
  { packages: /^elysia$|^@elysiajs\//, rooms: ['http'] },
  { packages: /^pino(-|$)/, rooms: ['telemetry'] },
  { packages: /^c12$|^confbox/, rooms: ['config'] },
  { packages: /^citty$/, rooms: ['main', 'cli'] },
  { packages: /^ip-cidr$/, rooms: ['net'] },
  { packages: /^bun:sqlite$/, rooms: ['registry'] },
  { packages: /^(node:)?child_process$/, rooms: ['upstream'] },
  // The official SDK is measured five to twenty times dearer than a relay: it stays out of the hot path.
  { packages: /^@modelcontextprotocol\//, rooms: ['cli'] },
]

/** Imports that go the wrong way, or reach for a package that another room owns. */
export function wrongDirections(tree: Tree): string[] {
  const faults: string[] = []
  for (const [path, text] of tree) {
    const room = roomOf(path)
    const allowed = mayUse[room]
    if (allowed === undefined) faults.push(`${path}: the house has no room "${room}"`)
    for (const used of importsOf(path, text)) {
      if (used.path === null) {
        faults.push(...packageFaults(path, room, used.specifier))
        continue
      }
      // The version number has one home.
      if (used.path === 'package.json') continue
      const other = roomOf(used.path)
      if (other === room || allowed === undefined) continue
      if (allowed[other] === undefined) faults.push(`${path}: ${room} must not import ${used.specifier}`)
      else if (allowed[other] === 'types' && !used.typeOnly) {
        faults.push(`${path}: ${room} may import only types from ${used.specifier}`)
      }
    }
  }
  return faults
}

function packageFaults(path: string, room: string, specifier: string): string[] {
  if ((room === 'protocol' || room === 'net') && specifier !== 'ip-cidr') {
    return [`${path}: ${room} is pure and must not import ${specifier}`]
  }
  const owner = owners.find(({ packages }) => packages.test(specifier))
  if (owner === undefined || owner.rooms.includes(room)) return []
  return [`${path}: ${specifier} belongs to ${owner.rooms.join(' and ')}`]
}

/** Files that nothing reaches from the entry points, and imports of files that are not there. */
export function deadFiles(tree: Tree, entries: readonly string[]): string[] {
  const faults: string[] = []
  const reached = new Set<string>()
  const waiting = [...entries]
  for (let path = waiting.pop(); path !== undefined; path = waiting.pop()) {
    if (reached.has(path)) continue
    reached.add(path)
    const text = tree.get(path)
    if (text === undefined) {
      if (path.endsWith('.ts')) faults.push(`${path} is imported, but there is no such file`)
      continue
    }
    for (const used of importsOf(path, text)) if (used.path !== null) waiting.push(used.path)
  }
  for (const path of tree.keys()) if (!reached.has(path)) faults.push(`${path} is used by nothing`)
  return faults
}

/** Files of more lines than a reader holds in mind. */
export function longFiles(tree: Tree, linesMax: number): string[] {
  return [...tree]
    .map(([path, text]) => ({ path, lines: text.trimEnd().split('\n').length }))
    .filter(({ lines }) => lines > linesMax)
    .map(({ path, lines }) => `${path} has ${lines} lines, more than ${linesMax}`)
}

const bannedNames = /^(utils?|helpers?|common|misc|shared|manager)$/i
const bannedEndings = /\b(?:class|function|const|interface|type)\s+(\w*(?:Utils?|Helpers?|Manager))\b/g

/** Names that say nothing about what they hold. */
export function emptyNames(tree: Tree): string[] {
  const faults: string[] = []
  for (const [path, text] of tree) {
    for (const part of path.replace(/(\.test)?\.ts$/, '').split(/[/.-]/)) {
      if (bannedNames.test(part)) faults.push(`${path}: "${part}" says nothing about what is inside`)
    }
    for (const [, name] of text.matchAll(bannedEndings)) {
      faults.push(`${path}: "${name}" says nothing about what it does`)
    }
  }
  return faults
}

/** A registry host in the lock file would tie every installation to it. */
export function lockedHosts(lockFile: string): string[] {
  return lockFile
    .split('\n')
    .map((line, index) => ({ line, number: index + 1 }))
    .filter(({ line }) => /https?:\/\//.test(line))
    .map(({ number }) => `bun.lock:${number} names a host`)
}

/** Terms that a document leaves out. */
export function missingTerms(document: string, terms: readonly string[]): string[] {
  return terms.filter((term) => !document.includes(term)).map((term) => `${term} is not mentioned`)
}

/** The rows of every table whose first heading is this one, as the cells between the bars. */
export function rowsUnder(document: string, heading: string): string[][] {
  const rows: string[][] = []
  let within = false
  for (const line of document.split('\n')) {
    const cells = line.startsWith('|')
      ? line
          .split('|')
          .slice(1, -1)
          .map((cell) => cell.trim())
      : null
    if (cells === null) within = false
    else if (cells[0] === heading) within = true
    else if (within && !/^-+$/.test(cells[0] ?? '')) rows.push(cells)
  }
  return rows
}

/** Rules (first cell) whose last cell names no test file, or one that is not there. */
export function unheldRules(rules: readonly string[][], exists: (path: string) => boolean): string[] {
  return rules.flatMap((cells) => {
    const paths = [...(cells.at(-1) ?? '').matchAll(/`(test\/[\w./-]+\.test\.ts)`/g)].map(
      ([, path = '']) => path,
    )
    if (paths.length === 0) return [`${cells[0]}: no test holds it`]
    return paths.filter((path) => !exists(path)).map((path) => `${cells[0]}: ${path} is not there`)
  })
}
