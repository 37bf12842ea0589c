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
  eventStreams: [],
  largeEvents: [],
  httpResponses: [],
  longResponses: [],
  responsesInARow: [],
  lines: [],
  noise: [],
  largeLines: [],
  json: [],
  largeAnswers: [],
  numbers: [],
  addresses: [],
  networks: [],
  chains: [],
  definitions: [],
  masks: [],
  maskedTexts: [],
  randomSecrets: [],
  cutSecrets: [],
  plainTexts: [],
}
