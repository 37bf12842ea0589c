import { describe, expect, test } from 'bun:test'
import fc from 'fast-check'
import {
  checkParamHeaders,
  decodeHeaderValue,
  encodeHeaderValue,
  mirroredHeaders,
  type ParamMark,
  paramHeaders,
  paramMarks,
} from '../../src/protocol/headers.ts'

describe('header values', () => {
  test.each([
    { value: 'us-west1', header: 'us-west1', why: 'plain ASCII goes as it is' },
    { value: 'us west 1', header: 'us west 1', why: 'inner spaces are safe' },
    { value: 'a\tb', header: 'a\tb', why: 'so are inner tabs' },
    { value: 'Hello, 世界', header: '=?base64?SGVsbG8sIOS4lueVjA==?=', why: 'not ASCII' },
    { value: ' padded ', header: '=?base64?IHBhZGRlZCA=?=', why: 'field parsing strips outer spaces' },
    {
      value: 'line1\nline2',
      header: '=?base64?bGluZTEKbGluZTI=?=',
      why: 'a line break would end the header',
    },
    { value: '=?base64?literal?=', header: '=?base64?PT9iYXNlNjQ/bGl0ZXJhbD89?=', why: 'it looks encoded' },
    { value: '', header: '=?base64??=', why: 'some stacks drop empty headers' },
    { value: '=?base64?=', header: '=?base64?=', why: 'too short to be the two markers' },
    { value: '\u007f', header: '=?base64?fw==?=', why: 'DEL is no visible character' },
  ])('a value and its header: $why', ({ value, header }) => {
    expect(encodeHeaderValue(value)).toBe(header)
    expect(decodeHeaderValue(header)).toBe(value)
  })

  test.each([
    { header: '=?base64?SGVsbG8?=', why: 'padding is missing' },
    { header: '=?base64?SGVs!!!bG8=?=', why: 'not the alphabet' },
    { header: '=?base64?SGVs bG8=?=', why: 'a blank inside' },
    { header: '=?base64?YR==?=', why: 'stray bits: a second spelling of the same value' },
    { header: '=?base64?/w==?=', why: 'not UTF-8' },
    { header: 'caf\u00e9', why: 'raw Latin-1' },
    { header: 'a\u0000b', why: 'a control character' },
    { header: ' a', why: 'an untrimmed value' },
  ])('refuses a header: $why', ({ header }) => {
    expect(decodeHeaderValue(header)).toBeNull()
  })

  test.each([
    { header: 'SGVsbG8=', why: 'no prefix' },
    { header: '=?base64?SGVsbG8=', why: 'no suffix' },
    { header: '=?BASE64?SGVsbG8=?=', why: 'the markers are case-sensitive' },
  ])('takes a header literally: $why', ({ header }) => {
    expect(decodeHeaderValue(header)).toBe(header)
  })

  test('every string survives the journey, in characters that HTTP allows', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), (value) => {
        const header = encodeHeaderValue(value)
        expect(header).toMatch(/^[\x21-\x7e]([\x20-\x7e\t]*[\x21-\x7e])?$/)
        expect(decodeHeaderValue(header)).toBe(value)
      }),
    )
  })
})

const string = (header: unknown) => ({ type: 'string', 'x-mcp-header': header })
const tool = (properties: Record<string, unknown>, rest: Record<string, unknown> = {}) => ({
  type: 'object',
  properties,
  ...rest,
})

