/** What views of the console decide without drawing anything. */
import { describe, expect, test } from 'bun:test'
import { anyCall, CallLog, isWanted, keptMax } from '../../src/console/page/views/calls/call-log.ts'
import { countWords } from '../../src/console/page/views/calls/call-words.ts'
import { type KeyRule, openedOf, reasonWords } from '../../src/console/page/views/keys/rule-words.ts'
import { expanded, variablesOf } from '../../src/console/page/views/playground/templates.ts'
import { agoWords, retryWords, withoutMiddle } from '../../src/console/page/words.ts'
import type { CallEvent } from '../../src/http/api/answers.ts'

const call = (fields: Partial<CallEvent> = {}): CallEvent => ({
  time: '2026-11-30T13:02:33.978Z',
  mcp: 'docs',
  rpcMethod: 'tools/call',
  tool: 'search',
  outcome: 'ok',
  caller: 'key:abc',
  client: 'editor/1',
  durationMs: 1,
  clientIp: null,
  requestId: 'r-1',
  ...fields,
})
const tools = (log: CallLog) => log.shown.map(({ call: { tool } }) => tool)

describe('live calls', () => {
  test.each([
    { why: 'everything', wanted: {}, of: {}, is: true },
    { why: 'a part of the caller', wanted: { caller: 'ABC' }, of: {}, is: true },
    { why: 'a part of the client', wanted: { caller: 'editor' }, of: {}, is: true },
    { why: 'the name of a key', wanted: { caller: 'nightly' }, of: {}, is: true },
    { why: 'another caller', wanted: { caller: 'xyz' }, of: {}, is: false },
    { why: 'the group', wanted: { server: 'team' }, of: { group: 'team' }, is: true },
    { why: 'another server', wanted: { server: 'files' }, of: {}, is: false },
    {
      why: 'the method of what is no tool',
      wanted: { tool: 'read' },
      of: { rpcMethod: 'resources/read' },
      is: true,
    },
    { why: 'an outcome', wanted: { outcome: 'failed' }, of: { outcome: 'failed' as const }, is: true },
    {
      why: 'whatever did not end well',
      wanted: { outcome: 'bad' },
      of: { outcome: 'tool_error' as const },
      is: true,
    },
    { why: 'what ended well is not bad', wanted: { outcome: 'bad' }, of: {}, is: false },
    {
      why: 'what asks back is not bad',
      wanted: { outcome: 'bad' },
      of: { outcome: 'input_required' as const },
      is: false,
    },
    {
      why: 'what its client has given up is not bad, as it is not in the figures',
      wanted: { outcome: 'bad' },
      of: { outcome: 'cancelled' as const },
      is: false,
    },
    { why: 'all words must fit', wanted: { caller: 'abc', server: 'files' }, of: {}, is: false },
  ])('are picked by $why', ({ wanted, of, is }) => {
    expect(isWanted(call(of), { ...anyCall, ...wanted }, new Map([['key:abc', 'nightly-sync']]))).toBe(is)
  })

  test('the last one stands first, and no more are kept than so many', () => {
    const log = new CallLog()
    for (let at = 0; at < keptMax + 10; at += 10)
      log.add(Array.from({ length: 10 }, (_, more) => call({ tool: `t${at + more}` })))
    expect([log.kept, log.shown.length, tools(log)[0], tools(log).at(-1)]).toEqual([
      keptMax,
      keptMax,
      `t${keptMax + 9}`,
      't10',
    ])
  })

  test('what is not kept any more is not shown either, where few are wanted', () => {
    const log = new CallLog()
    log.want({ ...anyCall, tool: 'rare' })
    log.add([call({ tool: 'rare' })])
    log.add(Array.from({ length: keptMax }, () => call()))
    expect([log.shown.length, log.kept]).toEqual([0, keptMax])
  })

  test('what was let go is said, and forgotten once the list is cleared', () => {
    const log = new CallLog()
    log.add([call()], 0, 7)
    log.add(Array.from({ length: keptMax }, () => call()))
    expect(countWords(log.shown.length, log.kept, log.letGo)).toBe(
      '5,000 of 5,000 shown. The last 5,000 are kept here, 8 older ones were let go.',
    )
    log.clear()
    expect(countWords(log.shown.length, log.kept, log.letGo)).toBe('0 of 0 shown.')
  })

  test('while it is paused they wait, and come in their order', () => {
    const log = new CallLog()
    log.add([call({ tool: 'a' })])
    log.pause(true)
    log.add([call({ tool: 'b' }), call({ tool: 'c' })])
    expect([tools(log), log.waiting]).toEqual([['a'], 2])
    log.pause(false)
    expect([tools(log), log.waiting]).toEqual([['c', 'b', 'a'], 0])
  })
})

