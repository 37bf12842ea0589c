/** Which commit the sources are of: in a clone git knows, in an archive that git made it stands in a file. */
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

export interface Commit {
  /** Abbreviated. */
  readonly hash: string
  /** When it was made, in seconds since 1970: a value for SOURCE_DATE_EPOCH. */
  readonly epochSeconds: string
}

/** Null for sources that came another way. */
export function commitOf(root: string): Commit | null {
  const [, hash, epochSeconds] = /^([0-9a-f]{7,40}) (\d+)$/.exec(said(root)) ?? []
  return hash === undefined || epochSeconds === undefined ? null : { hash, epochSeconds }
}

function said(root: string): string {
  // Not in sources that merely lie somewhere below another repository: git would name a commit of that one.
  if (existsSync(join(root, '.git'))) {
    if (Bun.which('git') === null) return ''
    const { stdout } = Bun.spawnSync(['git', 'log', '-1', '--format=%h %ct'], { cwd: root, stderr: 'ignore' })
    return stdout.toString().trim()
  }
  // Git replaces its content in archives; see .gitattributes.
  const archived = join(root, 'scripts/commit.txt')
  return existsSync(archived) ? readFileSync(archived, 'utf8').trim() : ''
}