describe('marks in a tool schema', () => {
  test('are found along chains of properties, with path, name and type', () => {
    const schema = tool({
      region: string('Region'),
      deep: { type: 'object', properties: { flag: { type: 'boolean', 'x-mcp-header': 'Flag' } } },
      plain: { type: 'string' },
      count: { type: 'integer', 'x-mcp-header': 'Count' },
    })
    const marks = paramMarks(schema)
    if ('invalid' in marks) throw new Error(marks.invalid)
    expect([...marks].sort((a, b) => (a.header < b.header ? -1 : 1))).toEqual([
      { path: ['count'], header: 'Mcp-Param-Count', type: 'integer' },
      { path: ['deep', 'flag'], header: 'Mcp-Param-Flag', type: 'boolean' },
      { path: ['region'], header: 'Mcp-Param-Region', type: 'string' },
    ])
  })

  test.each([
    { schema: tool({ a: { type: 'string' } }), why: 'no marks' },
    { schema: undefined, why: 'no schema' },
    { schema: tool({ 'x-mcp-header': { type: 'string' } }), why: 'a property that is merely called so' },
    { schema: tool({ a: { const: { 'x-mcp-header': '' } } }), why: 'data, not a schema' },
    { schema: tool({ a: { default: { 'x-mcp-header': '' } } }), why: 'data, not a schema' },
  ])('nothing to find: $why', ({ schema }) => {
    expect(paramMarks(schema)).toEqual([])
  })

  test.each([
    { schema: tool({ a: string('') }), why: 'an empty name' },
    { schema: tool({ a: string(7) }), why: 'no string' },
    { schema: tool({ a: string('My Region') }), why: 'a space' },
    { schema: tool({ a: string('Region:Primary') }), why: 'a colon' },
    { schema: tool({ a: string('Région') }), why: 'not ASCII' },
    { schema: tool({ a: string('Region\t1') }), why: 'a control character' },
    { schema: tool({ a: string('A\r\nB') }), why: 'a header injection' },
    { schema: tool({ a: { type: 'number', 'x-mcp-header': 'A' } }), why: 'numbers have many spellings' },
    { schema: tool({ a: { type: 'object', 'x-mcp-header': 'A' } }), why: 'no primitive' },
    { schema: tool({ a: { type: 'array', 'x-mcp-header': 'A' } }), why: 'no primitive' },
    { schema: tool({ a: { type: 'null', 'x-mcp-header': 'A' } }), why: 'no primitive' },
    { schema: tool({ a: { type: ['string', 'null'], 'x-mcp-header': 'A' } }), why: 'two types' },
    { schema: tool({ a: { 'x-mcp-header': 'A' } }), why: 'no type' },
    { schema: tool({ a: string('Region'), b: string('Region') }), why: 'the same name twice' },
    { schema: tool({ a: string('MyField'), b: string('myfield') }), why: 'header names have no case' },
    { schema: { ...tool({}), ...string('A') }, why: 'the root is no parameter' },
    { schema: tool({ a: { type: 'array', items: string('A') } }), why: 'below items' },
    { schema: tool({ a: { prefixItems: [string('A')] } }), why: 'below prefixItems' },
    { schema: tool({}, { oneOf: [tool({ a: string('A') })] }), why: 'below oneOf' },
    { schema: tool({}, { anyOf: [tool({ a: string('A') })] }), why: 'below anyOf' },
    { schema: tool({}, { if: tool({ a: string('A') }) }), why: 'below if' },
    { schema: tool({}, { additionalProperties: string('A') }), why: 'below additionalProperties' },
    { schema: tool({}, { patternProperties: { '^a': string('A') } }), why: 'below patternProperties' },
    { schema: tool({ a: { $ref: '#/$defs/a' } }, { $defs: { a: string('A') } }), why: 'behind a reference' },
  ])('make the tool invalid: $why', ({ schema }) => {
    expect(paramMarks(schema)).toHaveProperty('invalid')
  })

  test('a schema nested ten thousand deep is no danger', () => {
    let schema: unknown = string('A')
    for (let depth = 0; depth < 10_000; depth++) schema = { items: schema }
    expect(paramMarks(schema)).toHaveProperty('invalid')
  })
})

const marks: readonly ParamMark[] = [
  { path: ['region'], header: 'Mcp-Param-Region', type: 'string' },
  { path: ['count'], header: 'Mcp-Param-Count', type: 'integer' },
  { path: ['deep', 'flag'], header: 'Mcp-Param-Flag', type: 'boolean' },
]

