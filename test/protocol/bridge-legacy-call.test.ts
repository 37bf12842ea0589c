import { describe, expect, test } from 'bun:test'
import fc from 'fast-check'
import { clientOfInitialize, factsOfDiscover, initializeResult } from '../../src/protocol/bridge/facts.ts'
import {
  type LegacyCall,
  paceMs,
  roundMs,
  roundsMax,
  startLegacyCall,
  stepLegacyCall,
} from '../../src/protocol/bridge/legacy-call.ts'
import { legacyTools } from '../../src/protocol/bridge/results.ts'
import type { CallEffect, CallEvent, ServerFacts, ToolFacts } from '../../src/protocol/bridge/types.ts'

const discover =
  '{"resultType":"complete","supportedVersions":["2026-07-28"],"capabilities":{"tools":{"listChanged":true},"logging":{},"extensions":{"io.modelcontextprotocol/tasks":{},"io.modelcontextprotocol/ui":{"n":12345678901234567890}}},"instructions":"Be kind.","ttlMs":5,"cacheScope":"public","_meta":{"io.modelcontextprotocol/serverInfo":{"name":"new","version":"2"},"com.example/a":1}}'

function server(text = discover): ServerFacts {
  const facts = factsOfDiscover(text)
  if (!facts) throw new Error('no facts')
  return facts
}

const initialize =
  '{"protocolVersion":"2025-11-25","clientInfo":{"name":"old","version":"1"},"capabilities":{"roots":{"listChanged":true},"sampling":{},"elicitation":{"form":{},"url":{}},"tasks":{"list":{}}}}'

interface Options {
  readonly method?: string
  readonly params?: string | null
  readonly initialize?: string
  readonly tool?: ToolFacts | null
  readonly overHttp?: boolean
}

/** One call, stepped by hand. */
class Play {
  call: LegacyCall
  effects: readonly CallEffect[]

  constructor(options: Options = {}) {
    const request = {
      method: options.method ?? 'tools/call',
      paramsText: options.params === undefined ? '{"name":"t","arguments":{}}' : options.params,
    }
    ;[this.call, this.effects] = startLegacyCall(request, {
      client: clientOfInitialize(options.initialize ?? initialize, server(), 'debug'),
      tool: options.tool ?? null,
      overHttp: options.overHttp ?? true,
    })
  }

  on(event: CallEvent): readonly CallEffect[] {
    ;[this.call, this.effects] = stepLegacyCall(this.call, event)
    return this.effects
  }

  /** The modern server wants input. */
  wants(requests: Record<string, unknown> | null, state: string | null = null): readonly CallEffect[] {
    const result = {
      resultType: 'input_required',
      ...(requests && { inputRequests: requests }),
      ...(state !== null && { requestState: state }),
    }
    return this.on({ kind: 'result', result: JSON.stringify(result) })
  }

  answers(handle: number, result = '{"action":"accept","content":{}}'): readonly CallEffect[] {
    return this.on({ kind: 'clientAnswer', handle, outcome: { kind: 'result', result } })
  }

  sent(): { params: string; headers: Readonly<Record<string, string>>; value: Record<string, unknown> } {
    const send = this.effects.find((effect) => effect.kind === 'send')
    if (send?.kind !== 'send') throw new Error(`nothing sent: ${JSON.stringify(this.effects)}`)
    return { params: send.params, headers: send.headers, value: JSON.parse(send.params) }
  }

  kinds(): string[] {
    return this.effects.map(({ kind }) => kind)
  }

  answered(): string {
    const answer = this.effects.find((effect) => effect.kind === 'answer')
    return answer?.kind === 'answer' ? answer.result : ''
  }

  failed(): number | undefined {
    const fail = this.effects.find((effect) => effect.kind === 'fail')
    return fail?.kind === 'fail' ? fail.failure.code : undefined
  }
}

const form = { method: 'elicitation/create', params: { message: '?', requestedSchema: {} } }
const url = { method: 'elicitation/create', params: { mode: 'url', url: 'https://x', message: '?' } }
const sample = { method: 'sampling/createMessage', params: { messages: [], maxTokens: 1 } }
const roots = { method: 'roots/list' }

