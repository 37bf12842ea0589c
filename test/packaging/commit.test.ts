/** A build knows its commit wherever its sources came from. */
import { describe, expect, test } from 'bun:test'
import { cpSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { commitOf } from '../../scripts/commit.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'
import { repository } from './repository.ts'

const files = ['.gitattributes', 'scripts/commit.txt']
const author = { name: 'somebody', email: 'somebody@example.com' }
/** When the commit of these tests was made. */
const epochSeconds = '1767225600'

function git(cwd: string, ...args: readonly string[]): string {
  const { exitCode, stdout, stderr } = Bun.spawnSync(['git', ...args], {
    cwd,
    env: {
      PATH: process.env['PATH'] ?? '',
      HOME: cwd,
      GIT_AUTHOR_NAME: author.name,
      GIT_AUTHOR_EMAIL: author.email,
      GIT_COMMITTER_NAME: author.name,
      GIT_COMMITTER_EMAIL: author.email,
      GIT_COMMITTER_DATE: `${epochSeconds} +0000`,
    },
  })
  if (exitCode !== 0) throw new Error(`git ${args.join(' ')}: ${stderr}`)
  return stdout.toString().trim()
}

/** A repository of one commit with the two files that matter. */
function makeClone(clone: string): void {
  for (const file of files) cpSync(join(repository, file), join(clone, file))
  git(clone, 'init', '--quiet')
  git(clone, 'add', '.')
  git(clone, 'commit', '--quiet', '--message', 'Begin')
}

describe.if(Bun.which('git') !== null)('the commit of the sources', () => {
  test('is the one of the clone, and the same in an archive that git made of it', () => {
    using place = temporaryDirectory()
    const clone = join(place.path, 'clone')
    const unpacked = join(place.path, 'unpacked')
    makeClone(clone)
    mkdirSync(unpacked)
    git(clone, 'archive', '--output', join(place.path, 'archive.tar'), 'HEAD')
    Bun.spawnSync(['tar', '-xf', join(place.path, 'archive.tar'), '-C', unpacked])
    const expected = { hash: git(clone, 'rev-parse', '--short', 'HEAD'), epochSeconds }
    expect(commitOf(clone)).toEqual(expected)
    expect(commitOf(unpacked)).toEqual(expected)
  })

  test('is unknown in a plain copy, even one that lies in somebody else’s clone', () => {
    using place = temporaryDirectory()
    makeClone(place.path)
    const copy = join(place.path, 'copy')
    for (const file of files) cpSync(join(repository, file), join(copy, file))
    expect(commitOf(copy)).toBeNull()
  })
})
