/** From JSON Schemas as servers write them to the fields of a form, and from what is filled in to JSON. */
import { describe, expect, test } from 'bun:test'
import {
  type Draft,
  draftOf,
  firstDraft,
  unset,
  written,
} from '../../../src/console/page/schema-form/drafts.ts'
import { type Field, fieldOf } from '../../../src/console/page/schema-form/fields.ts'
import { readExact } from '../../../src/console/page/schema-form/json-text.ts'

/** A field as one short text. */
function told(field: Field): string {
  const nullable = field.nullable ? '?' : ''
  const range = (min: number, max: number) =>
    min === 0 && max === Number.POSITIVE_INFINITY ? '' : `{${min},${max}}`
  switch (field.kind) {
    case 'text':
      return `${field.lines === 'many' ? 'long ' : ''}text${field.format === null ? '' : `:${field.format}`}${range(field.charsMin, field.charsMax)}${nullable}`
    case 'number': {
      const low = field.min === null ? '' : `${field.min.inclusive ? '[' : '('}${field.min.value}`
      const high = field.max === null ? '' : `${field.max.value}${field.max.inclusive ? ']' : ')'}`
      return `${field.integer ? 'integer' : 'number'}${low === '' && high === '' ? '' : ` ${low},${high}`}${nullable}`
    }
    case 'choice':
    case 'choices':
      return `${field.kind}(${field.options.map(({ label, json }) => (label === json ? json : `${label}=${json}`)).join('|')})${nullable}`
    case 'list':
      return `list of ${told(field.item)}${range(field.itemsMin, field.itemsMax)}${nullable}`
    case 'group': {
      const members = field.members.map(
        ({ name, required, field: member }) => `${name}${required ? '!' : ''}: ${told(member)}`,
      )
      if (field.rest !== null) members.push(`*: ${told(field.rest)}`)
      return `{ ${members.join(', ')} }${nullable}`
    }
    case 'variants':
      return `one of ${field.variants.map(({ label, field: variant }) => `${label} → ${told(variant)}`).join(' / ')}${nullable}`
    case 'json':
      return `json${field.why === null ? '' : ` (${field.why})`}${nullable}`
    case 'truth':
      return `truth${nullable}`
  }
}

const one = (schema: unknown) => ({ type: 'object', properties: { x: schema } })
const inside = (text: string) => `{ x: ${text} }`