function failure(code: number, message = 'm'): CallEvent {
  return { kind: 'failure', failure: { code, text: JSON.stringify({ code, message }) } }
}

describe('initialize from server/discover', () => {
  test('says what discover said, in the words and the version of the client', () => {
    const text = initializeResult(server(), '2025-06-18', 'fallback')
    expect(text).toContain('12345678901234567890')
    expect(JSON.parse(text)).toMatchObject({
      protocolVersion: '2025-06-18',
      serverInfo: { name: 'new', version: '2' },
      capabilities: { tools: { listChanged: true }, logging: {} },
      instructions: 'Be kind.',
      _meta: { 'com.example/a': 1 },
    })
    for (const member of ['resultType', 'supportedVersions', 'ttlMs', 'cacheScope']) {
      expect(JSON.parse(text)).not.toHaveProperty(member)
    }
    expect(text).not.toContain('modelcontextprotocol/tasks')
    expect(text).not.toContain('modelcontextprotocol/serverInfo')
  })

  test('a server that does not name itself is called by the name it is registered under', () => {
    const nameless = server('{"supportedVersions":["2026-07-28"],"capabilities":{}}')
    expect(initializeResult(nameless, '2025-11-25', 'files')).toBe(
      '{"capabilities":{},"protocolVersion":"2025-11-25","serverInfo":{"name":"files","version":"unknown"}}',
    )
  })

  test.each([
    { text: '{"supportedVersions":["2099-01-01"],"capabilities":{}}', why: 'no version in common' },
    { text: '{"capabilities":{}}', why: 'it names no versions' },
    { text: 'null', why: 'no object' },
    { text: '{', why: 'no JSON' },
  ])('there are no facts where $why', ({ text }) => {
    expect(factsOfDiscover(text)).toBeNull()
  })
})

describe('a legacy request on a modern server', () => {
  test('gets the envelope and the headers, and keeps everything else, digits included', () => {
    const play = new Play({
      params:
        '{"name":"é","arguments":{"n":12345678901234567890},"task":{"ttl":1},"_meta":{"progressToken":"p","traceparent":"00","io.modelcontextprotocol/related-task":{}}}',
    })
    expect(play.sent().params).toContain('"arguments":{"n":12345678901234567890}')
    expect(play.sent().value).toMatchObject({
      name: 'é',
      _meta: {
        progressToken: 'p',
        traceparent: '00',
        'io.modelcontextprotocol/protocolVersion': '2026-07-28',
        'io.modelcontextprotocol/clientInfo': { name: 'old', version: '1' },
        'io.modelcontextprotocol/clientCapabilities': {
          roots: {},
          sampling: {},
          elicitation: { form: {}, url: {} },
        },
        'io.modelcontextprotocol/logLevel': 'debug',
      },
    })
    expect(play.sent().value).not.toHaveProperty('task')
    expect(play.sent().params).not.toContain('related-task')
    expect(play.sent().params).not.toContain('"tasks"')
    expect(play.sent().headers).toEqual({
      'MCP-Protocol-Version': '2026-07-28',
      'Mcp-Method': 'tools/call',
      'Mcp-Name': '=?base64?w6k=?=',
    })
  })

  test.each([
    { params: null, why: 'none were sent' },
    { params: 'null', why: 'some clients send null' },
    { params: '{}', why: 'they were empty' },
  ])('has parameters for the envelope where $why', ({ params }) => {
    const play = new Play({ method: 'tools/list', params })
    expect(Object.keys(play.sent().value)).toEqual(['_meta'])
  })

  test('mirrors the arguments that the tool marks', () => {
    const tool: ToolFacts = {
      name: 't',
      wrapsOutput: false,
      readOnly: false,
      marks: [{ path: ['region'], header: 'Mcp-Param-Region', type: 'string' }],
    }
    const play = new Play({ tool, params: '{"name":"t","arguments":{"region":"eu"}}' })
    expect(play.sent().headers).toMatchObject({ 'Mcp-Param-Region': 'eu' })
  })

  test.each([
    { method: 'tasks/get', why: 'tasks differ on the wire in the two eras' },
    { method: 'tasks/list', why: 'tasks differ on the wire in the two eras' },
    { method: 'tasks/cancel', why: 'tasks differ on the wire in the two eras' },
    { method: 'tasks/result', why: 'tasks differ on the wire in the two eras' },
    { method: 'initialize', why: 'it is answered before there are calls' },
  ])('$method never goes upstream: $why', ({ method }) => {
    const play = new Play({ method, params: '{}' })
    expect(play.kinds()).toEqual(['fail'])
    expect(play.failed()).toBe(-32601)
  })

  test('a method that neither era knows reaches the server', () => {
    expect(new Play({ method: 'x/y', params: '{"a":1}' }).sent().value).toMatchObject({ a: 1 })
  })

  test('params that are no object are refused', () => {
    expect(new Play({ params: '[1]' }).failed()).toBe(-32602)
  })
})

