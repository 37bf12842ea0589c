import { describe, expect, test } from 'bun:test'
import fc from 'fast-check'
import { factsOfDiscover, factsOfInitialize } from '../../src/protocol/bridge/facts.ts'
import {
  acknowledgeMs,
  isSessionRequest,
  type LegacySession,
  overlapMs,
  startLegacySession,
  stepLegacySession,
} from '../../src/protocol/bridge/legacy-session.ts'
import { coversResource, startListen, stepListen } from '../../src/protocol/bridge/listen.ts'
import { startRelay, stepRelay } from '../../src/protocol/bridge/relay.ts'
import type {
  ListenEffect,
  ServerFacts,
  SessionEffect,
  SessionEvent,
} from '../../src/protocol/bridge/types.ts'

const capable = {
  tools: { listChanged: true },
  prompts: { listChanged: true },
  resources: { listChanged: true, subscribe: true },
  logging: {},
}

function known<T>(facts: T | null): T {
  if (facts === null) throw new Error('no facts')
  return facts
}
function legacyServer(capabilities: object = capable): ServerFacts {
  const info = { name: 'old', version: '1' }
  return known(
    factsOfInitialize(JSON.stringify({ protocolVersion: '2025-11-25', capabilities, serverInfo: info })),
  )
}
function modernServer(capabilities: object = capable): ServerFacts {
  return known(factsOfDiscover(JSON.stringify({ supportedVersions: ['2026-07-28'], capabilities })))
}
const key = 'io.modelcontextprotocol/subscriptionId'

