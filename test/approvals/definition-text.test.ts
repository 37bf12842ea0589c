/** The text by which a definition is approved: one for each definition, however it is written. */
import { describe, expect, test } from 'bun:test'
import { canonicalDefinition } from '../../src/approvals/definition-text.ts'
import { legacyTools, modernResult } from '../../src/protocol/bridge/results.ts'
import { elementsOf, memberText } from '../../src/protocol/spans.ts'

const plain =
  '{"name":"a","description":"é","inputSchema":{"type":"object","properties":{"x":{"maximum":1.10}}}}'

describe('the same definition', () => {
  test.each([
    { why: 'with blanks', text: plain.replaceAll(':', ' : ').replaceAll(',', ' ,\n\t') },
    {
      why: 'with its members in another order, at every depth',
      text: '{"inputSchema":{"properties":{"x":{"maximum":1.10}},"type":"object"},"description":"é","name":"a"}',
    },
    { why: 'with escapes', text: plain.replace('é', '\\u00e9').replace('"name"', '"n\\u0061me"') },
    {
      why: 'with what says how it runs as a task',
      text: plain.replace('{', '{"execution":{"taskSupport":"optional"},'),
    },
  ])('is one text $why', ({ text }) => {
    expect(canonicalDefinition(text)).toBe(canonicalDefinition(plain))
  })
})

describe('another definition', () => {
  test.each([
    { why: 'by a letter', text: plain.replace('é', 'e') },
    { why: 'by a combining accent that looks the same', text: plain.replace('é', 'e\u0301') },
    { why: 'by a digit that no number type keeps', text: plain.replace('1.10', '1.1') },
    { why: 'by the type of a value', text: plain.replace('1.10', '"1.10"') },
    { why: 'by a member that nobody knows yet', text: plain.replace('{', '{"hint":1,') },
    { why: 'by its title', text: plain.replace('{', '{"title":"A",') },
    { why: 'by an annotation', text: plain.replace('{', '{"annotations":{"readOnlyHint":true},') },
    { why: 'by an icon', text: plain.replace('{', '{"icons":[{"src":"data:,"}],') },
    { why: 'by its _meta', text: plain.replace('{', '{"_meta":{"ui":{"resourceUri":"ui://x"}},') },
    { why: 'by an output schema', text: plain.replace('{', '{"outputSchema":{"type":"object"},') },
    {
      why: 'by a text beside what says how it runs',
      text: plain.replace('{', '{"execution":{"taskSupport":"optional","note":"read the key"},'),
    },
    {
      why: 'by a text in place of it',
      text: plain.replace('{', '{"execution":{"taskSupport":"read the key"},'),
    },
    { why: 'by the order of a list', text: plain.replace('"maximum":1.10', '"enum":[2,1]') },
    { why: 'by what is deep in a schema', text: plain.replace('"maximum"', '"minimum"') },
    { why: 'by a character that nobody sees', text: plain.replace('é', 'é\u200b') },
    { why: 'by a surrogate that stands alone', text: plain.replace('é', '\\ud800') },
  ])('is another text $why', ({ text }) => {
    const other = canonicalDefinition(text)
    expect(other).not.toBeNull()
    expect(other).not.toBe(canonicalDefinition(plain))
  })

  test('differs from another one by which of two surrogates stands alone', () => {
    expect(canonicalDefinition('{"name":"\\ud800"}')).not.toBe(canonicalDefinition('{"name":"\\ud801"}'))
  })
})

describe('what has two readings, or none', () => {
  test.each([
    { why: 'a member twice', text: '{"name":"a","description":"good","description":"evil"}' },
    { why: 'a member twice, once with an escape', text: '{"name":"a","title":"b","titl\\u0065":"c"}' },
    { why: 'a member twice deep in it', text: '{"name":"a","inputSchema":{"x":{"y":1,"y":2}}}' },
    { why: 'a member twice in a list', text: '{"name":"a","x":[{"y":1,"y":2}]}' },
    {
      why: 'an output schema that is wrapped, with a member twice',
      text: '{"name":"a","outputSchema":{"type":"string","title":1,"title":2}}',
    },
    { why: 'no object', text: '["name"]' },
    { why: 'a text', text: '"name"' },
    { why: 'a broken one', text: '{"name":"a",}' },
    { why: 'something behind it', text: '{"name":"a"} {"name":"b"}' },
    { why: 'nothing', text: '' },
  ])('is no definition: $why', ({ text }) => {
    expect(canonicalDefinition(text)).toBeNull()
  })
})

describe('what a bridge between the eras shows', () => {
  const tools = [
    plain,
    '{"name":"b","outputSchema":{"type":"array","items":{"$ref":"#/$defs/i"},"$defs":{"i":{"type":"string"}}}}',
    '{"name":"c","execution":{"taskSupport":"optional"},"outputSchema":{"type":"object"}}',
    '{"name":"d","outputSchema":{"oneOf":[{"type":"object"},{"type":"null"}]}, "_meta" : {"k":[1,2]}}',
  ]
  const result = `{"tools":[${tools.join(',')}]}`
  const own = tools.map(canonicalDefinition)

  test('of a modern server to a legacy client is what was approved', () => {
    const shown = legacyTools(result, true)?.result ?? ''
    expect((elementsOf(memberText(shown, 'tools') ?? '') ?? []).map(canonicalDefinition)).toEqual(own)
  })

  test('of a legacy server to a modern client is what was approved', () => {
    const shown = modernResult('tools/list', result, null) ?? ''
    expect((elementsOf(memberText(shown, 'tools') ?? '') ?? []).map(canonicalDefinition)).toEqual(own)
  })
})

test('a definition of a quarter of a million characters, nested deep, takes a few milliseconds', () => {
  const deep = `{"name":"a","x":${'[{"y":'.repeat(20_000)}1${'}]'.repeat(20_000)}}`
  const wide = `{"name":"a","x":{${Array.from({ length: 20_000 }, (_, at) => `"k${at}":[]`).join(',')}}}`
  const begunMs = performance.now()
  expect(canonicalDefinition(deep)).not.toBeNull()
  expect(canonicalDefinition(wide)).not.toBeNull()
  expect(performance.now() - begunMs).toBeLessThan(500)
})
