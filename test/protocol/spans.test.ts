import { describe, expect, test } from 'bun:test'
import fc from 'fast-check'
import { editObject, elementsOf, membersOf, memberText } from '../../src/protocol/spans.ts'

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

describe('elementsOf', () => {
  test('gives the texts of the elements', () => {
    expect(elementsOf('[ 1.0, "a,b" ,{"c":[1]},null]')).toEqual(['1.0', '"a,b"', '{"c":[1]}', 'null'])
    expect(elementsOf('[]')).toEqual([])
    expect(elementsOf('{}')).toBeNull()
  })
})
