import { afterAll, describe, expect, test } from 'bun:test'
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { findCommand } from '../../../../src/upstream/transports/stdio/command-lookup.ts'

const place = mkdtempSync(join(tmpdir(), 'command-'))
afterAll(() => rmSync(place, { recursive: true }))
const [first, second] = [join(place, 'first'), join(place, 'second')]
mkdirSync(join(first, 'folder'), { recursive: true })
mkdirSync(second)
writeFileSync(join(first, 'plain'), '', { mode: 0o644 })
writeFileSync(join(second, 'plain'), '', { mode: 0o755 })
writeFileSync(join(second, 'folder'), '', { mode: 0o755 })
symlinkSync(join(second, 'plain'), join(second, 'link'))
symlinkSync('/nonexistent', join(second, 'dangling'))

describe('looking for a command', () => {
  const path = `/nonexistent:${first}:${second}`
  test.each<{ why: string; command: string; found: string | null; path?: string | undefined }>([
    { why: 'passes over files that cannot be run', command: 'plain', found: join(second, 'plain') },
    { why: 'passes over folders', command: 'folder', found: join(second, 'folder') },
    { why: 'follows links', command: 'link', found: join(second, 'link') },
    { why: 'does not follow them into nothing', command: 'dangling', found: null },
    { why: 'finds nothing', command: 'nothing', found: null },
    { why: 'takes a full path', command: join(second, 'plain'), found: join(second, 'plain') },
    {
      why: 'takes a path from the working directory',
      command: './second/plain',
      found: join(second, 'plain'),
    },
    { why: 'does not search for a path in PATH', command: 'second/none', found: null },
    { why: 'takes an empty part of PATH for the working directory', command: 'sh', path: '', found: null },
    {
      why: 'takes relative parts of PATH from the working directory',
      command: 'plain',
      path: 'second',
      found: join(second, 'plain'),
    },
    {
      why: 'falls back to the usual places without a PATH',
      command: 'sh',
      path: undefined,
      found: expect.stringMatching(/\/sh$/),
    },
  ])('$why', async (row) => {
    const where = 'path' in row ? row.path : path
    expect(await findCommand(row.command, { path: where, cwd: place })).toEqual(row.found as never)
  })
})
