import { describe, expect, test } from 'bun:test'
import fc from 'fast-check'
import { factsOfInitialize } from '../../src/protocol/bridge/facts.ts'
import { startModernCall, stepModernCall } from '../../src/protocol/bridge/modern-call.ts'
import { gatherMs } from '../../src/protocol/bridge/modern-call-asking.ts'
import { type ModernCall, parkedMs } from '../../src/protocol/bridge/modern-call-state.ts'
import { questionsOpenMax, questionsTotalMax } from '../../src/protocol/bridge/questions.ts'
import type { CallEffect, CallEvent, ServerFacts } from '../../src/protocol/bridge/types.ts'
import type { LogLevel } from '../../src/protocol/eras.ts'

const everything = { elicitation: { form: {}, url: {} }, sampling: {}, roots: {} }

function server(capabilities: object = { tools: {}, logging: {} }): ServerFacts {
  const facts = factsOfInitialize(
    JSON.stringify({
      protocolVersion: '2025-11-25',
      capabilities,
      serverInfo: { name: 'old', version: '1' },
    }),
  )
  if (!facts) throw new Error('no facts')
  return facts
}

interface Options {
  readonly method?: string
  readonly params?: string
  readonly capabilities?: object
  readonly logLevel?: LogLevel
  readonly server?: ServerFacts
}

/** One call, stepped by hand. */
class Play {
  call: ModernCall
  effects: readonly CallEffect[]

  constructor(options: Options = {}) {
    const request = {
      method: options.method ?? 'tools/call',
      paramsText: options.params ?? '{"name":"t"}',
      envelope: {
        version: '2026-07-28',
        clientCapabilities: { ...(options.capabilities ?? everything) },
        clientInfo: null,
        logLevel: options.logLevel ?? null,
      },
    }
    ;[this.call, this.effects] = startModernCall(request, options.server ?? server())
  }

  on(event: CallEvent): readonly CallEffect[] {
    ;[this.call, this.effects] = stepModernCall(this.call, event)
    return this.effects
  }

  asks(id: string, method = 'elicitation/create', params = '{"message":"?","requestedSchema":{}}') {
    return this.on({ kind: 'serverRequest', id, method, params })
  }

  /** Lets the moment of gathering pass; answers the `inputRequests` that the client gets. */
  gathered(): Record<string, { method: string; params: Record<string, unknown> }> {
    const park = this.on({ kind: 'timer', timer: 'gather' }).find((effect) => effect.kind === 'park')
    if (park?.kind !== 'park') throw new Error(`not parked: ${JSON.stringify(this.effects)}`)
    return JSON.parse(park.requests)
  }

  retries(answers: string, logLevel: LogLevel | null = null) {
    const params = `{"name":"t","inputResponses":${answers},"requestState":"s"}`
    return this.on({ kind: 'retry', params, logLevel, clientCapabilities: everything })
  }

  kinds(): string[] {
    return this.effects.map(({ kind }) => kind)
  }
}

const accept = '{"action":"accept","content":{"name":"Ann"}}'

function answered(effects: readonly CallEffect[]): unknown {
  const answer = effects.find((effect) => effect.kind === 'answer')
  return answer?.kind === 'answer' ? JSON.parse(answer.result) : undefined
}

function resultText(effects: readonly CallEffect[]): string {
  const answer = effects.find((effect) => effect.kind === 'answer')
  return answer?.kind === 'answer' ? answer.result : ''
}

function failed(effects: readonly CallEffect[]): { code: number; data?: unknown } | undefined {
  const fail = effects.find((effect) => effect.kind === 'fail')
  return fail?.kind === 'fail' ? JSON.parse(fail.failure.text) : undefined
}

function failure(code: number, message = 'm', data?: unknown): CallEvent {
  return { kind: 'failure', failure: { code, text: JSON.stringify({ code, message, data }) } }
}

