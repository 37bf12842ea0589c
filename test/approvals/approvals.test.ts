/** What is approved, what is held back, and what an admin who has looked at it approves. */
import { describe, expect, test } from 'bun:test'
import { noteTools } from '../../src/access/items.ts'
import { pinsOf } from '../../src/access/pins.ts'
import { reachOf } from '../../src/access/reach.ts'
import { Approvals } from '../../src/approvals/approvals.ts'
import { ApprovalsOpener } from '../../src/approvals/open-approvals.ts'
import type { ServerDefinition } from '../../src/registry/definition.ts'
import { parseDefinition } from '../../src/registry/definition-schema.ts'
import { createMemoryStore, type DefinitionStore } from '../../src/registry/storage/store.ts'

const silent = { debug() {}, info() {}, warn() {}, error() {} }

function definitionOf(name: string, more: object = {}): ServerDefinition {
  const wire = { name, transport: 'stdio', command: 'x', ...more }
  const parsed = parseDefinition(wire, { now: '2026-11-30T00:00:00Z' })
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.problems))
  return parsed.definition
}

const tool = (name: string, description = 'Good.') => JSON.stringify({ name, description })

class Scene {
  readonly definition = definitionOf('docs')
  readonly store: DefinitionStore
  readonly told: string[] = []
  readonly approvals: Approvals

  constructor(store = createMemoryStore()) {
    this.store = store
    const server = {
      name: 'docs',
      definition: this.definition,
      listChanged() {},
      announceTools: () => void this.told.push('docs'),
    }
    this.approvals = new Approvals({
      store,
      log: silent,
      isPinned: () => true,
      server: (name) => (name === 'docs' ? server : undefined),
    })
    this.approvals.pin(this.definition)
  }

  /** The server lists these; answers those that may be shown. */
  lists(...texts: string[]): string[] {
    const pins = pinsOf(this.definition)
    return texts.filter((text) => pins?.shows(JSON.parse(text).name, text) === true)
  }

  mayCall(name: string): boolean {
    return reachOf(null, this.definition).allows('tool', name)
  }

  rule(name: string): string {
    return reachOf(null, this.definition).decide('tool', name).rule
  }

  get report() {
    return this.approvals.report('docs')
  }

  approveAll(): void {
    this.approvals.approve('docs', { all: this.report.pendingHash }, 'admin:1')
  }

  get pendingTools(): string[] {
    return this.report.pending.map((one) => `${one.tool} ${one.change}`)
  }
}

