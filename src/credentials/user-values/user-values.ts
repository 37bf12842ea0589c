/** What stands for `${user.NAME}` in the definition of a server, for each user: which there is, and the definition with it. */
import type { CredentialOwner } from '../../access/owner/credential-owner.ts'
import { GatewayError } from '../../errors.ts'
import type { ServerDefinition } from '../../registry/definition.ts'
import {
  fitsHeader,
  isUserValueName,
  userNamesIn,
  userNamesOf,
  withUserValues,
} from '../../registry/secrets/user-values.ts'
import type { Log } from '../../telemetry/log.ts'
import type { Vault } from '../vault/vault.ts'

/** One credential that a server takes of each user. */
export interface WantedCredential {
  readonly name: string
  /** ISO 8601; null where the user has stored none that goes to this server. */
  readonly updatedAt: string | null
}

/** What a value may be at most; that of a header may be less. */
const valueBytesMax = 64 * 1024
const headerBytesMax = 16 * 1024
/** Each request that needs one asks again. */
const lockedToldMsMin = 10_000

export class UserValues {
  readonly #vault: Vault
  /** Where users set them, as a URL; null where no URL of the gateway is known. */
  readonly #page: () => string | null
  readonly #log: Log
  #lockedToldMs = Number.NEGATIVE_INFINITY

  constructor(vault: Vault, page: () => string | null, log: Log) {
    this.#vault = vault
    this.#page = page
    this.#log = log
  }

  /** The definition with what this user has stored. Throws CREDENTIAL_MISSING or SECRETS_LOCKED. */
  filled(definition: ServerDefinition, owner: CredentialOwner): ServerDefinition {
    const values: Record<string, string> = {}
    const missing: string[] = []
    for (const name of userNamesOf(definition)) {
      const found = this.#unlocked(() => this.#vault.read(owner, definition.name, name, placeOf(definition)))
      if (found === null) missing.push(name)
      else values[name] = found.value
    }
    if (missing.length > 0) throw this.#missing(definition, missing)
    return withUserValues(definition, values)
  }

  /** What a server with this definition takes of each user, and what this one has stored. */
  wanted(definition: ServerDefinition, owner: CredentialOwner): WantedCredential[] {
    const { name: server } = definition
    const place = placeOf(definition)
    const stored = new Map(
      this.#vault
        .list({ owner, server })
        .flatMap(({ name, issuer, updatedAt }) => (issuer === place ? [[name, updatedAt]] : [])),
    )
    return userNamesOf(definition).map((name) => ({ name, updatedAt: stored.get(name) ?? null }))
  }

  /** Stores a value. Throws NOT_FOUND for one that the server does not take, BAD_REQUEST for what cannot be one. */
  set(definition: ServerDefinition, owner: CredentialOwner, name: string, value: string): void {
    const { name: server } = definition
    const names = userNamesOf(definition)
    if (!names.includes(name))
      throw new GatewayError(
        'NOT_FOUND',
        names.length === 0
          ? `${server} takes no credentials of users.`
          : `${server} takes no credential of this name; it takes ${names.join(', ')}.`,
      )
    const inHeader = Object.values(definition.headers).some((text) => userNamesIn(text)?.includes(name))
    const fault = valueFault(value, inHeader)
    if (fault !== null) throw new GatewayError('BAD_REQUEST', `The value ${fault}.`)
    this.#unlocked(() => this.#vault.write(owner, server, name, value, undefined, placeOf(definition)))
  }

  /** Takes a value back, also one of a server that is gone. False where there was none. */
  remove(server: string, owner: CredentialOwner, name: string): boolean {
    return isUserValueName(name) && this.#vault.delete(owner, server, name)
  }

  /** What is wrong with the key is for admins, in the log: it names files of this machine. */
  #unlocked<T>(work: () => T): T {
    try {
      return work()
    } catch (thrown) {
      if (!(thrown instanceof GatewayError) || thrown.code !== 'SECRETS_LOCKED') throw thrown
      const nowMs = performance.now()
      if (nowMs - this.#lockedToldMs >= lockedToldMsMin) {
        this.#lockedToldMs = nowMs
        this.#log.error({ reason: thrown.details }, 'stored credentials cannot be opened')
      }
      throw new GatewayError(
        'SECRETS_LOCKED',
        'What you have stored cannot be opened now. An admin has to see to the key; the log of the gateway says what is wrong with it.',
      )
    }
  }

  #missing({ name: server }: ServerDefinition, missing: readonly string[]): GatewayError {
    const page = this.#page()
    const where = page === null ? 'at /me of the gateway' : `at ${page}`
    const [first = ''] = missing
    const what = missing.length === 1 ? `your ${first}` : `${missing.join(' and ')} of yours`
    return new GatewayError(
      'CREDENTIAL_MISSING',
      `${server} needs ${what}. Set it ${where}, or with "compozy credentials set ${server} ${first}", and try again.`,
      undefined,
      // Where the client can, its user is asked to open it.
      page === null ? undefined : { url: page },
    )
  }
}

/**
 * To whom a value may go: a server that moves to another host, or is a process now, is not given what users have stored
 * for the one before.
 */
function placeOf({ transport, url }: ServerDefinition): string {
  return transport === 'stdio' ? 'process' : (URL.parse(url)?.origin ?? 'nowhere')
}

function valueFault(value: string, inHeader: boolean): string | null {
  if (value === '') return 'is empty; to take it back, delete it'
  if (Buffer.byteLength(value) > (inHeader ? headerBytesMax : valueBytesMax))
    return `is larger than ${inHeader ? headerBytesMax : valueBytesMax} bytes`
  if (value.includes('\0')) return 'holds NUL'
  return inHeader && !fitsHeader(value)
    ? 'goes into a header, which has no line breaks and only Latin-1 text'
    : null
}
