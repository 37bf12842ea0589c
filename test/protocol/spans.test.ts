import { describe, expect, test } from 'bun:test'
import fc from 'fast-check'
import {
  editObject,
  elementsOf,
  jsonDepthMax,
  membersOf,
  memberText,
  nestsTooDeep,
  parsed,
} from '../../src/protocol/spans.ts'

describe('editObject', () => {
  test.each([
    { text: '{}', edit: { set: { a: '1' } }, gives: '{"a":1}', why: 'an empty object' },
    { text: '{"a":1}', edit: { set: { b: '2' } }, gives: '{"a":1,"b":2}', why: 'new members come last' },
    {
      text: '{"a":1,"b":2}',
      edit: { set: { a: '3' } },
      gives: '{"a":3,"b":2}',
      why: 'a member keeps its place',
    },
    {
      text: '{"n":12345678901234567890,"f":1.10, "e":1E400}',
      edit: { drop: (key: string) => key === 'e' },
      gives: '{"n":12345678901234567890,"f":1.10}',
      why: 'digits stay',
    },
    {
      text: '{"a":1,"a":2}',
      edit: { set: { a: '3' } },
      gives: '{"a":3}',
      why: 'a doubled member becomes one',
    },
    { text: '{"a":1,"a":2}', edit: { drop: () => true }, gives: '{}', why: 'both are dropped' },
    {
      text: String.raw`{"\u0061":1}`,
      edit: { drop: (key: string) => key === 'a' },
      gives: '{}',
      why: 'an escaped name is the same name',
    },
    {
      text: '{ "a" : {"x":"}"} ,\n"b":[1,{"c":","}] }',
      edit: { drop: (key: string) => key === 'a' },
      gives: '{"b":[1,{"c":","}]}',
      why: 'brackets inside strings do not count',
    },
    {
      text: '{"__proto__":1}',
      edit: { set: { b: '2' } },
      gives: '{"__proto__":1,"b":2}',
      why: 'no name is special',
    },
    { text: '[1]', edit: {}, gives: null, why: 'no object' },
    { text: '{"a":', edit: {}, gives: null, why: 'cut off' },
    { text: '', edit: {}, gives: null, why: 'nothing at all' },
  ])('$why', ({ text, edit, gives }) => {
    expect(editObject(text, edit)).toBe(gives)
  })

  test('changes what it was told to and nothing else, whatever the object', () => {
    fc.assert(
      fc.property(
        fc.dictionary(fc.string(), fc.jsonValue()),
        fc.string(),
        fc.jsonValue(),
        (object, key, value) => {
          const text = JSON.stringify(object, null, 1)
          const edited = editObject(text, { set: { [key]: JSON.stringify(value) } })
          const parsed: unknown = JSON.parse(edited ?? 'null')
          expect(JSON.stringify(parsed)).toBe(
            JSON.stringify({
              ...JSON.parse(text),
              ...JSON.parse(`{${JSON.stringify(key)}:${JSON.stringify(value)}}`),
            }),
          )
          const dropped = editObject(text, { drop: (name) => name === key }) ?? 'null'
          expect(memberText(dropped, key)).toBeNull()
        },
      ),
    )
  })

  test('never throws on text that is no JSON', () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        membersOf(`{${text}`)
        elementsOf(`[${text}`)
        editObject(`{"a":${text}}`, { set: { a: '1' } })
      }),
    )
  })
})

describe('memberText', () => {
  test('gives the last of two, as JSON.parse does', () => {
    expect(memberText('{"a":1,"a":2}', 'a')).toBe('2')
  })

  test('gives null for what is not there', () => {
    expect(memberText('{"a":1}', 'b')).toBeNull()
    expect(memberText('[]', 'b')).toBeNull()
  })
})

describe('nestsTooDeep', () => {
  const nested = (depth: number, inner = '1') => `${'['.repeat(depth)}${inner}${']'.repeat(depth)}`

  test.each([
    { why: 'a value has no depth', text: '1', deep: false },
    { why: 'it is as deep as may be', text: nested(jsonDepthMax), deep: false },
    { why: 'it is one level deeper', text: nested(jsonDepthMax + 1), deep: true },
    { why: 'objects count as lists do', text: `${'{"a":'.repeat(300)}1${'}'.repeat(300)}`, deep: true },
    { why: 'brackets in a string are text', text: JSON.stringify('['.repeat(1_000)), deep: false },
    { why: 'an escaped quote ends no string', text: JSON.stringify(`"${'['.repeat(1_000)}`), deep: false },
    { why: 'a backslash before the end is no escape', text: `["\\\\",${nested(300)}]`, deep: true },
    { why: 'what stands side by side is not deep', text: `[${'[],'.repeat(1_000)}1]`, deep: false },
    { why: 'a string without end has nothing behind it', text: `"${'['.repeat(1_000)}`, deep: false },
  ])('$deep because $why', ({ text, deep }) => {
    expect(nestsTooDeep(text)).toBe(deep)
    expect(parsed(text) === undefined && deep).toBe(deep)
  })
})

describe('elementsOf', () => {
  test('gives the texts of the elements', () => {
    expect(elementsOf('[ 1.0, "a,b" ,{"c":[1]},null]')).toEqual(['1.0', '"a,b"', '{"c":[1]}', 'null'])
    expect(elementsOf('[]')).toEqual([])
    expect(elementsOf('{}')).toBeNull()
  })
})