describe('a pinned server', () => {
  test('shows and lets call nothing until it is approved, and says why', () => {
    const scene = new Scene()
    expect(scene.lists(tool('a'), tool('b'))).toEqual([])
    expect(scene.mayCall('a')).toBeFalse()
    expect(scene.rule('a')).toBe('pinning of docs: held back until its definition is approved')
    scene.approveAll()
    expect(scene.lists(tool('a'), tool('b'))).toEqual([tool('a'), tool('b')])
    expect(scene.mayCall('a')).toBeTrue()
    expect(scene.rule('a')).toBe('pinning of docs: its definition is approved')
    expect(scene.mayCall('c')).toBeFalse()
  })

  test('holds a changed tool back for everybody, also where its approved definition is listed again', () => {
    const scene = new Scene()
    scene.lists(tool('a'), tool('b'))
    scene.approveAll()
    // To a second client, and then to the first.
    expect(scene.lists(tool('a', 'Evil.'), tool('b'))).toEqual([tool('b')])
    expect(scene.lists(tool('a'), tool('b'))).toEqual([tool('b')])
    expect(scene.mayCall('a')).toBeFalse()
    expect(scene.mayCall('b')).toBeTrue()
    expect(scene.rule('a')).toBe('pinning of docs: held back until what has changed in it is approved')
    expect(scene.report.pending).toMatchObject([
      {
        tool: 'a',
        change: 'changed',
        approvable: true,
        differences: [{ field: 'description', before: 'Good.', after: 'Evil.' }],
      },
    ])
  })

  test('takes several approved definitions of one tool, as a server has that tells people apart', () => {
    const scene = new Scene()
    scene.lists(tool('a', 'For Ann.'), tool('a', 'For Bob.'))
    scene.lists(tool('a', 'For Ann.'))
    scene.approveAll()
    expect(scene.lists(tool('a', 'For Bob.'), tool('a', 'For Ann.'))).toHaveLength(2)
    expect(scene.mayCall('a')).toBeTrue()
  })

  test('lists the approved one of two with one name, and holds the name back for the other', () => {
    const scene = new Scene()
    scene.lists(tool('a'))
    scene.approveAll()
    const result = scene.lists(tool('a'), tool('a', 'Evil.'))
    expect(result).toEqual([tool('a')])
    expect(scene.mayCall('a')).toBeFalse()
  })

  test('opens a tool again when what waited is forgotten, until it is listed again', () => {
    const scene = new Scene()
    scene.lists(tool('a'))
    scene.approveAll()
    scene.lists(tool('a', 'Evil.'))
    const [held] = scene.report.pending
    scene.approvals.revoke('docs', held?.hash ?? '')
    expect(scene.mayCall('a')).toBeTrue()
    scene.lists(tool('a', 'Evil.'))
    expect(scene.mayCall('a')).toBeFalse()
  })

  test('closes a tool whose approval is revoked', () => {
    const scene = new Scene()
    scene.lists(tool('a'), tool('b'))
    scene.approveAll()
    const approved = scene.report.approved.find((one) => one.tool === 'a')
    scene.approvals.revoke('docs', approved?.hash ?? '')
    expect([scene.mayCall('a'), scene.mayCall('b')]).toEqual([false, true])
    scene.approvals.revoke('docs', null)
    expect(scene.mayCall('b')).toBeFalse()
    expect(scene.report).toMatchObject({ pending: [], approved: [] })
  })

  test('forgets with an approval what the server has not listed since', () => {
    const scene = new Scene()
    scene.lists(tool('a', '1'))
    scene.approveAll()
    scene.lists(tool('a', '2'))
    scene.lists(tool('a', '3'))
    const third = scene.report.pending.find(({ differences }) => differences[0]?.after === '3')
    scene.approvals.approve('docs', { hashes: [third?.hash ?? ''] }, 'admin:1')
    expect(scene.mayCall('a')).toBeTrue()
    expect(scene.pendingTools).toEqual([])
  })

  test('keeps with an approval what the server goes on listing to others', () => {
    const scene = new Scene()
    scene.lists(tool('a', 'For Ann.'))
    const ann = scene.report.pending[0]?.hash ?? ''
    scene.lists(tool('a', 'For Bob.'))
    scene.approvals.approve('docs', { hashes: [ann] }, 'admin:1')
    expect(scene.mayCall('a')).toBeFalse()
    expect(scene.pendingTools).toEqual(['a changed'])
  })

  test('tells clients within a moment, once for all that has changed', async () => {
    const scene = new Scene()
    scene.lists(tool('a'), tool('b'))
    scene.approveAll()
    expect(scene.told).toEqual(['docs'])
    scene.lists(tool('a', 'Evil.'))
    scene.lists(tool('a', 'Evil.'), tool('b', 'Evil.'))
    await until(() => scene.told.length > 1)
    scene.lists(tool('a', 'Evil.'))
    await Bun.sleep(100)
    expect(scene.told).toHaveLength(2)
  })
})