describe('a modern request on a legacy server', () => {
  test('loses its envelope and keeps everything else, digits included', () => {
    const params =
      '{"name":"t","arguments":{"n":12345678901234567890,"f":1.10},"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{},"traceparent":"00-1","com.example/x":1e2,"progressToken":7}}'
    const play = new Play({ params })
    expect(play.effects).toEqual([
      {
        kind: 'send',
        method: 'tools/call',
        params:
          '{"name":"t","arguments":{"n":12345678901234567890,"f":1.10},"_meta":{"traceparent":"00-1","com.example/x":1e2,"progressToken":7}}',
        headers: {},
      },
    ])
  })

  test('leaves no empty _meta behind', () => {
    const play = new Play({
      method: 'tools/list',
      params: '{"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"},"cursor":"c"}',
    })
    expect(play.effects).toMatchObject([{ kind: 'send', params: '{"cursor":"c"}' }])
  })

  test.each([
    { method: 'initialize', why: 'the handshake is gone' },
    { method: 'ping', why: 'ping is gone' },
    { method: 'logging/setLevel', why: 'the level is in each request' },
    { method: 'resources/subscribe', why: 'subscriptions are listened to' },
    { method: 'resources/unsubscribe', why: 'subscriptions are listened to' },
    { method: 'tasks/get', why: 'tasks differ on the wire in the two eras' },
    { method: 'tasks/update', why: 'tasks differ on the wire in the two eras' },
    { method: 'tasks/result', why: 'tasks differ on the wire in the two eras' },
  ])('$method is answered -32601 without a word upstream: $why', ({ method }) => {
    const play = new Play({ method, params: '{}' })
    expect(play.kinds()).toEqual(['fail'])
    expect(failed(play.effects)?.code).toBe(-32601)
  })

  test('a method that neither era knows reaches the server', () => {
    expect(new Play({ method: 'x/y', params: '{"a":1}' }).effects).toMatchObject([
      { kind: 'send', method: 'x/y', params: '{"a":1}' },
    ])
  })

  test('server/discover is answered from the kept handshake', () => {
    const old = factsOfInitialize(
      '{"protocolVersion":"2025-11-25","capabilities":{"tools":{"listChanged":true},"tasks":{"list":{}},"experimental":{"x":{"n":12345678901234567890}}},"serverInfo":{"name":"old","version":"1","icons":[{"src":"data:"}]},"instructions":"Be kind."}',
    )
    if (!old) throw new Error('no facts')
    const play = new Play({ method: 'server/discover', params: '{}', server: old })
    expect(play.kinds()).toEqual(['answer'])
    expect(resultText(play.effects)).toContain('12345678901234567890')
    expect(answered(play.effects)).toMatchObject({
      resultType: 'complete',
      supportedVersions: ['2026-07-28'],
      capabilities: { tools: { listChanged: true } },
      instructions: 'Be kind.',
      ttlMs: 0,
      cacheScope: 'private',
      _meta: {
        'io.modelcontextprotocol/serverInfo': { name: 'old', version: '1', icons: [{ src: 'data:' }] },
      },
    })
    expect(answered(play.effects)).not.toHaveProperty('capabilities.tasks')
    expect(answered(play.effects)).not.toHaveProperty('protocolVersion')
    expect(answered(play.effects)).not.toHaveProperty('serverInfo')
  })
})

