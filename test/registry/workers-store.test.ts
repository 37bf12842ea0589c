/** The definitions file as the workers of one gateway share it. */
import { afterAll, expect, test } from 'bun:test'
import { copyFileSync, mkdtempSync, renameSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openSharedStore, type SharedStore } from '../../src/registry/storage/sqlite.ts'
import { openTurns } from '../../src/registry/storage/turns.ts'
import { definitionOf } from './definitions.ts'

const place = mkdtempSync(join(tmpdir(), 'workers-store-'))
afterAll(() => rmSync(place, { recursive: true }))
let count = 0

const one = definitionOf({ name: 'one', transport: 'stdio', command: 'x' })
const two = definitionOf({ name: 'two', transport: 'stdio', command: 'x' })

function twoStores() {
  const directory = join(place, `${count++}`)
  const run = mkdtempSync(join(place, 'run-'))
  let changes = 0
  const open = (): SharedStore =>
    openSharedStore(
      directory,
      openTurns(directory, run, () => changes++),
    )
  return { first: open(), second: open(), changes: () => changes, directory, run }
}

test('a change of one is there for the other once it takes it in, which is told what it was', () => {
  const { first, second, changes } = twoStores()
  first.put(one)
  first.setDisabled('elsewhere', '2020-01-01T00:00:00.000Z')
  first.putRecords('key', new Map([['id', 'text']]))
  expect(changes()).toBe(3)
  expect(second.takeIn()).toEqual({ definitions: ['one'], switches: ['elsewhere'], records: ['key'] })
  expect(second.list()).toEqual([one])
  expect(second.takeIn()).toEqual({ definitions: [], switches: [], records: [] })
  // Its own are known to who has made them.
  expect(first.takeIn()).toEqual({ definitions: [], switches: [], records: [] })
})

test('a change stands on what the other has written before, and that is still told', () => {
  const { first, second } = twoStores()
  first.put(one)
  second.put(two)
  expect(second.list()).toEqual([one, two])
  expect(second.takeIn().definitions).toEqual(['one'])
  expect(first.takeIn().definitions).toEqual(['two'])
  second.delete('one')
  expect(first.takeIn().definitions).toEqual(['one'])
  expect(first.list()).toEqual([two])
})

test('a process that ends while it puts a change in its place leaves the file to the others', () => {
  const { first, second, directory, run } = twoStores()
  const turns = openTurns(directory, run, () => {})
  const third = openSharedStore(directory, {
    ...turns,
    writes(...digests) {
      turns.writes(...digests)
      throw new Error('ended')
    },
  })
  first.put(one)
  expect(() => third.put(two)).toThrow('ended')
  second.put(two)
  expect(second.list()).toEqual([one, two])
})

test('processes that write at the same time lose nothing of each other', async () => {
  const directory = join(place, `${count++}`)
  const run = mkdtempSync(join(place, 'run-'))
  const program = join(import.meta.dir, 'workers-store-writer.ts')
  const writers = ['a', 'b'].map((name) =>
    Bun.spawn([process.execPath, program, directory, run, name, '5'], {
      stdout: 'inherit',
      stderr: 'inherit',
    }),
  )
  expect(await Promise.all(writers.map(({ exited }) => exited))).toEqual([0, 0])
  const store = openSharedStore(
    directory,
    openTurns(directory, run, () => {}),
  )
  expect(store.list()).toHaveLength(10)
})

test('a file that somebody else has put there is not written over, and not taken in', () => {
  const { first, second, directory } = twoStores()
  first.put(one)
  const path = join(directory, 'definitions.sqlite')
  copyFileSync(path, `${path}.copy`)
  first.put(two)
  second.takeIn()
  renameSync(`${path}.copy`, path)
  expect(() => second.delete('one')).toThrow('was removed, replaced or overwritten while the gateway runs')
  expect(second.takeIn().definitions).toEqual([])
  expect(second.list()).toEqual([one, two])
})
