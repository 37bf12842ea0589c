/** The rules of the house. Each takes a tree and gives one sentence for every violation. */
import { dirname } from 'node:path/posix'
import { importsOf, type Tree } from './source-tree.ts'

/** How a room may use another one: for its values, or for its types alone. */
type Use = 'values' | 'types'

const everywhere = {
  protocol: 'values',
  net: 'values',
  errors: 'values',
  telemetry: 'values',
  runtime: 'values',
} as const
const data = { config: 'values', registry: 'values' } as const
const upstream = { ...everywhere, config: 'types', registry: 'types' } as const

/**
 * The one direction: `cli → gateway → http → group → session → upstream`, and within upstream `server → lane →
 * connection → transports`. What is not listed is forbidden; `/*` stands for a room and all rooms within it.
 * `access` decides who may use what and knows no request. `protocol` and `net` are pure and import only themselves. `config` and `registry` hold data; the file may
 * define servers, so `config` reads them with the registry's own rules, and never the reverse. The two eras of
 * a session do not know each other, nor do the transports.
 */
const mayUse: Readonly<Record<string, Readonly<Record<string, Use>>>> = {
  main: { ...everywhere, 'cli/*': 'values' },
  cli: {
    ...everywhere,
    ...data,
    'cluster/workers': 'values',
    access: 'values',
    audit: 'values',
    gateway: 'values',
    'identity/keys': 'values',
    snippets: 'values',
    'http/*': 'values',
    'session/*': 'values',
    'upstream/*': 'values',
  },
  gateway: {
    ...everywhere,
    ...data,
    access: 'values',
    audit: 'values',
    approvals: 'values',
    'credentials/*': 'values',
    'identity/*': 'values',
    'cluster/*': 'values',
    reload: 'values',
    group: 'values',
    'http/*': 'values',
    'session/*': 'values',
    'upstream/*': 'values',
  },
  'cluster/forward': {
    ...everywhere,
    access: 'values',
    cluster: 'values',
    'http/*': 'values',
    'session/*': 'values',
    'upstream/*': 'values',
  },
  reload: { ...everywhere, ...data },
  audit: { ...everywhere, config: 'types', registry: 'types', access: 'values' },
  http: {
    ...everywhere,
    ...data,
    access: 'values',
    audit: 'types',
    approvals: 'types',
    console: 'values',
    'cluster/*': 'types',
    'credentials/*': 'types',
    group: 'types',
    'identity/*': 'types',
    'session/*': 'values',
    'upstream/*': 'types',
  },
  group: { ...everywhere, ...data, access: 'values', 'session/*': 'values', 'upstream/*': 'values' },
  session: { ...upstream, 'upstream/*': 'values' },
  'session/legacy': { ...upstream, access: 'values', session: 'values', 'upstream/*': 'values' },
  'session/modern': { ...upstream, access: 'values', session: 'values', 'upstream/*': 'values' },
  'upstream/server': {
    ...upstream,
    access: 'values',
    registry: 'values',
    'upstream/lane': 'values',
    'upstream/connection': 'values',
    'upstream/transports/*': 'values',
  },
  'upstream/lane': { ...upstream, 'upstream/connection': 'values', 'upstream/transports/*': 'values' },
  'upstream/connection': { ...upstream, 'upstream/transports/*': 'values' },
  'upstream/transports': upstream,
  'upstream/transports/stdio': { ...upstream, 'upstream/transports': 'values' },
  'upstream/transports/http': { ...upstream, 'upstream/transports': 'values' },
  config: { protocol: 'values', net: 'values', errors: 'values', registry: 'values' },
  registry: { runtime: 'values', protocol: 'values', net: 'values', errors: 'values', config: 'types' },
  identity: {
    ...everywhere,
    config: 'types',
    registry: 'types',
    access: 'values',
    'identity/*': 'values',
    'upstream/transports/http': 'values',
  },
  'identity/keys': { ...everywhere, registry: 'values', access: 'values' },
  'identity/oauth': {
    ...everywhere,
    config: 'types',
    access: 'types',
    identity: 'types',
    'upstream/transports/http': 'types',
  },
  cluster: {
    ...everywhere,
    config: 'types',
    registry: 'values',
    http: 'types',
    'upstream/*': 'types',
    'cluster/*': 'values',
  },
  credentials: {
    ...everywhere,
    config: 'types',
    registry: 'values',
    access: 'values',
    'credentials/*': 'values',
    'upstream/transports/http': 'types',
  },
  'credentials/vault': { ...everywhere, registry: 'types' },
  'credentials/user-values': {
    ...everywhere,
    registry: 'values',
    access: 'types',
    'credentials/vault': 'types',
  },
  'credentials/oauth': {
    ...everywhere,
    config: 'types',
    registry: 'values',
    access: 'values',
    'identity/oauth': 'values',
    'upstream/transports/http': 'values',
    'upstream/server': 'types',
  },
  'cluster/workers': {
    ...everywhere,
    config: 'types',
    registry: 'values',
    reload: 'values',
    http: 'values',
    'upstream/*': 'types',
    'cluster/*': 'values',
  },
  approvals: { ...everywhere, config: 'types', registry: 'types', access: 'values' },
  access: { protocol: 'values', net: 'values', errors: 'values', telemetry: 'values', registry: 'values' },
  console: everywhere,
  // What runs in a browser: the answers of the admin API as types, and what is pure.
  'console/page': { http: 'types', net: 'values', protocol: 'values', snippets: 'values' },
  snippets: { net: 'values' },
  protocol: {},
  net: {},
  errors: { protocol: 'values' },
  telemetry: { errors: 'values' },
  runtime: {},
}