describe('a legacy result', () => {
  const signed = { 'io.modelcontextprotocol/serverInfo': { name: 'old', version: '1' } }

  test.each([
    { method: 'tools/call', result: '{"content":[],"x":12345678901234567890}', cached: false },
    { method: 'completion/complete', result: '{"completion":{"values":[]}}', cached: false },
    { method: 'tools/list', result: '{"tools":[]}', cached: true },
    { method: 'prompts/list', result: '{"prompts":[]}', cached: true },
    { method: 'resources/list', result: '{"resources":[],"ttlMs":-1}', cached: true },
    { method: 'resources/templates/list', result: '{"resourceTemplates":[]}', cached: true },
    { method: 'resources/read', result: '{"contents":[]}', cached: true },
    { method: 'prompts/get', result: '{"messages":[]}', cached: false },
    { method: 'x/y', result: '{"resultType":"own"}', cached: false },
  ])('of $method is complete, signed and (cached: $cached) carries hints', ({ method, result, cached }) => {
    const play = new Play({ method, params: '{}' })
    play.on({ kind: 'result', result })
    expect(answered(play.effects)).toMatchObject({ resultType: 'complete', _meta: signed })
    const hints = JSON.stringify(answered(play.effects)).match(/"ttlMs":0|"cacheScope":"private"/g) ?? []
    expect(hints).toHaveLength(cached ? 2 : 0)
    if (result.includes('1234')) expect(resultText(play.effects)).toContain('12345678901234567890')
  })

  test('keeps the _meta that the server gave it', () => {
    const play = new Play()
    play.on({ kind: 'result', result: '{"content":[],"_meta":{"com.example/a":1.0}}' })
    expect(resultText(play.effects)).toContain('"com.example/a":1.0')
  })

  test('a tool that runs only as a task is not offered, and others lose the word of tasks', () => {
    const play = new Play({ method: 'tools/list', params: '{}' })
    const result =
      '{"tools":[{"name":"a","execution":{"taskSupport":"optional"},"inputSchema":{"maximum":12345678901234567890}},{"name":"b","execution":{"taskSupport":"required"}},{"name":"c"}]}'
    play.on({ kind: 'result', result })
    expect(resultText(play.effects)).toContain(
      '"tools":[{"name":"a","inputSchema":{"maximum":12345678901234567890}},{"name":"c"}]',
    )
  })

  test('that is no object is the server’s fault', () => {
    const play = new Play()
    play.on({ kind: 'result', result: '[1]' })
    expect(failed(play.effects)?.code).toBe(-32603)
  })

  test.each([
    { code: -32002, becomes: -32602, why: 'resource not found has the code of invalid params now' },
    { code: -32602, becomes: -32602, why: 'it is the same' },
    { code: -32601, becomes: -32601, why: 'it is the same' },
    { code: -32021, becomes: -32021, why: 'a server that knows the word may use it' },
    { code: -32020, becomes: -32603, why: 'a legacy server saw no headers' },
    { code: -32099, becomes: -32603, why: 'the range is reserved' },
    { code: 17, becomes: 17, why: 'a code of the application’s own' },
  ])('error $code becomes $becomes: $why', ({ code, becomes }) => {
    const play = new Play({ method: 'resources/read' })
    play.on(failure(code, 'gone', { uri: 'x' }))
    expect(failed(play.effects)).toMatchObject({ code: becomes, data: { uri: 'x' } })
  })
})

describe('notifications during a call', () => {
  const log = (level: string): CallEvent => ({
    kind: 'notification',
    method: 'notifications/message',
    params: `{"level":"${level}","data":12345678901234567890}`,
  })

  test('log messages reach only a request that asked for them, from its level up', () => {
    const play = new Play({ logLevel: 'warning' })
    expect(play.effects[0]).toEqual({ kind: 'raiseLogLevel', level: 'warning' })
    expect(play.on(log('info'))).toEqual([])
    expect(play.on(log('error'))).toEqual([
      {
        kind: 'notify',
        method: 'notifications/message',
        params: '{"level":"error","data":12345678901234567890}',
      },
    ])
    expect(new Play().on(log('emergency'))).toEqual([])
  })

  test('a server that does not log is told no level', () => {
    expect(new Play({ logLevel: 'debug', server: server({ tools: {} }) }).kinds()).toEqual(['send'])
  })

  test.each([
    { method: 'notifications/progress', passes: true, why: 'it belongs to the request' },
    { method: 'notifications/x', passes: true, why: 'what is unknown is relayed' },
    { method: 'notifications/tools/list_changed', passes: false, why: 'it belongs to subscriptions' },
    { method: 'notifications/resources/updated', passes: false, why: 'it belongs to subscriptions' },
    { method: 'notifications/elicitation/complete', passes: false, why: 'the era has not got it' },
    { method: 'notifications/tasks/status', passes: false, why: 'the era has not got it' },
  ])('$method passes: $passes, because $why', ({ method, passes }) => {
    const effects = new Play().on({ kind: 'notification', method, params: '{}' })
    expect(effects).toEqual(passes ? [{ kind: 'notify', method, params: '{}' }] : [])
  })
})

