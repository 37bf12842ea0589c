import { expect, test } from 'bun:test'
import { retryAfterSeconds } from '../../src/net/retry-after.ts'

const nowMs = Date.parse('Mon, 30 Nov 2026 06:00:00 GMT')

test.each([
  { value: '7', seconds: 7, why: 'seconds' },
  { value: ' 7 ', seconds: 7, why: 'white space around them' },
  { value: '0', seconds: 1, why: 'at once would be a busy loop' },
  { value: '99999999', seconds: 86_400, why: 'nobody waits for three years' },
  { value: 'Mon, 30 Nov 2026 06:01:30 GMT', seconds: 90, why: 'a date' },
  { value: 'Monday, 30-Nov-26 06:01:30 GMT', seconds: 90, why: 'a date as HTTP/1.0 wrote it' },
  { value: 'Mon, 30 Nov 2026 05:00:00 GMT', seconds: 1, why: 'a date that has passed' },
  { value: '-5', seconds: undefined, why: 'no negative time' },
  { value: '1.5', seconds: undefined, why: 'whole seconds only' },
  { value: 'soon', seconds: undefined, why: 'a word' },
  { value: '2026', seconds: 2026, why: 'seconds, though a lenient reader would see a year' },
  { value: '', seconds: undefined, why: 'empty' },
  { value: null, seconds: undefined, why: 'not there' },
])('Retry-After "$value" is $seconds: $why', ({ value, seconds }) => {
  expect(retryAfterSeconds(value, nowMs)).toBe(seconds as number)
})
