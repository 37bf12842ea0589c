/** The sources as text, and who imports whom. Everything here is pure except `readTree`. */
import { readdirSync, readFileSync } from 'node:fs'
import { join, posix, resolve } from 'node:path'

/** Paths relative to the repository, with forward slashes, to their texts. */
export type Tree = ReadonlyMap<string, string>

export interface Import {
  /** The specifier as written. */
  readonly specifier: string
  /** The file it names when it is relative, else null. */
  readonly path: string | null
  /** True when nothing of it is left at run time. */
  readonly typeOnly: boolean
  /** True when it is loaded by a call, and not with the file itself. */
  readonly later: boolean
}

export const repository = resolve(import.meta.dir, '../..')

/** Every TypeScript file below the given folders. */
export function readTree(...folders: readonly string[]): Tree {
  const tree = new Map<string, string>()
  for (const folder of folders) {
    for (const entry of readdirSync(join(repository, folder), { recursive: true, encoding: 'utf8' })) {
      if (!/\.tsx?$/.test(entry)) continue
      const path = posix.join(folder, entry.replaceAll('\\', '/'))
      tree.set(path, readFileSync(join(repository, path), 'utf8'))
    }
  }
  return tree
}

const statement = /^(import|export)\s+(type\s+)?([^'"`;]*?)\s*from\s*['"]([^'"]+)['"]/gm
const sideEffect = /^import\s*['"]([^'"]+)['"]/gm
const dynamic = /\b(?:import|require)\(\s*['"]([^'"]+)['"]/g

/** What one file imports, re-exports and loads lazily. Comments are not looked at. */
export function importsOf(path: string, text: string): Import[] {
  const code = text.replace(/\/\*[\s\S]*?\*\//g, '').replace(/^\s*\/\/.*$/gm, '')
  const found: Import[] = []
  const add = (specifier: string, typeOnly: boolean, later = false) => {
    const relative = specifier.startsWith('.')
    const file = relative ? posix.join(posix.dirname(path), specifier) : null
    found.push({ specifier, path: file, typeOnly, later })
  }
  for (const [, , type, names = '', specifier = ''] of code.matchAll(statement)) {
    add(specifier, type !== undefined || onlyTypes(names))
  }
  for (const [, specifier = ''] of code.matchAll(sideEffect)) add(specifier, false)
  for (const [, specifier = ''] of code.matchAll(dynamic)) add(specifier, false, true)
  return found
}

/** What is loaded with these files, themselves included: files by their paths, packages by their specifiers. */
export function loadedWith(tree: Tree, files: readonly string[]): ReadonlySet<string> {
  const loaded = new Set(files)
  for (const path of loaded) {
    for (const { specifier, path: file, typeOnly, later } of importsOf(path, tree.get(path) ?? ''))
      if (!typeOnly && !later) loaded.add(file ?? specifier)
  }
  return loaded
}

/** `{ type A, type B }`: each name is marked, so the import disappears. */
function onlyTypes(names: string): boolean {
  const listed = /^\{([\s\S]*)\}$/.exec(names.trim())?.[1]
  if (listed === undefined) return false
  const parts = listed.split(',').map((part) => part.trim())
  return parts.every((part) => part === '' || part.startsWith('type '))
}