describe('a legacy server that asks', () => {
  test('parks the call and asks the client by input_required', () => {
    const play = new Play()
    expect(play.asks('7')).toEqual([{ kind: 'timer', timer: 'gather', ms: gatherMs }])
    expect(play.gathered()).toEqual({
      elicitation_1: { method: 'elicitation/create', params: { message: '?', requestedSchema: {} } },
    })
    expect(play.effects).toContainEqual({ kind: 'timer', timer: 'expiry', ms: parkedMs })
  })

  test('a string id is the server’s own name for its question', () => {
    const play = new Play()
    play.asks('"user_name"')
    expect(Object.keys(play.gathered())).toEqual(['user_name'])
  })

  test('questions of one breath are asked together, in order', () => {
    const play = new Play()
    play.asks('1')
    play.asks('2', 'sampling/createMessage', '{"messages":[],"maxTokens":12345678901234567890}')
    play.asks('3', 'roots/list', '{}')
    expect(Object.entries(play.gathered()).map(([key, { method }]) => [key, method])).toEqual([
      ['elicitation_1', 'elicitation/create'],
      ['sampling_2', 'sampling/createMessage'],
      ['roots_3', 'roots/list'],
    ])
    expect(JSON.stringify(play.effects)).toContain('12345678901234567890')
  })

  test('the question leaves its legacy trappings behind', () => {
    const play = new Play()
    const params =
      '{"mode":"url","url":"https://x","elicitationId":"e","task":{},"_meta":{"progressToken":1,"io.modelcontextprotocol/related-task":{},"com.example/a":2}}'
    play.asks('1', 'elicitation/create', params)
    expect(play.gathered()['elicitation_1']?.params).toEqual({
      mode: 'url',
      url: 'https://x',
      _meta: { 'com.example/a': 2 },
    })
  })

  test('the retry answers the server, and its result answers the retry', () => {
    const play = new Play()
    play.asks('"q"')
    play.gathered()
    expect(play.retries(`{"q":${accept},"extra":{"a":1}}`)).toEqual([
      { kind: 'stopTimer', timer: 'expiry' },
      { kind: 'respondUpstream', id: '"q"', outcome: { kind: 'result', result: accept } },
    ])
    play.on({ kind: 'result', result: '{"content":[]}' })
    expect(answered(play.effects)).toMatchObject({ resultType: 'complete' })
    expect(play.call.phase).toBe('over')
  })

  test.each([
    { answers: '{}', why: 'nothing was answered' },
    { answers: '{"wrong":{"action":"accept"}}', why: 'the key is unknown' },
    { answers: '{"q":{"action":"perhaps"}}', why: 'that is no action' },
    { answers: '{"q":{"roots":[]}}', why: 'it answers another kind of question' },
    { answers: '[]', why: 'the answers are malformed' },
    { answers: '{"q":7}', why: 'the answer is malformed' },
  ])('asks again when $why', ({ answers }) => {
    const play = new Play()
    play.asks('"q"')
    play.gathered()
    play.retries(answers)
    expect(play.kinds()).toEqual(['stopTimer', 'timer', 'park'])
    expect(JSON.stringify(play.effects.at(-1))).toContain('\\"q\\"')
  })

  test('asks again only for what is missing', () => {
    const play = new Play()
    play.asks('"a"')
    play.asks('"b"')
    play.gathered()
    play.retries(`{"a":${accept}}`)
    expect(play.kinds()).toEqual(['stopTimer', 'respondUpstream', 'timer', 'park'])
    const park = play.effects.at(-1)
    expect(park?.kind === 'park' && Object.keys(JSON.parse(park.requests))).toEqual(['b'])
  })

  test('a second round is asked like the first', () => {
    const play = new Play()
    play.asks('"step1"')
    play.gathered()
    play.retries(`{"step1":${accept}}`)
    play.asks('"step2"')
    expect(Object.keys(play.gathered())).toEqual(['step2'])
    play.retries(`{"step2":${accept}}`)
    play.on({ kind: 'result', result: '{"messages":[]}' })
    expect(play.kinds()).toEqual(['answer'])
  })

  test('an answer that came with the request itself is used when its question comes', () => {
    const play = new Play({ params: `{"name":"t","inputResponses":{"q":${accept},"other":{"x":1}}}` })
    expect(play.effects).toMatchObject([{ kind: 'send', params: '{"name":"t"}' }])
    expect(play.asks('"q"')).toEqual([
      { kind: 'respondUpstream', id: '"q"', outcome: { kind: 'result', result: accept } },
    ])
    // It answers once.
    play.asks('"q"')
    expect(Object.keys(play.gathered())).toEqual(['q'])
  })

  test.each([
    { responses: '{"q":12345}', why: 'an answer is no number' },
    { responses: 'null', why: 'the answers are no null' },
    { responses: '[]', why: 'the answers are no list' },
  ])('malformed inputResponses on a new request are -32602: $why', ({ responses }) => {
    const play = new Play({ params: `{"name":"t","inputResponses":${responses}}` })
    expect(failed(play.effects)?.code).toBe(-32602)
  })

  test.each([
    '{"name":"a","name":"b"}',
    String.raw`{"name":"a","n\u0061me":"b"}`,
    '{"_meta":{},"_meta":{}}',
    '{"arguments":{},"arguments":{}}',
  ])('%s means different things to different readers, and is refused', (params) => {
    expect(failed(new Play({ params }).effects)?.code).toBe(-32602)
  })

  test('what the server asks while the client is away is asked when it is back', () => {
    const play = new Play()
    play.asks('"a"')
    play.gathered()
    expect(play.asks('"b"')).toEqual([])
    play.retries(`{"a":${accept}}`)
    expect(play.kinds()).toEqual(['stopTimer', 'respondUpstream', 'timer', 'park'])
  })

  test('what the server answers while the client is away is kept for it', () => {
    const play = new Play()
    play.asks('"a"')
    play.gathered()
    expect(play.on({ kind: 'result', result: '{"content":[]}' })).toEqual([])
    expect(play.on({ kind: 'notification', method: 'notifications/progress', params: '{}' })).toEqual([])
    // On a pipe the answer may be for another call.
    play.retries(`{"a":${accept}}`)
    expect(play.kinds()).toEqual(['stopTimer', 'respondUpstream', 'answer'])
  })

  test('what its client leaves unanswered then is handed back', () => {
    const play = new Play()
    play.asks('"a"')
    play.asks('"b"')
    play.gathered()
    play.on({ kind: 'result', result: '{"content":[]}' })
    play.retries(`{"a":${accept}}`)
    expect(play.kinds()).toEqual(['stopTimer', 'respondUpstream', 'handBack', 'answer'])
  })

  describe('and may have asked because of another call', () => {
    const asks = (play: Play, method: string) =>
      play.on({ kind: 'serverRequest', id: '"q"', method, params: '{}', guessed: true })

    test('gets no answer that was given before the question', () => {
      const play = new Play({ params: `{"name":"t","inputResponses":{"q":${accept}}}` })
      asks(play, 'elicitation/create')
      expect(play.gathered()).toHaveProperty('q')
      const own = new Play({ params: `{"name":"t","inputResponses":{"q":${accept}}}` })
      own.asks('"q"')
      expect(own.kinds()).toEqual(['respondUpstream'])
    })

    test('does not make this call fail for what the client lacks', () => {
      const play = new Play({ capabilities: {} })
      asks(play, 'roots/list')
      play.on(failure(-5))
      expect(failed(play.effects)?.code).toBe(-5)
    })
  })

  test('a question that is withdrawn is not asked', () => {
    const play = new Play()
    play.asks('1')
    expect(play.on({ kind: 'serverWithdrew', id: '1' })).toEqual([{ kind: 'stopTimer', timer: 'gather' }])
    expect(play.on({ kind: 'timer', timer: 'gather' })).toEqual([])
    expect(play.call.phase).toBe('running')
  })

  test('two questions of one name get two keys', () => {
    const play = new Play()
    play.asks('"q"')
    play.asks('"q"')
    expect(Object.keys(play.gathered())).toEqual(['q', 'q_2'])
  })
})

