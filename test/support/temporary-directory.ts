import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'

export interface TemporaryDirectory extends Disposable {
  readonly path: string
}

/** A directory with these files in it, gone at the end of the block. */
export function temporaryDirectory(files: Readonly<Record<string, string>> = {}): TemporaryDirectory {
  const path = mkdtempSync(join(tmpdir(), 'compozy-test-'))
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(path, name)), { recursive: true })
    writeFileSync(join(path, name), text)
  }
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }) }
}
