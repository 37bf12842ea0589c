/** Which call of a stateless client carries a question that names none, and that no question is ever left hanging. */
import { describe, expect, test } from 'bun:test'
import fc from 'fast-check'
import { startModernCall, stepModernCall } from '../../../src/protocol/bridge/modern-call.ts'
import type { CallEffect, CallEvent } from '../../../src/protocol/bridge/types.ts'
import { type MessageText, rpcRequest, scanMessage } from '../../../src/protocol/jsonrpc.ts'
import { StatelessClient } from '../../../src/session/modern/client.ts'
import { BridgeCall } from '../../../src/upstream/connection/bridge-call.ts'
import { GatewayCall, type UpstreamCall } from '../../../src/upstream/connection/calls.ts'
import { carrierOf } from '../../../src/upstream/lane/routing.ts'

function messageOf(method: string, id?: string): MessageText {
  const message = scanMessage(
    id === undefined
      ? rpcRequest(method, '{}')
      : `{"jsonrpc":"2.0","id":${id},"method":${JSON.stringify(method)}}`,
  )
  if (!message) throw new Error(`no message: ${method}`)
  return message
}

interface Row {
  readonly method?: string
  readonly open?: number
  readonly cancelled?: boolean
  readonly own?: boolean
  readonly ended?: boolean
  readonly parked?: boolean
}

function callOf(row: Row, upstreamId: number): UpstreamCall {
  const message = messageOf(row.method ?? 'tools/call')
  if (row.own) return new GatewayCall('ping', message, (text) => text)
  const call = new BridgeCall(message, () => {})
  call.upstreamId = upstreamId
  if (row.cancelled) call.cancelledAtMs = 1
  for (let id = 0; id < (row.open ?? 0); id++)
    call.asked(messageOf('roots/list', String(id)), { guessed: true, answer: () => {}, handBack: () => {} })
  if (row.ended) call.handBack('0')
  call.parked = row.parked === true
  return call
}

describe('a question that names no call is carried by', () => {
  const rows: { why: string; calls: Row[]; carrier: number | null }[] = [
    { why: 'nothing, where nothing is in flight', calls: [], carrier: null },
    { why: 'the only call', calls: [{}], carrier: 0 },
    { why: 'the first begun: a server that takes turns asks because of it', calls: [{}, {}, {}], carrier: 0 },
    {
      why: 'the first that waits for no answer: it asks once at a time',
      calls: [{ open: 1 }, {}, {}],
      carrier: 1,
    },
    { why: 'the first, where all wait', calls: [{ open: 2 }, { open: 1 }], carrier: 0 },
    {
      why: 'one whose client is there, not one that is parked, though its server has taken its question back',
      calls: [{ parked: true }, { open: 1 }],
      carrier: 1,
    },
    { why: 'a parked one, where all are', calls: [{ parked: true, open: 1 }, { parked: true }], carrier: 1 },
    { why: 'no method that has no input', calls: [{ method: 'tools/list' }, {}], carrier: 1 },
    { why: 'a prompt or a resource too', calls: [{ method: 'x/y' }, { method: 'prompts/get' }], carrier: 1 },
    { why: 'no request of the gateway’s', calls: [{ own: true }, { method: 'resources/read' }], carrier: 1 },
    { why: 'no call whose client has gone', calls: [{ cancelled: true }, {}], carrier: 1 },
    { why: 'no call that has ended', calls: [{ open: 1, ended: true }, { open: 1 }], carrier: 1 },
    { why: 'no call that has as many as it may', calls: [{ open: 32 }, { open: 1 }], carrier: 1 },
    { why: 'nothing, where none may', calls: [{ method: 'tools/list' }, { cancelled: true }], carrier: null },
  ]
  test.each(rows)('$why', ({ calls, carrier }) => {
    const all = calls.map((row, index) => callOf(row, index + 1))
    const expected = carrier === null ? null : (all[carrier] as BridgeCall)
    expect(carrierOf(all)).toBe(expected)
    expect(carrierOf(all.toReversed())).toBe(expected)
  })
})

