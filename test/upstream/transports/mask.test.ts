import { describe, expect, test } from 'bun:test'
import { createMask, httpSecrets } from '../../../src/upstream/transports/mask.ts'

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

  test('knows what may be secret in the definition of an HTTP server', () => {
    const mask = createMask(
      httpSecrets('https://user:p%40ssword@host.example/mcp?key=query-key&b=1', {
        Authorization: 'Bearer header-key',
        Cookie: 'session=cookie-key; other=1',
      }),
    )
    for (const said of ['p%40ssword', 'query-key', 'header-key', 'Bearer header-key', 'session=cookie-key']) {
      expect(mask(`it said ${said}.`)).toBe('it said ***.')
    }
    expect(mask('Bearer is a scheme')).toBe('Bearer is a scheme')
  })
})