describe('subscriptions/listen on a legacy server', () => {
  const listen = (filter: unknown, server = legacyServer(), idText = '7') =>
    startListen(idText, { notifications: filter }, server)
  const kinds = (effects: readonly ListenEffect[]) => effects.map(({ kind }) => kind)

  test('is acknowledged first, then subscribed upstream', () => {
    const [, effects] = listen({ toolsListChanged: true, resourceSubscriptions: ['a:1', 'a:2', 'a:1'] })
    expect(effects).toEqual([
      {
        kind: 'notify',
        method: 'notifications/subscriptions/acknowledged',
        params: `{"notifications":{"toolsListChanged":true,"resourceSubscriptions":["a:1","a:2"]},"_meta":{"${key}":7}}`,
      },
      { kind: 'subscribe', uri: 'a:1' },
      { kind: 'subscribe', uri: 'a:2' },
    ])
  })

  test.each([
    { filter: { toolsListChanged: true }, capabilities: {}, honored: {}, why: 'there are no tools' },
    {
      filter: { toolsListChanged: true },
      capabilities: { tools: {} },
      honored: {},
      why: 'their changes are not told',
    },
    {
      filter: { promptsListChanged: false },
      capabilities: capable,
      honored: {},
      why: 'false asks for nothing',
    },
    {
      filter: { resourceSubscriptions: ['a'] },
      capabilities: { resources: {} },
      honored: {},
      why: 'no subscriptions',
    },
    {
      filter: { resourceSubscriptions: [] },
      capabilities: capable,
      honored: { resourceSubscriptions: [] },
      why: 'an empty list is honored',
    },
    {
      filter: { resourcesListChanged: true, x: true },
      capabilities: capable,
      honored: { resourcesListChanged: true },
      why: 'unknown types are left out',
    },
    { filter: {}, capabilities: capable, honored: {}, why: 'nothing was asked for' },
  ])('a filter is narrowed: $why', ({ filter, capabilities, honored }) => {
    const [, effects] = listen(filter, legacyServer(capabilities))
    const first = effects[0]
    expect(first?.kind === 'notify' && JSON.parse(first.params).notifications).toEqual(honored)
  })

  test.each([
    { filter: undefined, why: 'the filter is required' },
    { filter: [], why: 'no object' },
    { filter: { toolsListChanged: 'yes' }, why: 'no boolean' },
    { filter: { resourceSubscriptions: 'a' }, why: 'no list' },
    { filter: { resourceSubscriptions: [1] }, why: 'no URIs' },
    { filter: { resourceSubscriptions: Array(10_001).fill('a') }, why: 'too many' },
  ])('a bad filter is -32602: $why', ({ filter }) => {
    const [state, effects] = listen(filter)
    expect(effects).toMatchObject([{ kind: 'fail', failure: { code: -32602 } }])
    expect(state.over).toBe(true)
  })

  test('stamps every notification with the id of this listen, type and digits kept', () => {
    for (const idText of ['12345678901234567890', '"abc"']) {
      const [state] = listen({ toolsListChanged: true }, legacyServer(), idText)
      const [, effects] = stepListen(state, {
        kind: 'notification',
        method: 'notifications/tools/list_changed',
        params: '{"_meta":{"a":1.0}}',
      })
      expect(effects).toEqual([
        {
          kind: 'notify',
          method: 'notifications/tools/list_changed',
          params: `{"_meta":{"a":1.0,"${key}":${idText}}}`,
        },
      ])
    }
  })

  test('two subscribers never see each other’s ids or resources', () => {
    const [one] = listen({ resourceSubscriptions: ['a:1'] }, legacyServer(), '1')
    const [two] = listen({ resourceSubscriptions: ['a:2'] }, legacyServer(), '"1"')
    const event = {
      kind: 'notification',
      method: 'notifications/resources/updated',
      params: '{"uri":"a:1"}',
    } as const
    expect(stepListen(one, event)[1]).toMatchObject([{ params: `{"uri":"a:1","_meta":{"${key}":1}}` }])
    expect(stepListen(two, event)[1]).toEqual([])
  })

  test.each([
    { method: 'notifications/prompts/list_changed', params: null, why: 'not asked for' },
    { method: 'notifications/message', params: '{"level":"error"}', why: 'logs belong to requests' },
    { method: 'notifications/progress', params: '{}', why: 'progress belongs to requests' },
    { method: 'notifications/resources/updated', params: '{"uri":7}', why: 'no URI' },
    { method: 'notifications/resources/updated', params: null, why: 'no URI' },
  ])('does not carry $method: $why', ({ method, params }) => {
    const [state] = listen({ toolsListChanged: true, resourceSubscriptions: ['a:1'] })
    expect(stepListen(state, { kind: 'notification', method, params })[1]).toEqual([])
  })

  test('a server that comes back may have changed everything', () => {
    const [state] = listen({ toolsListChanged: true, resourceSubscriptions: ['a:1'] })
    expect(stepListen(state, { kind: 'restarted' })[1]).toMatchObject([
      { method: 'notifications/tools/list_changed' },
      { method: 'notifications/resources/updated', params: `{"uri":"a:1","_meta":{"${key}":7}}` },
    ])
  })

  test('ends with a result that names it, when the server goes', () => {
    const [state] = listen({ resourceSubscriptions: ['a:1'] })
    const [over, effects] = stepListen(state, { kind: 'ended' })
    expect(kinds(effects)).toEqual(['unsubscribe', 'answer'])
    const answer = effects[1]
    expect(answer?.kind === 'answer' && JSON.parse(answer.result)).toEqual({
      resultType: 'complete',
      _meta: { [key]: 7, 'io.modelcontextprotocol/serverInfo': { name: 'old', version: '1' } },
    })
    expect(stepListen(over, { kind: 'restarted' })[1]).toEqual([])
  })

  test('ends without a word, when the client goes', () => {
    const [state] = listen({ resourceSubscriptions: ['a:1'] })
    expect(kinds(stepListen(state, { kind: 'closed' })[1])).toEqual(['unsubscribe', 'end'])
  })

  test.each([
    { subscribed: 'file:///a', updated: 'file:///a', covers: true, why: 'itself' },
    { subscribed: 'file:///a', updated: 'file:///a/b', covers: true, why: 'below it' },
    { subscribed: 'file:///a/', updated: 'file:///a/b', covers: true, why: 'below it' },
    { subscribed: 'x:a', updated: 'x:a#f', covers: true, why: 'a part of it' },
    { subscribed: 'file:///a', updated: 'file:///ab', covers: false, why: 'beside it' },
    { subscribed: 'file:///a/b', updated: 'file:///a', covers: false, why: 'above it' },
  ])('$subscribed covers $updated: $covers, $why', ({ subscribed, updated, covers }) => {
    expect(coversResource(subscribed, updated)).toBe(covers)
  })
})

