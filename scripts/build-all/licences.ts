/** Under which terms the parts of the executable come. */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { LockedPackage } from './lock.ts'

export interface Licence {
  readonly component: LockedPackage
  /** As its package.json says it: an SPDX identifier or expression. */
  readonly terms: string
  /** Null when the package ships none. */
  readonly text: string | null
}

/** Reads them from the installed packages. Throws for a package that names no terms. */
export function licencesOf(components: readonly LockedPackage[], root: string): Licence[] {
  return components.map((component) => {
    const place = join(root, component.place)
    const { license } = JSON.parse(readFileSync(join(place, 'package.json'), 'utf8')) as { license?: unknown }
    if (typeof license !== 'string') throw new Error(`${component.name} names no licence`)
    const file = readdirSync(place).find((name) => /^(?:licen[cs]e|copying)/i.test(name))
    const text = file === undefined ? null : readFileSync(join(place, file), 'utf8').trim()
    return { component, terms: license, text }
  })
}

/** Names and texts of all of them in one file, those of the program, of the runtime and of the word vectors first. */
export function licenceList(licences: readonly Licence[], root: string, runtimeVersion: string): string {
  const own = join(root, 'LICENSE')
  const parts = licences.map(({ component, terms, text }) =>
    section(`${component.name} ${component.version}: ${terms}`, text ?? 'It ships no text of its licence.'),
  )
  const runtime = section(
    `Bun ${runtimeVersion}: MIT, with parts under other terms`,
    `The executables contain the unchanged Bun runtime as its authors publish it: https://github.com/oven-sh/bun.
It is linked with JavaScriptCore and WebKit (LGPL-2.0; their source, as used, is
https://github.com/oven-sh/WebKit), tinycc (LGPL-2.1), BoringSSL, ICU and further libraries. All their terms:
https://github.com/oven-sh/bun/blob/bun-v${runtimeVersion}/LICENSE.md

The LGPL lets you replace these libraries. Rebuild the runtime with yours as that page says, then this program
from its source with it: BUN build --compile takes the runtime from --compile-executable-path.`,
  )
  const vectors = section(
    'all-MiniLM-L6-v2: Apache-2.0',
    `The vectors of words by which tools are found were made from this model, which the authors of
sentence-transformers publish under this licence. The model itself is not inside.

${readFileSync(join(root, 'src/group/search/word-vectors.LICENSE'), 'utf8').trim()}`,
  )
  const program = section('compozy: MIT', existsSync(own) ? readFileSync(own, 'utf8').trim() : 'See LICENSE.')
  return [program, runtime, vectors, ...parts].join('\n')
}

function section(title: string, text: string): string {
  return `${'='.repeat(80)}\n${title}\n${'='.repeat(80)}\n\n${text}\n`
}
