/** What the server hears of those who share a lane: the sum, each change of it once, and nothing else. */
import { describe, expect, test } from 'bun:test'
import { LaneSubscriptions } from '../../../src/upstream/lane/subscriptions.ts'
import { messageOf } from '../../support/upstream-parties.ts'

const [ann, bob, cid] = [{}, {}, {}]

interface Scene {
  readonly subscriptions: LaneSubscriptions
  /** What the gateway has said to the server of its own accord. */
  readonly told: string[]
  /** A client's own request; true when it goes on to the server. */
  request(client: object, method: string, params: unknown, alone?: boolean): boolean
  subscribe(client: object, uri: string): boolean
  unsubscribe(client: object, uri: string): boolean
  setLevel(client: object, level: unknown, alone?: boolean): boolean
}

function scene(): Scene {
  const told: string[] = []
  const subscriptions = new LaneSubscriptions(async (method, params) => {
    told.push(`${method} ${Object.values(params).join()}`)
  })
  const request: Scene['request'] = (client, method, params, alone = false) =>
    subscriptions.note(
      client,
      messageOf(JSON.stringify({ jsonrpc: '2.0', id: 1, method, params })),
      alone,
    ) === true
  return {
    subscriptions,
    told,
    request,
    subscribe: (client, uri) => request(client, 'resources/subscribe', { uri }),
    unsubscribe: (client, uri) => request(client, 'resources/unsubscribe', { uri }),
    setLevel: (client, level, alone) => request(client, 'logging/setLevel', { level }, alone),
  }
}

function updated(uri: unknown) {
  const params = { uri }
  return messageOf(JSON.stringify({ jsonrpc: '2.0', method: 'notifications/resources/updated', params }))
}

function logged(level: unknown) {
  const params = { level, data: 'x' }
  return messageOf(JSON.stringify({ jsonrpc: '2.0', method: 'notifications/message', params }))
}

describe('resources', () => {
  test('the last who unsubscribes is heard of by the server, those before are not', () => {
    const { subscribe, unsubscribe, told } = scene()
    expect([subscribe(ann, 'u'), subscribe(bob, 'u')]).toEqual([true, true])
    expect([unsubscribe(ann, 'u'), unsubscribe(bob, 'u')]).toEqual([false, true])
    expect(told).toEqual([])
  })

  test('to subscribe twice needs to be taken back once', () => {
    const { subscribe, unsubscribe } = scene()
    subscribe(ann, 'u')
    subscribe(ann, 'u')
    expect(unsubscribe(ann, 'u')).toBe(true)
  })

  test('whoever never subscribed takes nothing from anybody, and the server may say so itself', () => {
    const { subscribe, unsubscribe, subscriptions } = scene()
    expect(unsubscribe(ann, 'u')).toBe(true)
    subscribe(bob, 'u')
    expect(unsubscribe(ann, 'u')).toBe(false)
    expect(subscriptions.wants(bob, updated('u'))).toBe(true)
  })

  test.each([
    ['resources/subscribe', {}],
    ['resources/subscribe', { uri: 7 }],
    ['resources/unsubscribe', {}],
    ['tools/call', { name: 't', uri: 'u' }],
  ])('%s with %j is not counted: the server answers it', (method, params) => {
    const { request, subscriptions } = scene()
    expect(request(ann, method, params)).toBe(true)
    expect([...subscriptions.uris()]).toEqual([])
  })

  test('of those who have no request of their own the server hears of the first', () => {
    const { subscriptions, told } = scene()
    subscriptions.subscribe(ann, 'u')
    subscriptions.subscribe(bob, 'u')
    subscriptions.subscribe(bob, 'v')
    expect(told).toEqual(['resources/subscribe u', 'resources/subscribe v'])
    expect([...subscriptions.uris()].toSorted()).toEqual(['u', 'v'])
  })

  test.each([
    { why: 'the same', subscribed: 'file:///a', uri: 'file:///a', wanted: true },
    {
      why: 'below it (resources, "Subscriptions")',
      subscribed: 'file:///a/',
      uri: 'file:///a/b',
      wanted: true,
    },
    { why: 'above it', subscribed: 'file:///a/b', uri: 'file:///a', wanted: false },
    { why: 'another', subscribed: 'file:///a', uri: 'file:///b', wanted: false },
    { why: 'no URI', subscribed: 'file:///a', uri: 7, wanted: false },
  ])('an update of $uri is wanted by who subscribed to $subscribed: $wanted ($why)', (row) => {
    const { subscribe, subscriptions } = scene()
    subscribe(ann, row.subscribed)
    expect(subscriptions.wants(ann, updated(row.uri))).toBe(row.wanted)
    expect(subscriptions.wants(bob, updated(row.uri))).toBe(false)
  })

  test('of one client ten thousand URIs are counted; more go to the server and are forgotten', () => {
    const { subscribe, subscriptions } = scene()
    for (let n = 0; n < 10_001; n++) expect(subscribe(ann, `u${n};`)).toBe(true)
    expect(subscriptions.uris().size).toBe(10_000)
    expect(subscriptions.wants(ann, updated('u9999;'))).toBe(true)
    expect(subscriptions.wants(ann, updated('u10000;'))).toBe(false)
    expect(subscribe(bob, 'u10000;')).toBe(true)
    expect(subscriptions.uris().size).toBe(10_001)
  })
})

