import { describe, expect, test } from 'bun:test'
import { createMask, maskJson } from '../../src/telemetry/redaction.ts'

describe('masking', () => {
  test('takes every occurrence of every secret out', () => {
    const mask = createMask(['hunter22', 'token-abc'])
    expect(mask('hunter22 and token-abc and hunter22')).toBe('*** and *** and ***')
  })

  test('takes the longer of two secrets first', () => {
    expect(createMask(['secret', 'secret-long'])('is secret-long')).toBe('is ***')
  })

  test('leaves text alone when a value is too short to be a secret', () => {
    expect(createMask(['1', 'on', 'yes', ''])('1 is on, yes')).toBe('1 is on, yes')
  })

  test.each([
    { said: 'PW=abcde', shown: 'PW=***' },
    { said: 'abcde', shown: '***' },
    { said: '"pw":"abcde","line\\nabcde"', shown: '"pw":"***","line\\n***"' },
    { said: '?pw%3Dabcde&x=1', shown: '?pw%3D***&x=1' },
    { said: 'x\na\nbc y a\\nbc', shown: 'x\n*** y ***' },
    { said: 'abcdef xabcde', shown: 'abcdef xabcde' },
    { said: 'it is t$4.', shown: 'it is ***' },
  ])('takes a value of four or five characters out where it stands alone: $said', ({ said, shown }) => {
    expect(createMask(['abcde', 't$4.', 'a\nbc'])(said)).toBe(shown)
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
    {
      why: 'in base64 of more',
      secret: 'pa55word!',
      said: `Basic ${btoa('user:pa55word!x')}`,
      shown: 'Basic dXNlcjp***F4',
    },
    { why: 'in small letters', secret: 'AbCdEfGh', said: 'x-abcdefgh: 1', shown: 'x-***: 1' },
    { why: 'in JSON beyond ASCII', secret: 'schlüssel', said: '"schl\\u00fcssel"', shown: '"***"' },
    {
      why: 'in one line',
      secret: 'first line\nsecond one\n',
      said: 'is first line second one',
      shown: 'is ***',
    },
    { why: 'with half a surrogate pair', secret: 'abcdef\ud800', said: 'is abcdef\ud800', shown: 'is ***' },
  ])('knows a secret again $why', ({ secret, said, shown }) => {
    expect(createMask([secret])(said)).toBe(shown)
  })

  const key = 'a81bc81b52df4c0e9d3f'
  const phrase = 'https://api.example/v1'
  test.each([
    { why: 'a piece that a line ends with', said: `KEY=${phrase.slice(0, 9)}\n`, shown: 'KEY=***\n' },
    {
      why: 'a piece that a line begins with',
      said: `\n  ${phrase.slice(-9)} failed`,
      shown: '\n  *** failed',
    },
    { why: 'a line that is a piece', said: `a\n${phrase.slice(5, 15)}\nb`, shown: 'a\n***\nb' },
    { why: 'a random piece, anywhere', said: `x${key.slice(4, 12)}y`, shown: 'x***y' },
    { why: 'seven characters, which are no piece', said: key.slice(0, 7), shown: key.slice(0, 7) },
    {
      why: 'what other text has by chance in the middle of a line, which stays',
      said: 'see https://example/docs for more',
      shown: 'see https://example/docs for more',
    },
  ])('knows a piece of a secret again: $why', ({ said, shown }) => {
    expect(createMask([key, phrase])(said)).toBe(shown)
  })

  test('knows a piece of a random secret again in base64 that has no digits', () => {
    expect(createMask(['35165fee233eb2d3'])('is MzUxNjVm here')).toBe('is *** here')
  })

  test('judges each string of JSON by itself, and leaves the rest as it was written', () => {
    const mask = createMask([phrase])
    const said = `{"message": "${phrase.slice(0, 10)}", "n": 12345678901234567890, "a": ["\\n${phrase.slice(-9)} b"]}`
    expect(maskJson(mask, said)).toBe('{"message": "***", "n": 12345678901234567890, "a": ["\\n*** b"]}')
  })

  test('answers JSON text as it came where nothing is hidden in it, digits and all', () => {
    const text = '{"a": 12345678901234567890, "b":1.0}'
    expect(maskJson(createMask([key]), text)).toBe(text)
  })

  test('reads a line once, however many secrets there are: a flood of short ones must not cost the more', () => {
    const hashOf = (n: number) => new Bun.CryptoHasher('sha256').update(`${n}`).digest('hex')
    const tookMs = (mask: (said: string) => string) => {
      for (let n = 0; n < 10_000; n++) mask('not a JSON-RPC message: {}')
      const begunMs = performance.now()
      for (let n = 0; n < 100_000; n++) mask('not a JSON-RPC message: {}')
      return performance.now() - begunMs
    }
    const oneMs = tookMs(createMask([key]))
    expect(tookMs(createMask(Array.from({ length: 60 }, (_, n) => hashOf(n))))).toBeLessThan(8 * oneMs + 20)
  })
})
