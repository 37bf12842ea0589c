/** The files under test, and the programs of the machine that some of these tests need. */
import { readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'

export const repository = resolve(import.meta.dir, '../..')

/** The text of a file of the repository. */
export function readText(path: string): string {
  return readFileSync(join(repository, path), 'utf8')
}

/** The documents of a YAML file, one or several. */
export function readYaml(path: string): unknown {
  return Bun.YAML.parse(readText(path))
}

/** Replaces `from`, which must be there exactly once: a test must not silently stop adapting a file. */
export function replaceOnce(text: string, from: string, to: string): string {
  const found = text.split(from).length - 1
  if (found !== 1) throw new Error(`"${from}" is there ${found} times, not once`)
  return text.replace(from, () => to)
}

/** Where a program is, administration directories included; null when it is not installed. */
export function programPath(name: string): string | null {
  return Bun.which(name, { PATH: `${process.env['PATH'] ?? ''}:/usr/local/sbin:/usr/sbin:/sbin` })
}

/**
 * Asked for by a variable, because it takes minutes, root or other programs: `COMPOZY_TEST_IMAGES=1`,
 * `COMPOZY_TEST_RELEASE=1`.
 */
export function isAskedFor(what: 'IMAGES' | 'RELEASE'): boolean {
  return process.env[`COMPOZY_TEST_${what}`] === '1'
}

/** Where to reach a member of parsed YAML: `at(file, 'spec', 'template')`. Undefined when it is not there. */
export function at(value: unknown, ...path: readonly (string | number)[]): unknown {
  return path.reduce<unknown>(
    (inner, name) =>
      typeof inner === 'object' && inner !== null
        ? (inner as Record<string | number, unknown>)[name]
        : undefined,
    value,
  )
}
