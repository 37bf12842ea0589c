/** No eight characters in a row of a secret come out, however it is cut, spelled and mixed with other text. */
import { expect } from 'bun:test'
import fc from 'fast-check'
import { createMask, maskJson, maskStart } from '../../src/telemetry/redaction.ts'
import { cases } from './cases.ts'
import { fuzz } from './fuzzer.ts'
import { mutated } from './inputs.ts'

/** A text in which letters and digits take turns, as they do in keys. */
const random = fc
  .tuple(fc.integer({ min: 16, max: 80 }), fc.nat(), fc.constantFrom<'hex' | 'base64url'>('hex', 'base64url'))
  .map(([length, seed, encoding]) => {
    const digest = (part: number) => new Bun.CryptoHasher('sha256').update(`${seed}/${part}`).digest()
    return Buffer.concat([digest(0), digest(1)])
      .toString(encoding)
      .slice(0, length)
  })
  .filter((text) => (text.match(/\d(?=[A-Za-z])|[A-Za-z](?=\d)/g)?.length ?? 0) * 5 >= text.length)
const phrase = fc.stringMatching(/^(?:[a-z]{3,9} ){2,6}[a-z]{9}$/)

interface Printed {
  readonly secrets: readonly string[]
  readonly text: string
}

type Piece =
  | { readonly secret: number; readonly from: number; readonly length: number; readonly spelling: number }
  | string

const spellings: readonly ((text: string) => string)[] = [
  (text) => text,
  (text) => JSON.stringify(text).slice(1, -1),
  encodeURIComponent,
  (text) => Buffer.from(text).toString('base64'),
  (text) => text.toLowerCase(),
]
const between = fc.constantFrom(
  '',
  ' ',
  '\n',
  '***',
  'KEY=',
  '"',
  '\ufffd',
  '\\',
  ', ',
  'a',
  '7',
  '\r\n\t',
  '…',
  '\0',
)
const piece: fc.Arbitrary<Piece> = fc.oneof(
  fc.record({
    secret: fc.nat(2),
    from: fc.nat(80),
    length: fc.integer({ min: 1, max: 90 }),
    spelling: fc.nat(spellings.length - 1),
  }),
  between,
)

function printed(secrets: readonly string[], pieces: readonly Piece[]): string {
  return pieces
    .map((part) => {
      if (typeof part === 'string') return part
      const whole = spellings[part.spelling]?.(secrets[part.secret % secrets.length] ?? '') ?? ''
      const from = part.from % whole.length
      return whole.slice(from, from + part.length)
    })
    .join('')
}

/** Every eight characters of a secret in any spelling. */
function windowsOf(secrets: readonly string[]): Set<string> {
  const spelled = secrets.flatMap((secret) => spellings.map((spell) => spell(secret)))
  return new Set(
    spelled.flatMap((text) =>
      Array.from({ length: Math.max(0, text.length - 7) }, (_, at) => text.slice(at, at + 8)),
    ),
  )
}

function leaks(secrets: readonly string[], shown: string): string[] {
  const windows = windowsOf(secrets)
  return Array.from({ length: Math.max(0, shown.length - 7) }, (_, at) => shown.slice(at, at + 8)).filter(
    (window) => windows.has(window),
  )
}

fuzz('of a random secret no eight characters come out, wherever it stands and however it is cut', {
  inputs: fc
    .tuple(
      fc.array(random, { minLength: 1, maxLength: 3 }),
      fc.array(piece, { maxLength: 12 }),
      fc.nat(3_000),
    )
    .map(
      ([secrets, pieces, pad]): Printed => ({
        secrets,
        text: 'x '.repeat(pad % 40) + printed(secrets, pieces),
      }),
    ),
  cases: cases.randomSecrets,
  runs: 2_000,
  holds: ({ secrets, text }) => {
    const mask = createMask(secrets)
    expect(leaks(secrets, mask(text))).toEqual([])
    expect(leaks(secrets, maskStart(mask, text, 60))).toEqual([])
    const json = maskJson(mask, JSON.stringify({ [text]: [text], b: { c: text } }))
    expect(leaks(secrets, String(Object.keys(JSON.parse(json) as object)[0]))).toEqual([])
    // What is masked stays as it is.
    expect(mask(mask(text))).toBe(mask(text))
  },
})

fuzz('of any secret no eight characters come out where lines are cut', {
  inputs: fc.record({
    secrets: fc.array(fc.oneof(random, phrase), { minLength: 1, maxLength: 3 }),
    which: fc.nat(2),
    cut: fc.nat(80),
    before: mutated(fc.constantFrom('', 'error: ', 'KEY='), ['\n', ' ', '=', '"']),
    end: fc.constantFrom('\n', '  \r\n\t', '\n\n', ''),
  }),
  cases: cases.cutSecrets,
  runs: 2_000,
  holds: ({ secrets, which, cut, before, end }) => {
    const secret = secrets[which % secrets.length] ?? ''
    const at = cut % secret.length
    const second = end === '' ? '' : `${end}${secret.slice(at)} and more`
    expect(leaks(secrets, createMask(secrets)(`${before}${secret.slice(0, at)}${second}`))).toEqual([])
    expect(createMask(secrets)(`x${secret}y`)).not.toContain(secret)
  },
})

fuzz('text that holds nothing of a secret stays as it is', {
  inputs: fc.record({
    secrets: fc.array(fc.oneof(random, fc.stringMatching(/^[A-Za-z0-9]{0,5}$/)), { maxLength: 4 }),
    text: fc.oneof(
      fc.string({ unit: 'binary', maxLength: 200 }),
      mutated(fc.constantFrom('{"a":12345678901234567890}', 'listening on 127.0.0.1:3000'), [
        '\n',
        ' ',
        '***',
        '\\u0041',
      ]),
    ),
  }),
  cases: cases.plainTexts,
  runs: 2_000,
  holds: ({ secrets, text }) => {
    if (leaks(secrets, text).length === 0) expect(createMask(secrets)(text)).toBe(text)
  },
})
