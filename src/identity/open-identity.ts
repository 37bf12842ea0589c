/** Opens what the configuration asks for, at the start and when it is read again. Nothing is loaded for nothing. */
import type { Grants } from '../access/reach.ts'
import type { RuleBook } from '../access/rules.ts'
import type { Config } from '../config/schema.ts'
import { outgoingProxies } from '../net/outgoing-proxy.ts'
import type { Log } from '../telemetry/log.ts'
import type { Ask } from '../upstream/transports/http/client/small-requests.ts'
import type { UrlPolicy } from '../upstream/transports/http/client/url-guard.ts'
import type { Identity } from './identity.ts'
import type { SignIn } from './sign-in/sign-in.ts'

export class IdentityOpener {
  readonly #log: Log
  readonly #urlPolicy: UrlPolicy
  readonly #settings: () => Pick<Config, 'baseUrl' | 'auth'>
  /** One for good: what is open asks it for the rules that count now. */
  #book: RuleBook | null = null
  #signIn: SignIn | null = null

  /** `settings` are those in force. */
  constructor(log: Log, urlPolicy: UrlPolicy, settings: () => Pick<Config, 'baseUrl' | 'auth'>) {
    this.#log = log
    this.#urlPolicy = urlPolicy
    this.#settings = settings
  }

  /** The room of those who sign in in a browser; null until the first one has come. */
  get signIn(): SignIn | null {
    return this.#signIn
  }

  /** Loads it; `holds` says whether a configured token still makes a principal. */
  async loadSignIn(holds: (principalId: string) => boolean): Promise<SignIn> {
    const { SignIn } = await import('./sign-in/sign-in.ts')
    const { book, ask } = await this.#people()
    // Somebody else may have come meanwhile.
    this.#signIn ??= new SignIn({ book, ask, log: this.#log, settings: this.#settings, holds })
    return this.#signIn
  }

  /** What this configuration asks for; null where it asks for nothing. Its rules about people count from here on. */
  async open({ baseUrl, auth }: Pick<Config, 'baseUrl' | 'auth'>): Promise<Identity | null> {
    const { issuers, scopes, access } = auth.oauth
    const log = this.#log
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
    return new OAuthFront({ baseUrl, scopes, issuers, ask, log, principalOf })
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
