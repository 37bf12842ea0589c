/** When the clients of a group hear that lists have changed: once for all that happens together. */
import { expect, test } from 'bun:test'
import { type ChangedList, type ChangeHearer, Changes } from '../../src/group/changes.ts'
import { poll } from '../support/gateway.ts'

class Hearer implements ChangeHearer {
  readonly principalId = 'anonymous'
  readonly owner = null
  readonly visible = []
  readonly heard: { readonly lists: readonly ChangedList[]; readonly atMs: number }[] = []

  sees(): boolean {
    return true
  }

  listsChanged(lists: readonly ChangedList[]): void {
    this.heard.push({ lists: [...lists].sort(), atMs: performance.now() })
  }

  membersChanged(): void {}
}

test('many changes at once are told once, each list once, and only to those concerned', async () => {
  const changes = new Changes()
  const [some, others, left] = [new Hearer(), new Hearer(), new Hearer()]
  for (const hearer of [some, others, left]) changes.add(hearer)
  for (let times = 0; times < 10; times++) {
    changes.told(['tools', 'prompts'], (hearer) => hearer !== others)
    changes.note(some, ['tools'])
  }
  changes.delete(left)
  changes.note(others, [])
  await poll('the word', async () => some.heard.length > 0)
  await Bun.sleep(150)
  expect(some.heard.map(({ lists }) => lists)).toEqual([['prompts', 'tools']])
  expect(others.heard).toEqual([])
  expect(left.heard).toEqual([])
})

test('however often lists change, clients hear of it about once a second, and of the last change too', async () => {
  const changes = new Changes()
  const hearer = new Hearer()
  changes.add(hearer)
  const startedAtMs = performance.now()
  let lastAtMs = startedAtMs
  while (lastAtMs - startedAtMs < 1_000) {
    changes.note(hearer, ['resources'])
    lastAtMs = performance.now()
    await Bun.sleep(20)
  }
  await poll('the word of the last change', async () => (hearer.heard.at(-1)?.atMs ?? 0) > lastAtMs)
  expect(hearer.heard.length).toBeLessThanOrEqual(3)
  expect((hearer.heard.at(-1)?.atMs ?? 0) - lastAtMs).toBeLessThan(1_000)
})

test('a client that has never been added, or has left, is not told', async () => {
  const changes = new Changes()
  const hearer = new Hearer()
  changes.note(hearer, ['tools'])
  changes.add(hearer)
  changes.all()
  changes.delete(hearer)
  await Bun.sleep(150)
  expect(hearer.heard).toEqual([])
})
