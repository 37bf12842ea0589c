/** The text of a key: what scanners find, what a slip is noticed by, and what is kept of it. */
import { describe, expect, test } from 'bun:test'
import { createHash } from 'node:crypto'
import { keyIdIn } from '../../../src/access/tokens.ts'
import {
  digestIn,
  hashOfKey,
  isKeyText,
  makeKeyId,
  makeKeyText,
} from '../../../src/identity/keys/key-text.ts'

const many = Array.from({ length: 200 }, () => makeKeyId())

test('a key is cpz_, its id, a secret of 32 and a checksum of six', () => {
  for (const id of many) {
    expect(id).toMatch(/^[g-z][a-z0-9]{7}$/)
    const text = makeKeyText(id)
    expect(text).toMatch(new RegExp(`^cpz_${id}_[0-9A-Za-z]{38}$`))
    expect(keyIdIn(text)).toBe(id)
    expect(isKeyText(text)).toBe(true)
  }
  expect(new Set(many).size).toBe(many.length)
  expect(makeKeyText('abcdefgh')).not.toBe(makeKeyText('abcdefgh'))
})

test('each letter of a secret is as likely as the others', () => {
  const counts = new Map<string, number>()
  for (let n = 0; n < 2_000; n++)
    for (const letter of makeKeyText('abcdefgh').slice(13, 45))
      counts.set(letter, (counts.get(letter) ?? 0) + 1)
  expect(counts.size).toBe(62)
  // 64,000 letters, about 1,032 of each.
  for (const count of counts.values()) expect(Math.abs(count - 1_032)).toBeLessThan(220)
})

describe('a slip is noticed', () => {
  const text = makeKeyText('abcdefgh')
  const swapped = text[20] === 'x' ? 'y' : 'x'
  test.each([
    { why: 'another letter', slip: `${text.slice(0, 20)}${swapped}${text.slice(21)}` },
    { why: 'another id', slip: text.replace('abcdefgh', 'abcdefgi') },
    { why: 'cut', slip: text.slice(0, -1) },
    { why: 'longer', slip: `${text}0` },
    { why: 'in capitals', slip: text.toUpperCase() },
    { why: 'empty', slip: '' },
  ])('$why', ({ slip }) => {
    expect(isKeyText(slip)).toBe(false)
  })
})

test('what is kept is the SHA-256 of the whole text', () => {
  const text = makeKeyText('abcdefgh')
  const hex = createHash('sha256').update(text).digest('hex')
  expect(hashOfKey(text)).toBe(`sha256:${hex}`)
  expect(Buffer.from(digestIn(hashOfKey(text))).toString('hex')).toBe(hex)
})