/** A legacy client's session, stepped by hand. */
class Play {
  session: LegacySession
  effects: readonly SessionEffect[] = []
  #handle = 0

  constructor(server = modernServer()) {
    this.session = startLegacySession(server)
  }

  on(event: SessionEvent): readonly SessionEffect[] {
    ;[this.session, this.effects] = stepLegacySession(this.session, event)
    return this.effects
  }

  asks(method: string, params: string | null): readonly SessionEffect[] {
    return this.on({ kind: 'request', handle: ++this.#handle, method, params })
  }

  subscribes(uri: string): readonly SessionEffect[] {
    return this.asks('resources/subscribe', JSON.stringify({ uri }))
  }

  /** The server acknowledges a listen as it was asked for. */
  acknowledges(listen: number, filter?: object): readonly SessionEffect[] {
    const asked = this.session.listens.find((other) => other.listen === listen)?.filter ?? '{}'
    const params = `{"notifications":${filter ? JSON.stringify(filter) : asked}}`
    return this.on({ kind: 'acknowledged', listen, params })
  }
}

describe('a legacy session with a modern server', () => {
  test('answers what the era has not', () => {
    expect(
      ['ping', 'logging/setLevel', 'resources/subscribe', 'resources/unsubscribe'].every(isSessionRequest),
    ).toBe(true)
    expect(isSessionRequest('tools/call')).toBe(false)
    expect(new Play().asks('ping', null)).toEqual([{ kind: 'answer', handle: 1, result: '{}' }])
  })

  test('keeps the level for the envelopes of its requests', () => {
    const play = new Play()
    expect(play.session.logLevel).toBe('debug')
    expect(play.asks('logging/setLevel', '{"level":"error"}')).toEqual([
      { kind: 'answer', handle: 1, result: '{}' },
    ])
    expect(play.session.logLevel).toBe('error')
    expect(play.asks('logging/setLevel', '{"level":"loud"}')).toMatchObject([{ failure: { code: -32602 } }])
    expect(play.session.logLevel).toBe('error')
  })

  test('offers no more than the server does', () => {
    const play = new Play(modernServer({}))
    expect(play.session.logLevel).toBeNull()
    expect(play.asks('logging/setLevel', '{"level":"error"}')).toMatchObject([{ failure: { code: -32601 } }])
    expect(play.subscribes('a:1')).toMatchObject([{ failure: { code: -32601 } }])
    expect(play.on({ kind: 'standing', open: true })).toEqual([])
  })

  test('listens for list changes while there is a stream to tell them on', () => {
    const play = new Play()
    expect(play.on({ kind: 'standing', open: true })).toEqual([
      {
        kind: 'openListen',
        listen: 1,
        filter: '{"toolsListChanged":true,"promptsListChanged":true,"resourcesListChanged":true}',
      },
    ])
    play.acknowledges(1)
    expect(
      play.on({
        kind: 'notification',
        listen: 1,
        method: 'notifications/tools/list_changed',
        params: `{"_meta":{"${key}":99}}`,
      }),
    ).toEqual([{ kind: 'notify', method: 'notifications/tools/list_changed', params: '{}' }])
    expect(play.on({ kind: 'standing', open: false })).toEqual([{ kind: 'closeListen', listen: 1 }])
  })

  test('a subscription is answered once the server has acknowledged it', () => {
    const play = new Play()
    expect(play.subscribes('a:1')).toEqual([
      { kind: 'timer', timer: 'acknowledge', ms: acknowledgeMs },
      { kind: 'openListen', listen: 1, filter: '{"resourceSubscriptions":["a:1"]}' },
    ])
    expect(play.acknowledges(1)).toEqual([
      { kind: 'answer', handle: 1, result: '{}' },
      { kind: 'stopTimer', timer: 'acknowledge' },
    ])
    expect(
      play.on({
        kind: 'notification',
        listen: 1,
        method: 'notifications/resources/updated',
        params: `{"uri":"a:1","n":1.0,"_meta":{"${key}":1,"x":2}}`,
      }),
    ).toEqual([
      {
        kind: 'notify',
        method: 'notifications/resources/updated',
        params: '{"uri":"a:1","n":1.0,"_meta":{"x":2}}',
      },
    ])
  })

  test('a changed filter opens a new listen, and closes the old one a moment after the new one stands', () => {
    const play = new Play()
    play.subscribes('a:1')
    play.acknowledges(1)
    expect(play.subscribes('a:2').at(-1)).toEqual({
      kind: 'openListen',
      listen: 2,
      filter: '{"resourceSubscriptions":["a:1","a:2"]}',
    })
    const updated = (listen: number) =>
      play.on({
        kind: 'notification',
        listen,
        method: 'notifications/resources/updated',
        params: '{"uri":"a:1"}',
      })
    expect(updated(1)).toHaveLength(1)
    expect(play.acknowledges(2)).toEqual([
      { kind: 'timer', timer: 'overlap', ms: overlapMs },
      { kind: 'answer', handle: 2, result: '{}' },
      { kind: 'stopTimer', timer: 'acknowledge' },
    ])
    expect(updated(1)).toHaveLength(1)
    expect(play.on({ kind: 'timer', timer: 'overlap' })).toEqual([{ kind: 'closeListen', listen: 1 }])
    expect(updated(1)).toEqual([])
    expect(updated(2)).toHaveLength(1)
  })

  test('a hundred subscriptions at once open two listens, not a hundred', () => {
    const play = new Play()
    let opened = 0
    for (let n = 1; n <= 100; n++) {
      opened += play.subscribes(`a:${n}`).filter(({ kind }) => kind === 'openListen').length
    }
    opened += play.acknowledges(1).filter(({ kind }) => kind === 'openListen').length
    const answers = play.acknowledges(2).filter(({ kind }) => kind === 'answer')
    expect(opened).toBe(2)
    expect(answers).toHaveLength(99)
  })

  test('what the server does not acknowledge is refused and not asked for again', () => {
    const play = new Play()
    play.subscribes('a:1')
    play.acknowledges(1)
    play.subscribes('b:1')
    expect(play.acknowledges(2, { resourceSubscriptions: ['a:1'] })).toMatchObject([
      { kind: 'timer', timer: 'overlap' },
      { kind: 'fail', handle: 2, failure: { code: -32602 } },
      { kind: 'stopTimer', timer: 'acknowledge' },
      { kind: 'openListen', listen: 3, filter: '{"resourceSubscriptions":["a:1"]}' },
    ])
  })

  test('what is subscribed already is answered at once', () => {
    const play = new Play()
    play.subscribes('a:1')
    play.acknowledges(1)
    expect(play.subscribes('a:1')).toEqual([{ kind: 'answer', handle: 2, result: '{}' }])
  })

  test('the last unsubscribe closes the listen', () => {
    const play = new Play()
    play.subscribes('a:1')
    play.acknowledges(1)
    expect(play.asks('resources/unsubscribe', '{"uri":"a:1"}')).toEqual([
      { kind: 'answer', handle: 2, result: '{}' },
      { kind: 'closeListen', listen: 1 },
    ])
  })

  test('an unsubscribe that overtakes its subscription answers both', () => {
    const play = new Play()
    play.subscribes('a:1')
    expect(play.asks('resources/unsubscribe', '{"uri":"a:1"}')).toEqual([
      { kind: 'answer', handle: 1, result: '{}' },
      { kind: 'answer', handle: 2, result: '{}' },
      { kind: 'closeListen', listen: 1 },
    ])
  })

  test('a server that stays silent does not hold the client', () => {
    const play = new Play()
    play.subscribes('a:1')
    expect(play.on({ kind: 'timer', timer: 'acknowledge' })).toMatchObject([
      { kind: 'fail', handle: 1, failure: { code: -32603 } },
    ])
    expect(play.session.uris.size).toBe(0)
  })

  test('a stream that is cut is opened again after a pause that grows, and the client is told what to re-read', () => {
    const play = new Play()
    play.on({ kind: 'standing', open: true })
    play.acknowledges(1)
    expect(play.on({ kind: 'listenEnded', listen: 1 })).toEqual([
      { kind: 'timer', timer: 'reopen', ms: 1_000 },
    ])
    expect(play.on({ kind: 'timer', timer: 'reopen' })).toMatchObject([{ kind: 'openListen', listen: 2 }])
    expect(play.on({ kind: 'listenEnded', listen: 2 })).toEqual([
      { kind: 'timer', timer: 'reopen', ms: 2_000 },
    ])
    for (let listen = 3; listen < 12; listen++) {
      play.on({ kind: 'timer', timer: 'reopen' })
      play.on({ kind: 'listenEnded', listen })
    }
    expect(play.effects).toEqual([{ kind: 'timer', timer: 'reopen', ms: 30_000 }])
    play.on({ kind: 'timer', timer: 'reopen' })
    expect(play.acknowledges(12)).toEqual([
      { kind: 'notify', method: 'notifications/tools/list_changed', params: null },
      { kind: 'notify', method: 'notifications/prompts/list_changed', params: null },
      { kind: 'notify', method: 'notifications/resources/list_changed', params: null },
    ])
  })

  test('a client that comes back after a failure is served', () => {
    const play = new Play()
    play.on({ kind: 'standing', open: true })
    play.on({ kind: 'listenEnded', listen: 1 })
    expect(play.on({ kind: 'standing', open: false })).toEqual([{ kind: 'stopTimer', timer: 'reopen' }])
    expect(play.on({ kind: 'standing', open: true })).toMatchObject([{ kind: 'openListen', listen: 2 }])
  })

  test('closes every listen with the session', () => {
    const play = new Play()
    play.subscribes('a:1')
    play.acknowledges(1)
    play.subscribes('a:2')
    expect(play.on({ kind: 'closed' })).toEqual([
      { kind: 'closeListen', listen: 1 },
      { kind: 'closeListen', listen: 2 },
    ])
  })

  test.each([
    { method: 'notifications/message', params: '{}', why: 'logs belong to requests' },
    { method: 'notifications/resources/updated', params: '{"uri":"b:1"}', why: 'nobody subscribed' },
    { method: 'notifications/resources/updated', params: '{}', why: 'no URI' },
  ])('does not pass on $method: $why', ({ method, params }) => {
    const play = new Play()
    play.subscribes('a:1')
    play.acknowledges(1)
    expect(play.on({ kind: 'notification', listen: 1, method, params })).toEqual([])
  })

  test('whatever happens, every subscription is answered once and no listen is left open', () => {
    const uri = fc.constantFrom('a', 'b', 'c')
    const event = fc.oneof(
      uri.map((u) => ({ does: 'subscribe' as const, u })),
      uri.map((u) => ({ does: 'unsubscribe' as const, u })),
      fc.boolean().map((open) => ({ does: 'standing' as const, open })),
      fc.record({ does: fc.constant('acknowledge' as const), honors: fc.boolean() }),
      fc.integer({ min: 1, max: 6 }).map((listen) => ({ does: 'end' as const, listen })),
      fc
        .constantFrom('overlap' as const, 'acknowledge' as const, 'reopen' as const)
        .map((timer) => ({ does: 'timer' as const, timer })),
    )
    fc.assert(
      fc.property(fc.array(event, { maxLength: 40 }), (events) => {
        const play = new Play()
        const open = new Set<number>()
        let asked = 0
        let answered = 0
        const take = (effects: readonly SessionEffect[]) => {
          for (const effect of effects) {
            if (effect.kind === 'answer' || effect.kind === 'fail') answered++
            if (effect.kind === 'openListen') open.add(effect.listen)
            if (effect.kind === 'closeListen') expect(open.delete(effect.listen)).toBe(true)
          }
          expect(open.size).toBeLessThan(4 + events.length)
        }
        for (const next of events) {
          if (next.does === 'subscribe' || next.does === 'unsubscribe') {
            asked++
            take(play.asks(`resources/${next.does}`, JSON.stringify({ uri: next.u })))
          } else if (next.does === 'standing') take(play.on({ kind: 'standing', open: next.open }))
          else if (next.does === 'timer') take(play.on({ kind: 'timer', timer: next.timer }))
          else if (next.does === 'end') {
            if (open.delete(next.listen)) take(play.on({ kind: 'listenEnded', listen: next.listen }))
          } else {
            const opening = play.session.listens.find(({ state }) => state === 'opening')
            if (opening) take(play.acknowledges(opening.listen, next.honors ? undefined : {}))
          }
        }
        take(play.on({ kind: 'timer', timer: 'acknowledge' }))
        take(play.on({ kind: 'closed' }))
        expect(answered).toBe(asked)
        expect([...open]).toEqual([])
      }),
      { numRuns: 1000 },
    )
  })
})

describe('a modern client of a modern server', () => {
  const start = (method: string, paramsText = '{"a":12345678901234567890}') =>
    startRelay({
      method,
      idText: '"c"',
      paramsText,
      params: {},
      version: '2026-07-28',
      paramHeaders: { 'Mcp-Param-R': 'x' },
    })

  test('is relayed as it is, with its headers', () => {
    const [relay, effects] = start('x/y')
    expect(effects).toEqual([
      {
        kind: 'send',
        method: 'x/y',
        params: '{"a":12345678901234567890}',
        headers: { 'Mcp-Param-R': 'x', 'MCP-Protocol-Version': '2026-07-28', 'Mcp-Method': 'x/y' },
      },
    ])
    const result = '{"resultType":"input_required","requestState":"s","n":1.0}'
    const [over, answer] = stepRelay(relay, { kind: 'result', result })
    expect(answer).toEqual([{ kind: 'answer', result }])
    expect(stepRelay(over, { kind: 'result', result })[1]).toEqual([])
  })

  test('gets its own listen id back, in notifications and in the last word', () => {
    const [relay] = start('subscriptions/listen')
    const params = `{"_meta":{"${key}":31},"uri":"a"}`
    expect(
      stepRelay(relay, { kind: 'notification', method: 'notifications/resources/updated', params })[1],
    ).toEqual([
      {
        kind: 'notify',
        method: 'notifications/resources/updated',
        params: `{"_meta":{"${key}":"c"},"uri":"a"}`,
      },
    ])
    expect(stepRelay(relay, { kind: 'result', result: `{"_meta":{"${key}":31}}` })[1]).toEqual([
      { kind: 'answer', result: `{"_meta":{"${key}":"c"}}` },
    ])
  })

  test('is offered only versions that the gateway speaks', () => {
    const [relay] = start('server/discover')
    const result = '{"supportedVersions":["2027-01-01","2026-07-28","2025-11-25"],"capabilities":{"n":1.0}}'
    expect(stepRelay(relay, { kind: 'result', result })[1]).toEqual([
      { kind: 'answer', result: '{"supportedVersions":["2026-07-28"],"capabilities":{"n":1.0}}' },
    ])
  })

  test('a cancel closes upstream, a failure goes to the client, a server’s own request nowhere', () => {
    const [relay] = start('tools/list')
    const failure = { code: -32021, text: '{"code":-32021}' }
    expect(stepRelay(relay, { kind: 'cancelled' })[1]).toEqual([{ kind: 'cancelUpstream' }, { kind: 'end' }])
    expect(stepRelay(relay, { kind: 'failure', failure })[1]).toEqual([{ kind: 'fail', failure }])
    const question = { kind: 'serverRequest', id: '1', method: 'roots/list', params: null } as const
    expect(stepRelay(relay, question)[1]).toEqual([])
  })
})
