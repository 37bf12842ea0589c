/** What an operation of the admin API is made of; the table of all is operations.ts. */
import type { TSchema } from '@sinclair/typebox'
import type { ErrorCode } from '../../errors.ts'

/** What operations are about, in the order of the document. */
export const tags = {
  servers: 'The registry of MCP servers.',
  keys: 'Keys that open servers, or this API.',
  tools: 'The tools of all servers.',
  credentials: 'What users of servers are known by there.',
  configuration: 'The settings, and the servers of the file.',
  figures: 'Metrics, and this document.',
  people: 'Who asks, and signing in and out in a browser.',
  health: 'For probes; open to everyone.',
} as const

export interface Operation {
  readonly tag: keyof typeof tags
  readonly summary: string
  /** Who may ask: `admin` as the access rules of the admin API say, `everyone` without credentials. */
  readonly access: 'admin' | 'everyone'
  readonly body?: { readonly description: string; readonly schema: TSchema }
  /** By name; each may be left out. */
  readonly query?: Readonly<Record<string, { readonly description: string; readonly schema: TSchema }>>
  /** By status. */
  readonly answers: Readonly<Record<number, AnswerForm>>
  /** Errors of its own; those that the way in can give come on top. */
  readonly errors?: readonly ErrorCode[]
}

/** One way in which an operation ends well, or says that it does not serve. */
export interface AnswerForm {
  readonly description: string
  /** Null for an answer without a body. */
  readonly schema: TSchema | null
  /** `application/json` unless given. */
  readonly contentType?: string
  /** Another one in which it is given to whoever asks for that. */
  readonly otherContentType?: string
  /** Where the answer may also be a stream: which events there are, and when it is one. */
  readonly events?: string
}