describe('a modern result', () => {
  test.each([
    {
      method: 'tools/call',
      result: '{"resultType":"complete","content":[],"x":1e3}',
      gives: '{"content":[],"x":1e3}',
    },
    {
      method: 'resources/read',
      result: '{"resultType":"complete","contents":[],"ttlMs":1,"cacheScope":"public"}',
      gives: '{"contents":[]}',
    },
    { method: 'x/y', result: '{"resultType":"complete","ttlMs":1}', gives: '{"ttlMs":1}' },
    { method: 'prompts/get', result: '{"messages":[]}', gives: '{"messages":[]}' },
    {
      method: 'prompts/get',
      result: '{"messages":[],"_meta":{"io.modelcontextprotocol/serverInfo":{"name":"n","version":"1"}}}',
      gives: '{"messages":[]}',
    },
    {
      method: 'prompts/get',
      result: '{"_meta":{"io.modelcontextprotocol/serverInfo":{},"a":12345678901234567890},"messages":[]}',
      gives: '{"_meta":{"a":12345678901234567890},"messages":[]}',
    },
  ])('of $method loses what its era added: $result', ({ method, result, gives }) => {
    const play = new Play({ method, params: '{}' })
    play.on({ kind: 'result', result })
    expect(play.answered()).toBe(gives)
  })

  test.each([
    { result: '{"resultType":"task"}', why: 'the type is unknown' },
    { result: '{"resultType":7}', why: 'the type is no string' },
    { result: '[]', why: 'it is no object' },
  ])('is an error where $why', ({ result }) => {
    const play = new Play()
    play.on({ kind: 'result', result })
    expect(play.failed()).toBe(-32603)
  })

  test.each([
    { code: -32602, becomes: -32602, why: 'it is the same' },
    { code: -32021, becomes: -32021, why: 'it tells the client what it lacks' },
    { code: -32022, becomes: -32603, why: 'the version is the gateway’s affair' },
    { code: -32020, becomes: -32603, why: 'the headers are the gateway’s affair' },
  ])('error $code becomes $becomes: $why', ({ code, becomes }) => {
    const play = new Play({ method: 'prompts/get', params: '{"name":"p"}' })
    play.on(failure(code))
    expect(play.failed()).toBe(becomes)
  })

  test.each([
    {
      structured: '[1,2]',
      wraps: false,
      content: '[]',
      gives: '{"content":[{"type":"text","text":"[1,2]"}],"structuredContent":{"result":[1,2]}}',
      why: 'a list is wrapped, and told in text',
    },
    {
      structured: '12345678901234567890',
      wraps: true,
      content: '[{"type":"text","text":"n"}]',
      gives: '{"content":[{"type":"text","text":"n"}],"structuredContent":{"result":12345678901234567890}}',
      why: 'text that is there is enough',
    },
    {
      structured: '{"a":1}',
      wraps: true,
      content: '[]',
      gives: '{"content":[],"structuredContent":{"result":{"a":1}}}',
      why: 'the schema was wrapped, so the value is',
    },
    {
      structured: '{"a":1}',
      wraps: false,
      content: '[]',
      gives: '{"content":[],"structuredContent":{"a":1}}',
      why: 'objects are what legacy clients expect',
    },
    {
      structured: 'null',
      wraps: false,
      content: '[]',
      gives: '{"content":[{"type":"text","text":"null"}],"structuredContent":{"result":null}}',
      why: 'null is a value',
    },
  ])('structured content $structured: $why', ({ structured, wraps, content, gives }) => {
    const play = new Play({ tool: { name: 't', marks: [], wrapsOutput: wraps, readOnly: false } })
    play.on({ kind: 'result', result: `{"content":${content},"structuredContent":${structured}}` })
    expect(play.answered()).toBe(gives)
  })

  test('notifications pass as they are', () => {
    const params = '{"progressToken":"p","progress":0.10}'
    expect(new Play().on({ kind: 'notification', method: 'notifications/progress', params })).toEqual([
      { kind: 'notify', method: 'notifications/progress', params },
    ])
  })
})