describe('what cannot be asked is refused at once', () => {
  const refusal = (effects: readonly CallEffect[]): number | null => {
    const effect = effects.find(({ kind }) => kind === 'respondUpstream')
    return effect?.kind === 'respondUpstream' && effect.outcome.kind === 'failure'
      ? effect.outcome.failure.code
      : null
  }

  test.each([
    { capabilities: {}, method: 'elicitation/create', params: '{}', code: -32601, why: 'no elicitation' },
    {
      capabilities: { elicitation: {} },
      method: 'elicitation/create',
      params: '{"mode":"url"}',
      code: -32602,
      why: 'forms only',
    },
    {
      capabilities: { elicitation: { url: {} } },
      method: 'elicitation/create',
      params: '{}',
      code: -32602,
      why: 'URLs only',
    },
    {
      capabilities: { sampling: {} },
      method: 'sampling/createMessage',
      params: '{"tools":[]}',
      code: -32602,
      why: 'no tools',
    },
    { capabilities: { elicitation: {} }, method: 'roots/list', params: '{}', code: -32601, why: 'no roots' },
    { capabilities: everything, method: 'x/ask', params: '{}', code: -32601, why: 'no such question' },
  ])('$method of a client with $why: $code', ({ capabilities, method, params, code }) => {
    expect(refusal(new Play({ capabilities }).asks('1', method, params))).toBe(code)
  })

  test.each(['tools/list', 'completion/complete', 'x/y'])('a client cannot be asked during %s', (method) => {
    expect(refusal(new Play({ method, params: '{}' }).asks('1'))).toBe(-32603)
  })

  test('elicitation without a mode means forms', () => {
    expect(new Play({ capabilities: { elicitation: {} } }).asks('1')).toMatchObject([{ kind: 'timer' }])
  })

  test('ping is answered', () => {
    expect(new Play().asks('1', 'ping', '{}')).toMatchObject([{ outcome: { kind: 'result', result: '{}' } }])
  })

  test('a call that then fails names the capability, as the modern era wants it', () => {
    for (const outcome of [
      { kind: 'result', result: '{"content":[],"isError":true}' } as const,
      failure(-32000, 'no sampling'),
    ]) {
      const play = new Play({ capabilities: {} })
      play.asks('1', 'sampling/createMessage', '{}')
      play.on(outcome)
      expect(failed(play.effects)).toMatchObject({
        code: -32021,
        data: { requiredCapabilities: { sampling: {} } },
      })
    }
  })

  test('a call that gets on without it succeeds', () => {
    const play = new Play({ capabilities: {} })
    play.asks('1', 'roots/list', '{}')
    play.on({ kind: 'result', result: '{"content":[]}' })
    expect(play.kinds()).toEqual(['answer'])
  })

  test('a lost server is not mistaken for a lacking capability', () => {
    const play = new Play({ capabilities: {} })
    play.asks('1', 'roots/list', '{}')
    play.on({ kind: 'failure', failure: { code: -32003, text: '{"code":-32003}' }, lost: true })
    expect(failed(play.effects)?.code).toBe(-32003)
  })

  test('no server asks one client without end', () => {
    const play = new Play()
    for (let id = 0; id < questionsOpenMax; id++) expect(refusal(play.asks(String(id)))).toBeNull()
    expect(refusal(play.asks('1000'))).toBe(-32603)
    const long = new Play()
    for (let id = 0; id < questionsTotalMax; id++) {
      long.asks(`"q${id}"`)
      long.gathered()
      long.retries(`{"q${id}":${accept}}`)
    }
    expect(refusal(long.asks('1000'))).toBe(-32603)
  })
})

