/** What is kept of logins and clients, sealed by the vault: JSON texts, held to a shape when they are read back. */
import { type Static, type TSchema, Type } from '@sinclair/typebox'
import { Value } from '@sinclair/typebox/value'
import { jsonIn } from '../../protocol/json.ts'
import { clientMethods } from '../../registry/oauth/oauth-settings.ts'

/**
 * What this room needs of the vault. `write` and `delete` are durable when they return. With `ifVersion` a write is
 * made only where the stored version is that one (null: where there is none), and answers whether it was: so that of
 * several processes one refreshes.
 */
export interface LoginVault {
  read(
    owner: string,
    server: string,
    name: string,
  ): { readonly value: string; readonly version: number } | null
  write(
    owner: string,
    server: string,
    name: string,
    value: string,
    ifVersion?: number | null,
    issuer?: string,
  ): boolean
  /** True for exactly one of those who ask. */
  delete(owner: string, server: string, name: string): boolean
  list(filter: {
    readonly owner?: string
    readonly server?: string
    /** Of the name. */
    readonly prefix?: string
  }): readonly { readonly owner: string; readonly server: string; readonly name: string }[]
  /** Of changes that others have made. */
  onChange(listener: (owner: string, server: string, name: string) => void): () => void
}

/** Resolves when what `work` has changed is there for all who share the vault; rejects where somebody was faster. */
export type Confirm = <T>(work: () => Promise<T>) => Promise<T>

/** Names of entries. */
export const entryNames = {
  login: 'oauth:login',
  client: 'oauth:client',
  /** Behind it stands the digest of the state. */
  pending: 'oauth:pending:',
  /** Behind it stands the digest of the ticket. */
  ticket: 'oauth:ticket:',
} as const

const nullable = <S extends TSchema>(schema: S) => Type.Union([schema, Type.Null()])

const loginSchema = Type.Object({
  issuer: Type.String(),
  clientId: Type.String(),
  /** The origin of the server that it was got for; no other is shown the token. */
  origin: Type.String(),
  resource: nullable(Type.String()),
  accessToken: Type.String(),
  refreshToken: nullable(Type.String()),
  /** Wall clock. */
  obtainedAtMs: Type.Number(),
  expiresAtMs: nullable(Type.Number()),
  /** Those that were asked for. */
  scopes: Type.Array(Type.String()),
  /** The key that its tokens are bound to, a private JWK; absent where they are bound to none. */
  proofKey: Type.Optional(Type.String()),
  /** Which process is at the token endpoint with it, and until when nobody else goes there. */
  refreshing: nullable(Type.Object({ by: Type.String(), untilMs: Type.Number() })),
})

/** A login: the tokens of one owner at one server. */
export type StoredLogin = Static<typeof loginSchema>

const clientSchema = Type.Object({
  issuer: Type.String(),
  redirectUrl: Type.String(),
  id: Type.String(),
  secret: nullable(Type.String()),
  method: Type.Union(clientMethods.map((method) => Type.Literal(method))),
  /** Wall clock; null for never. */
  expiresAtMs: nullable(Type.Number()),
})

/** A client that has registered itself at one issuer. */
export type StoredClient = Static<typeof clientSchema>

const pendingSchema = Type.Object({
  issuer: Type.String(),
  clientId: Type.String(),
  origin: Type.String(),
  resource: nullable(Type.String()),
  verifier: Type.String(),
  redirectUrl: Type.String(),
  scopes: Type.Array(Type.String()),
  /** Digest of what the browser alone has that began; null where the answer is brought by who began. */
  browser: nullable(Type.String()),
  /** The session in which its person was signed in here; null where a ticket or a command of an admin's began it. */
  session: nullable(Type.String()),
  /** Wall clock. */
  untilMs: Type.Number(),
})

/** A login that has begun in a browser. */
export type PendingLogin = Static<typeof pendingSchema>

const ticketSchema = Type.Object({
  /** Wall clock. */
  untilMs: Type.Number(),
})

/** With which a browser begins the login of an account that all share: an admin has asked for it. */
export type LoginTicket = Static<typeof ticketSchema>

export function ticketIn(text: string): LoginTicket | null {
  return parsed(ticketSchema, text)
}

/** Null for what cannot be read: a login that is not there. */
export function loginIn(text: string): StoredLogin | null {
  return parsed(loginSchema, text)
}

export function clientIn(text: string): StoredClient | null {
  return parsed(clientSchema, text)
}

export function pendingIn(text: string): PendingLogin | null {
  return parsed(pendingSchema, text)
}

function parsed<S extends TSchema>(schema: S, text: string): Static<S> | null {
  const value = jsonIn(text)
  return Value.Check(schema, value) ? value : null
}
