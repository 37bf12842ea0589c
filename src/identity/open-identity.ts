/** Opens what the configuration asks for, at the start and when it is read again. Nothing is loaded for nothing. */
import type { GivenClaims, NamedPerson } from '../access/find-principal.ts'
import type { CallerTokenPlace } from '../access/owner/caller-token.ts'
import type { Principal } from '../access/principal.ts'
import type { Grants } from '../access/reach.ts'
import type { RuleBook } from '../access/rules.ts'
import type { Config } from '../config/schema.ts'
import { outgoingProxies } from '../net/outgoing-proxy.ts'
import type { DefinitionStore } from '../registry/storage/store.ts'
import type { Log } from '../telemetry/log.ts'
import type { Ask } from '../upstream/transports/http/client/small-requests.ts'
import type { UrlPolicy } from '../upstream/transports/http/client/url-guard.ts'
import type { Identity } from './identity.ts'
import type { KeyAdmin } from './keys/key-admin.ts'
import type { KeyRing } from './keys/key-ring.ts'
import type { CallerTokens } from './oauth/caller-tokens.ts'
import type { OAuthParts } from './oauth/front.ts'
import type { SignIn } from './sign-in/sign-in.ts'

/** Where keys are kept that were made over the admin API. */
export interface KeyPlace {
  readonly store: Pick<DefinitionStore, 'records' | 'putRecords'>
  /** The state directory; null where nothing outlives the process. */
  readonly directory: string | null
  /** Where tokens are kept that servers take in exchange; absent where none does. */
  readonly callers?: CallerTokenPlace
}

export class IdentityOpener {
  readonly #log: Log
  readonly #place: KeyPlace
  readonly #urlPolicy: UrlPolicy
  readonly #settings: () => Pick<Config, 'baseUrl' | 'auth'>
  #callers: CallerTokens | null = null
  /** One for good: what is open asks it for the rules that count now. */
  #book: RuleBook | null = null
  #signIn: SignIn | null = null
  #keys: KeyRing | null = null
  #keysChanged: () => void = () => {}

  /** `settings` are those in force. */
  constructor(
    log: Log,
    urlPolicy: UrlPolicy,
    settings: () => Pick<Config, 'baseUrl' | 'auth'>,
    place: KeyPlace,
  ) {
    this.#place = place
    this.#log = log
    this.#urlPolicy = urlPolicy
    this.#settings = settings
  }

  /** The room of those who sign in in a browser; null until the first one has come. */
  get signIn(): SignIn | null {
    return this.#signIn
  }

  /** Every key in use; null where there is none, and none has closed a door. */
  get keys(): KeyRing | null {
    return this.#keys
  }

  /** Has `listener` told when what was opened with keys may have to end, or may be used otherwise. */
  whenKeysChange(listener: () => void): void {
    this.#keysChanged = listener
  }