describe('a schema becomes fields', () => {
  test.each([
    { why: 'a text without a bound may be long', schema: { type: 'string' }, field: 'long text' },
    { why: 'a short text', schema: { type: 'string', minLength: 2, maxLength: 9 }, field: 'text{2,9}' },
    { why: 'a format', schema: { type: 'string', format: 'date' }, field: 'text:date' },
    { why: 'bounds', schema: { type: 'integer', minimum: 0, maximum: 9 }, field: 'integer [0,9]' },
    {
      why: 'open bounds',
      schema: { type: 'number', exclusiveMinimum: 0, exclusiveMaximum: 1 },
      field: 'number (0,1)',
    },
    {
      why: 'open bounds of draft 4',
      schema: { type: 'number', minimum: 0, exclusiveMinimum: true },
      field: 'number (0,',
    },
    {
      why: 'the narrower of two bounds',
      schema: { type: 'number', minimum: 5, exclusiveMinimum: 3 },
      field: 'number [5,',
    },
    { why: 'a truth', schema: { type: 'boolean' }, field: 'truth' },
    { why: 'null beside a type', schema: { type: ['string', 'null'], maxLength: 5 }, field: 'text{0,5}?' },
    { why: 'nullable of OpenAPI', schema: { type: 'boolean', nullable: true }, field: 'truth?' },
    {
      why: 'several types',
      schema: { type: ['boolean', 'number'] },
      field: 'one of True or false → truth / Number → number',
    },
    {
      why: 'a type that its words give away',
      schema: { properties: { a: { pattern: '^a' } } },
      field: '{ a: text }',
    },
    { why: 'an enum', schema: { enum: ['a', 'b'] }, field: 'choice(a="a"|b="b")' },
    { why: 'an enum with null', schema: { enum: ['a', null, 7] }, field: 'choice(a="a"|7)?' },
    {
      why: 'names of an enum',
      schema: { enum: [1, 2], enumNames: ['one', 'two'] },
      field: 'choice(one=1|two=2)',
    },
    { why: 'a constant', schema: { const: 'on' }, field: 'choice(on="on")' },
    {
      why: 'titled constants, as elicitation has them',
      schema: {
        oneOf: [
          { const: 'r', title: 'Red' },
          { const: 'g', title: 'Green' },
        ],
      },
      field: 'choice(Red="r"|Green="g")',
    },
    {
      why: 'a union with null alone',
      schema: { anyOf: [{ type: 'string', maxLength: 5 }, { type: 'null' }] },
      field: 'text{0,5}?',
    },
    {
      why: 'a list',
      schema: { type: 'array', items: { type: 'number' }, minItems: 1, maxItems: 3 },
      field: 'list of number{1,3}',
    },
    {
      why: 'a few of several',
      schema: { type: 'array', uniqueItems: true, items: { enum: ['a', 'b'] } },
      field: 'choices(a="a"|b="b")',
    },
    {
      why: 'a tuple',
      schema: { type: 'array', prefixItems: [{}] },
      field: 'json (Each item has a description of its own.)',
    },
    { why: 'a list of anything', schema: { type: 'array' }, field: 'json' },
    { why: 'anything', schema: {}, field: 'json' },
    { why: 'anything, as a truth', schema: true, field: 'json' },
    { why: 'nothing', schema: false, field: 'json (No value is allowed here.)' },
    { why: 'an object of anything', schema: { type: 'object' }, field: 'json' },
    {
      why: 'an object without members',
      schema: { type: 'object', additionalProperties: false },
      field: '{  }',
    },
    {
      why: 'a map',
      schema: { type: 'object', additionalProperties: { type: 'integer' } },
      field: '{ *: integer }',
    },
    {
      why: 'forms with a member that tells them apart',
      schema: {
        oneOf: [
          {
            type: 'object',
            properties: { kind: { const: 'file' }, path: { type: 'string' } },
            required: ['kind', 'path'],
          },
          {
            type: 'object',
            properties: { kind: { const: 'url' }, url: { type: 'string' } },
            required: ['kind'],
          },
        ],
      },
      field:
        'one of kind: file → { kind!: choice(file="file"), path!: long text } / kind: url → { kind!: choice(url="url"), url: long text }',
    },
    {
      why: 'what stands beside a union is in each form',
      schema: {
        type: 'object',
        properties: { a: { type: 'boolean' } },
        anyOf: [
          { title: 'B', properties: { b: { type: 'boolean' } } },
          { title: 'C', properties: { c: { type: 'boolean' } } },
        ],
      },
      field: 'one of B → { b: truth, a: truth } / C → { c: truth, a: truth }',
    },
    {
      why: 'a union of conditions says nothing of the form',
      schema: {
        type: 'object',
        properties: { a: { type: 'boolean' } },
        anyOf: [{ required: ['a'] }, { required: ['b'] }],
      },
      field: '{ a: truth }',
    },
    {
      why: 'all of several',
      schema: {
        allOf: [
          { type: 'object', properties: { a: { type: 'boolean' } } },
          { properties: { b: { type: 'boolean' } }, required: ['b'] },
        ],
      },
      field: '{ b!: truth, a: truth }',
    },
    {
      why: 'all of several that cannot be at once',
      schema: { allOf: [{ type: 'string' }, { type: 'number' }] },
      field: 'json (Two descriptions must fit at once, and differ in type.)',
    },
    {
      why: 'a type that nobody knows',
      schema: { type: 'blob' },
      field: 'json (The server calls this a blob.)',
    },
    {
      why: 'no schema at all',
      schema: 7,
      field: 'json (The server describes this with something that is no schema.)',
    },
  ])('$why', ({ schema, field }) => {
    expect(told(fieldOf(one(schema)))).toBe(inside(field))
  })

  test.each([
    {
      why: 'a definition',
      schema: {
        type: 'object',
        properties: { x: { $ref: '#/$defs/a~1b' } },
        $defs: { 'a/b': { type: 'boolean' } },
      },
      field: '{ x: truth }',
    },
    {
      why: 'with words beside it',
      schema: {
        type: 'object',
        properties: { x: { $ref: '#/definitions/n', minimum: 3 } },
        definitions: { n: { type: 'integer' } },
      },
      field: '{ x: integer [3, }',
    },
    {
      why: 'the whole, which ends after two turns',
      schema: { type: 'object', properties: { children: { type: 'array', items: { $ref: '#' } } } },
      field:
        '{ children: list of { children: list of { children: list of json (The description repeats itself from here on.) } } }',
    },
    {
      why: 'to nowhere',
      schema: one({ $ref: '#/$defs/gone' }),
      field: '{ x: json (The description refers to #/$defs/gone, which is not in it.) }',
    },
    {
      why: 'to another document, which is not fetched',
      schema: one({ $ref: 'https://example.com/x.json' }),
      field: '{ x: json (The description refers to https://example.com/x.json, which is not in it.) }',
    },
    {
      why: 'to itself',
      schema: { type: 'object', properties: { x: { $ref: '#/properties/x' } } },
      field: '{ x: json (The description repeats itself from here on.) }',
    },
    {
      why: 'to a badly escaped place',
      schema: one({ $ref: '#/%zz' }),
      field: '{ x: json (The description refers to #/%zz, which is not in it.) }',
    },
  ])('a reference leads $why', ({ schema, field }) => {
    expect(told(fieldOf(schema))).toBe(field)
  })

  test.each([
    { why: 'no arguments are described', schema: undefined, field: 'json' },
    { why: 'an empty object', schema: { type: 'object' }, field: '{  }' },
  ])('as a whole: $why', ({ schema, field }) => {
    expect(told(fieldOf(schema))).toBe(field)
  })
})

