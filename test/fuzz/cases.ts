/**
 * Inputs on which something failed once. Each fuzzer repeats its own before it tries others: a case is the input
 * that the failed run prints, and why it is worth keeping.
 */
import type { Cut } from './inputs.ts'

/** One input and what it showed. */
export interface KeptCase<Input> {
  readonly why: string
  readonly input: Input
}

interface Bounded {
  readonly input: Cut
  readonly lineBytesMax: number
  readonly noiseBytesMax: number
}

interface Network {
  readonly network: string
  readonly near: string
  readonly bit: number
  readonly other: string
}

interface Chain {
  readonly list: string | null
  readonly standard: string | null
  readonly proto: string | null
  readonly host: string | null
  readonly prefix: string | null
  readonly from: string
  readonly proxies: string[]
  readonly appendsList: boolean
}

interface Printed {
  readonly secrets: readonly string[]
  readonly text: string
}

interface CutSecret {
  readonly secrets: string[]
  readonly which: number
  readonly cut: number
  readonly before: string
  readonly end: string
}

export const cases: {
  readonly eventStreams: readonly KeptCase<Cut>[]
  readonly largeEvents: readonly KeptCase<Cut>[]
  readonly httpResponses: readonly KeptCase<Cut>[]
  readonly longResponses: readonly KeptCase<Cut>[]
  readonly responsesInARow: readonly KeptCase<string[]>[]
  readonly lines: readonly KeptCase<Bounded>[]
  readonly noise: readonly KeptCase<Bounded>[]
  readonly largeLines: readonly KeptCase<Cut>[]
  readonly json: readonly KeptCase<string>[]
  readonly largeAnswers: readonly KeptCase<Cut>[]
  readonly numbers: readonly KeptCase<string>[]
  readonly addresses: readonly KeptCase<string>[]
  readonly networks: readonly KeptCase<Network>[]
  readonly chains: readonly KeptCase<Chain>[]
  readonly definitions: readonly KeptCase<string>[]
  readonly masks: readonly KeptCase<string>[]
  readonly maskedTexts: readonly KeptCase<string>[]
  readonly randomSecrets: readonly KeptCase<Printed>[]
  readonly cutSecrets: readonly KeptCase<CutSecret>[]
  readonly plainTexts: readonly KeptCase<Printed>[]
} = {
  eventStreams: [
    {
      why: 'a comment behind a byte order mark',
      input: { bytes: `\xef\xbb\xbf: ping\ndata:${'x'.repeat(695)}\n\n`, at: [] },
    },
    {
      why: 'an id in an event over the bound',
      input: { bytes: `data:${'x'.repeat(600)}\nid:${'y'.repeat(200)}\n\n`, at: [] },
    },
    {
      why: 'a comment over the bound in an event',
      input: { bytes: `data:1\n:${'x'.repeat(900)}\n\n`, at: [3] },
    },
  ],
  largeEvents: [
    {
      why: 'a last line of data that is empty',
      input: { bytes: `data:${'x'.repeat(720)}\ndata:\n\n`, at: [] },
    },
    {
      why: 'another field before the data',
      input: { bytes: `event:${'e'.repeat(100)}\ndata:${'x'.repeat(650)}\n\n`, at: [] },
    },
    {
      why: 'a short line before the long one',
      input: { bytes: `data:{\ndata:${'x'.repeat(720)}\n\n`, at: [] },
    },
  ],
  httpResponses: [
    {
      why: 'a length with a space that is none',
      input: { bytes: 'HTTP/1.1 200 OK\r\nContent-Length: 5\xa0\r\n\r\nhello', at: [] },
    },
    {
      why: 'two hints, of which the first counts',
      input: { bytes: 'HTTP/1.1 204 x\r\nKeep-Alive: timeout=5\r\nKeep-Alive: timeout=0\r\n\r\n', at: [] },
    },
  ],
  longResponses: [
    {
      why: 'a head of the bound, its blank line cut',
      input: { bytes: `HTTP/1.1 204 x\r\nX: ${'x'.repeat(65_517)}\r\n\r\n`, at: [65_538] },
    },
  ],
  responsesInARow: [],
  lines: [],
  noise: [],
  largeLines: [],
  json: [
    {
      why: 'an escaped slash in the method of a notification with a null id',
      input: '{"method":"notifications\\/initialized","id":null}',
    },
    { why: 'an escaped slash in a key', input: '{"id":5,"params":{"vendor\\/key":{}},"result":[]}' },
  ],
  largeAnswers: [
    {
      why: 'a null method before the id',
      input: { bytes: '{"result":"","method":null,"jsonrpc":"2.0","id":5}', at: [] },
    },
    {
      why: 'a null error at the end',
      input: { bytes: '{"jsonrpc":"2.0","id":5,"result":1,"error":null}', at: [] },
    },
  ],
  numbers: [],
  addresses: [],
  networks: [
    {
      why: 'the last address is an IPv4-mapped one',
      input: { network: '::1/80', near: '0', bit: 0, other: '127.0.0.1' },
    },
  ],
  chains: [],
  definitions: [],
  masks: [],
  maskedTexts: [],
  randomSecrets: [
    { why: 'base64 without a digit', input: { secrets: ['35165fee233eb2d3'], text: 'MzUxNjVm' } },
  ],
  cutSecrets: [],
  plainTexts: [],
}
