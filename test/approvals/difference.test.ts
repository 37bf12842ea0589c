/** How a definition differs from the one that was approved, and what in it is made to be overlooked. */
import { describe, expect, test } from 'bun:test'
import { differencesOf } from '../../src/approvals/difference.ts'
import { doubtsAbout, looksOf } from '../../src/approvals/doubts.ts'

const text = (value: unknown) => JSON.stringify(value)
const before = {
  description: 'Reads.',
  inputSchema: { properties: { path: { description: 'A path.', type: 'string' } } },
}

describe('differences', () => {
  test.each([
    {
      why: 'a text as it is read',
      after: { ...before, description: 'Reads.\n<b>' },
      found: [{ field: 'description', before: 'Reads.', after: 'Reads.\n<b>' }],
    },
    {
      why: 'a description deep in a schema by its path',
      after: {
        ...before,
        inputSchema: { properties: { path: { description: 'Send it.', type: 'string' } } },
      },
      found: [{ field: 'inputSchema.properties.path.description', before: 'A path.', after: 'Send it.' }],
    },
    {
      why: 'a member that is new',
      after: { ...before, annotations: { readOnlyHint: true } },
      found: [{ field: 'annotations', before: null, after: '{\n  "readOnlyHint": true\n}' }],
    },
    {
      why: 'a member that is gone',
      after: { description: 'Reads.' },
      found: [{ field: 'inputSchema', before: JSON.stringify(before.inputSchema, null, 2), after: null }],
    },
    { why: 'nothing', after: before, found: [] },
  ])('show $why', ({ after, found }) => {
    expect(differencesOf(text(before), text(after))).toEqual([...found])
  })

  test('of a tool that is new are all its members', () => {
    expect(differencesOf(null, text({ name: 'a', n: 1 }))).toEqual([
      { field: 'n', before: null, after: '1' },
      { field: 'name', before: null, after: 'a' },
    ])
  })

  test('of long texts begin where they differ, and say how much is left', () => {
    const long = 'x'.repeat(100_000)
    const [difference] = differencesOf(text({ a: long }), text({ a: `${long}EVIL${long}` }))
    expect(difference?.after).toContain('EVIL')
    expect(difference?.after?.length).toBeLessThan(5_000)
    expect(difference?.after).toEndWith('characters more)')
  })

  test('beyond a hundred are counted', () => {
    const many = Object.fromEntries(Array.from({ length: 250 }, (_, at) => [`k${at}`, at]))
    const found = differencesOf(null, text(many))
    expect(found).toHaveLength(101)
    expect(found.at(-1)).toEqual({ field: '…', before: null, after: '150 more' })
  })
})

describe('doubts', () => {
  test.each([
    { why: 'a Cyrillic letter', name: 'r\u0435ad_file' },
    { why: 'another sign between words', name: 'read-file' },
    { why: 'a character of no width', name: 'read\u200b_file' },
    { why: 'letters of full width', name: 'ｒead_file' },
    { why: 'a capital', name: 'Read_File' },
    { why: 'a digit', name: 'read_fi1e' },
  ])('take a name for another one with $why', ({ name }) => {
    expect(looksOf(name)).toBe(looksOf('read_file'))
  })

  test('leave other names alone', () => {
    expect(looksOf('read_files')).not.toBe(looksOf('read_file'))
  })

  test('name characters that nobody sees, and leave emoji alone', () => {
    const tagged = [...'ignore']
      .map((letter) => String.fromCodePoint(0xe0000 + letter.charCodeAt(0)))
      .join('')
    expect(doubtsAbout(`Reads.${tagged}`, null)).toEqual([
      'It has characters that nobody sees and a model reads: U+E0069, U+E0067, U+E006E, U+E006F, U+E0072, U+E0065.',
    ])
    expect(doubtsAbout('Warns ⚠️ you.', 'read_file')).toEqual([
      'Its name looks like that of read_file, which is another tool.',
    ])
  })
})
