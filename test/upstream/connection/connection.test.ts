/**
 * One wire, many calls: ids and tokens on the way out and back, how calls end, and that each ends once. The wire
 * is a list of texts; what the server says is written here by hand.
 */

import { describe, expect, test } from 'bun:test'
import fc from 'fast-check'
import { GatewayError } from '../../../src/errors.ts'
import type { UpstreamCall } from '../../../src/upstream/connection/calls.ts'
import { Connection, type ConnectionOwner } from '../../../src/upstream/connection/connection.ts'
import { ServerBudget } from '../../../src/upstream/transports/flood-guard.ts'
import { TextTransport, type TextTransportOptions } from '../../support/text-transport.ts'
import { messageOf, NotingCall, silentLog } from '../../support/upstream-parties.ts'

const limits = { callIdleMs: 1_000, callTotalMs: 5_000, resultBytesMax: 64 * 1024 * 1024 }
const closedError = new GatewayError('UPSTREAM_CLOSED', 'the wire is gone')

interface Wire {
  readonly transport: TextTransport
  readonly connection: Connection
  /** What the owner of the connection was told. */
  readonly told: string[]
  /** Sends a call with this raw id and progress token. */
  call(
    idText: string,
    tokenText?: string,
    options?: { outlivesAnswer?: boolean; takesBytes?: boolean },
  ): NotingCall
  /** The server says this, on a wire that does not tell for whom. */
  says(text: string): void
}

function openWire(options: TextTransportOptions = {}): Wire {
  const told: string[] = []
  const idOf = (call: UpstreamCall | null) => (call === null ? 'no call' : call.idText)
  const owner: ConnectionOwner = {
    name: 'server',
    budget: new ServerBudget(),
    serverRequest: (_, { method }, call) => told.push(`asks ${method} for ${idOf(call)}`),
    notification: (_, { method }, call) => told.push(`says ${method} for ${idOf(call)}`),
    sessionLost: (_, call) => told.push(`session lost under ${idOf(call)}`),
    sessionDoubted: () => told.push('session doubted'),
    requestLost: () => told.push('doubt'),
    closed: (_, error) => told.push(`closed: ${error.code}`),
    noise: (line) => told.push(`noise: ${line}`),
    mask: (text) => text,
  }
  const transport = new TextTransport(options)
  const connection = new Connection(transport, owner, limits, silentLog)
  return {
    transport,
    connection,
    told,
    call(idText, tokenText, callOptions) {
      const call = new NotingCall(requestText(idText, tokenText), callOptions)
      connection.request(call)
      return call
    },
    says: (text) => connection.message(text, null),
  }
}

function requestText(idText: string, tokenText?: string): string {
  const meta = tokenText === undefined ? '' : `,"_meta":{"progressToken":${tokenText}}`
  return `{"jsonrpc":"2.0","id":${idText},"method":"tools/call","params":{"name":"t"${meta}}}`
}

function answer(id: number | string, result: string): string {
  return `{"jsonrpc":"2.0","id":${id},"result":"${result}"}`
}

function progress(token: number | string): string {
  return `{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":${token},"progress":1}}`
}

function cancel(id: number): string {
  return `{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":${id}}}`
}

