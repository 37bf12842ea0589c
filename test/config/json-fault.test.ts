import { describe, expect, test } from 'bun:test'
import { jsonFault } from '../../src/config/file/json-fault.ts'

describe('the place where a text stops being JSON', () => {
  test.each([
    { text: '{"a": 1,}', offset: 8, found: '"}"', why: 'a comma before the bracket' },
    { text: '{"a" 1}', offset: 5, found: '"1"', why: 'a missing colon' },
    { text: '{"a": }', offset: 6, found: '"}"', why: 'a missing value' },
    { text: '[1 2]', offset: 3, found: '"2"', why: 'a missing comma' },
    { text: '[1}', offset: 2, found: '"}"', why: 'the wrong bracket' },
    { text: "{'a': 1}", offset: 1, found: '"\'"', why: 'single quotes' },
    { text: '{"a": 01}', offset: 7, found: '"1"', why: 'a leading zero' },
    { text: '{"a": "x\ny"}', offset: 6, found: '"\\""', why: 'a raw line break in a string' },
    { text: '{} {}', offset: 3, found: '"{"', why: 'two values' },
    { text: '{"a": // x', offset: 6, found: '"/"', why: 'a comment in plain JSON' },
  ])('$why', ({ text, offset, found }) => {
    const fault = jsonFault(text, false)
    expect(fault?.offset).toBe(offset)
    expect(fault?.reason).toEndWith(`found ${found}`)
  })

  test('an unfinished text is at fault where it ends', () => {
    expect(jsonFault('{"a": [1', false)).toEqual({
      offset: 8,
      reason: 'the file ends where "," or the closing bracket was expected',
    })
  })

  test.each([
    { text: '{"a": 1, "b": 2, "a": 3}', offset: 17, why: 'in one object' },
    { text: '{"a": {"b": 1, "\\u0062": 2}}', offset: 15, why: 'in another spelling' },
    { text: '[{"a": 1}, {"a": 1, "a": 2}]', offset: 20, why: 'in the second of two objects' },
  ])('a key that stands twice $why, where the parser keeps the last one', ({ text, offset }) => {
    expect(jsonFault(text, false)).toMatchObject({ offset, reason: expect.stringContaining('stands twice') })
  })

  test.each([
    '{}',
    '{"a": {"a": [{"a": 1}, {"a": 2}]}, "b": {"a": 3}}',
    '[]',
    'null',
    ' {"a":[1,-2.5e3,{"b":"\\u00e9\\n"}],"c":true} ',
  ])('%s is JSON', (text) => {
    expect(jsonFault(text, false)).toBeNull()
  })

  test('comments and trailing commas are fine in JSONC', () => {
    expect(jsonFault('// a\n{"a": [1, /* b */ 2,], }', true)).toBeNull()
  })
})
