/**
 * One operation of the HTTP API as a value: what it takes, what it answers, which errors it can give.
 *
 * The types of handlers come from its schemas, and so does the OpenAPI document (openapi.ts). It hangs
 * on the route as its `detail`, not as Elysia's `body` and `response`: docs/decisions/elysia-validation.md.
 */
import type { Static, TSchema } from '@sinclair/typebox'
import type { ErrorCode } from '../errors.ts'
import { type ReplyHeaders, replyJson } from './reply.ts'

/** One way in which an operation ends well, or says that it does not serve. */
export interface AnswerForm {
  readonly description: string
  /** Null for an answer without a body. */
  readonly schema: TSchema | null
  /** `application/json` unless given. */
  readonly contentType?: string
}

/** Who may ask: `admin` as the access rules of the admin API say, `everyone` without credentials. */
export type OperationAccess = 'admin' | 'everyone'

export interface Operation {
  /** The `operationId`, after which generated clients name their functions. */
  readonly id: string
  readonly tag: 'servers' | 'tools' | 'figures' | 'health'
  readonly summary: string
  readonly access: OperationAccess
  readonly body?: { readonly description: string; readonly schema: TSchema }
  /** By status. */
  readonly answers: Readonly<Record<number, AnswerForm>>
  /** Errors of its own; those that the way in can give come on top. */
  readonly errors?: readonly ErrorCode[]
}

type Shown<T> = T extends object ? { readonly [Key in keyof T]: Shown<T[Key]> } : T

/** The JSON value that an operation answers with a status, from its schema. */
export type AnswerOf<O extends Operation, Status extends keyof O['answers']> = O['answers'][Status] extends {
  readonly schema: infer Schema extends TSchema
}
  ? Shown<Static<Schema>>
  : never

/** A JSON answer of an operation; a value that its schema does not describe does not compile. */
export function answer<O extends Operation, Status extends keyof O['answers'] & number>(
  _operation: O,
  status: Status,
  value: AnswerOf<O, Status>,
  headers?: ReplyHeaders,
): Response {
  return replyJson(status, value, headers)
}

/** The options of the route of an operation. `parse: 'none'`: handlers read bodies themselves, within their bound. */
export function routeOf(operation: Operation) {
  return { parse: 'none', detail: operation } as const
}