/** The innermost room that a file lies in: `upstream/transports/http` for all that is below that folder. */
export function roomOf(path: string): string {
  const parts = path
    .replace(/^src\//, '')
    .replace(/\.tsx?$/, '')
    .split('/')
  for (let depth = parts.length; depth > 1; depth--) {
    const room = parts.slice(0, depth).join('/')
    if (mayUse[room] !== undefined) return room
  }
  return parts[0] ?? ''
}

/** What a room may use of another one; undefined for nothing. */
function useOf(room: string, other: string): Use | undefined {
  const allowed = mayUse[room] ?? {}
  const around = other.split('/').map((_, index, parts) => `${parts.slice(0, index + 1).join('/')}/*`)
  return [other, ...around].map((name) => allowed[name]).find((use) => use !== undefined)
}

/** Packages that one room owns, so that the others stay ignorant of them. */
const owners: readonly { readonly packages: RegExp; readonly rooms: readonly string[] }[] = [
  { packages: /^elysia$|^@elysiajs\//, rooms: ['http'] },
  { packages: /^pino(-|$)/, rooms: ['telemetry'] },
  { packages: /^c12$|^confbox/, rooms: ['config'] },
  { packages: /^citty$/, rooms: ['main', 'cli'] },
  { packages: /^ip-cidr$/, rooms: ['net'] },
  { packages: /^jose$|^oauth4webapi$/, rooms: ['identity', 'credentials'] },
  { packages: /^bun:sqlite$/, rooms: ['registry'] },
  { packages: /^minisearch$/, rooms: ['group'] },
  { packages: /^preact(\/|$)/, rooms: ['console/page'] },
  { packages: /^ioredis$/, rooms: ['cluster'] },
  { packages: /^(node:)?child_process$/, rooms: ['upstream', 'cluster'] },
  // The official SDK is measured five to twenty times dearer than a relay: it stays out of the hot path.
  { packages: /^@modelcontextprotocol\//, rooms: ['cli'] },
]

/** Imports that go the wrong way, or reach for a package that another room owns. */
export function wrongDirections(tree: Tree): string[] {
  const faults: string[] = []
  for (const [path, text] of tree) {
    const room = roomOf(path)
    const known = mayUse[room] !== undefined
    if (!known) faults.push(`${path}: the house has no room "${room}"`)
    for (const used of importsOf(path, text)) {
      if (used.path === null) {
        faults.push(...packageFaults(path, room, used.specifier))
        continue
      }
      // The version number has one home.
      if (used.path === 'package.json') continue
      const other = roomOf(used.path)
      if (other === room || !known) continue
      const use = useOf(room, other)
      if (use === undefined) faults.push(`${path}: ${room} must not import ${used.specifier}`)
      else if (use === 'types' && !used.typeOnly) {
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
  if (room === 'console/page' && !/^preact(\/|$)/.test(specifier)) {
    return [`${path}: ${room} runs in a browser and must not import ${specifier}`]
  }
  const owner = owners.find(({ packages }) => packages.test(specifier))
  if (owner === undefined || owner.rooms.some((name) => room === name || room.startsWith(`${name}/`)))
    return []
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
      if (/\.tsx?$/.test(path)) faults.push(`${path} is imported, but there is no such file`)
      continue
    }
    for (const used of importsOf(path, text)) if (used.path !== null) waiting.push(used.path)
  }
  for (const path of tree.keys()) if (!reached.has(path)) faults.push(`${path} is used by nothing`)
  return faults
}

/** Tests that say what they expect of a promise and do not wait for it: they pass whatever comes of it. */
export function ignoredExpectations(tree: Tree): string[] {
  const faults: string[] = []
  for (const [path, text] of tree) {
    const lines = text.split('\n')
    for (const [at, line] of lines.entries()) {
      const [, indent] = /^( *)expect\(/.exec(line) ?? []
      if (indent !== undefined && /\)\s*\.(rejects|resolves)\b/.test(statementAt(lines, at, indent)))
        faults.push(`${path}:${at + 1} is not awaited`)
    }
  }
  return faults
}

/** A statement and the lines that go on with it: those deeper within, and those that begin with `)` or `.`. */
function statementAt(lines: readonly string[], at: number, indent: string): string {
  let end = at + 1
  while (lines[end]?.startsWith(`${indent} `) || lines[end]?.startsWith(`${indent})`)) end++
  return lines.slice(at, end).join('\n')
}

/** Files of more lines than a reader holds in mind. */
export function longFiles(tree: Tree, linesMax: number): string[] {
  return [...tree]
    .map(([path, text]) => ({ path, lines: text.trimEnd().split('\n').length }))
    .filter(({ lines }) => lines > linesMax)
    .map(({ path, lines }) => `${path} has ${lines} lines, more than ${linesMax}`)
}

/**
 * Circles of files that import each other: those of more than three files, and those that cross a folder. A type
 * counts as an import. Each is one line of its files.
 */
export function circles(tree: Tree): string[] {
  const imports = new Map(
    [...tree].map(
      ([path, text]) => [path, importsOf(path, text).flatMap((used) => used.path ?? [])] as const,
    ),
  )
  return circlesIn(imports)
    .filter((files) => files.length > 3 || new Set(files.map((file) => dirname(file))).size > 1)
    .map((files) => [...files].sort().join(' ↔ '))
}

/** The strongly connected parts of more than one file (Tarjan). */
function circlesIn(imports: ReadonlyMap<string, readonly string[]>): string[][] {
  const found: string[][] = []
  const order = new Map<string, number>()
  const lowest = new Map<string, number>()
  const open: string[] = []
  const visit = (path: string): void => {
    order.set(path, order.size)
    lowest.set(path, order.size - 1)
    open.push(path)
    for (const next of imports.get(path) ?? []) {
      if (!imports.has(next)) continue
      if (!order.has(next)) visit(next)
      else if (!open.includes(next)) continue
      lowest.set(path, Math.min(lowest.get(path) ?? 0, lowest.get(next) ?? 0))
    }
    if (lowest.get(path) !== order.get(path)) return
    const files = open.splice(open.indexOf(path))
    if (files.length > 1) found.push(files)
  }
  for (const path of imports.keys()) if (!order.has(path)) visit(path)
  return found
}

/** Folders that hold more files than a reader takes in at once. */
export function crowdedFolders(tree: Tree, filesMax: number): string[] {
  const counts = new Map<string, number>()
  for (const path of tree.keys()) counts.set(dirname(path), (counts.get(dirname(path)) ?? 0) + 1)
  return [...counts]
    .filter(([, count]) => count > filesMax)
    .map(([folder, count]) => `${folder} holds ${count} files, more than ${filesMax}`)
}

/** Small files with one importer, which make sense only beside it; those with a reason are left out. */
export function fragments(tree: Tree, linesMin: number, reasons: Readonly<Record<string, string>>): string[] {
  const importers = new Map<string, Set<string>>()
  for (const [path, text] of tree)
    for (const used of importsOf(path, text))
      if (used.path !== null) importers.set(used.path, (importers.get(used.path) ?? new Set()).add(path))
  return [...tree].flatMap(([path, text]) => {
    const lines = text.trimEnd().split('\n').length
    const [importer] = importers.get(path) ?? []
    const alone = importers.get(path)?.size === 1 && lines < linesMin && reasons[path] === undefined
    return alone ? [`${path} has ${lines} lines and is used by ${importer} alone`] : []
  })
}

const bannedNames = /^(utils?|helpers?|common|misc|shared|manager)$/i
const bannedEndings = /\b(?:class|function|const|interface|type)\s+(\w*(?:Utils?|Helpers?|Manager))\b/g

/** Names that say nothing about what they hold. */
export function emptyNames(tree: Tree): string[] {
  const faults: string[] = []
  for (const [path, text] of tree) {
    for (const part of path.replace(/(\.test)?\.tsx?$/, '').split(/[/.-]/)) {
      if (bannedNames.test(part)) faults.push(`${path}: "${part}" says nothing about what is inside`)
    }
    for (const [, name] of text.matchAll(bannedEndings)) {
      faults.push(`${path}: "${name}" says nothing about what it does`)
    }
  }
  return faults
}

/** Rooms that tell people the time of day, or compare it with that of another run; everywhere else a wall clock that jumps would end calls or keep them. */
const wallClockRooms = /^src\/(audit|cli|cluster\/records|console\/page|credentials|identity|telemetry)\//

/** Places that ask the wall clock for a duration or a deadline. */
export function wallClocks(tree: Tree): string[] {
  return [...tree].flatMap(([path, text]) =>
    !wallClockRooms.test(path) && /\bDate\.now\(/.test(text) ? [`${path} asks the wall clock`] : [],
  )
}

/** The one file that writes to standard output: it tells what cannot be written. */
const outputFile = 'src/cli/terminal/output.ts'

/** Files of the command line that write to standard output past it, where a full disk is told nobody. */
export function looseOutput(tree: Tree): string[] {
  return [...tree].flatMap(([path, text]) =>
    path.startsWith('src/cli/') &&
    path !== outputFile &&
    /\bconsole\.log\(|\bprocess\.stdout\.write\(/.test(text)
      ? [`${path} writes past ${outputFile}`]
      : [],
  )
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

/** Every file that is loaded together with these, types and lazy imports apart. */
export function loadedWith(tree: Tree, entries: readonly string[]): string[] {
  const loaded = new Set<string>()
  const waiting = [...entries]
  for (let path = waiting.pop(); path !== undefined; path = waiting.pop()) {
    const text = tree.get(path)
    if (loaded.has(path) || text === undefined) continue
    loaded.add(path)
    for (const used of importsOf(path, text.replaceAll(/\b(?:import|require)\(/g, 'later(')))
      if (used.path !== null && !used.typeOnly) waiting.push(used.path)
  }
  return [...loaded].sort()
}