describe('ids', () => {
  test.each([
    { why: 'a number', idText: '7' },
    { why: 'a string', idText: '"7"' },
    { why: 'a number beyond 2^53', idText: '9007199254740993' },
    { why: 'a string with escapes', idText: '"\\u0041\\"$&"' },
    { why: 'a number with a fraction', idText: '1.50' },
  ])('$why goes out as a number of the gateway and comes back as it was written', ({ idText }) => {
    const { call, says, transport } = openWire()
    const { ends } = call(idText)
    expect(transport.texts).toEqual([requestText('1')])
    says(answer(1, 'x'))
    expect(ends).toEqual([`{"jsonrpc":"2.0","id":${idText},"result":"x"}`])
  })

  test('of two clients that count alike, each gets its own answer, whichever comes first', () => {
    const { call, says } = openWire()
    const [first, second, third] = [call('0'), call('0'), call('"0"')]
    says(answer(3, 'for the third'))
    says(answer(1, 'for the first'))
    says(answer(2, 'for the second'))
    expect([first, second, third].map(({ ends }) => ends)).toEqual([
      ['{"jsonrpc":"2.0","id":0,"result":"for the first"}'],
      ['{"jsonrpc":"2.0","id":0,"result":"for the second"}'],
      ['{"jsonrpc":"2.0","id":"0","result":"for the third"}'],
    ])
  })

  test.each([
    { why: 'as a string', id: '"1"' },
    { why: 'with a fraction of nothing', id: '1.0' },
  ])('the server may spell the id $why', ({ id }) => {
    const { call, says } = openWire()
    const { ends } = call('"mine"')
    says(answer(id, 'x'))
    expect(ends).toEqual(['{"jsonrpc":"2.0","id":"mine","result":"x"}'])
  })

  test('a second answer under the same id reaches nobody', () => {
    const { call, says, told } = openWire()
    const { ends } = call('7')
    says(answer(1, 'x'))
    says(answer(1, 'y'))
    expect([ends.length, told]).toEqual([1, []])
  })

  test('an id is not given out again, so that a late answer finds nobody', () => {
    const { call, says, transport } = openWire()
    call('7')
    says(answer(1, 'x'))
    const { ends } = call('8')
    says(answer(1, 'late'))
    expect([transport.sent.map(({ requestId }) => requestId), ends]).toEqual([[1, 2], []])
  })

  test('an answer that names no id is for the response that it came on, and on a pipe for the only call', () => {
    const unnamed = '{"jsonrpc":"2.0","id":null,"error":{"code":-32603,"message":"boom"}}'
    const overHttp = openWire({ attributes: true })
    const [, second] = [overHttp.call('7'), overHttp.call('8')]
    overHttp.connection.message(unnamed, 2)
    expect(second.ends).toEqual(['{"jsonrpc":"2.0","id":8,"error":{"code":-32603,"message":"boom"}}'])
    const onPipe = openWire({ pid: 1 })
    const [a, b] = [onPipe.call('7'), onPipe.call('8')]
    onPipe.says(unnamed)
    expect([a.ends, b.ends]).toEqual([[], []])
    onPipe.says(answer(1, 'x'))
    onPipe.says(unnamed)
    expect(b.ends).toEqual(['{"jsonrpc":"2.0","id":8,"error":{"code":-32603,"message":"boom"}}'])
  })

  test('of several messages in one text each goes its own way', () => {
    const { call, says } = openWire()
    const [first, second] = [call('7'), call('"a"')]
    says(answer(2, 'b') + answer(1, 'a'))
    expect([first.ends, second.ends]).toEqual([
      ['{"jsonrpc":"2.0","id":7,"result":"a"}'],
      ['{"jsonrpc":"2.0","id":"a","result":"b"}'],
    ])
  })
})

describe('progress', () => {
  test('tokens of two clients that count alike are told apart, type and digits kept', () => {
    const { call, says, transport } = openWire()
    const [first, second] = [call('0', '0'), call('0', '"0"')]
    expect(transport.texts).toEqual([requestText('1', '1'), requestText('2', '2')])
    says(progress(2))
    says(progress('"1"'))
    expect(first.notifications).toEqual([progress('0')])
    expect(second.notifications).toEqual([progress('"0"')])
  })

  test('a token that stands before the id is replaced as well', () => {
    const { connection, transport } = openWire()
    connection.request(
      new NotingCall(
        '{"params":{"_meta":{"progressToken":"long token"}},"method":"tools/call","id":"long id"}',
      ),
    )
    expect(transport.texts).toEqual(['{"params":{"_meta":{"progressToken":1}},"method":"tools/call","id":1}'])
  })

  test.each([
    { why: 'of a call that asked for none', token: 1 },
    { why: 'of no call', token: 99 },
    { why: 'with a token that is none of the gateway’s', token: '"abc"' },
  ])('$why reaches nobody', ({ token }) => {
    const { call, says, told } = openWire()
    const { notifications } = call('0')
    says(progress(token))
    expect([notifications, told]).toEqual([[], []])
  })

  test('after the answer reaches nobody', () => {
    const { call, says } = openWire()
    const { notifications } = call('0', '0')
    says(answer(1, 'x'))
    says(progress(1))
    expect(notifications).toEqual([])
  })

  test('of a task goes on after the answer, until the wire ends', async () => {
    const { call, says, connection } = openWire()
    const { notifications } = call('0', '"t"', { outlivesAnswer: true })
    says(answer(1, 'a handle'))
    says(progress(1))
    expect(notifications).toEqual([progress('"t"')])
    await connection.close(closedError)
    says(progress(1))
    expect(notifications).toHaveLength(1)
  })

  test('of a task that was refused does not', () => {
    const { call, says } = openWire()
    const { notifications } = call('0', '0', { outlivesAnswer: true })
    says('{"jsonrpc":"2.0","id":1,"error":{"code":-32602,"message":"no"}}')
    says(progress(1))
    expect(notifications).toEqual([])
  })

  test('of tasks is kept for the last 256 of them', () => {
    const { call, says } = openWire()
    const tasks = Array.from({ length: 257 }, (_, n) => {
      const task = call('0', '0', { outlivesAnswer: true })
      says(answer(n + 1, 'a handle'))
      return task
    })
    for (const id of [1, 2, 257]) says(progress(id))
    expect([0, 1, 256].map((n) => tasks[n]?.notifications.length)).toEqual([0, 1, 1])
  })
})

