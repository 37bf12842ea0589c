import { describe, expect, test } from 'bun:test'
import fc from 'fast-check'
import { wrapOutputSchema } from '../../src/protocol/bridge/output-schema.ts'
import { inputRequiredResult, salientText } from '../../src/protocol/bridge/questions.ts'
import { legacyParams, legacyResult, modernParams, modernResult } from '../../src/protocol/bridge/results.ts'
import { memberText } from '../../src/protocol/spans.ts'

describe('a wrapped output schema', () => {
  test.each([
    { schema: '{"type":"array"}', inner: '{"type":"array"}', why: 'nothing to move' },
    {
      schema: '{"items":{"$ref":"#"}}',
      inner: '{"items":{"$ref":"#/properties/result"}}',
      why: 'the root moved',
    },
    { schema: '{"$ref":"#/$defs/a"}', inner: '{"$ref":"#/properties/result/$defs/a"}', why: 'pointers move' },
    {
      schema: '{"$dynamicRef":"#/a"}',
      inner: '{"$dynamicRef":"#/properties/result/a"}',
      why: 'pointers move',
    },
    { schema: '{"$ref":"#anchor"}', inner: '{"$ref":"#anchor"}', why: 'an anchor is found wherever it is' },
    { schema: '{"$ref":"https://x/#/a"}', inner: '{"$ref":"https://x/#/a"}', why: 'another document' },
    {
      schema: '{"$id":"https://x/","$ref":"#/a"}',
      inner: '{"$id":"https://x/","$ref":"#/a"}',
      why: 'its own base',
    },
    {
      schema: '{"$id":"#a","$ref":"#/a"}',
      inner: '{"$id":"#a","$ref":"#/properties/result/a"}',
      why: 'an anchor of older dialects',
    },
    { schema: '{"default":{"$ref":"#"}}', inner: '{"default":{"$ref":"#"}}', why: 'data' },
    { schema: '{"enum":[{"$ref":"#"}]}', inner: '{"enum":[{"$ref":"#"}]}', why: 'data' },
    {
      schema: '{"properties":{"$ref":{"$ref":"#"}}}',
      inner: '{"properties":{"$ref":{"$ref":"#/properties/result"}}}',
      why: 'a property that is called so',
    },
    {
      schema: '{"properties":{"default":{"$ref":"#"}}}',
      inner: '{"properties":{"default":{"$ref":"#/properties/result"}}}',
      why: 'a property that is called so',
    },
    {
      schema: '{"anyOf":[{"$ref":"#"},{"maximum":12345678901234567890}]}',
      inner: '{"anyOf":[{"$ref":"#/properties/result"},{"maximum":12345678901234567890}]}',
      why: 'lists of schemas, digits kept',
    },
    { schema: 'true', inner: 'true', why: 'a schema may be a boolean' },
  ])('$schema: $why', ({ schema, inner }) => {
    expect(wrapOutputSchema(schema)).toBe(
      `{"type":"object","properties":{"result":${inner}},"required":["result"]}`,
    )
  })

  test('shows its dialect at the root', () => {
    expect(
      wrapOutputSchema('{"$schema":"http://json-schema.org/draft-07/schema#","type":"array"}'),
    ).toStartWith('{"$schema":"http://json-schema.org/draft-07/schema#","type":"object"')
  })

  test('a schema nested a hundred thousand deep does not end the process', () => {
    const schema = `${'{"items":'.repeat(100_000)}{}${'}'.repeat(100_000)}`
    expect(wrapOutputSchema(schema)).toEndWith('"required":["result"]}')
  })
})

describe('what a sealed state is bound to', () => {
  const text = (params: object, method = 'tools/call') => salientText(method, { ...params })

  test.each([
    {
      a: { name: 't', arguments: { x: 1, y: 2 } },
      b: { arguments: { y: 2, x: 1 }, name: 't' },
      same: true,
      why: 'order says nothing',
    },
    {
      a: { name: 't' },
      b: { name: 't', _meta: { progressToken: 2 }, inputResponses: {}, requestState: 's' },
      same: true,
      why: 'a retry adds these',
    },
    {
      a: { name: 't', arguments: { x: 1 } },
      b: { name: 't', arguments: { x: 2 } },
      same: false,
      why: 'other arguments',
    },
    { a: { name: 't' }, b: { name: 'u' }, same: false, why: 'another tool' },
    { a: { list: [1, 2] }, b: { list: [2, 1] }, same: false, why: 'lists have an order' },
  ])('the same: $same, because $why', ({ a, b, same }) => {
    expect(text(a) === text(b)).toBe(same)
  })

  test('another method is another request', () => {
    expect(text({ name: 't' })).not.toBe(text({ name: 't' }, 'prompts/get'))
  })

  test('arguments nested deep do not exhaust the stack', () => {
    const deep: unknown = JSON.parse(`${'['.repeat(50_000)}${']'.repeat(50_000)}`)
    expect(text({ deep })).toHaveLength(150_022)
  })
})

test('input_required is a result with its questions and its state', () => {
  const requests = '{"a":{"method":"roots/list","params":{}}}'
  const result = {
    resultType: 'input_required',
    inputRequests: { a: { method: 'roots/list', params: {} } },
    requestState: 's"',
  }
  expect(JSON.parse(inputRequiredResult(requests, 's"', null))).toEqual(result)
  expect(JSON.parse(inputRequiredResult(requests, 's"', '{"name":"n","version":"1"}'))).toEqual({
    ...result,
    _meta: { 'io.modelcontextprotocol/serverInfo': { name: 'n', version: '1' } },
  })
})

/** JSON texts with numbers that no JavaScript number can hold, blanks and escapes. */
const exact = fc.letrec<{ value: string }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 3 },
    fc.constantFrom('12345678901234567890', '1.10', '-0.0', '1E400', 'true', 'null', '"\\u00e9"', '"}"'),
    fc.array(tie('value'), { maxLength: 3 }).map((elements) => `[ ${elements.join(' ,')}]`),
    fc
      .array(tie('value'), { maxLength: 3 })
      .map((values) => `{${values.map((value, n) => `"k${n}" : ${value}`).join(',\n')}}`),
  ),
})).value

describe('fidelity', () => {
  const client = {
    version: '2026-07-28',
    clientInfo: '{"name":"a","version":"1"}',
    clientCapabilities: '{}',
    logLevel: null,
  } as const

  test('arguments cross both bridges with the same digits', () => {
    fc.assert(
      fc.property(exact, exact, (args, vendor) => {
        const modern =
          modernParams(`{"name":"t","arguments":${args},"_meta":{"com.example/v":${vendor}}}`, client) ?? ''
        const legacy = legacyParams(modern) ?? ''
        for (const params of [modern, legacy]) {
          expect(memberText(params, 'arguments')).toBe(args)
          expect(memberText(memberText(params, '_meta') ?? '', 'com.example/v')).toBe(vendor)
        }
        expect(memberText(legacy, '_meta')).not.toContain('io.modelcontextprotocol/')
      }),
    )
  })

  test('results cross both bridges with the same digits', () => {
    fc.assert(
      fc.property(exact, exact, (content, extra) => {
        const modern = modernResult('tools/call', `{"content":[${content}],"x":${extra}}`, null) ?? ''
        const legacy = legacyResult('tools/call', modern, null) ?? ''
        expect(memberText(modern, 'resultType')).toBe('"complete"')
        expect(memberText(legacy, 'resultType')).toBeNull()
        for (const result of [modern, legacy]) {
          expect(memberText(result, 'content')).toBe(`[${content}]`)
          expect(memberText(result, 'x')).toBe(extra)
        }
      }),
    )
  })
})