describe('approving', () => {
  test('takes nothing that has changed since it was looked at', () => {
    const scene = new Scene()
    scene.lists(tool('a'))
    const { pendingHash, pending } = scene.report
    scene.lists(tool('a', 'Evil.'))
    const all = () => scene.approvals.approve('docs', { all: pendingHash }, 'admin:1')
    expect(all).toThrow('What waits is not what was looked at any more')
    // By its hash the one that was seen is approved, and the other one is not.
    scene.approvals.approve('docs', { hashes: [pending[0]?.hash ?? ''] }, 'admin:1')
    expect(scene.lists(tool('a', 'Evil.'))).toEqual([])
    expect(scene.mayCall('a')).toBeFalse()
    const other = () => scene.approvals.approve('docs', { hashes: ['0'.repeat(64)] }, 'admin:1')
    expect(other).toThrow('Nothing that waits has the hash 000')
  })

  test('of all that waits leaves out what the server lists no more', () => {
    const scene = new Scene()
    scene.lists(tool('a', 'Evil.'))
    scene.lists(tool('a'))
    scene.approveAll()
    expect(scene.report).toMatchObject({ pending: [], approved: [{ tool: 'a' }] })
    expect(scene.lists(tool('a'))).toHaveLength(1)
    expect(scene.lists(tool('a', 'Evil.'))).toEqual([])
  })

  test('approves all or nothing', () => {
    const scene = new Scene()
    scene.lists(tool('a'))
    const hash = scene.report.pending[0]?.hash ?? ''
    const both = () => scene.approvals.approve('docs', { hashes: [hash, 'f'.repeat(64)] }, 'admin:1')
    expect(both).toThrow('Nothing was approved')
    expect(scene.mayCall('a')).toBeFalse()
  })

  test('takes nothing that is too large or says something twice', () => {
    const scene = new Scene()
    const large = tool('large', 'x'.repeat(300_000))
    const twice = '{"name":"twice","description":"Good.","description":"Evil."}'
    expect(scene.lists(large, twice, tool('a'))).toEqual([])
    const states = scene.report.pending.map(({ tool, approvable }) => [tool, approvable])
    expect(states).toEqual([
      ['a', true],
      ['large', false],
      ['twice', false],
    ])
    scene.approveAll()
    expect(scene.report.approved.map(({ tool }) => tool)).toEqual(['a'])
    const [unreadable] = scene.report.pending
    const one = () => scene.approvals.approve('docs', { hashes: [unreadable?.hash ?? ''] }, 'admin:1')
    expect(one).toThrow('too large, or malformed')
  })

  test('warns of names that look like an approved one', () => {
    const scene = new Scene()
    scene.lists(tool('read_file'))
    scene.approveAll()
    scene.lists(tool('r\u0435ad_file'))
    expect(scene.report.pending[0]?.doubts).toEqual([
      'Its name looks like that of read_file, which is another tool.',
    ])
  })
})

describe('across a restart', () => {
  test('what was approved stays, and what was held of it stays held', async () => {
    const store = createMemoryStore()
    const first = new Scene(store)
    first.lists(tool('a'), tool('b'))
    first.approveAll()
    first.lists(tool('b', 'Evil.'), tool('new'))
    await until(() => [...store.records('approval').values()].some((text) => text.includes('Evil')))
    const second = new Scene(store)
    expect([second.mayCall('a'), second.mayCall('b')]).toEqual([true, false])
    expect(second.pendingTools).toEqual(['b changed'])
    expect(second.lists(tool('a'), tool('b'))).toEqual([tool('a')])
  })

  test.each([
    { why: 'it is no JSON', text: '{' },
    { why: 'it has another shape', text: '{"tool":1}' },
    {
      why: 'its text does not have its hash',
      text: JSON.stringify({ tool: 'a', text: tool('a', 'Evil.'), at: '', by: 'x' }),
    },
  ])('an approval does not count when $why', ({ text }) => {
    const store = createMemoryStore()
    const first = new Scene(store)
    first.lists(tool('a'))
    first.approveAll()
    const [id = ''] = store.records('approval').keys()
    store.putRecords('approval', new Map([[id, text]]))
    expect(new Scene(store).mayCall('a')).toBeFalse()
  })

  test('a server that was removed takes its approvals along', () => {
    const scene = new Scene()
    scene.lists(tool('a'))
    scene.approveAll()
    scene.approvals.removed('docs')
    expect(scene.store.records('approval').size).toBe(0)
    expect(new Scene(scene.store).mayCall('a')).toBeFalse()
  })
})

