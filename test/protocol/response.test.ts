import { expect, test } from 'bun:test'
import { scanMessage } from '../../src/protocol/jsonrpc.ts'
import { integerAt, isToolError, isUnnamed, kindOfAnswer } from '../../src/protocol/response.ts'

const numbers: { text: string; value: number; why: string }[] = [
  { text: '7', value: 7, why: 'digits' },
  { text: '0', value: 0, why: 'the smallest' },
  { text: '999999999999999', value: 999_999_999_999_999, why: 'fifteen digits are exact' },
  { text: '7.0', value: 7, why: 'as Lua and Perl print it' },
  { text: '7e0', value: 7, why: 'with an exponent' },
  { text: '7.0E+1', value: 70, why: 'both' },
  { text: '"7"', value: 7, why: 'a number that was handed back as a text' },
  { text: '"7.0"', value: 7, why: 'both' },
  { text: '9999999999999999', value: -1, why: 'beyond what a number holds' },
  { text: '7e300', value: -1, why: 'likewise' },
  { text: '7.5', value: -1, why: 'no whole number' },
  { text: '70e-1', value: 7, why: 'the same number all the same' },
  { text: '-7', value: -1, why: 'negative: not given out' },
  { text: '"7', value: -1, why: 'half a text' },
  { text: '""', value: -1, why: 'an empty text' },
  { text: '0x7', value: -1, why: 'no JSON' },
  { text: '" 7"', value: -1, why: 'another text' },
  { text: 'null', value: -1, why: 'nothing' },
  { text: 'true', value: -1, why: 'no number' },
  { text: '', value: -1, why: 'nothing at all' },
]
test.each(numbers)('a whole number is read from $text as $value: $why', ({ text, value }) => {
  expect(integerAt(`[${text}]`, 1, 1 + text.length)).toBe(value)
})

test('what is absent is no number', () => {
  expect(integerAt('{"a":1}', -1, -1)).toBe(-1)
})

test.each([
  { text: '{"error":{}}', unnamed: true },
  { text: '{"error":{},"id":null}', unnamed: true },
  { text: '{"error":{},"id":1}', unnamed: false },
  { text: '{"error":{},"id":"null"}', unnamed: false },
])('$text names no request: $unnamed', ({ text, unnamed }) => {
  const message = scanMessage(text)
  expect(message && isUnnamed(message)).toBe(unnamed)
})

const answers: { result: string; kind: string; why: string; method?: string; mayAsk?: boolean }[] = [
  { result: '{"content":[]}', kind: 'ok', why: 'nothing is said' },
  { result: '{"content":[],"isError":false}', kind: 'ok', why: 'as many SDKs write every result' },
  { result: '{"content":[],"isError":true}', kind: 'tool_error', why: 'at its end' },
  { result: '{"isError":true,"content":[]}', kind: 'tool_error', why: 'at its beginning' },
  { result: '{"content":[], "isError" : true , "x":1}', kind: 'tool_error', why: 'in between, with spaces' },
  { result: '{"isErr\\u006fr":true}', kind: 'tool_error', why: 'spelled in another way' },
  {
    result: '{"structuredContent":{"isError":true}}',
    kind: 'ok',
    why: 'further inside it is the tool’s own',
  },
  { result: '{"content":[{"text":"\\"isError\\":true"}]}', kind: 'ok', why: 'inside a text' },
  { result: '{"isError":"true"}', kind: 'ok', why: 'a text is no truth' },
  { result: '{"isError":true,"isError":true}', kind: 'ok', why: 'said twice: it cannot be told' },
  { result: '["isError",true]', kind: 'ok', why: 'no object' },
  { result: 'null', kind: 'ok', why: 'nothing' },
  { result: '{"isError":true}', method: 'prompts/get', kind: 'ok', why: 'means nothing for this method' },
  { result: '{"isError":true}', method: 'tasks/result', kind: 'tool_error', why: 'the result of a task' },
  { result: '{"resultType":"input_required"}', mayAsk: true, kind: 'input_required', why: 'a question' },
  { result: '{"resultType":"input_required"}', kind: 'ok', why: 'not in the older revisions' },
  { result: '{"resultType":"complete"}', mayAsk: true, kind: 'ok', why: 'no question' },
]
test.each(answers)('$result is $kind: $why', ({ result, method = 'tools/call', mayAsk = false, kind }) => {
  const message = scanMessage(`{"jsonrpc":"2.0","id":1,"result":${result}}`)
  expect(message && kindOfAnswer(method, message, mayAsk)).toBe(kind as 'ok')
  if (!mayAsk) expect(isToolError(method, result)).toBe(kind === 'tool_error')
})

test('an error is one, whatever stands in it', () => {
  const message = scanMessage('{"id":1,"error":{"code":1,"isError":false}}')
  expect(message && kindOfAnswer('tools/call', message, true)).toBe('rpc_error')
})