  /** What admins do with keys. Rejects with an Error of one clear sentence when a stored one cannot be read. */
  async loadKeys(): Promise<KeyAdmin> {
    const [ring, { KeyAdmin }] = await Promise.all([this.#loadRing(), import('./keys/key-admin.ts')])
    const auth = () => this.#settings().auth
    return new KeyAdmin({
      ring,
      store: this.#place.store,
      adminsWithoutKeys: () => auth().adminTokens.length > 0 || auth().oauth.login.admin !== null,
      clientsAskedWithoutKeys: () => auth().globalTokens.length > 0 || auth().oauth.issuers.length > 0,
    })
  }

  /** Goes on with the keys that the store holds now, which another process may have changed. */
  async takeStored(): Promise<void> {
    if (this.#keys !== null || this.#hasStored) (await this.#loadRing()).takeStored()
  }

  /** Time's passing. */
  sweep(nowMs: number): void {
    this.#keys?.sweep(nowMs)
  }

  close(): void {
    this.#keys?.close()
  }

  /** Loads it; `current` says whom a token or key that has been shown stands for now. */
  async loadSignIn(current: (principal: Principal) => Principal | null): Promise<SignIn> {
    const { SignIn } = await import('./sign-in/sign-in.ts')
    const { book, ask } = await this.#people()
    // Somebody else may have come meanwhile.
    this.#signIn ??= new SignIn({ book, ask, log: this.#log, settings: this.#settings, current })
    return this.#signIn
  }

  /** What this configuration asks for; null where it asks for nothing. Its rules about people count from here on. */
  async open({ baseUrl, auth }: Pick<Config, 'baseUrl' | 'auth'>): Promise<Identity | null> {
    const { issuers, scopes, access } = auth.oauth
    const log = this.#log
    if (auth.keys.length > 0 || this.#keys !== null || this.#hasStored)
      (await this.#loadRing()).take(auth.keys)
    if (issuers.length === 0 || baseUrl === null) {
      this.#book?.take(access, issuersIn(auth))
      return null
    }
    const [{ book, ask }, { personPrincipal }, { OAuthFront }] = await Promise.all([
      this.#people(),
      import('../access/person.ts'),
      import('./oauth/front.ts'),
    ])
    book.take(access, issuersIn(auth))
    const principalOf = (user: Parameters<typeof personPrincipal>[0]) => personPrincipal(user, book)
    const callers = await this.#callersOf(this.#place.callers)
    return new OAuthFront({ baseUrl, scopes, issuers, ask, log, principalOf, ...callers })
  }

  /** What is told of tokens that servers take in exchange; one for good, which outlives a reload. */
  async #callersOf(place: CallerTokenPlace | undefined): Promise<Pick<OAuthParts, 'callers'>> {
    if (place === undefined) return {}
    const { CallerTokens } = await import('./oauth/caller-tokens.ts')
    this.#callers ??= new CallerTokens((owner) => place.renewed(owner))
    const tokens = this.#callers
    place.tokens = tokens
    return {
      callers: {
        tokens,
        get wanted() {
          return place.wanted
        },
      },
    }
  }

  /** Somebody as a token that says this would make them, for admins who ask; null where no such issuer is configured. */
  async person(
    who: NamedPerson,
    claims: GivenClaims,
    expiresAtMs = Number.POSITIVE_INFINITY,
  ): Promise<Principal | null> {
    const issuers = issuersIn(this.#settings().auth)
    const issuer = 'issuer' in who ? who.issuer : issuers[0]
    if (issuer === undefined || !issuers.includes(issuer)) return null
    const [{ book }, { personPrincipal }] = await Promise.all([this.#people(), import('../access/person.ts')])
    const subject = 'issuer' in who ? { subject: who.subject } : { subject: '', id: who.id }
    return personPrincipal({ issuer, ...subject, claims, expiresAtMs }, book)
  }

  get #hasStored(): boolean {
    const { store } = this.#place
    return store.records('key').size > 0 || store.records('closed door').size > 0
  }

  async #loadRing(): Promise<KeyRing> {
    const [{ KeyRing }, { LastUse }] = await Promise.all([
      import('./keys/key-ring.ts'),
      import('./keys/last-use.ts'),
    ])
    const { store, directory } = this.#place
    const log = this.#log
    // Somebody else may have come meanwhile.
    this.#keys ??= new KeyRing({
      store,
      log,
      lastUse: new LastUse(directory, log),
      changed: () => this.#keysChanged(),
    })
    return this.#keys
  }

  async #people(): Promise<{ book: RuleBook; ask: Ask }> {
    const [{ RuleBook }, { smallRequests }] = await Promise.all([
      import('../access/rules.ts'),
      import('../upstream/transports/http/client/small-requests.ts'),
    ])
    if (this.#book === null) {
      const { auth } = this.#settings()
      this.#book = new RuleBook()
      this.#book.take(auth.oauth.access, issuersIn(auth))
    }
    return { book: this.#book, ask: smallRequests(this.#urlPolicy, outgoingProxies(process.env)) }
  }
}

/** Everybody whose word about people counts. */
function issuersIn({ oauth }: Config['auth']): string[] {
  const { issuer } = oauth.login
  return [...oauth.issuers.map((known) => known.issuer), ...(issuer === null ? [] : [issuer])]
}

/** Whether what was granted is over, by the clock that tokens are told by. */
export function hasEnded(grants: Grants | null): boolean {
  return grants !== null && grants.endsAtMs !== null && Date.now() >= grants.endsAtMs
}
