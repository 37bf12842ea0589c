/** Reads the JSON body of an admin request, and says what is wrong with it in the contract's form. */
import type { Static, TObject } from '@sinclair/typebox'
import { Value } from '@sinclair/typebox/value'
import { GatewayError } from '../../../errors.ts'
import { parseExact } from '../../../protocol/exact-json.ts'
import { problemsOf, sentenceOf } from '../../../registry/problems.ts'
import { readBodyText } from '../../body.ts'

/** The parsed body, `whenEmpty` where there may be none; rejects with BAD_REQUEST when it is missing or not JSON. */
export function readJson(request: Request, bodyBytesMax: number, whenEmpty?: unknown): Promise<unknown> {
  return readWith(JSON.parse, request, bodyBytesMax, whenEmpty)
}

async function readWith(
  parse: (text: string) => unknown,
  request: Request,
  bodyBytesMax: number,
  whenEmpty?: unknown,
): Promise<unknown> {
  const text = await readBodyText(request, bodyBytesMax)
  if (text.trim() === '' && whenEmpty !== undefined) return whenEmpty
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
  const body = await readWith(parseExact, request, bodyBytesMax)
  if (!Value.Check(schema, body)) throw new GatewayError('BAD_REQUEST', sentenceOf(problemsOf(schema, body)))
  return body
}
