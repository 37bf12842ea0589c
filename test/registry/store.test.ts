/** One suite for every store, then what only the file can do. */
import { Database } from 'bun:sqlite'
import { afterAll, describe, expect, test } from 'bun:test'
import {
  copyFileSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { openSqliteStore } from '../../src/registry/storage/sqlite.ts'
import { createMemoryStore, type DefinitionStore } from '../../src/registry/storage/store.ts'
import { anyDefinition, definitionOf } from './definitions.ts'

const place = mkdtempSync(join(tmpdir(), 'store-'))
afterAll(() => rmSync(place, { recursive: true }))
let count = 0
/** A directory of its own for each store; it does not exist yet. */
const freshDirectory = (): string => join(place, `${count++}`, 'state')
const fileIn = (directory: string): string => join(directory, 'definitions.sqlite')

const one = definitionOf({ name: 'one', transport: 'stdio', command: 'x', env: { A: 'alpha-secret' } })
const two = definitionOf({ name: 'two', transport: 'sse', url: 'https://h/?k=v' })

describe.each<{ kind: string; open: () => DefinitionStore }>([
  { kind: 'memory', open: createMemoryStore },
  { kind: 'sqlite', open: () => openSqliteStore(freshDirectory()) },
])('a $kind store', ({ open }) => {
  test('is empty at first', () => {
    const store = open()
    expect(store.list()).toEqual([])
    expect(store.get('one')).toBeUndefined()
    expect(store.delete('one')).toBe(false)
    store.close()
  })

  test('gives back what was put, ordered by name, secrets and dates included', () => {
    const store = open()
    const dated = { ...two, createdAt: '2020-01-01T00:00:00.000Z', updatedAt: '2021-01-01T00:00:00.000Z' }
    store.put(dated)
    store.put(one)
    expect(store.list()).toEqual([one, dated])
    expect(store.get('two')).toEqual(dated)
    store.close()
  })

  test('replaces by name', () => {
    const store = open()
    store.put(one)
    store.put({ ...one, description: 'new' })
    expect(store.list()).toEqual([{ ...one, description: 'new' }])
    store.close()
  })

  test('deletes once', () => {
    const store = open()
    store.put(one)
    store.put(two)
    expect([store.delete('one'), store.delete('one')]).toEqual([true, false])
    expect(store.list()).toEqual([two])
    store.close()
  })

  test('keeps records beside definitions, by kind, and changes several in one', () => {
    const store = open()
    expect(store.records('key').size).toBe(0)
    store.put(one)
    store.putRecords(
      'key',
      new Map([
        ['a', '1'],
        ["' OR 1", '2'],
        ['c', '3'],
      ]),
    )
    store.putRecords('approval', new Map([['a', 'other']]))
    store.putRecords(
      'key',
      new Map([
        ['c', null],
        ['a', '4'],
        ['d', '5'],
        ['nothing', null],
      ]),
    )
    expect([...store.records('key')].toSorted()).toEqual([
      ["' OR 1", '2'],
      ['a', '4'],
      ['d', '5'],
    ])
    expect([...store.records('approval')]).toEqual([['a', 'other']])
    store.delete('one')
    store.setDisabled('one', '2026-01-01T00:00:00.000Z')
    expect(store.records('key').size).toBe(3)
    store.close()
  })

  test('takes names for names, not for SQL or properties', () => {
    const store = open()
    store.put(one)
    for (const name of ["' OR 1=1 --", '%', '__proto__', 'constructor', '']) {
      expect(store.get(name)).toBeUndefined()
      expect(store.delete(name)).toBe(false)
    }
    expect(store.list()).toHaveLength(1)
    store.close()
  })

  test('keeps any definition unchanged', () => {
    const store = open()
    fc.assert(
      fc.property(anyDefinition, (definition) => {
        // No working directory: only the file may choose one, and those are never stored.
        const storable = { ...definition, cwd: null }
        store.put(storable)
        expect(store.get(definition.name)).toEqual(storable)
      }),
      { numRuns: 200 },
    )
    store.close()
  })

  test('refuses work after it was closed, and closing again is no error', () => {
    const store = open()
    store.close()
    store.close()
    expect(() => store.list()).toThrow()
    expect(() => store.put(one)).toThrow()
  })
})

describe('the file', () => {
  test('has what was put after it is opened again', () => {
    const directory = freshDirectory()
    const store = openSqliteStore(directory)
    store.put(one)
    store.close()
    const again = openSqliteStore(directory)
    expect(again.list()).toEqual([one])
    again.close()
  })

  test('has everything that was acknowledged when the process is killed in the middle of writing', async () => {
    const directory = freshDirectory()
    const child = Bun.spawn([process.execPath, join(import.meta.dir, 'store-writer.ts'), directory], {
      stdout: 'pipe',
      stderr: 'inherit',
    })
    let acknowledged = 0
    for await (const chunk of child.stdout) {
      acknowledged += chunk.filter((byte) => byte === 10).length
      if (acknowledged > 20) child.kill('SIGKILL')
    }
    await child.exited
    const store = openSqliteStore(directory)
    const stored = store.list().length
    // One more may have been written than was told.
    expect(stored).toBeGreaterThanOrEqual(acknowledged)
    store.close()
  })

  test('has records after it is opened again, and only then a form that older programs refuse', () => {
    const directory = freshDirectory()
    const version = () => {
      const database = new Database(fileIn(directory), { readonly: true })
      const { user_version: found } = database.query('PRAGMA user_version').get() as { user_version: number }
      database.close()
      return found
    }
    const store = openSqliteStore(directory)
    store.put(one)
    const before = version()
    store.putRecords('key', new Map([['a', 'text']]))
    store.put(two)
    expect([before, version()]).toEqual([2, 3])
    store.close()
    const again = openSqliteStore(directory)
    expect([[...again.records('key')], again.list()]).toEqual([[['a', 'text']], [one, two]])
    again.putRecords('key', new Map([['a', null]]))
    again.close()
    expect(version()).toBe(2)
    expect(openSqliteStore(directory).list()).toEqual([one, two])
  })

  test('is readable by its owner alone, whatever the umask', () => {
    const umask = process.umask(0)
    try {
      const directory = freshDirectory()
      const store = openSqliteStore(directory)
      store.put(one)
      expect(statSync(directory).mode & 0o777).toBe(0o700)
      expect(statSync(fileIn(directory)).mode & 0o777).toBe(0o600)
      expect(readdirSync(directory)).toEqual(['definitions.sqlite'])
      store.close()
    } finally {
      process.umask(umask)
    }
  })

  test('does not keep the secrets of deleted servers', () => {
    const directory = freshDirectory()
    const store = openSqliteStore(directory)
    store.put(one)
    store.delete('one')
    store.close()
    expect(readFileSync(fileIn(directory)).includes('alpha-secret')).toBe(false)
  })

  const damage: { why: string; harm: (directory: string) => void; says: RegExp }[] = [
    {
      why: 'it is something else',
      harm: (directory) =>
        writeFileSync(fileIn(directory), 'this is not a database, but long enough. '.repeat(100)),
      says: /definitions\.sqlite cannot be used as a definition store: .*not a database.*Move it away/,
    },
    {
      why: 'its middle is lost',
      harm: (directory) => {
        const bytes = readFileSync(fileIn(directory))
        bytes.fill(0xff, 4_096)
        writeFileSync(fileIn(directory), bytes)
      },
      says: /definitions\.sqlite cannot be used as a definition store: /,
    },
    {
      why: 'it comes from a newer version',
      harm: (directory) => withDatabase(directory, (database) => database.run('PRAGMA user_version = 99')),
      says: /was written by a newer version of compozy \(format 99\)/,
    },
    {
      why: 'a row is not JSON',
      harm: (directory) =>
        withDatabase(directory, (database) => database.run("UPDATE definitions SET wire = '{'")),
      says: /the stored server one cannot be read: input: must be an object/,
    },
    {
      why: 'a row breaks a rule',
      harm: (directory) =>
        withDatabase(directory, (database) =>
          database.run('UPDATE definitions SET wire = \'{"name":"one"}\''),
        ),
      says: /the stored server one cannot be read: transport: is required/,
    },
    {
      why: 'its table is gone',
      harm: (directory) => withDatabase(directory, (database) => database.run('DROP TABLE definitions')),
      says: /definitions/,
    },
  ]
  test.each(damage)('is refused in one clear sentence when $why', ({ harm, says }) => {
    const directory = freshDirectory()
    const store = openSqliteStore(directory)
    store.put(one)
    store.close()
    harm(directory)
    expect(() => openSqliteStore(directory)).toThrow(says)
    expect(() => openSqliteStore(directory)).not.toThrow(/alpha-secret/)
  })

  test('is written whatever another process does with it, and waits for nobody', () => {
    const directory = freshDirectory()
    const store = openSqliteStore(directory)
    const other = new Database(fileIn(directory))
    other.run('BEGIN IMMEDIATE')
    const startedAtMs = performance.now()
    store.put(one)
    // Whoever waits here keeps every client waiting.
    expect(performance.now() - startedAtMs).toBeLessThan(500)
    other.run('ROLLBACK')
    other.close()
    store.close()
    const again = openSqliteStore(directory)
    expect(again.list()).toEqual([one])
    again.close()
  })

  test('that another process holds open at the start is named after a while', () => {
    const directory = freshDirectory()
    openSqliteStore(directory).close()
    const other = new Database(fileIn(directory))
    other.run('BEGIN EXCLUSIVE')
    expect(() => openSqliteStore(directory)).toThrow(/definitions\.sqlite is open in another process/)
    other.close()
    openSqliteStore(directory).close()
  }, 20_000)

  test.each([
    { why: 'was removed', harm: (path: string) => rmSync(path) },
    { why: 'was overwritten', harm: (path: string) => writeFileSync(path, 'not a database', { flag: 'r+' }) },
    {
      why: 'was replaced by an older copy',
      harm: (path: string) => writeFileSync(path, readFileSync(`${path}.copy`)),
    },
    {
      why: 'was edited with a tool',
      harm: (path: string) => {
        const database = new Database(path)
        database.run("DELETE FROM definitions WHERE name = 'one'")
        database.close()
      },
    },
  ])('that $why takes no change, because that would be lost', ({ harm }) => {
    const directory = freshDirectory()
    const path = fileIn(directory)
    const store = openSqliteStore(directory)
    copyFileSync(path, `${path}.copy`)
    store.put(one)
    harm(path)
    const refusal = expect.objectContaining({ code: 'STORE_UNAVAILABLE' })
    expect(() => store.put(two)).toThrow(refusal)
    expect(() => store.delete('one')).toThrow(refusal)
    expect(store.list()).toEqual([one])
    store.close()
  })

  test('leaves nothing of a change that was cut short', () => {
    const directory = freshDirectory()
    const store = openSqliteStore(directory)
    store.put(one)
    store.close()
    writeFileSync(`${fileIn(directory)}.new`, 'half of a file, with alpha-secret in it')
    const again = openSqliteStore(directory)
    expect(again.list()).toEqual([one])
    expect(readdirSync(directory)).toEqual(['definitions.sqlite'])
    again.close()
  })

  test('a directory that is a file is refused, and the setting named', () => {
    const path = join(place, 'plain')
    writeFileSync(path, '')
    expect(() => openSqliteStore(path)).toThrow(/Cannot open .*plain.*storage\.path/)
  })
})

function withDatabase(directory: string, work: (database: Database) => void): void {
  const database = new Database(fileIn(directory))
  work(database)
  database.close()
}