describe('a modern tool list', () => {
  const list = JSON.stringify({
    resultType: 'complete',
    ttlMs: 1,
    cacheScope: 'public',
    tools: [
      { name: 'plain', inputSchema: { type: 'object' } },
      {
        name: 'marked',
        inputSchema: { type: 'object', properties: { r: { type: 'string', 'x-mcp-header': 'R' } } },
      },
      { name: 'invalid', inputSchema: { properties: { r: { type: 'object', 'x-mcp-header': 'R' } } } },
      { name: 'listy', outputSchema: { type: 'array', items: { $ref: '#/$defs/a' }, $defs: { a: {} } } },
    ],
    nextCursor: 'c',
  })

  test('over HTTP leaves out invalid tools and keeps what calls will need', () => {
    const play = new Play({ method: 'tools/list', params: '{}' })
    play.on({ kind: 'result', result: list })
    expect(play.kinds()).toEqual(['learnTools', 'answer'])
    expect(play.effects[0]).toMatchObject({
      tools: [
        { name: 'plain', marks: [], wrapsOutput: false, readOnly: false },
        { name: 'marked', marks: [{ path: ['r'], header: 'Mcp-Param-R', type: 'string' }] },
        { name: 'listy', marks: [], wrapsOutput: true, readOnly: false },
      ],
      rejected: [{ name: 'invalid' }],
    })
    expect(JSON.parse(play.answered())).toEqual({
      tools: [
        { name: 'plain', inputSchema: { type: 'object' } },
        {
          name: 'marked',
          inputSchema: { type: 'object', properties: { r: { type: 'string', 'x-mcp-header': 'R' } } },
        },
        {
          name: 'listy',
          outputSchema: {
            type: 'object',
            properties: {
              result: {
                type: 'array',
                items: { $ref: '#/properties/result/$defs/a' },
                $defs: { a: {} },
              },
            },
            required: ['result'],
          },
        },
      ],
      nextCursor: 'c',
    })
  })

  test('over stdio there are no headers, and no tool is invalid for their sake', () => {
    const tools = legacyTools(list, false)
    expect(tools?.rejected).toEqual([])
    expect(tools?.tools.map(({ name }) => name)).toEqual(['plain', 'marked', 'invalid', 'listy'])
  })

  test('a header mismatch reads the list again and calls again, once', () => {
    const play = new Play({ params: '{"name":"t","arguments":{"r":"x"}}' })
    expect(play.on(failure(-32020))).toEqual([{ kind: 'refreshTools', tool: 't' }])
    const tool: ToolFacts = {
      name: 't',
      wrapsOutput: false,
      readOnly: false,
      marks: [{ path: ['r'], header: 'Mcp-Param-R', type: 'string' }],
    }
    play.on({ kind: 'toolsRefreshed', tool })
    expect(play.sent().headers).toMatchObject({ 'Mcp-Param-R': 'x' })
    expect(play.sent().value).not.toHaveProperty('inputResponses')
    play.on(failure(-32020))
    expect(play.failed()).toBe(-32603)
  })
})

