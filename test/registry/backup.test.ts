/**
 * A copy of the one file is a backup, at whatever moment it is taken; what was answered before it began is in it.
 * BACKUP_CHANGES=2000 makes as many changes meanwhile (`bun run test:long:reload`).
 */
import { Database } from 'bun:sqlite'
import { describe, expect, test } from 'bun:test'
import { copyFileSync, existsSync, mkdirSync } from 'node:fs'
import { copyFile } from 'node:fs/promises'
import { join } from 'node:path'
import { openSqliteStore } from '../../src/registry/storage/sqlite.ts'
import { startProcess } from '../support/process.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'
import { definitionOf } from './definitions.ts'

const changesMax = Number(process.env['BACKUP_CHANGES'] ?? 80)

const fileIn = (directory: string): string => join(directory, 'definitions.sqlite')

/** What a copy holds, read as any tool would read it. */
function readCopy(path: string): { check: unknown; names: Set<string> } {
  const database = new Database(path)
  try {
    const check = database.query('PRAGMA integrity_check').all()
    const rows = database.query<{ name: string }, []>('SELECT name FROM definitions').all()
    return { check, names: new Set(rows.map(({ name }) => name)) }
  } finally {
    database.close()
  }
}

describe('a copy that is taken while it writes', () => {
  test(
    'is whole, and holds every change that was acknowledged before it began',
    async () => {
      using place = temporaryDirectory()
      const directory = join(place.path, 'state')
      await using writer = startProcess({
        command: [process.execPath, join(import.meta.dir, 'store-writer.ts'), directory, String(changesMax)],
      })
      await writer.line((line) => line === '0')
      const acknowledged = () => writer.lines().length
      const copy = join(place.path, 'copy.sqlite')
      let copies = 0
      /** Copies during which something was written. */
      let meanwhile = 0
      for (let ended = false; !ended; copies++) {
        ended = acknowledged() >= changesMax
        const before = acknowledged()
        // By two ways of copying: in large steps, and in many small ones.
        if (copies % 2 === 0) await copyFile(fileIn(directory), copy)
        else await Bun.spawn(['dd', `if=${fileIn(directory)}`, `of=${copy}`, 'bs=1024', 'status=none']).exited
        if (acknowledged() > before) meanwhile++
        const { check, names } = readCopy(copy)
        expect(check).toEqual([{ integrity_check: 'ok' }])
        for (let n = 0; n < before; n++) expect(names.has(`s${n}`)).toBe(true)
      }
      // Or the test has shown nothing.
      expect([copies > 10, meanwhile > 5]).toEqual([true, true])
      expect(readCopy(copy).names.size).toBe(changesMax)
    },
    60_000 + changesMax * 200,
  )

  test('is all that a restore takes', () => {
    using place = temporaryDirectory()
    const [before, after] = [join(place.path, 'before'), join(place.path, 'after')]
    const store = openSqliteStore(before)
    const one = definitionOf({ name: 'one', transport: 'stdio', command: 'x', env: { A: 'alpha-secret' } })
    store.put(one)
    store.setDisabled('one', '2026-01-01T00:00:00.000Z')
    mkdirSync(after)
    copyFileSync(fileIn(before), fileIn(after))
    const restored = openSqliteStore(after)
    expect(restored.list()).toEqual([one])
    expect(restored.disabledAt('one')).toBe('2026-01-01T00:00:00.000Z')
    for (const each of [store, restored]) each.close()
  })
})

/**
 * Files of the first version, as that left them: closed in good order, and killed while all that it had stored lay in
 * the write-ahead log beside the file. `fixtures/make.sh` has made them.
 */
describe.each(['closed', 'killed'])('a file that the first version has left, %s', (how) => {
  const fixture = join(import.meta.dir, 'fixtures', how)
  const placed = () => {
    const place = temporaryDirectory()
    for (const suffix of ['', '-wal', '-shm'])
      if (existsSync(fileIn(fixture) + suffix))
        copyFileSync(fileIn(fixture) + suffix, fileIn(place.path) + suffix)
    return place
  }

  test('is read with everything in it, and nothing is left beside it', () => {
    using place = placed()
    const store = openSqliteStore(place.path)
    expect(store.list().map(({ name }) => name)).toEqual(['docs', 'files'])
    expect(store.get('files')).toMatchObject({
      description: 'over a pipe',
      transport: 'stdio',
      command: 'node',
      args: ['-e', ''],
      autoReconnect: false,
      createdAt: expect.stringMatching(/^\d{4}-/),
      env: { TOKEN: 'a-secret' },
      isolation: 'shared',
      tags: { team: 'a' },
    })
    expect(store.get('docs')).toMatchObject({
      transport: 'streamable-http',
      url: 'http://127.0.0.1:9/mcp',
      headers: { Authorization: 'Bearer another-secret' },
      timeoutMs: 45_000,
      authTokens: ['own-token'],
      toolFilter: { mode: 'allow', list: ['search'] },
    })
    store.put(definitionOf({ name: 'new', transport: 'stdio', command: 'x' }))
    store.close()
    for (const suffix of ['-wal', '-shm', '-journal'])
      expect(existsSync(fileIn(place.path) + suffix)).toBe(false)
    const again = openSqliteStore(place.path)
    expect(again.list().map(({ name }) => name)).toEqual(['docs', 'files', 'new'])
    expect(again.get('files')?.env).toEqual({ TOKEN: 'a-secret' })
    again.close()
  })
})