describe('the end of a call', () => {
  test('a closed response cancels upstream', () => {
    const play = new Play()
    play.on({ kind: 'cancelled' })
    expect(play.kinds()).toEqual(['stopTimer', 'cancelUpstream', 'end'])
  })

  test('a client that stays away: question handed back, call cancelled, nothing left', () => {
    const play = new Play()
    play.asks('1')
    play.gathered()
    const effects = play.on({ kind: 'timer', timer: 'expiry' })
    expect(effects.map(({ kind }) => kind)).toEqual(['stopTimer', 'cancelUpstream', 'handBack', 'end'])
    expect(play.call).toMatchObject({ phase: 'over', questions: [], outcome: null })
    expect(play.retries(`{"elicitation_1":${accept}}`)).toEqual([])
  })

  test('a kept outcome that nobody fetches is dropped without a cancel', () => {
    const play = new Play()
    play.asks('1')
    play.gathered()
    play.on({ kind: 'result', result: '{}' })
    play.on({ kind: 'timer', timer: 'expiry' })
    expect(play.kinds()).toEqual(['stopTimer', 'handBack', 'end'])
  })

  test('an answer while the server still asks hands the question back', () => {
    const play = new Play()
    play.asks('1')
    play.on({ kind: 'result', result: '{"content":[]}' })
    expect(play.kinds()).toEqual(['stopTimer', 'handBack', 'answer'])
  })

  test('a question after it is handed back at once', () => {
    const play = new Play()
    play.on({ kind: 'cancelled' })
    expect(play.asks('1')).toEqual([{ kind: 'handBack', id: '1' }])
  })
})

