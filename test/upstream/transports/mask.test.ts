import { describe, expect, test } from 'bun:test'
import { createMask } from '../../../src/upstream/transports/mask.ts'

describe('masking', () => {
  test('takes every occurrence of every secret out', () => {
    const mask = createMask(['hunter22', 'token-abc'])
    expect(mask('hunter22 and token-abc and hunter22')).toBe('*** and *** and ***')
  })

  test('takes the longer of two secrets first', () => {
    expect(createMask(['secret', 'secret-long'])('is secret-long')).toBe('is ***')
  })

  test('leaves text alone when a value is too short to be a secret', () => {
    expect(createMask(['1', 'true', ''])('1 is true')).toBe('1 is true')
  })

  test.each([
    {
      why: 'inside JSON',
      secret: 'pass"word\\1',
      said: '{"token":"pass\\"word\\\\1"}',
      shown: '{"token":"***"}',
    },
    { why: 'in a URL', secret: 'pass word/1', said: '?key=pass%20word%2F1', shown: '?key=***' },
    { why: 'in base64', secret: 'user:pa55', said: `Basic ${btoa('user:pa55')}`, shown: 'Basic ***' },
    {
      why: 'line by line',
      secret: '-----BEGIN KEY-----\nMIIEvQIBADANBgkqhkiG9w0BAQ\nshort\n',
      said: 'read MIIEvQIBADANBgkqhkiG9w0BAQ',
      shown: 'read ***',
    },
    { why: 'with half a surrogate pair', secret: 'abcdef\ud800', said: 'is abcdef\ud800', shown: 'is ***' },
  ])('knows a secret again $why', ({ secret, said, shown }) => {
    expect(createMask([secret])(said)).toBe(shown)
  })
})
