/** What only members of a cluster can write and read. */
import { describe, expect, test } from 'bun:test'
import { createSeal } from '../../src/cluster/seal.ts'

const [old, now, foreign] = ['a'.repeat(32), 'b'.repeat(32), 'c'.repeat(32)]
const seal = createSeal([now])

describe('a sealed text', () => {
  test('opens for every member with the secret, with every character that it had', () => {
    const text = `é😀\0"${'x'.repeat(100_000)}`
    expect(createSeal([now]).open('record', 'key a', seal.seal('record', 'key a', text))).toBe(text)
  })

  test('is another one each time, and shows nothing of what it holds', () => {
    const [one, other] = [
      seal.seal('record', 'a', 'canary-secret'),
      seal.seal('record', 'a', 'canary-secret'),
    ]
    expect(one).not.toBe(other)
    expect(Buffer.from(one, 'base64').includes('canary')).toBe(false)
  })

  const sealed = seal.seal('owned', 's:1', 'text')
  const flipped = (at: number): string => {
    const bytes = Buffer.from(sealed, 'base64')
    bytes[at] = (bytes[at] ?? 0) ^ 1
    return bytes.toString('base64')
  }
  test.each([
    { why: 'without the secret', opened: () => createSeal([foreign]).open('owned', 's:1', sealed) },
    {
      why: 'in another cluster that has the same secret',
      opened: () => createSeal([now], 'b').open('owned', 's:1', sealed),
    },
    { why: 'for another purpose', opened: () => seal.open('record', 's:1', sealed) },
    { why: 'in another place', opened: () => seal.open('owned', 's:2', sealed) },
    { why: 'with another nonce', opened: () => seal.open('owned', 's:1', flipped(0)) },
    { why: 'with another tag', opened: () => seal.open('owned', 's:1', flipped(13)) },
    { why: 'with another text', opened: () => seal.open('owned', 's:1', flipped(30)) },
    { why: 'cut short', opened: () => seal.open('owned', 's:1', sealed.slice(0, -4)) },
    { why: 'cut to less than its tag', opened: () => seal.open('owned', 's:1', sealed.slice(0, 30)) },
    { why: 'empty', opened: () => seal.open('owned', 's:1', '') },
    { why: 'that is none', opened: () => seal.open('owned', 's:1', 'not sealed at all, by nobody') },
  ])('does not open $why', ({ opened }) => {
    expect(opened()).toBeNull()
  })
})

test('a secret is replaced member by member, and all understand each other on the way', () => {
  const stages = [[old], [old, now], [now, old], [now]].map((secrets) => createSeal(secrets))
  for (const [at, writer] of stages.entries())
    for (const reader of stages.slice(Math.max(0, at - 1), at + 2)) {
      expect(reader.open('record', 'a', writer.seal('record', 'a', 'text'))).toBe('text')
      expect(reader.verifies('forward', 'a', writer.mac('forward', 'a'))).toBe(true)
    }
  const [first, , , last] = stages
  expect(last?.open('record', 'a', first?.seal('record', 'a', 'text') ?? '')).toBeNull()
})

test('a code counts for its text and purpose only, whole, and from members only', () => {
  const code = seal.mac('forward', 'text')
  expect(code).toHaveLength(43)
  expect(seal.macs('forward', 'text')).toEqual([code])
  expect(seal.verifies('forward', 'text', code)).toBe(true)
  for (const [purpose, text, given] of [
    ['forward', 'texts', code],
    ['session id', 'text', code],
    ['forward', 'text', code.slice(0, -1)],
    ['forward', 'text', ''],
    ['forward', 'text', createSeal([foreign]).mac('forward', 'text')],
    ['forward', 'text', createSeal([now], 'b').mac('forward', 'text')],
  ] as const)
    expect(seal.verifies(purpose, text, given)).toBe(false)
})
