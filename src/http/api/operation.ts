/** What ties a route and its handler to their operation (operations.ts): types and a name, no schema. */
import type { Static, TSchema } from '@sinclair/typebox'
import { type ReplyHeaders, replyJson } from '../reply.ts'
import type { operations } from './operations.ts'

export type OperationId = keyof typeof operations
type Answers<Id extends OperationId> = (typeof operations)[Id]['answers']
type Shown<T> = T extends object ? { readonly [Key in keyof T]: Shown<T[Key]> } : T

/** The JSON value that an operation answers with a status, from its schema. */
export type AnswerOf<Id extends OperationId, Status extends keyof Answers<Id>> = Answers<Id>[Status] extends {
  readonly schema: infer Schema extends TSchema
}
  ? Shown<Static<Schema>>
  : never

/** A JSON answer of an operation; a value that its schema does not describe does not compile. */
export function answer<Id extends OperationId, Status extends keyof Answers<Id> & number>(
  _operation: Id,
  status: Status,
  value: AnswerOf<Id, Status>,
  headers?: ReplyHeaders,
): Response {
  return replyJson(status, value, headers)
}

/**
 * The options of the route of an operation. `parse: 'none'`: handlers read bodies themselves, within their bound,
 * and check them once. Elysia is given no schema to check with: docs/decisions/elysia-validation.md.
 */
export function routeOf<Id extends OperationId>(operationId: Id) {
  return { parse: 'none', detail: { operationId } } as const
}