describe('log levels', () => {
  interface Step {
    readonly who: object
    readonly level: string
    /** Whether the client's own request goes on. */
    readonly passes: boolean
    readonly told?: readonly string[]
  }
  test.each<{ why: string; steps: readonly Step[]; sum: string }>([
    { why: 'one client', steps: [{ who: ann, level: 'error', passes: true }], sum: 'error' },
    {
      why: 'a more verbose one comes: its request is the sum',
      steps: [
        { who: ann, level: 'error', passes: true },
        { who: bob, level: 'debug', passes: true },
      ],
      sum: 'debug',
    },
    {
      why: 'a less verbose one comes: the sum stays, so that the server need not hear of it',
      steps: [
        { who: ann, level: 'debug', passes: true },
        { who: bob, level: 'error', passes: false },
      ],
      sum: 'debug',
    },
    {
      why: 'the most verbose one takes less: the sum is another one’s, and the gateway says it',
      steps: [
        { who: ann, level: 'debug', passes: true },
        { who: bob, level: 'warning', passes: false },
        { who: ann, level: 'alert', passes: false, told: ['logging/setLevel warning'] },
      ],
      sum: 'warning',
    },
  ])('the server logs for the most verbose: $why', ({ steps, sum }) => {
    const { setLevel, subscriptions, told } = scene()
    for (const step of steps) {
      expect(setLevel(step.who, step.level)).toBe(step.passes)
      expect(told.splice(0)).toEqual([...(step.told ?? [])])
    }
    expect(subscriptions.level).toBe(sum)
  })

  test('a client alone on its lane is answered by the server, whatever it asks for', () => {
    const { setLevel, told } = scene()
    expect([setLevel(ann, 'debug', true), setLevel(ann, 'error', true), setLevel(ann, 'loud', true)]).toEqual(
      [true, true, true],
    )
    expect(told).toEqual([])
  })

  test('what is no level goes to the server, which refuses it, and counts for nothing', () => {
    const { setLevel, subscriptions } = scene()
    expect([setLevel(ann, 'loud'), setLevel(ann, 7)]).toEqual([true, true])
    expect(subscriptions.level).toBeNull()
  })

  test.each([
    { why: 'nobody has asked for a level', levels: [null, null], says: 'debug', wanted: [true, true] },
    { why: 'each has its own', levels: ['debug', 'error'], says: 'warning', wanted: [true, false] },
    { why: 'exactly the level', levels: ['warning', 'error'], says: 'warning', wanted: [true, false] },
    {
      why: 'who asked for none is spared what others asked for',
      levels: ['debug', null],
      says: 'debug',
      wanted: [true, false],
    },
    { why: '… and hears the rest', levels: ['debug', null], says: 'info', wanted: [true, true] },
    {
      why: 'an unknown level might be anything',
      levels: ['error', null],
      says: 'loud',
      wanted: [true, true],
    },
  ])('a message at $says, wanted by those of $levels: $wanted ($why)', ({ levels, says, wanted }) => {
    const { setLevel, subscriptions } = scene()
    const clients = [ann, bob]
    for (const [n, level] of levels.entries()) if (level !== null) setLevel(clients[n] ?? {}, level)
    expect(clients.map((client) => subscriptions.wants(client, logged(says)))).toEqual([...wanted])
  })

  test('requests that come and go raise the level and never lower it', async () => {
    const { subscriptions, told } = scene()
    await subscriptions.raiseLogLevel('warning')
    expect(subscriptions.raiseLogLevel('error')).toBeUndefined()
    expect(subscriptions.raiseLogLevel('warning')).toBeUndefined()
    expect(subscriptions.raiseLogLevel('loud')).toBeUndefined()
    await subscriptions.raiseLogLevel('debug')
    expect(told).toEqual(['logging/setLevel warning', 'logging/setLevel debug'])
  })
})

describe('a client that leaves', () => {
  test('takes back what it alone had asked for', () => {
    const { subscribe, setLevel, subscriptions, told } = scene()
    subscribe(ann, 'mine')
    subscribe(ann, 'ours')
    subscribe(bob, 'ours')
    setLevel(ann, 'debug')
    setLevel(bob, 'error')
    subscriptions.drop(ann, true)
    expect(told).toEqual(['logging/setLevel error', 'resources/unsubscribe mine'])
    expect(subscriptions.wants(ann, updated('ours'))).toBe(false)
    expect([...subscriptions.uris()]).toEqual(['ours'])
  })

  test('leaves the level as it is when it was the only one with a wish', () => {
    const { setLevel, subscriptions, told } = scene()
    setLevel(ann, 'debug')
    subscriptions.drop(ann, true)
    expect([told, subscriptions.level]).toEqual([[], null])
  })

  test('is forgotten without a word where the server is gone', () => {
    const { subscribe, setLevel, subscriptions, told } = scene()
    subscribe(ann, 'u')
    setLevel(ann, 'debug')
    setLevel(bob, 'error')
    subscriptions.drop(ann, false)
    expect(told).toEqual([])
    expect([[...subscriptions.uris()], subscriptions.level]).toEqual([[], 'error'])
  })

  test('that asked for nothing changes nothing', () => {
    const { subscribe, subscriptions, told } = scene()
    subscribe(ann, 'u')
    subscriptions.drop(cid, true)
    expect([told, [...subscriptions.uris()]]).toEqual([[], ['u']])
  })
})

test('a client whose lane is gone asks for the same on the next one, where the server hears of what is new', () => {
  const before = scene()
  for (const uri of ['u', 'v']) before.subscribe(ann, uri)
  before.subscribe(bob, 'w')
  before.setLevel(ann, 'info')
  const { subscriptions, subscribe, told } = scene()
  subscribe(cid, 'u')
  subscriptions.carryOver(ann, before.subscriptions)
  expect(told).toEqual(['resources/subscribe v', 'logging/setLevel info'])
  expect(subscriptions.wants(ann, updated('u'))).toBe(true)
  expect(subscriptions.wants(ann, updated('w'))).toBe(false)
  expect(subscriptions.wants(ann, logged('debug'))).toBe(false)
})
