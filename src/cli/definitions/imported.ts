/** Definitions in files: our own form, and the maps that clients keep. */
import { randomBytes } from 'node:crypto'
import { resolve } from 'node:path'
import { gapLine } from '../../config/expand.ts'
import { Faults } from '../../config/faults.ts'
import { isMap, readTree } from '../../config/file/file.ts'
import { fileServers, withoutClashes } from '../../config/servers.ts'
import { CommandError, ConfigError } from '../../errors.ts'
import { jsonIn } from '../../protocol/json.ts'
import { definitionToStored } from '../../registry/definition-wire.ts'
import { secretMask } from '../../registry/mask.ts'

/** A server of a file: its definition in wire form, secrets and all, or why it cannot be taken. */
export interface ImportedServer {
  readonly name: string
  readonly definition: Readonly<Record<string, unknown>> | null
  readonly faults: readonly string[]
}

/** Under which keys clients keep their servers: most of them, VS Code, Zed, Codex. */
const mapKeys = ['mcpServers', 'servers', 'context_servers', 'mcp_servers'] as const

/** What `-` stands for. */
const standardInput = '-'

/**
 * The servers of a file (YAML, JSON with comments, TOML), or of standard input (JSON) for `-`; `${NAME}` in them is
 * taken from the environment. Throws a CommandError when it cannot be read at all.
 */
export async function importedServers(
  file: string,
  environment: Readonly<Record<string, string | undefined>>,
  directory: string,
): Promise<ImportedServer[]> {
  const { tree: read, changedAt } = await treeOf(file, directory)
  // A definition is refused with a mask in it; whether a stored value stands behind one, the gateway knows.
  const stand = `hidden${randomBytes(8).toString('hex')}`
  const tree = withTexts(read, (text) => text.replaceAll(secretMask, stand))
  const asWritten = <T>(value: T): T => withTexts(value, (text) => text.replaceAll(stand, secretMask))
  const key = mapKeys.find((name) => tree[name] !== undefined)
  if (key === undefined && tree['mcps'] === undefined)
    throw new CommandError(
      `${file}: has no servers in it; they stand under ${['mcps', ...mapKeys].join(', ')}`,
    )
  const faults = new Faults()
  const forms = { mcps: tree['mcps'], mcpServers: key === undefined ? undefined : tree[key] }
  const path = resolve(directory, file)
  const found = fileServers(forms, { environment, path, shown: file, changedAt, imported: true }, faults)
  if (faults.any) throw new CommandError(faults.lines.join('; '))
  return withoutClashes(found).map(({ name, definition, faults, gaps, place }) => ({
    name: definition?.name ?? (name === '' ? place : name),
    definition: definition && asWritten(definitionToStored(definition)),
    faults: [...faults, ...gaps.map(gapLine)].map(asWritten),
  }))
}

/** A copy of parsed data in which each text was replaced. */
function withTexts<T>(value: T, replace: (text: string) => string): T
function withTexts(value: unknown, replace: (text: string) => string): unknown {
  if (typeof value === 'string') return replace(value)
  if (Array.isArray(value)) return value.map((item: unknown) => withTexts(item, replace))
  if (!isMap(value)) return value
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, withTexts(item, replace)]))
}

async function treeOf(
  file: string,
  directory: string,
): Promise<{ readonly tree: Readonly<Record<string, unknown>>; readonly changedAt: string }> {
  if (file !== standardInput) {
    return await readTree(resolve(directory, file), file, true).catch((thrown: unknown) => {
      throw thrown instanceof ConfigError ? new CommandError(thrown.message) : thrown
    })
  }
  const tree = jsonIn(await Bun.stdin.text())
  if (!isMap(tree)) throw new CommandError('standard input must hold a JSON object')
  return { tree, changedAt: new Date().toISOString() }
}
