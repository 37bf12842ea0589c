/**
 * Whatever a server lists to whom, and in whatever order admins decide meanwhile: nobody is shown a text that is not
 * approved, whoever is shown a tool may call it, and a tool of which something else was listed stays closed until an
 * admin has decided.
 */
import { expect, test } from 'bun:test'
import fc from 'fast-check'
import { filteredAnswer } from '../../src/access/items.ts'
import { reachOf } from '../../src/access/reach.ts'
import { Approvals } from '../../src/approvals/approvals.ts'
import { createMemoryStore } from '../../src/registry/storage/store.ts'
import { definitionOf } from '../registry/definitions.ts'

const silent = { debug() {}, info() {}, warn() {}, error() {} }
const names = ['a', 'b', 'c']
const tool = fc.record({ name: fc.constantFrom(...names), variant: fc.nat(3) })
const step = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({ does: fc.constant('list' as const), tools: fc.array(tool, { maxLength: 5 }) }),
  },
  { weight: 2, arbitrary: fc.record({ does: fc.constant('approve' as const), at: fc.nat(5) }) },
  { weight: 1, arbitrary: fc.record({ does: fc.constant('approve all' as const) }) },
  { weight: 1, arbitrary: fc.record({ does: fc.constant('revoke' as const), at: fc.nat(8) }) },
  { weight: 1, arbitrary: fc.record({ does: fc.constant('start anew' as const) }) },
)

const textOf = ({ name, variant }: { name: string; variant: number }) =>
  `{"name":"${name}","description":"Variant ${variant}."}`

test('holds for any order of lists and decisions', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
      const store = createMemoryStore()
      let scene = open(store)
      const approved = new Set<string>()
      /** Names of which something that nobody has approved was listed since the last decision. */
      const closed = new Set<string>()
      for (const one of steps) {
        if (one.does === 'start anew') {
          scene = open(store)
          // What was held in the last moment is not kept yet; it is held again when it is listed.
          closed.clear()
        } else if (one.does === 'list') {
          for (const listed of one.tools) if (!approved.has(textOf(listed))) closed.add(listed.name)
          const shown = scene.list(one.tools.map(textOf))
          for (const text of shown) {
            expect(approved).toContain(text)
            expect(scene.mayCall(JSON.parse(text).name)).toBeTrue()
          }
          for (const name of closed) expect(scene.mayCall(name)).toBeFalse()
        } else {
          decide(scene.approvals, one)
          closed.clear()
          approved.clear()
          for (const record of store.records('approval').values()) {
            const { text, by } = JSON.parse(record)
            if (by !== undefined) approved.add(swapped(text))
          }
        }
        for (const name of names)
          if (scene.mayCall(name)) expect([...approved].some((text) => text.includes(`"${name}"`))).toBeTrue()
      }
    }),
    { numRuns: 300 },
  )
})

/** The canonical text has its members in another order. */
function swapped(text: string): string {
  const { name, description } = JSON.parse(text)
  return JSON.stringify({ name, description })
}

function decide(approvals: Approvals, one: { does: string; at?: number }): void {
  const { pending, approved, pendingHash } = approvals.report('docs')
  if (one.does === 'approve all') {
    approvals.approve('docs', { all: pendingHash }, 'admin:1')
    return
  }
  const of = one.does === 'approve' ? pending : [...approved, ...pending]
  const { hash } = of[(one.at ?? 0) % Math.max(1, of.length)] ?? {}
  if (hash === undefined) return
  if (one.does === 'approve') approvals.approve('docs', { hashes: [hash] }, 'admin:1')
  else approvals.revoke('docs', hash)
}

function open(store: ReturnType<typeof createMemoryStore>) {
  const definition = definitionOf({ name: 'docs', transport: 'stdio', command: 'x' })
  const server = { name: 'docs', definition, listChanged() {}, announceTools() {} }
  const approvals = new Approvals({ store, log: silent, isPinned: () => true, server: () => server })
  approvals.pin(definition)
  const reach = () => reachOf(null, definition)
  return {
    approvals,
    mayCall: (name: string) => reach().allows('tool', name),
    list(texts: readonly string[]): string[] {
      const answer = filteredAnswer(reach(), 'tools/list', `{"id":1,"result":{"tools":[${texts.join(',')}]}}`)
      return (JSON.parse(answer).result.tools as unknown[]).map((shown) => JSON.stringify(shown))
    },
  }
}