describe('a cancel', () => {
  test('goes on with the id that the server knows, the rest as the client wrote it', () => {
    const { call, connection, transport } = openWire()
    const cancelled = call('"mine"')
    const text =
      '{"method":"notifications/cancelled","params":{"reason":"r","requestId":"mine"},"jsonrpc":"2.0"}'
    connection.cancel(cancelled, messageOf(text))
    expect(transport.texts.slice(1)).toEqual([text.replace('"mine"', '1')])
  })

  test('is said once, however often the client says it', () => {
    const { call, connection, transport } = openWire()
    const cancelled = call('7')
    connection.cancel(cancelled, null)
    connection.cancel(cancelled, null)
    expect(transport.texts.slice(1)).toEqual([cancel(1)])
  })

  test('after the answer says nothing', () => {
    const { call, connection, transport, says } = openWire()
    const answered = call('7')
    says(answer(1, 'x'))
    connection.cancel(answered, null)
    expect([transport.sent.length, answered.ends.length]).toEqual([1, 1])
  })

  test('leaves the answer that crossed it its way', () => {
    const { call, connection, says } = openWire()
    const crossed = call('7')
    connection.cancel(crossed, null)
    says(answer(1, 'x'))
    connection.expire(performance.now() + 10_000)
    expect(crossed.ends).toEqual(['{"jsonrpc":"2.0","id":7,"result":"x"}'])
  })

  test('that the server passes over in silence ends without an answer, two seconds later', () => {
    const { call, connection } = openWire()
    const cancelled = call('7')
    connection.cancel(cancelled, null)
    connection.expire(cancelled.cancelledAtMs + 1_999)
    expect(cancelled.ends).toEqual([])
    connection.expire(cancelled.cancelledAtMs + 2_001)
    expect([cancelled.ends, connection.inFlightCount]).toEqual([['dropped'], 0])
  })

  test('of a call that the wire then loses ends it without an error', () => {
    const { call, connection } = openWire()
    const cancelled = call('7')
    connection.cancel(cancelled, null)
    connection.requestFailed(1, closedError)
    expect(cancelled.ends).toEqual(['dropped'])
  })

  test('over modern HTTP is the end of the response, and says nothing', () => {
    const { call, connection, transport } = openWire()
    connection.cancelsByClosing = true
    const cancelled = call('7')
    connection.cancel(cancelled, null)
    expect([transport.aborted, transport.sent.length, cancelled.ends]).toEqual([[1], 1, ['dropped']])
  })

  test('keeps a call from being sent again', () => {
    const { call, connection, transport } = openWire()
    const cancelled = call('7')
    connection.cancel(cancelled, null)
    connection.resend(cancelled)
    expect(transport.sent.map(({ method }) => method)).toEqual(['tools/call', 'notifications/cancelled'])
  })
})

describe('time', () => {
  test('a call fails after its silence, and the server hears that nobody waits', () => {
    const { call, connection, transport } = openWire()
    const slow = call('7')
    connection.expire(slow.startedAtMs + 999)
    expect(slow.ends).toEqual([])
    connection.expire(slow.startedAtMs + 1_001)
    expect(slow.ends).toEqual(['UPSTREAM_TIMEOUT: no answer and no progress for 1000 ms'])
    expect([transport.texts.slice(1), connection.inFlightCount]).toEqual([[cancel(1)], 0])
  })

  test('progress starts the silence anew', async () => {
    const { call, connection, says } = openWire()
    const slow = call('7', '7')
    while (performance.now() === slow.startedAtMs) await Bun.sleep(1)
    says(progress(1))
    expect(slow.lastActivityMs).toBeGreaterThan(slow.startedAtMs)
    connection.expire(slow.lastActivityMs + 999)
    expect(slow.ends).toEqual([])
  })

  test('no progress keeps a call for longer than its whole time', () => {
    const { call, connection } = openWire()
    const slow = call('7', '7')
    slow.lastActivityMs = slow.startedAtMs + 4_900
    connection.expire(slow.startedAtMs + 4_999)
    expect(slow.ends).toEqual([])
    connection.expire(slow.startedAtMs + 5_001)
    expect(slow.ends).toEqual(['UPSTREAM_TIMEOUT: the call took longer than 5000 ms'])
  })

  test('a late answer reaches nobody', () => {
    const { call, connection, says } = openWire()
    const slow = call('7')
    connection.expire(slow.startedAtMs + 1_001)
    says(answer(1, 'late'))
    expect(slow.ends).toHaveLength(1)
  })

  test('a subscription is silent for as long as nothing changes', () => {
    const { connection } = openWire()
    const listening = new NotingCall(requestText('7'))
    listening.endless = true
    connection.request(listening)
    connection.expire(performance.now() + 1_000_000)
    expect(listening.ends).toEqual([])
    connection.endSubscription(1)
    expect([listening.ends, connection.inFlightCount]).toEqual([['here {"resultType":"complete"}'], 0])
  })
})

