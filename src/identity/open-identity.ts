/** Opens what the configuration asks for, at the start and when it is read again. Nothing is loaded for nothing. */
import type { Grants } from '../access/reach.ts'
import type { RuleBook } from '../access/rules.ts'
import type { Config } from '../config/schema.ts'
import { outgoingProxies } from '../net/outgoing-proxy.ts'
import type { Log } from '../telemetry/log.ts'
import type { UrlPolicy } from '../upstream/transports/http/client/url-guard.ts'
import type { Identity } from './identity.ts'

export class IdentityOpener {
  readonly #log: Log
  readonly #urlPolicy: UrlPolicy
  /** One for good: what is open asks it for the rules that count now. */
  #book: RuleBook | null = null

  constructor(log: Log, urlPolicy: UrlPolicy) {
    this.#log = log
    this.#urlPolicy = urlPolicy
  }

  /** What this configuration asks for; null where it asks for nothing. Its rules about people count from here on. */
  async open({ baseUrl, auth }: Pick<Config, 'baseUrl' | 'auth'>): Promise<Identity | null> {
    const { issuers, scopes, access } = auth.oauth
    const names = issuers.map(({ issuer }) => issuer)
    if (issuers.length === 0 || baseUrl === null) {
      this.#book?.take([], [])
      return null
    }
    const [{ RuleBook }, { personPrincipal }, { OAuthFront }, { smallRequests }] = await Promise.all([
      import('../access/rules.ts'),
      import('../access/person.ts'),
      import('./oauth/front.ts'),
      import('../upstream/transports/http/client/small-requests.ts'),
    ])
    const book = this.#book ?? new RuleBook()
    this.#book = book
    book.take(access, names)
    const log = this.#log
    const ask = smallRequests(this.#urlPolicy, outgoingProxies(process.env))
    const principalOf = (user: Parameters<typeof personPrincipal>[0]) => personPrincipal(user, book)
    return new OAuthFront({ baseUrl, scopes, issuers, ask, log, principalOf })
  }
}

/** Whether what was granted is over, by the clock that tokens are told by. */
export function hasEnded(grants: Grants | null): boolean {
  return grants !== null && grants.endsAtMs !== null && Date.now() >= grants.endsAtMs
}