describe('a hostile schema', () => {
  const nested = (depth: number): unknown =>
    Array.from({ length: depth }).reduce<unknown>((inner) => ({ type: 'object', properties: { a: inner } }), {
      type: 'string',
    })

  test('that is deep becomes JSON at a depth', () => {
    expect(told(fieldOf(nested(50)))).toContain('json (The description goes deeper than a form.)')
  })

  test('that is wide becomes JSON beyond a number', () => {
    const properties = Object.fromEntries(
      Array.from({ length: 100_000 }, (_, at) => [`p${at}`, { type: 'boolean' }]),
    )
    expect(told(fieldOf({ type: 'object', properties }))).toBe(
      'json (The description has more fields than a form.)',
    )
  })

  test('that doubles with each step ends at once', () => {
    const $defs: Record<string, unknown> = { d0: { type: 'string' } }
    for (let at = 1; at < 60; at++)
      $defs[`d${at}`] = {
        anyOf: [{ $ref: `#/$defs/d${at - 1}` }, { type: 'array', items: { $ref: `#/$defs/d${at - 1}` } }],
      }
    const startedMs = performance.now()
    fieldOf({ type: 'object', properties: { x: { $ref: '#/$defs/d59' } }, $defs })
    expect(performance.now() - startedMs).toBeLessThan(500)
  })

  test('whose parts must all fit, endlessly, ends', () => {
    const $defs = { a: { allOf: [{ $ref: '#/$defs/a' }, { $ref: '#/$defs/a' }] } }
    expect(told(fieldOf({ type: 'object', properties: { x: { $ref: '#/$defs/a' } }, $defs }))).toContain(
      'json',
    )
  })

  test('with a member __proto__ keeps it as a member', () => {
    const field = fieldOf(
      JSON.parse('{"type":"object","properties":{"__proto__":{"type":"integer"}},"required":["__proto__"]}'),
    )
    expect(told(field)).toBe('{ __proto__!: integer }')
    const draft: Draft = {
      kind: 'members',
      members: new Map([['__proto__', { kind: 'typed', text: '1' }]]),
      rest: [],
    }
    expect(written(field, draft).json).toBe('{"__proto__":1}')
  })

  test('whose pattern would take for ever is never tried', () => {
    const field = fieldOf(one({ type: 'string', pattern: '(a+)+$' }))
    const text = `${'a'.repeat(50)}!`
    const startedMs = performance.now()
    expect(written(field, members({ x: { kind: 'typed', text } })).faults).toEqual([])
    expect(performance.now() - startedMs).toBeLessThan(50)
  })
})

function members(given: Readonly<Record<string, Draft>>): Draft {
  return { kind: 'members', members: new Map(Object.entries(given)), rest: [] }
}

const typed = (text: string): Draft => ({ kind: 'typed', text })