describe('parameter headers', () => {
  test.each([
    { args: { region: 'us-west1' }, headers: { 'Mcp-Param-Region': 'us-west1' }, why: 'a value is mirrored' },
    { args: { region: null }, headers: {}, why: 'null has no header' },
    { args: {}, headers: {}, why: 'absent has no header' },
    {
      args: { count: 42, deep: { flag: false } },
      headers: { 'Mcp-Param-Count': '42', 'Mcp-Param-Flag': 'false' },
      why: 'decimal and lower case',
    },
    { args: { count: 2 ** 60 }, headers: {}, why: 'beyond 2^53 a number is not exact' },
    { args: { region: { x: 1 } }, headers: {}, why: 'no primitive' },
    {
      args: { region: 'é' },
      headers: { 'Mcp-Param-Region': '=?base64?w6k=?=' },
      why: 'encoded where it must be',
    },
    { args: undefined, headers: {}, why: 'a call without arguments' },
  ])('built: $why', ({ args, headers }) => {
    expect(paramHeaders(marks, args)).toEqual(headers)
  })

  test.each([
    { args: { region: 'a' }, headers: { 'mcp-param-region': 'a' }, ok: true, why: 'equal' },
    {
      args: { region: 'é' },
      headers: { 'mcp-param-region': '=?base64?w6k=?=' },
      ok: true,
      why: 'equal once decoded',
    },
    {
      args: { count: 42 },
      headers: { 'mcp-param-count': '42.0' },
      ok: true,
      why: 'integers compare as numbers',
    },
    { args: {}, headers: {}, ok: true, why: 'nothing to mirror' },
    { args: { region: null }, headers: {}, ok: true, why: 'null has no header' },
    {
      args: {},
      headers: { 'mcp-param-other': 'x' },
      ok: true,
      why: 'a header that no mark knows is ignored',
    },
    { args: { region: 'a' }, headers: {}, ok: false, why: 'missing' },
    { args: { region: 'a' }, headers: { 'mcp-param-region': 'b' }, ok: false, why: 'different' },
    { args: { region: 'a' }, headers: { 'mcp-param-region': 'a, a' }, ok: false, why: 'doubled' },
    {
      args: { region: 'a' },
      headers: { 'mcp-param-region': '=?base64?YQ?=' },
      ok: false,
      why: 'badly encoded',
    },
    { args: {}, headers: { 'mcp-param-region': 'a' }, ok: false, why: 'the body has no such argument' },
    {
      args: { region: ['a'] },
      headers: { 'mcp-param-region': 'a' },
      ok: false,
      why: 'a list is not its element',
    },
    { args: { count: 26 }, headers: { 'mcp-param-count': '0x1a' }, ok: false, why: 'no decimal' },
    { args: { count: 1000 }, headers: { 'mcp-param-count': '1e3' }, ok: false, why: 'no decimal' },
    { args: { count: 42 }, headers: { 'mcp-param-count': '42, 42' }, ok: false, why: 'doubled' },
    { args: { deep: { flag: true } }, headers: { 'mcp-param-flag': 'True' }, ok: false, why: 'lower case' },
  ])('checked: $why', ({ args, headers, ok }) => {
    const reader = { get: (name: string) => (headers as Record<string, string>)[name] ?? null }
    expect(checkParamHeaders(reader, marks, args) === null).toBe(ok)
  })

  test('what is built passes the check, whatever the arguments', () => {
    const args = fc.record(
      {
        region: fc.string({ unit: 'grapheme' }),
        count: fc.integer(),
        deep: fc.record({ flag: fc.boolean() }, { requiredKeys: [] }),
      },
      { requiredKeys: [] },
    )
    fc.assert(
      fc.property(args, (values) => {
        const headers = new Headers(paramHeaders(marks, values))
        expect(checkParamHeaders(headers, marks, values)).toBeNull()
      }),
    )
  })

  test('an upstream request carries version, method, name and parameters', () => {
    const params = { name: 'execute_sql', arguments: { region: 'us-west1' } }
    expect(mirroredHeaders({ method: 'tools/call', params, version: '2026-07-28' }, marks)).toEqual({
      'MCP-Protocol-Version': '2026-07-28',
      'Mcp-Method': 'tools/call',
      'Mcp-Name': 'execute_sql',
      'Mcp-Param-Region': 'us-west1',
    })
    expect(mirroredHeaders({ method: 'tools/list', params: {}, version: '2026-07-28' })).toEqual({
      'MCP-Protocol-Version': '2026-07-28',
      'Mcp-Method': 'tools/list',
    })
  })
})