describe('a modern server that wants input', () => {
  test('asks the legacy client by real requests, and is asked again with the answers and its own state', () => {
    const play = new Play({ params: '{"name":"t","arguments":{"n":12345678901234567890}}' })
    play.wants({ name: form, model: sample, where: roots }, 'st"ate')
    expect(play.effects).toEqual([
      { kind: 'ask', handle: 1, method: 'elicitation/create', params: JSON.stringify(form.params) },
      { kind: 'ask', handle: 2, method: 'sampling/createMessage', params: JSON.stringify(sample.params) },
      { kind: 'ask', handle: 3, method: 'roots/list', params: '{}' },
      { kind: 'timer', timer: 'round', ms: roundMs },
    ])
    expect(play.answers(2, '{"role":"assistant","content":{"n":1.0}}')).toEqual([])
    expect(play.answers(3, '{"roots":[]}')).toEqual([])
    play.answers(1)
    expect(play.kinds()).toEqual(['stopTimer', 'send'])
    expect(play.sent().params).toContain('12345678901234567890')
    expect(play.sent().params).toContain('"model":{"role":"assistant","content":{"n":1.0}}')
    expect(play.sent().value).toMatchObject({
      name: 't',
      inputResponses: { name: { action: 'accept', content: {} }, where: { roots: [] } },
      requestState: 'st"ate',
    })
    play.on({ kind: 'result', result: '{"resultType":"complete","content":[]}' })
    expect(play.answered()).toBe('{"content":[]}')
  })

  test('each round sends its own answers and state, not those of the round before', () => {
    const play = new Play()
    play.wants({ a: form }, 's1')
    play.answers(1)
    play.wants({ b: form })
    play.answers(2)
    expect(play.sent().value['inputResponses']).toEqual({ b: { action: 'accept', content: {} } })
    expect(play.sent().value).not.toHaveProperty('requestState')
  })

  test('URL mode gets the id that 2025-11-25 requires, another one each round', () => {
    const play = new Play()
    const ids: unknown[] = []
    for (let round = 1; round <= 2; round++) {
      const ask = play.wants({ login: url })[0]
      if (ask?.kind === 'ask') ids.push(JSON.parse(ask.params).elicitationId)
      play.answers(round)
    }
    expect(ids).toEqual(['1-login', '2-login'])
  })

  test('that wants nothing but time is asked again after a pause', () => {
    const play = new Play()
    expect(play.wants(null, 'later')).toEqual([{ kind: 'timer', timer: 'pace', ms: paceMs }])
    play.on({ kind: 'timer', timer: 'pace' })
    expect(play.sent().value).toMatchObject({ requestState: 'later' })
    expect(play.sent().value).not.toHaveProperty('inputResponses')
  })

  test(`is given up after ${roundsMax} rounds`, () => {
    const play = new Play()
    for (let round = 1; round <= roundsMax; round++) {
      play.wants({ a: form })
      play.answers(round)
    }
    play.wants({ a: form })
    expect(JSON.parse(play.answered())).toMatchObject({ isError: true })
  })

  test.each([
    { requests: { a: { method: 'x/ask', params: {} } }, why: 'no such question' },
    { requests: { a: { params: {} } }, why: 'no method' },
    { requests: { a: 7 }, why: 'no request' },
    { requests: { a: { method: 'roots/list', params: 7 } }, why: 'no parameters' },
  ])('gets no answer to nonsense: $why', ({ requests }) => {
    const play = new Play()
    play.wants(requests)
    expect(play.kinds()).toEqual(['answer'])
    expect(JSON.parse(play.answered())).toMatchObject({ isError: true })
  })

  test('may not ask what the client did not declare', () => {
    const play = new Play({ initialize: '{"capabilities":{"elicitation":{}}}' })
    play.wants({ a: form, b: sample })
    expect(play.kinds()).toEqual(['answer'])
    expect(play.answered()).toContain('sampling/createMessage')
  })

  test.each([
    { method: 'prompts/get', ends: 'fail', why: 'only tools have errors of their own' },
    { method: 'tools/call', ends: 'answer', why: 'the model should see it' },
  ])('and a client that refuses: $method ends with $ends, because $why', ({ method, ends }) => {
    const play = new Play({ method, params: '{"name":"t"}' })
    play.wants({ a: form, b: form })
    const text = '{"code":-1,"message":"User rejected"}'
    play.on({
      kind: 'clientAnswer',
      handle: 1,
      outcome: { kind: 'failure', failure: { code: -1, text } },
    })
    expect(play.kinds()).toEqual(['stopTimer', 'withdraw', ends])
    expect(play.effects[1]).toEqual({ kind: 'withdraw', handle: 2 })
    expect(JSON.stringify(play.effects)).toContain('User rejected')
  })

  test('and a client that does not answer in time', () => {
    const play = new Play()
    play.wants({ a: form })
    play.on({ kind: 'timer', timer: 'round' })
    expect(play.kinds()).toEqual(['stopTimer', 'withdraw', 'answer'])
  })

  test('during a method that may not ask is a fault of the server', () => {
    const play = new Play({ method: 'completion/complete', params: '{}' })
    play.wants({ a: form })
    expect(play.failed()).toBe(-32603)
  })

  test('with nothing at all is a fault of the server', () => {
    const play = new Play()
    play.wants({})
    expect(play.failed()).toBe(-32603)
  })

  test('by a request of its own is not answered: clients send no responses', () => {
    const play = new Play()
    play.on({ kind: 'serverRequest', id: '1', method: 'roots/list', params: null })
    expect(play.effects).toEqual([])
  })
})