const capabilities = { elicitation: {}, sampling: {}, roots: {} }
const facts = {
  era: 'legacy' as const,
  version: '2025-11-25',
  capabilities: {},
  identity: null,
  resultText: '{}',
}

/** The calls of one client on one pipe, and what the server has heard of its questions. */
class Pipe {
  readonly client = new StatelessClient('anonymous', 'address unix', capabilities, {}, undefined)
  readonly answers: string[] = []
  readonly inFlight: BridgeCall[] = []
  readonly #driven = new Map<BridgeCall, (event: CallEvent) => void>()

  begin(): void {
    const envelope = {
      version: '2026-07-28',
      clientCapabilities: capabilities,
      clientInfo: null,
      logLevel: null,
    }
    let [state] = startModernCall({ method: 'tools/call', paramsText: '{"name":"t"}', envelope }, facts)
    const handle = (event: CallEvent) => {
      const [next, effects] = stepModernCall(state, event)
      state = next
      for (const effect of effects) this.#carryOut(call, effect)
    }
    const call = new BridgeCall(messageOf('tools/call'), handle)
    call.upstreamId = this.#driven.size + 1
    this.#driven.set(call, handle)
    this.inFlight.push(call)
  }

  #carryOut(call: BridgeCall, effect: CallEffect): void {
    if (effect.kind === 'cancelUpstream') call.cancelledAtMs = 1
    if (effect.kind === 'respondUpstream') call.respond(effect.id, effect.outcome)
    if (effect.kind === 'handBack') call.handBack(effect.id)
  }

  /** Something happens to one of all calls, those that are over included. */
  happens(nth: number, event: CallEvent): void {
    const all = [...this.#driven]
    const [call, handle] = all[nth % Math.max(1, all.length)] ?? []
    if (event.kind === 'result') {
      const at = call === undefined ? -1 : this.inFlight.indexOf(call)
      if (at === -1) return
      this.inFlight.splice(at, 1)
    }
    handle?.(event)
  }

  asks(id: string): void {
    const [first, second] = this.inFlight
    const sole = first && !second ? first : null
    this.client.ask(
      messageOf('roots/list', id),
      sole,
      () => this.answers.push(id),
      () => carrierOf(this.inFlight),
    )
  }

  end(): void {
    for (const handle of this.#driven.values()) {
      handle({ kind: 'timer', timer: 'gather' })
      handle({ kind: 'cancelled' })
    }
  }
}

test('however its calls go and end, every question has one answer, or was withdrawn', () => {
  const nth = fc.nat({ max: 5 })
  const step = fc.oneof(
    fc.constant({ kind: 'begin' as const }),
    fc.constant({ kind: 'asks' as const }),
    fc.record({ kind: fc.constant('withdraws' as const), nth }),
    fc.record({
      kind: fc.constant('happens' as const),
      nth,
      event: fc.constantFrom<CallEvent>(
        { kind: 'result', result: '{"content":[]}' },
        { kind: 'timer', timer: 'gather' },
        { kind: 'timer', timer: 'expiry' },
        { kind: 'cancelled' },
        { kind: 'retry', params: '{}', logLevel: null, clientCapabilities: capabilities },
        {
          kind: 'retry',
          params: '{"inputResponses":{"roots_1":{"roots":[]},"roots_2":{"roots":[]}}}',
          logLevel: null,
          clientCapabilities: capabilities,
        },
      ),
    }),
  )
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const pipe = new Pipe()
      const asked: string[] = []
      const withdrawn = new Set<string>()
      for (const next of steps) {
        if (next.kind === 'begin') pipe.begin()
        else if (next.kind === 'happens') pipe.happens(next.nth, next.event)
        else if (next.kind === 'asks') {
          asked.push(String(asked.length))
          pipe.asks(String(asked.length - 1))
        } else {
          const id = asked[next.nth] ?? '0'
          if (asked.includes(id) && !pipe.answers.includes(id)) withdrawn.add(id)
          pipe.client.withdraw(messageOf('notifications/cancelled'), id)
        }
      }
      pipe.end()
      expect(pipe.answers.toSorted()).toEqual(asked.filter((id) => !withdrawn.has(id)).toSorted())
    }),
    { numRuns: 1000 },
  )
})
