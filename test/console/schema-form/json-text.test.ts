/** JSON as text: every digit stays, whatever is laid out or read. */
import { describe, expect, test } from 'bun:test'
import { laidOut, readExact, writeExact } from '../../../src/console/page/schema-form/json-text.ts'

describe('a JSON text is read exactly', () => {
  test.each([
    '{"a":9007199254740993,"b":1.10,"c":1e400}',
    '[[],{},"",null,true,false,-0.0]',
    '{"a\\"b":"\\u00e9\\\\"}',
    `[${'1'.repeat(500)}]`,
    '{"a":{"b":[{"c":"d,e]}"}]}}',
  ])('%s', (text) => {
    const value = readExact(text)
    expect(value === undefined ? undefined : writeExact(value).replaceAll('é', '\\u00e9')).toBe(text)
  })

  test.each(['', '{', '{a:1}', '[1,]', 'undefined', `${'['.repeat(100)}${']'.repeat(100)}`])(
    '%s is none, or too deep',
    (text) => {
      expect(readExact(text)).toBeUndefined()
    },
  )
})

describe('a JSON text is laid out', () => {
  test('with its tokens as they were', () => {
    expect(laidOut('{"a":[1.10,{"b":"x, y"}],"c":{},"d":[ ]}')).toBe(
      '{\n  "a": [\n    1.10,\n    {\n      "b": "x, y"\n    }\n  ],\n  "c": {},\n  "d": []\n}',
    )
  })

  test('means the same afterwards', () => {
    const value = { a: [{ b: 'x"\\', c: [[], [[1]]] }], d: null }
    expect(JSON.parse(laidOut(JSON.stringify(value)))).toEqual(value)
  })

  test('a million brackets do not end the page', () => {
    const text = '['.repeat(1_000_000)
    expect(laidOut(text).replaceAll(/\s/g, '').length).toBe(1_000_000)
  })

  test('what is no JSON keeps its signs', () => {
    expect(laidOut('{"a":}}x').replaceAll(/\s/g, '')).toBe('{"a":}}x')
  })
})
