/** Wherever a text is cut, on its way to whatever shows it, no more than seven characters of a secret are left. */
import { expect, test } from 'bun:test'
import fc from 'fast-check'
import { scanMessage } from '../../src/protocol/jsonrpc.ts'
import { createMask, type Mask, maskStart } from '../../src/telemetry/redaction.ts'
import { GatewayCall } from '../../src/upstream/connection/calls.ts'
import { OutputTail } from '../../src/upstream/server/output-tail.ts'
import type { HttpAnswer } from '../../src/upstream/transports/http/client/answer/answer.ts'
import { readFailure } from '../../src/upstream/transports/http/failure.ts'
import { ServerNoise } from '../../src/upstream/transports/stdio/noise.ts'
import { definitionOf } from '../registry/definitions.ts'

/** What a secret may look like: random, a pass phrase, with what JSON and URLs escape, beyond ASCII, a file. */
const secrets: Readonly<Record<string, fc.Arbitrary<string>>> = {
  'of hexadecimal digits': fc.stringMatching(/^[0-9a-f]{8,200}$/),
  'of letters': fc.stringMatching(/^[A-Za-z]{8,60}$/),
  'of words': fc.stringMatching(/^(?:[a-z]{3,9} ){3,8}[a-z]{9}$/),
  'with quotes and slashes': fc.stringMatching(/^[a-z"\\/&<%+= ]{6,40}[a-z]{8}$/),
  'beyond ASCII': fc
    .array(fc.constantFrom(...'äöüßéè€漢字😀abcdefg'), { minLength: 8, maxLength: 60 })
    .map((characters) => characters.join('')),
  'of several lines': fc.stringMatching(/^(?:[A-Za-z]{8,60}\n){2,6}[A-Za-z]{8,40}$/),
  'longer than what is kept': fc.stringMatching(/^[A-Za-z]{5000,6000}$/),
}

/** How a program prints it, and what of that must not be seen. */
const spellings: readonly ((secret: string) => { printed: string; hidden: string })[] = [
  same((secret) => secret),
  same((secret) => JSON.stringify(secret).slice(1, -1)),
  same(encodeURIComponent),
  same(base64),
  (secret) => {
    const printed = base64(`user:${secret}:more`)
    // Both ends are those of the words around it.
    return { printed, hidden: printed.slice(8, -8) }
  },
]

function same(spell: (secret: string) => string) {
  return (secret: string) => ({ printed: spell(secret), hidden: spell(secret) })
}

function base64(text: string): string {
  return Buffer.from(text).toString('base64')
}

/** Everything that shows a text that a server wrote, by what is shown of it. */
const sinks: Readonly<Record<string, (mask: Mask, text: string) => Promise<string[]> | string[]>> = {
  'the last words of a server that dies': (mask, text) => {
    const noise = new ServerNoise(mask, () => {})
    noise.push(Buffer.from(text))
    return [noise.reason()]
  },
  'what it has written instead of an answer': (mask, text) => {
    const noise = new ServerNoise(mask, () => {})
    noise.push(Buffer.from(text))
    for (const line of text.split('\n')) noise.stdout(line)
    const { stdout, stderr } = noise.lastLines()
    return [stdout, stderr, noise.reason()]
  },
  'its lines on stderr, in two writes': (mask, text) => {
    const shown: string[] = []
    const noise = new ServerNoise(mask, (line) => shown.push(line))
    const bytes = Buffer.from(`${text}\n`)
    noise.push(bytes.subarray(0, bytes.length / 2))
    noise.push(bytes.subarray(bytes.length / 2))
    return shown
  },
  'the head of a line that is too long': (mask, text) => {
    const shown: string[] = []
    const head = Buffer.from(text).subarray(0, 256).toString('utf8').replaceAll('\n', ' ')
    new ServerNoise(mask, (line) => shown.push(line)).stdout(head, '… (the rest was skipped)')
    return shown
  },
  'the lines that a status repeats, and the log': (mask, text) => {
    const logged: string[] = []
    const note = (fields: object) => logged.push(JSON.stringify(fields))
    const log = { debug: note, info: note, warn: note, error: note }
    const definition = definitionOf({ name: 'a', transport: 'stdio', command: 'run', logEnabled: true })
    const tail = new OutputTail(log)
    tail.writerOf(definition, mask)(text)
    return [...tail.texts(50), ...tail.lines().map(({ text }) => text), ...logged]
  },
  'an error that it answers to the gateway': async (mask, text) => {
    const asked = scanMessage('{"jsonrpc":"2.0","id":0,"method":"ping"}')
    const error = { code: -32000, message: text }
    const answer = scanMessage(JSON.stringify({ jsonrpc: '2.0', id: 0, error }))
    if (asked === null || answer === null) throw new Error('the messages do not scan')
    const call = new GatewayCall('ping', asked, mask)
    call.answered(answer, answer.text)
    return [await call.answer.then(JSON.stringify, String)]
  },
  'an HTTP error': async (mask, text) => {
    const body = Buffer.from(JSON.stringify({ error: { code: -32000, message: text } }))
    const answer: HttpAnswer = {
      status: 500,
      url: new URL('http://server.example/'),
      mediaType: 'application/json',
      header: () => 'application/json',
      pieces: () => [body],
      next: () => null,
      discard: () => {},
    }
    const failure = await readFailure(answer, {
      requestId: 1,
      inSession: false,
      credentials: [],
      host: 'server.example',
      mask,
    })
    return [failure.kind === 'error' ? failure.error.details : JSON.stringify(failure)]
  },
}

function piecesOf(spelling: string, shown: readonly string[]): string[] {
  const windows = Array.from({ length: spelling.length - 7 }, (_, at) => spelling.slice(at, at + 8))
  return windows.filter((window) => shown.some((text) => text.includes(window)))
}

/** In front of the secret, so that it stands at any distance from a cut at the end of what is kept, and behind. */
const before = fc.oneof(fc.nat(300), fc.nat(2_100), fc.nat(4_200))
const behind = fc.oneof(fc.nat(300), fc.nat(1_100), fc.nat(4_200))
const fill = (characters: number) => '- '.repeat(characters / 2)

for (const [kind, secret] of Object.entries(secrets)) {
  test.each(Object.keys(sinks))(`a secret ${kind} in %s`, async (sink) => {
    const show = sinks[sink]
    if (show === undefined) throw new Error(sink)
    await fc.assert(
      fc.asyncProperty(
        secret,
        fc.constantFrom(...spellings),
        before,
        behind,
        async (value, spell, head, rest) => {
          const { printed, hidden } = spell(value)
          const shown = await show(createMask([value]), `${fill(head)}KEY=${printed} ${fill(rest)}end`)
          expect(piecesOf(hidden, shown)).toEqual([])
        },
      ),
      { numRuns: 60 },
    )
  })
}

/**
 * How the two parts of a secret that a line break or a cut has parted are printed. A comma stands behind a part, which is
 * in none of the secrets: a blank there would be one character more of a secret that has seven of the same in front of one.
 */
const parted: Readonly<Record<string, (first: string, second: string) => string>> = {
  'by a line break': (first, second) => `KEY=${first}\n${second}, is no key`,
  'by a line break and an indent': (first, second) => `KEY=${first}  \r\n\t${second}, that was the key`,
  'by a cut, the second part is lost': (first) => `KEY=${first}`,
  'by a cut, the first part is lost': (_first, second) => `${second}, is no key`,
  'by a cut in a character': (first, second) => `\ufffd${second}, and KEY=${first}\ufffd`,
}

for (const [kind, secret] of Object.entries(secrets)) {
  test.each(Object.keys(parted))(`a secret ${kind} that is parted %s`, (how) => {
    fc.assert(
      fc.property(secret, fc.nat(), (value, seed) => {
        const at = seed % value.length
        const text = parted[how]?.(value.slice(0, at), value.slice(at)) ?? ''
        expect(piecesOf(value, [createMask([value])(text)])).toEqual([])
      }),
      { numRuns: 60 },
    )
  })
}

test('a random secret is found in pieces also where the line of another program comes between', () => {
  fc.assert(
    fc.property(fc.nat(), fc.nat(64), (seed, at) => {
      const value = new Bun.CryptoHasher('sha256').update(String(seed)).digest('hex')
      const text = `KEY=${value.slice(0, at)}INFO other: up\n> ${value.slice(at)} is no key`
      expect(piecesOf(value, [createMask([value])(text)])).toEqual([])
    }),
  )
})

test('a bound on what is read leaves no part of a secret that the masks before it have drawn near', () => {
  fc.assert(
    fc.property(fc.integer({ min: 700, max: 900 }), fc.nat(800), (length, shift) => {
      const secret = 'correct horse battery staple '.repeat(40).slice(0, length)
      const text = `${'-'.repeat(shift)}${`${secret}|`.repeat(100)}`
      expect(maskStart(createMask([secret]), text, 2_000)).not.toContain('battery')
    }),
  )
})