describe('bounds', () => {
  test('a server that lists new tools without end fills no memory, and changes none of what is approved', () => {
    const scene = new Scene()
    scene.lists(tool('a'))
    scene.approveAll()
    for (let at = 0; at < 20_000; at++) scene.lists(tool(`n${at}`, 'x'.repeat(2_000)))
    const { pending, more } = scene.report
    expect(pending.length).toBeLessThanOrEqual(10_000)
    expect(more).toBeTrue()
    expect(scene.mayCall('a')).toBeTrue()
    expect(scene.lists(tool('n19999', 'x'.repeat(2_000)))).toEqual([])
  })

  test('a server that lists another definition each time leaves four, and is held back all along', () => {
    const scene = new Scene()
    scene.lists(tool('a'))
    scene.approveAll()
    for (let at = 0; at < 1_000; at++) expect(scene.lists(tool('a', `Evil ${at}.`))).toEqual([])
    expect(scene.report.pending).toHaveLength(4)
    expect(scene.mayCall('a')).toBeFalse()
  })

  test('what is remembered of a list does not keep the whole of it', () => {
    const rssMb = () => {
      Bun.gc(true)
      return process.memoryUsage.rss() / 1e6
    }
    const before = rssMb()
    const scenes = Array.from({ length: 20 }, (_, at) => {
      const scene = new Scene()
      const huge = `{"name":"huge-tool-with-a-name-of-many-letters-${at}","description":"${String(at).padEnd(20_000_000, 'x')}"}`
      const list = Buffer.from(
        `{"tools":[${huge},${tool(`small-tool-with-a-name-of-many-letters-${at}`)}]}`,
      ).toString()
      const pins = pinsOf(scene.definition)
      if (pins !== null) noteTools(pins, list)
      return scene
    })
    expect(scenes.every(({ pendingTools }) => pendingTools.length === 2)).toBeTrue()
    expect(rssMb() - before).toBeLessThan(250)
  })

  test('a changed tool is held back also where nothing more can be kept of it', () => {
    const scene = new Scene()
    scene.lists(tool('a'))
    scene.approveAll()
    for (let at = 0; at < 100; at++) scene.lists(tool(`n${at}`, `${at}${'x'.repeat(200_000)}`))
    scene.lists(tool('a', `Evil.${'x'.repeat(200_000)}`))
    expect(scene.mayCall('a')).toBeFalse()
    expect(scene.report.pending.find((one) => one.tool === 'a')).toMatchObject({ approvable: false })
  })
})

describe('where nothing is pinned', () => {
  const parts = (pinning: 'off' | 'on', store = createMemoryStore()) => ({
    store,
    log: silent,
    settings: { config: { pinning } },
    servers: () => ({ list: () => [], get: () => undefined }),
  })

  test('definitions have no pins, whatever is approved', () => {
    const opener = new ApprovalsOpener(parts('off'))
    const definition = definitionOf('docs')
    opener.pin(definition)
    expect(pinsOf(definition)).toBeNull()
    expect(reachOf(null, definition).open).toBeTrue()
  })

  test.each([
    { pinning: 'on' as const, pin: undefined, pinned: true, why: 'the setting counts for all' },
    { pinning: 'on' as const, pin: false, pinned: false, why: 'a definition overrules it' },
    { pinning: 'off' as const, pin: true, pinned: true, why: 'a definition overrules it' },
    { pinning: 'off' as const, pin: undefined, pinned: false, why: 'it is off by default' },
  ])('setting $pinning and pin $pin: $pinned, because $why', ({ pinning, pin, pinned }) => {
    const opener = new ApprovalsOpener(parts(pinning))
    const definition = definitionOf('docs', pin === undefined ? {} : { pin })
    opener.pin(definition)
    // Until the room is loaded all of it is held back.
    expect(reachOf(null, definition).allows('tool', 'a')).toBe(!pinned)
  })

  test('a server can be looked at and approved before it is pinned', async () => {
    const store = createMemoryStore()
    const opener = new ApprovalsOpener(parts('off', store))
    const approvals = await opener.load()
    const definition = definitionOf('docs')
    await approvals.watching(definition, async () => {
      expect(reachOf(null, definition).allows('tool', 'a', { readOnly: false, text: tool('a') })).toBeTrue()
    })
    expect(pinsOf(definition)).toBeNull()
    approvals.approve('docs', { all: approvals.report('docs').pendingHash }, 'admin:1')
    expect(new Scene(store).lists(tool('a'), tool('b'))).toEqual([tool('a')])
  })
})

async function until(holds: () => boolean): Promise<void> {
  for (let waitedMs = 0; !holds(); waitedMs += 5) {
    if (waitedMs > 2_000) throw new Error('it never came about')
    await Bun.sleep(5)
  }
}