describe('a large answer', () => {
  const pieces = (id: number) => [
    new TextEncoder().encode(`{"jsonrpc":"2.0","id":${id},`),
    new TextEncoder().encode('"result":"x"}'),
  ]

  test('goes on undecoded, with the id of the client', () => {
    const { call, connection } = openWire()
    const { ends } = call('"mine"', undefined, { takesBytes: true })
    expect(connection.large(pieces(1))).toBe(true)
    expect(ends).toEqual(['bytes {"jsonrpc":"2.0","id":"mine","result":"x"}'])
    expect(connection.large(pieces(1))).toBe(false)
    expect([ends.length, connection.inFlightCount]).toEqual([1, 0])
  })

  test('that its call does not take so comes again as a text', () => {
    const { call, connection } = openWire()
    const { ends } = call('7')
    expect(connection.large(pieces(1))).toBe(false)
    expect([ends, connection.inFlightCount]).toEqual([[], 1])
  })
})

describe('the end of the wire', () => {
  test('fails every call once, those that were cancelled without an error, and later ones at once', async () => {
    const { call, connection, says, told, transport } = openWire()
    const [running, cancelled] = [call('7'), call('8')]
    connection.cancel(cancelled, null)
    connection.closed(closedError)
    connection.closed(new GatewayError('UPSTREAM_CLOSED', 'again'))
    await connection.close(new GatewayError('DRAINING', 'too late'))
    says(answer(1, 'late'))
    const late = call('9')
    const gone = 'UPSTREAM_CLOSED: the wire is gone'
    expect([running.ends, cancelled.ends, late.ends]).toEqual([[gone], ['dropped'], [gone]])
    expect([told, transport.closeCount, transport.sent.length]).toEqual([['closed: UPSTREAM_CLOSED'], 1, 3])
    expect(connection.closedBy).toBe(closedError)
  })

  test('by the gateway tells the owner nothing that it does not know', async () => {
    const { call, connection, told } = openWire()
    const running = call('7')
    await connection.close(closedError)
    connection.closed(new GatewayError('UPSTREAM_CLOSED', 'the echo'))
    connection.send('{"jsonrpc":"2.0","method":"notifications/initialized"}', 'notifications/initialized')
    expect([running.ends, told]).toEqual([['UPSTREAM_CLOSED: the wire is gone'], []])
  })
})

describe('a request that the wire loses', () => {
  test.each([
    { code: 'SERVER_UNAVAILABLE', told: ['doubt'] },
    { code: 'UPSTREAM_CLOSED', told: ['doubt'] },
    { code: 'UPSTREAM_ERROR', told: ['doubt'] },
    { code: 'UPSTREAM_UNAUTHORIZED', told: [] },
    { code: 'URL_FORBIDDEN', told: [] },
  ] as const)('with $code fails once, and the server is looked at: $told', ({ code, told: expected }) => {
    const { call, connection, told } = openWire()
    const lost = call('7')
    connection.requestFailed(1, new GatewayError(code, 'lost'))
    connection.requestFailed(1, new GatewayError(code, 'lost again'))
    expect([lost.ends, told]).toEqual([[`${code}: lost`], [...expected]])
    expect(connection.settled(1)).toBe(true)
  })

  test('because its session is gone is named to the owner, and goes out again as it was', () => {
    const { call, connection, told, transport } = openWire()
    const lost = call('"mine"', '0')
    connection.sessionLost(1)
    connection.sessionLost(null)
    expect([lost.ends, told]).toEqual([[], ['session lost under "mine"', 'session lost under no call']])
    connection.resend(lost)
    expect(transport.texts).toEqual([requestText('1', '1'), requestText('1', '1')])
  })

  test('and that was forgotten meanwhile is not sent again', () => {
    const { call, connection, transport, says } = openWire()
    const lost = call('7')
    connection.forget(lost)
    connection.resend(lost)
    says(answer(1, 'x'))
    expect([transport.sent.length, lost.ends]).toEqual([1, []])
  })
})