describe('a legacy demand for URLs (-32042)', () => {
  const demand = failure(-32042, 'log in first', {
    elicitations: [{ mode: 'url', elicitationId: 'e1', url: 'https://x', message: 'Log in' }],
  })

  test('becomes input_required; consent makes the call again', () => {
    const play = new Play({ params: '{"name":"t","arguments":{"n":12345678901234567890}}' })
    play.on(demand)
    expect(play.effects).toEqual([
      { kind: 'timer', timer: 'expiry', ms: parkedMs },
      {
        kind: 'park',
        requests:
          '{"e1":{"method":"elicitation/create","params":{"mode":"url","url":"https://x","message":"Log in"}}}',
      },
    ])
    expect(play.retries('{"e1":{"action":"accept"}}')).toEqual([
      { kind: 'stopTimer', timer: 'expiry' },
      {
        kind: 'send',
        method: 'tools/call',
        params: '{"name":"t","arguments":{"n":12345678901234567890}}',
        headers: {},
      },
    ])
  })

  test('a refusal ends it with an error of this era', () => {
    const play = new Play()
    play.on(demand)
    play.retries('{"e1":{"action":"decline"}}')
    expect(failed(play.effects)?.code).toBe(-32603)
  })

  test('no answer is asked for again', () => {
    const play = new Play()
    play.on(demand)
    play.retries('{}')
    expect(play.kinds()).toEqual(['stopTimer', 'timer', 'park'])
  })

  test('is not repeated for ever', () => {
    const play = new Play()
    for (let round = 0; round < 8; round++) {
      play.on(demand)
      play.retries('{"e1":{"action":"accept"}}')
    }
    play.on(demand)
    expect(failed(play.effects)?.code).toBe(-32603)
  })

  test('a client without URL mode is told what it lacks', () => {
    const play = new Play({ capabilities: { elicitation: {} } })
    play.on(demand)
    expect(failed(play.effects)).toMatchObject({
      code: -32021,
      data: { requiredCapabilities: { elicitation: { url: {} } } },
    })
  })

  test('an expired demand has nothing to cancel', () => {
    const play = new Play()
    play.on(demand)
    play.on({ kind: 'timer', timer: 'expiry' })
    expect(play.kinds()).toEqual(['stopTimer', 'end'])
  })
})

describe('whatever happens', () => {
  const text = fc.oneof(
    fc.json(),
    fc.constantFrom('{', '', '{"action":"accept"}', '{"isError":true}', 'null'),
  )
  const id = fc.constantFrom('1', '2', '"a"', '"b"', '{')
  const method = fc.constantFrom('elicitation/create', 'roots/list', 'ping', 'x', 'notifications/message')
  const event: fc.Arbitrary<CallEvent> = fc.oneof(
    fc.record({ kind: fc.constant('result' as const), result: text }),
    fc
      .constantFrom(-32042, -32002, -32601)
      .map((code) => failure(code, 'm', { elicitations: [{ url: 'x' }] })),
    fc.record({ kind: fc.constant('notification' as const), method, params: fc.option(text) }),
    fc.record({ kind: fc.constant('serverRequest' as const), id, method, params: fc.option(text) }),
    fc.record({ kind: fc.constant('serverWithdrew' as const), id }),
    fc.record({
      kind: fc.constant('retry' as const),
      params: fc.oneof(text, fc.constant(`{"inputResponses":{"a":${accept},"elicitation_1":${accept}}}`)),
      logLevel: fc.constant(null),
      clientCapabilities: fc.constantFrom({}, everything),
    }),
    fc.constant({ kind: 'cancelled' as const }),
    fc.record({
      kind: fc.constant('timer' as const),
      timer: fc.constantFrom('gather' as const, 'expiry' as const),
    }),
  )

  test('a call ends once, and every question of the server’s gets one answer by then', () => {
    fc.assert(
      fc.property(fc.array(event, { maxLength: 30 }), (events) => {
        const play = new Play()
        const open: string[] = []
        let ends = 0
        for (const next of [...events, { kind: 'cancelled' } as const]) {
          const wasOver = play.call.phase === 'over'
          if (next.kind === 'serverRequest') open.push(next.id)
          if (
            next.kind === 'serverWithdrew' &&
            play.call.questions.some((question) => question.id === next.id)
          ) {
            // A withdrawn question wants no answer.
            const left = play.call.questions.filter((question) => question.id === next.id).length
            for (let n = 0; n < left; n++) open.splice(open.indexOf(next.id), 1)
          }
          for (const effect of play.on(next)) {
            if (wasOver) expect(effect.kind).toBe('handBack')
            if (effect.kind === 'answer' || effect.kind === 'fail' || effect.kind === 'end') ends++
            if (effect.kind !== 'respondUpstream' && effect.kind !== 'handBack') continue
            expect(open).toContain(effect.id)
            open.splice(open.indexOf(effect.id), 1)
          }
        }
        expect(ends).toBe(1)
        expect(open).toEqual([])
      }),
      { numRuns: 1000 },
    )
  })
})
