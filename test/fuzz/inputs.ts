/** Inputs of fuzzers: good texts made bad, and bytes cut wherever they can be. */
import fc from 'fast-check'

/** Bytes, one character each, and some places to cut them at. */
export interface Cut {
  readonly bytes: string
  readonly at: readonly number[]
}

/** The bytes of a text that has one character for each. */
export function bytesOf(text: string): Buffer {
  return Buffer.from(text, 'latin1')
}

/** A text as UTF-8, one character a byte. */
export function utf8(text: string): string {
  return Buffer.from(text).toString('latin1')
}

type Mutation =
  | { readonly kind: 'insert'; readonly at: number; readonly text: string }
  | { readonly kind: 'remove'; readonly at: number; readonly length: number }
  | { readonly kind: 'repeat'; readonly at: number; readonly length: number; readonly times: number }
  | { readonly kind: 'flip'; readonly at: number; readonly bit: number }
  | { readonly kind: 'graft'; readonly at: number; readonly other: string; readonly from: number }

const place = fc.nat(0xffff)

/** Texts like these with a few faults in them; `tokens` are what means something to their reader. */
export function mutated(seeds: fc.Arbitrary<string>, tokens: readonly string[]): fc.Arbitrary<string> {
  const token = fc.oneof(
    { arbitrary: fc.constantFrom(...tokens), weight: 4 },
    {
      arbitrary: fc.string({ unit: fc.nat(255).map((code) => String.fromCharCode(code)), maxLength: 4 }),
      weight: 1,
    },
  )
  const mutation: fc.Arbitrary<Mutation> = fc.oneof(
    fc.record({ kind: fc.constant('insert'), at: place, text: token }),
    fc.record({ kind: fc.constant('remove'), at: place, length: fc.integer({ min: 1, max: 20 }) }),
    fc.record({
      kind: fc.constant('repeat'),
      at: place,
      length: fc.integer({ min: 1, max: 40 }),
      times: fc.integer({ min: 1, max: 3 }),
    }),
    fc.record({ kind: fc.constant('flip'), at: place, bit: fc.nat(7) }),
    fc.record({ kind: fc.constant('graft'), at: place, other: seeds, from: place }),
  )
  return fc
    .tuple(seeds, fc.array(mutation, { maxLength: 6 }))
    .map(([seed, mutations]) => mutations.reduce(applied, seed))
}

function applied(text: string, mutation: Mutation): string {
  const at = mutation.at % (text.length + 1)
  const [before, after] = [text.slice(0, at), text.slice(at)]
  switch (mutation.kind) {
    case 'insert':
      return before + mutation.text + after
    case 'remove':
      return before + after.slice(mutation.length)
    case 'repeat':
      return before + after.slice(0, mutation.length).repeat(mutation.times) + after
    case 'flip':
      return after === ''
        ? text
        : before + String.fromCharCode(after.charCodeAt(0) ^ (1 << mutation.bit)) + after.slice(1)
    case 'graft':
      return before + mutation.other.slice(mutation.from % (mutation.other.length + 1))
  }
}

/** These bytes and places to cut them at. */
export function cut(bytes: fc.Arbitrary<string>): fc.Arbitrary<Cut> {
  return fc.record({ bytes, at: fc.array(place, { maxLength: 12 }) })
}

/** More halves than these are not tried of one input; which ones depends on its places. */
const halvesMax = 256

/** In two at every place, byte by byte, and at the given places. Each chunk is a buffer of its own. */
export function* chunkings({ bytes, at }: Cut): Iterable<Buffer[]> {
  const stride = Math.ceil(bytes.length / halvesMax) || 1
  for (let place = (at[0] ?? 0) % stride; place <= bytes.length; place += stride)
    yield chunked(bytes, [place])
  yield chunked(bytes, at)
  if (bytes.length <= 4 * halvesMax) yield [...bytes].map(bytesOf)
}

function chunked(bytes: string, places: readonly number[]): Buffer[] {
  const sorted = places.map((place) => place % (bytes.length + 1)).sort((a, b) => a - b)
  return [0, ...sorted].map((from, index) => bytesOf(bytes.slice(from, sorted[index] ?? bytes.length)))
}
