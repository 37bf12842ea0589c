import { expect, test } from 'bun:test'
import fc from 'fast-check'
import { callerOf, clientOf, shownText } from '../../src/telemetry/callers.ts'

const digest = '0123456789abcdef'.repeat(4)

test.each([
  { id: `token:${digest}`, shown: 'token:01234567', why: 'eight digits of the digest' },
  { id: `admin:${digest}`, shown: 'admin:01234567', why: 'of an admin, too' },
  { id: 'anonymous', shown: 'anonymous', why: 'nobody in particular' },
  { id: 'key:a1b2c3d4', shown: 'key:a1b2c3d4', why: 'the id of a key is no secret' },
  { id: 'admin:a1b2c3d4', shown: 'admin:a1b2c3d4', why: 'nor is that of an admin key' },
  { id: `oauth:${digest.slice(32)}`, shown: `oauth:${digest.slice(32)}`, why: 'shown whole' },
])('$id is shown as $shown: $why', ({ id, shown }) => {
  expect(callerOf(id)).toBe(shown)
})

test.each([
  { name: 'agent', version: '1.0', client: 'agent/1.0', why: 'both' },
  { name: 'agent', version: undefined, client: 'agent', why: 'a name alone' },
  { name: 'agent', version: 7, client: 'agent', why: 'a version that is no text' },
  { name: undefined, version: '1.0', client: undefined, why: 'no name' },
  { name: '', version: '1.0', client: undefined, why: 'an empty name' },
  { name: { a: 1 }, version: [], client: undefined, why: 'neither is a text' },
  { name: 'a b\nc', version: '1', client: 'a b c/1', why: 'on one line' },
  {
    name: '\u001b[31mred',
    version: '\u009b2J',
    client: '\\u001b[31mred/\\u009b2J',
    why: 'nothing moves a cursor',
  },
  {
    name: 'n'.repeat(100),
    version: 'v'.repeat(100),
    client: `${'n'.repeat(64)}/${'v'.repeat(32)}`,
    why: 'cut',
  },
])('a client is called $client: $why', ({ name, version, client }) => {
  expect(clientOf(name, version)).toBe(client)
  expect(clientOf(name, version)).toBe(client)
})

test('what others have chosen is shown on one line, cut, without anything that a terminal obeys', () => {
  fc.assert(
    fc.property(
      fc.string({ unit: 'binary', maxLength: 300 }),
      fc.integer({ min: 0, max: 200 }),
      (text, max) => {
        const shown = shownText(text, max)
        // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what must not be there.
        expect(shown).not.toMatch(/[\x00-\x1f\x7f-\x9f\u2028\u202e]/)
        if (/^[\w ]*$/.test(text)) expect(shown).toBe(text.slice(0, max))
      },
    ),
  )
})