describe('what is filled in becomes JSON', () => {
  test.each([
    {
      why: 'every digit stays',
      schema: { type: 'integer' },
      draft: typed('9007199254740993'),
      json: '{"x":9007199254740993}',
    },
    {
      why: 'a number as it was typed',
      schema: { type: 'number' },
      draft: typed(' 1.10e2 '),
      json: '{"x":1.10e2}',
    },
    { why: 'JSON as it was typed', schema: {}, draft: typed('{"a": 1.0}'), json: '{"x":{"a": 1.0}}' },
    {
      why: 'a text with signs',
      schema: { type: 'string' },
      draft: typed('a"\n\u2028'),
      json: `{"x":${JSON.stringify('a"\n\u2028')}}`,
    },
    {
      why: 'null',
      schema: { type: ['string', 'null'] },
      draft: { kind: 'null' } as Draft,
      json: '{"x":null}',
    },
    { why: 'nothing is left out', schema: { type: 'string' }, draft: unset, json: '{}' },
    { why: 'an empty text that is not needed', schema: { type: 'string' }, draft: typed(''), json: '{}' },
    {
      why: 'a list',
      schema: { type: 'array', items: { type: 'integer' } },
      draft: { kind: 'items', items: [typed('1'), typed('2')] } as Draft,
      json: '{"x":[1,2]}',
    },
    {
      why: 'chosen ones',
      schema: { type: 'array', uniqueItems: true, items: { enum: ['a', 'b', 'c'] } },
      draft: { kind: 'chosen', indexes: [0, 2] } as Draft,
      json: '{"x":["a","c"]}',
    },
    {
      why: 'members under names of the person',
      schema: { type: 'object', additionalProperties: { type: 'integer' } },
      draft: { kind: 'members', members: new Map(), rest: [{ name: 'a"b', draft: typed('7') }] } as Draft,
      json: '{"x":{"a\\"b":7}}',
    },
  ])('$why', ({ schema, draft, json }) => {
    expect(written(fieldOf(one(schema)), members({ x: draft }))).toEqual({ json, faults: [] })
  })

  test.each([
    {
      why: 'no number',
      schema: { type: 'number' },
      text: '0x10',
      message: 'Write a number such as 12, -3 or 0.5.',
    },
    {
      why: 'a leading zero',
      schema: { type: 'number' },
      text: '007',
      message: 'Write a number such as 12, -3 or 0.5.',
    },
    { why: 'no whole number', schema: { type: 'integer' }, text: '1.5', message: 'Write a whole number.' },
    { why: 'too small', schema: { type: 'number', minimum: 3 }, text: '2', message: 'At least 3.' },
    {
      why: 'on an open bound',
      schema: { type: 'number', exclusiveMaximum: 3 },
      text: '3',
      message: 'Less than 3.',
    },
    {
      why: 'too long',
      schema: { type: 'string', maxLength: 2 },
      text: 'äöü',
      message: 'At most 2 characters; these are 3.',
    },
    {
      why: 'too short',
      schema: { type: 'string', minLength: 5 },
      text: 'ab',
      message: 'At least 5 characters.',
    },
    { why: 'no JSON', schema: {}, text: '{a:1}', message: expect.stringContaining('This is no JSON: ') },
  ])('$why is a fault at its field', ({ schema, text, message }) => {
    expect(written(fieldOf(one(schema)), members({ x: typed(text) })).faults).toEqual([
      { path: ['x'], message },
    ])
  })

  test('what is needed and missing is a fault where it is missing', () => {
    const field = fieldOf({
      type: 'object',
      required: ['a', 'b'],
      properties: { a: { type: 'string' }, b: { type: 'array', items: one({}), minItems: 1 } },
    })
    expect(written(field, members({})).faults.map(({ path }) => path)).toEqual([['a'], ['b']])
  })

  test('a name that is given twice is a fault', () => {
    const field = fieldOf({
      type: 'object',
      properties: { a: {} },
      additionalProperties: { type: 'integer' },
    })
    const draft: Draft = { kind: 'members', members: new Map(), rest: [{ name: 'a', draft: typed('1') }] }
    expect(written(field, draft).faults).toEqual([{ path: [0], message: 'There are two members "a".' }])
  })
})

describe('a form begins with the defaults of the server', () => {
  test.each([
    { why: 'nothing else is filled in', schema: one({ type: 'string' }), json: '{}' },
    { why: 'a default', schema: one({ type: 'integer', default: 5 }), json: '{"x":5}' },
    {
      why: 'what can only be one value',
      schema: { ...one({ const: 'on' }), required: ['x'] },
      json: '{"x":"on"}',
    },
    {
      why: 'a default that does not fit is passed over',
      schema: one({ type: 'integer', default: 'five' }),
      json: '{}',
    },
    {
      why: 'a default of the whole',
      schema: { ...one({ type: 'integer' }), default: { x: 1 } },
      json: '{"x":1}',
    },
  ])('$why', ({ schema, json }) => {
    const field = fieldOf(schema)
    expect(written(field, firstDraft(field)).json).toBe(json)
  })
})

describe('JSON goes back into the form', () => {
  const schema = {
    type: 'object',
    properties: {
      text: { type: ['string', 'null'] },
      number: { type: 'number' },
      list: { type: 'array', items: { type: 'integer' } },
      pick: { enum: ['a', 'b'] },
      form: {
        oneOf: [
          { type: 'integer' },
          { type: 'object', properties: { a: { type: 'boolean' } }, required: ['a'] },
        ],
      },
      any: {},
    },
    additionalProperties: { type: 'boolean' },
  }
  test.each([
    '{}',
    '{"text":"a","number":1.10,"list":[9007199254740993],"pick":"b"}',
    '{"text":null,"form":{"a":true},"any":{"deep":[1.0]},"more":true}',
    '{"form":12}',
  ])('%s comes out as it went in', (json) => {
    const field = fieldOf(schema)
    const draft = draftOf(field, readExact(json) ?? null)
    expect(draft === null ? null : written(field, draft)).toEqual({ json, faults: [] })
  })

  test.each(['[]', '{"number":"1"}', '{"pick":"c"}', '{"more":1}', '{"form":{"a":1}}', '{"text":[]}'])(
    '%s has no place in it',
    (json) => {
      expect(draftOf(fieldOf(schema), readExact(json) ?? null)).toBeNull()
    },
  )
})