describe('what nobody asked for', () => {
  const padding = 'x'.repeat(1024 * 1024)
  const flood = (says: (text: string) => void, text: string) => {
    for (let n = 0; n < 40; n++) says(text)
  }

  test.each([
    {
      why: 'notifications',
      text: `{"jsonrpc":"2.0","method":"notifications/x","params":{"a":"${padding}"}}`,
    },
    { why: 'requests', text: `{"jsonrpc":"2.0","id":1,"method":"x","params":{"a":"${padding}"}}` },
    { why: 'answers to nobody', text: `{"jsonrpc":"2.0","id":99,"result":{"a":"${padding}"}}` },
    { why: 'progress of nobody', text: progress(99).replace('"progress"', `"a":"${padding}","progress"`) },
    { why: 'what is no message', text: `{"a":"${padding}"}` },
  ])('is read slowly beyond 16 MiB: $why', ({ text }) => {
    const { says, transport, told } = openWire()
    flood(says, text)
    expect(transport.paused).toBe(true)
    expect(told.filter((line) => line.includes('read slowly'))).toHaveLength(1)
  })

  test('and what was asked for is free: answers of calls', () => {
    const { call, says, transport } = openWire()
    for (let n = 1; n <= 40; n++) {
      call('0', '0')
      says(answer(n, padding))
    }
    expect(transport.paused).toBe(false)
  })

  test('requests and notifications reach the owner with the call on whose response they came', () => {
    const { call, connection, says, told } = openWire({ attributes: true })
    call('7')
    connection.message('{"jsonrpc":"2.0","id":1,"method":"ping"}', 1)
    connection.message('{"jsonrpc":"2.0","method":"notifications/message"}', 1)
    says('{"jsonrpc":"2.0","method":"notifications/message"}')
    says('{"hello":1}')
    expect(told).toEqual([
      'asks ping for 7',
      'says notifications/message for 7',
      'says notifications/message for no call',
      'noise: not a JSON-RPC message: {"hello":1}',
    ])
  })
})

/** One step of a story; `n` chooses among the calls so far. */
const step = fc.oneof(
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('call' as const), n: fc.nat(3) }) },
  {
    weight: 8,
    arbitrary: fc.record({
      kind: fc.constantFrom('answer', 'large', 'cancel', 'progress', 'fail', 'forget', 'resend', 'expire'),
      n: fc.nat(30),
    }),
  },
)

test('in whatever order things happen, nobody gets what is another one’s, and every call ends exactly once', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 120 }), (steps) => {
      const wire = openWire()
      const calls: NotingCall[] = []
      const forgotten = new Set<NotingCall>()
      // Few ids and tokens, so that they collide; the secret says whose an answer is.
      const ids = ['0', '"0"', '1', '"1"']
      for (const { kind, n } of steps) {
        const at = calls.length === 0 ? -1 : n % calls.length
        const call = calls[at]
        const id = at + 1
        if (kind === 'call') calls.push(wire.call(ids[n] ?? '0', ids[n], { takesBytes: n > 1 }))
        else if (!call) continue
        else if (kind === 'answer') wire.says(answer(id, `secret ${id};`))
        else if (kind === 'large') wire.connection.large([Buffer.from(answer(id, `secret ${id};`))])
        else if (kind === 'cancel') wire.connection.cancel(call, null)
        else if (kind === 'progress')
          wire.says(progress(id).replace('"progress":1', `"message":"secret ${id};"`))
        else if (kind === 'fail') wire.connection.requestFailed(id, closedError)
        else if (kind === 'resend') wire.connection.resend(call)
        else if (kind === 'expire') wire.connection.expire(performance.now() + 3_000 * (n % 2))
        else {
          if (call.ends.length === 0) forgotten.add(call)
          wire.connection.forget(call)
        }
      }
      wire.connection.closed(closedError)
      for (const [at, call] of calls.entries()) {
        // What is forgotten hears nothing more; everybody else hears of one end.
        expect(call.ends).toHaveLength(forgotten.has(call) ? 0 : 1)
        for (const heard of [...call.ends, ...call.notifications]) {
          const secret = /secret \d+;/.exec(heard)?.[0]
          if (secret !== undefined) expect(secret).toBe(`secret ${at + 1};`)
        }
        for (const end of call.ends.filter((text) => text.includes('secret')))
          expect(end).toContain(`"id":${call.idText},`)
        for (const text of call.notifications)
          expect(text).toContain(`"progressToken":${call.progressTokenText},`)
      }
      expect(wire.connection.inFlightCount).toBe(0)
    }),
    { numRuns: 500 },
  )
})
