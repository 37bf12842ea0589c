/**
 * The tokens with which people have come in last, for servers that take them in exchange for one of theirs. In memory
 * only, and only while some server takes any: everybody else's token is forgotten when its request has been let in.
 */
import type { CallerToken } from '../../access/owner/caller-token.ts'
import type { CredentialOwner } from '../../access/owner/credential-owner.ts'
import type { Principal } from '../../access/principal.ts'
import type { Audience } from './resources.ts'

const ownersMax = 10_000
/** Of one person, who may have several clients. */
const tokensMax = 8
const charsMax = 32 * 1024 * 1024
const purgeMs = 60_000

class Held implements CallerToken {
  readonly token: string
  readonly owner: CredentialOwner
  readonly issuer: string
  readonly expiresAtMs: number
  readonly audience: Audience
  readonly #principal: Principal
  /** Its issuer has refused it, or nobody here would hear of that any more. */
  isOver = false

  constructor(token: string, principal: Principal, issuer: string, audience: Audience) {
    this.token = token
    this.owner = principal.id
    this.issuer = issuer
    this.expiresAtMs = principal.grants?.endsAtMs ?? 0
    this.audience = audience
    this.#principal = principal
  }

  get counts(): boolean {
    return !this.isOver && Date.now() < this.expiresAtMs && this.#principal.grants?.counts === true
  }
}

export class CallerTokens {
  readonly #renewed: (owner: CredentialOwner) => void
  /** The one that came last first; who came last is last. */
  readonly #byOwner = new Map<CredentialOwner, Held[]>()
  readonly #byToken = new Map<string, Held>()
  #chars = 0
  #purgedAtMs = 0

  /** `renewed` is told of whoever has come with a token that they had not come with before. */
  constructor(renewed: (owner: CredentialOwner) => void) {
    this.#renewed = renewed
  }

  /** Somebody has come in with this token of an issuer. */
  came(token: string, principal: Principal, issuer: string, audience: Audience): void {
    const known = this.#byOwner.get(principal.id)
    if (known?.[0]?.token === token) return
    const held = known?.find((one) => one.token === token) ?? new Held(token, principal, issuer, audience)
    const others = (known ?? []).filter((one) => one !== held)
    for (const one of others.filter((one, at) => !one.counts || at >= tokensMax - 1)) this.#drop(one)
    this.#byOwner.delete(held.owner)
    this.#byOwner.set(held.owner, [held, ...others.filter((one) => this.#byToken.has(one.token))])
    if (this.#byToken.has(token)) return
    this.#byToken.set(token, held)
    this.#chars += token.length
    this.#makeRoom()
    this.#renewed(held.owner)
  }

  /** Its issuer says that it counts no more, or it is too old. */
  refused(token: string): void {
    const held = this.#byToken.get(token)
    if (held === undefined) return
    this.#forget(held)
  }

  /** As the interface says. */
  of(owner: CredentialOwner, server: string, isServer: (name: string) => boolean): CallerToken | null {
    const held = (this.#byOwner.get(owner) ?? []).filter(({ counts }) => counts)
    const isWide = ({ audience: { everywhere, places } }: Held): boolean =>
      everywhere || [...places].some((place) => !isServer(place))
    return held.find(({ audience }) => audience.places.has(server)) ?? held.find(isWide) ?? null
  }

  #drop(held: Held): void {
    held.isOver = true
    if (this.#byToken.delete(held.token)) this.#chars -= held.token.length
  }

  #forget(held: Held): void {
    this.#drop(held)
    const left = (this.#byOwner.get(held.owner) ?? []).filter((one) => one !== held)
    if (left.length === 0) this.#byOwner.delete(held.owner)
    else this.#byOwner.set(held.owner, left)
  }

  #makeRoom(): void {
    const nowMs = performance.now()
    if (nowMs - this.#purgedAtMs >= purgeMs) {
      this.#purgedAtMs = nowMs
      for (const held of this.#byToken.values()) if (!held.counts) this.#forget(held)
    }
    for (const [owner, held] of this.#byOwner) {
      if (this.#byOwner.size <= ownersMax && this.#chars <= charsMax) return
      for (const one of held) this.#drop(one)
      this.#byOwner.delete(owner)
    }
  }
}