describe('a cancel', () => {
  test('closes the upstream response', () => {
    const play = new Play()
    play.on({ kind: 'cancelled' })
    expect(play.kinds()).toEqual(['cancelUpstream', 'end'])
  })

  test('withdraws the questions when nothing runs upstream', () => {
    const play = new Play()
    play.wants({ a: form, b: form })
    play.answers(1)
    play.on({ kind: 'cancelled' })
    expect(play.effects).toEqual([
      { kind: 'stopTimer', timer: 'round' },
      { kind: 'withdraw', handle: 2 },
      { kind: 'end' },
    ])
  })

  test('is the last word', () => {
    const play = new Play()
    play.on({ kind: 'cancelled' })
    expect(play.on({ kind: 'result', result: '{"content":[]}' })).toEqual([])
  })
})

describe('whatever happens', () => {
  const text = fc.oneof(fc.json(), fc.constantFrom('{', '{"resultType":"input_required"}'))
  const wanting = fc
    .record(
      { a: fc.constantFrom<unknown>(form, sample, roots, 7), b: fc.constantFrom<unknown>(form, url) },
      { requiredKeys: [] },
    )
    .map((inputRequests) =>
      JSON.stringify({ resultType: 'input_required', inputRequests, requestState: 's' }),
    )
  const event: fc.Arbitrary<CallEvent> = fc.oneof(
    fc.record({ kind: fc.constant('result' as const), result: fc.oneof(text, wanting, wanting) }),
    fc.constantFrom(-32020, -32601).map((code) => failure(code)),
    fc.record({
      kind: fc.constant('clientAnswer' as const),
      handle: fc.integer({ min: 1, max: 6 }),
      outcome: fc.record({
        kind: fc.constant('result' as const),
        result: fc.constant('{"action":"accept"}'),
      }),
    }),
    fc.constant({ kind: 'toolsRefreshed' as const, tool: null }),
    fc.record({
      kind: fc.constant('timer' as const),
      timer: fc.constantFrom('round' as const, 'pace' as const),
    }),
    fc.constant({ kind: 'cancelled' as const }),
  )

  test('a call ends once; the client is asked nothing that is neither answered nor withdrawn', () => {
    fc.assert(
      fc.property(fc.array(event, { maxLength: 30 }), (events) => {
        const play = new Play()
        const open = new Set<number>()
        let ends = 0
        for (const next of [...events, { kind: 'cancelled' } as const]) {
          const wasOver = play.call.phase === 'over'
          if (next.kind === 'clientAnswer') open.delete(next.handle)
          for (const effect of play.on(next)) {
            expect(wasOver).toBe(false)
            if (effect.kind === 'answer' || effect.kind === 'fail' || effect.kind === 'end') ends++
            if (effect.kind === 'ask') open.add(effect.handle)
            if (effect.kind === 'withdraw') expect(open.delete(effect.handle)).toBe(true)
          }
        }
        expect(ends).toBe(1)
        expect(open.size).toBe(0)
      }),
      { numRuns: 1000 },
    )
  })
})