describe('what a key opens of a server', () => {
  const echo = { servers: ['demo'], tools: ['echo'] }
  test.each<{ readonly why: string; readonly rules: readonly KeyRule[]; readonly words: string | null }>([
    { why: 'no rule reaches it', rules: [{ servers: ['other'] }], words: null },
    { why: 'a rule opens all of it', rules: [{ servers: ['*'] }], words: 'everything' },
    {
      why: 'a rule names one tool and nothing else',
      rules: [{ ...echo, prompts: [], resources: [] }],
      words: 'only the tool echo',
    },
    {
      why: 'a rule about tools leaves the others open',
      rules: [echo],
      words: 'only the tool echo, all prompts, all resources',
    },
    {
      why: 'only what reads',
      rules: [{ servers: ['de*'], readOnly: true, prompts: [], resources: [] }],
      words: 'only tools that say they only read',
    },
  ])('is told where $why', ({ rules, words }) => {
    expect(openedOf(rules, 'demo')).toBe(words)
  })

  test('a reason has the place of its rule and the name of its key in words', () => {
    expect(reasonWords('access[0] of key ci', new Map())).toBe('rule 1 of key ci')
    expect(reasonWords('a token of key:a1', new Map([['key:a1', 'ci']]))).toBe('a token of ci')
  })
})

describe('URI templates of resources', () => {
  test.each([
    {
      template: 'show://greeting/{name}',
      values: { name: 'Ada Lovelace' },
      uri: 'show://greeting/Ada%20Lovelace',
    },
    { template: 'file:///{+path}', values: { path: 'a/b c' }, uri: 'file:///a/b%20c' },
    { template: 'x://{a}/{b}', values: { a: '1' }, uri: 'x://1/' },
    { template: 'x://s{?q,limit}', values: { q: 'a&b', limit: '3' }, uri: 'x://s?q=a%26b&limit=3' },
    { template: 'x://s{?q}', values: {}, uri: 'x://s' },
    { template: 'x:/{a*}{/b:3}', values: { a: '1', b: '2' }, uri: 'x:/1/2' },
    { template: 'x:{__proto__}', values: {}, uri: 'x:' },
  ])('$template becomes $uri', ({ template, values, uri }) => {
    expect(expanded(template, values)).toBe(uri)
  })

  test('their variables are told once each', () => {
    expect(variablesOf('x://{a}/{b,a}{?c*}')).toEqual(['a', 'b', 'c'])
  })
})

describe('words', () => {
  test.each([
    { seconds: 90 * 86_400 - 2, words: 'in 90 days' },
    { seconds: 30, words: 'in a moment' },
    { seconds: 0, words: 'just now' },
    { seconds: -119, words: '1 minute ago' },
    { seconds: -2 * 86_400, words: '2 days ago' },
  ])('$seconds seconds from now is $words', ({ seconds, words }) => {
    expect(agoWords(seconds)).toBe(words)
  })

  test('of a long command the end is kept', () => {
    expect(withoutMiddle('/usr/bin/node /srv/servers/one/index.js', 20)).toBe('/usr/b…/one/index.js')
    expect(withoutMiddle('short', 20)).toBe('short')
  })

  test.each([
    { why: 'pauses double', attempts: 3, has: '20 s after the last try' },
    { why: 'no pause is longer than a minute', attempts: 9, has: '60 s after the last try' },
    { why: 'all tries are used', attempts: 9, max: 9, has: 'by a restart only' },
  ])('a failing server says when it is tried again: $why', ({ attempts, max = 0, has }) => {
    const definition = { autoReconnect: true, maxReconnects: max, reconnectDelay: '5s' }
    expect(retryWords(definition, attempts)).toContain(has)
  })
})
