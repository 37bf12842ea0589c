/** Reads the JSON body of an admin request, and says what is wrong with it in the contract's form. */
import type { Static, TObject } from '@sinclair/typebox'
import { Value } from '@sinclair/typebox/value'
import { GatewayError } from '../../../errors.ts'
import { problemsOf, sentenceOf } from '../../../registry/problems.ts'
import { readBodyText } from '../../body.ts'

type Reviver = (key: string, value: unknown, context: { readonly source?: string }) => unknown

/** What both ends of "JSON.parse source text access" add to the language, which its types do not have yet. */
interface ExactJson {
  parse(text: string, reviver: Reviver): unknown
  rawJSON(text: string): unknown
}
const exactJson = JSON as unknown as ExactJson

/** Keeps a number that no number type holds (12345678901234567890, 1.10) as the text that it was written as. */
const keepDigits: Reviver = (_key, value, { source }) =>
  typeof value === 'number' && source !== undefined && String(value) !== source
    ? exactJson.rawJSON(source)
    : value

/** The parsed body; rejects with BAD_REQUEST when there is none or it is not JSON. */
export function readJson(request: Request, bodyBytesMax: number): Promise<unknown> {
  return readWith(JSON.parse, request, bodyBytesMax)
}

async function readWith(
  parse: (text: string) => unknown,
  request: Request,
  bodyBytesMax: number,
): Promise<unknown> {
  const text = await readBodyText(request, bodyBytesMax)
  if (text.trim() === '') throw new GatewayError('BAD_REQUEST', 'The request needs a JSON body.')
  try {
    return parse(text)
  } catch {
    // The engine's message quotes the input, which may hold a secret.
    throw new GatewayError('BAD_REQUEST', 'The request body is not valid JSON.')
  }
}

/**
 * The body as the schema describes it; rejects with BAD_REQUEST naming each field at fault. Written to JSON
 * again, its numbers have the digits that they came with.
 */
export async function readTyped<S extends TObject>(
  request: Request,
  schema: S,
  bodyBytesMax: number,
): Promise<Static<S>> {
  const exact = (text: string) => exactJson.parse(text, keepDigits)
  const body = await readWith(exact, request, bodyBytesMax)
  if (!Value.Check(schema, body)) throw new GatewayError('BAD_REQUEST', sentenceOf(problemsOf(schema, body)))
  return body
}
