/** Files that change in the ways in which editors and platforms change them. */
import { expect, test } from 'bun:test'
import { mkdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { FileWatch } from '../../src/reload/file-watch.ts'
import { type TemporaryDirectory, temporaryDirectory } from '../support/temporary-directory.ts'

/** Looks as often as the clock of the gateway would, without its seconds. */
async function look(watch: FileWatch, clock: { nowMs: number }): Promise<void> {
  clock.nowMs += 1_000
  watch.sweep(clock.nowMs)
  // A look is over when the next one would begin.
  while (watch.looking) await Bun.sleep(1)
}

const rows: { why: string; prepare?: (place: TemporaryDirectory) => void; change: (path: string) => void }[] =
  [
    { why: 'is written in place', change: (path) => writeFileSync(path, 'b: 2') },
    {
      why: 'is replaced by an editor',
      change: (path) => {
        writeFileSync(`${path}~`, 'a: 2')
        renameSync(`${path}~`, path)
      },
    },
    { why: 'is removed', change: (path) => rmSync(path) },
    {
      why: 'comes at last',
      prepare: (place) => rmSync(join(place.path, 'compozy.yaml')),
      change: (path) => writeFileSync(path, 'a: 1'),
    },
    {
      why: 'lies in a directory that Kubernetes exchanges behind a link',
      prepare(place) {
        const at = (name: string) => join(place.path, name)
        rmSync(at('compozy.yaml'))
        for (const [name, text] of [
          ['..1', 'a: 1'],
          ['..2', 'a: 2'],
        ] as const) {
          mkdirSync(at(name))
          writeFileSync(join(at(name), 'compozy.yaml'), text)
        }
        symlinkSync('..1', at('..data'))
        symlinkSync(join('..data', 'compozy.yaml'), at('compozy.yaml'))
      },
      change(path) {
        const place = join(path, '..')
        symlinkSync('..2', join(place, '..data_tmp'))
        renameSync(join(place, '..data_tmp'), join(place, '..data'))
      },
    },
  ]

test.each(rows)('a file that $why is noticed once, when it stays so', async ({ prepare, change }) => {
  using place = temporaryDirectory({ 'compozy.yaml': 'a: 1' })
  prepare?.(place)
  const path = join(place.path, 'compozy.yaml')
  let changes = 0
  const watch = new FileWatch(
    () => [path, join(place.path, 'missing')],
    () => changes++,
  )
  const clock = { nowMs: 0 }
  await watch.note()
  for (let n = 0; n < 3; n++) await look(watch, clock)
  expect(changes).toBe(0)
  change(path)
  // It may still be written, until two seconds after it was seen to have changed.
  for (let n = 0; n < 2; n++) await look(watch, clock)
  expect(changes).toBe(0)
  for (let n = 0; n < 4; n++) await look(watch, clock)
  expect(changes).toBe(1)
})

test('a file that is written for a while is waited for', async () => {
  using place = temporaryDirectory({ 'compozy.yaml': '' })
  const path = join(place.path, 'compozy.yaml')
  let changes = 0
  const watch = new FileWatch(
    () => [path],
    () => changes++,
  )
  const clock = { nowMs: 0 }
  await watch.note()
  for (let n = 1; n < 5; n++) {
    writeFileSync(path, 'x'.repeat(n))
    await look(watch, clock)
  }
  expect(changes).toBe(0)
  for (let n = 0; n < 2; n++) await look(watch, clock)
  expect(changes).toBe(1)
})

test('what was noted counts as known, and files that come to be watched are no change', async () => {
  using place = temporaryDirectory({ one: '1', two: '2' })
  const paths = [join(place.path, 'one')]
  let changes = 0
  const watch = new FileWatch(
    () => paths,
    () => changes++,
  )
  const clock = { nowMs: 0 }
  await watch.note()
  writeFileSync(join(place.path, 'one'), 'changed, and read by somebody who said so')
  await watch.note()
  paths.push(join(place.path, 'two'))
  for (let n = 0; n < 4; n++) await look(watch, clock)
  expect(changes).toBe(0)
})
