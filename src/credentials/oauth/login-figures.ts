/** Figures of logins: what has become of them, and how those that there are stand when somebody scrapes. */
import { sharedOwner } from '../../access/owner/credential-owner.ts'
import type { ServerDefinition } from '../../registry/definition.ts'
import { isExchanged } from '../../registry/oauth/oauth-settings.ts'
import type { LoginFigures, loginAttempts, renewalOutcomes } from '../../telemetry/metrics.ts'
import type { Account } from './account.ts'
import { entryNames, type LoginVault } from './stored.ts'
import { isFinal } from './token-life.ts'

type Attempts = Record<(typeof loginAttempts)[number], number>
type Renewals = Record<(typeof renewalOutcomes)[number], number>

/** Counts what happens, and remembers how many logins users have. Its bound is that of the registered servers. */
export class LoginCounts {
  readonly #vault: Pick<LoginVault, 'list'>
  readonly #isRegistered: (server: string) => boolean
  readonly #byServer = new Map<string, { readonly attempts: Attempts; readonly renewals: Renewals }>()
  /** Logins of users by server; null where they are to be counted again. */
  #stored: ReadonlyMap<string, number> | null = null

  constructor(vault: Pick<LoginVault, 'list'>, isRegistered: (server: string) => boolean) {
    this.#vault = vault
    this.#isRegistered = isRegistered
  }

  /** Somebody has logged in at this server, or has tried to. */
  attempted(server: string, outcome: keyof Attempts): void {
    this.of(server).attempts[outcome]++
  }

  /** A renewal at this server has ended. */
  renewed(server: string, outcome: keyof Renewals): void {
    this.of(server).renewals[outcome]++
  }

  /** The same of a renewal that is `work`. */
  async renewing(server: string, work: () => Promise<void>): Promise<void> {
    try {
      await work()
      this.renewed(server, 'renewed')
    } catch (thrown) {
      this.renewed(server, isFinal(thrown) ? 'refused' : 'failed')
      throw thrown
    }
  }

  /** The vault holds other logins than before. */
  changed(): void {
    this.#stored = null
  }

  /** How many logins users have at this server. */
  storedOfUsers(server: string): number {
    this.#stored ??= this.#countStored()
    return this.#stored.get(server) ?? 0
  }

  of(server: string): { readonly attempts: Attempts; readonly renewals: Renewals } {
    const known = this.#byServer.get(server)
    if (known !== undefined) return known
    for (const name of this.#byServer.keys()) if (!this.#isRegistered(name)) this.#byServer.delete(name)
    const begun = {
      attempts: { completed: 0, failed: 0 },
      renewals: { renewed: 0, ended: 0, refused: 0, failed: 0 },
    }
    this.#byServer.set(server, begun)
    return begun
  }

  #countStored(): ReadonlyMap<string, number> {
    const counts = new Map<string, number>()
    for (const { owner, server } of this.#vault.list({ prefix: entryNames.login }))
      if (owner !== sharedOwner) counts.set(server, (counts.get(server) ?? 0) + 1)
    return counts
  }
}

/** How the logins at each of these servers stand. Of users, those who lack one are known once they have come. */
export function loginFigures(
  definitions: readonly ServerDefinition[],
  accounts: Iterable<Account>,
  sharedAccount: (server: string) => Account | null,
  counts: LoginCounts,
): LoginFigures[] {
  const ofUsers = new Map<string, Account[]>()
  for (const account of accounts) {
    // The gateway's own connections have no owner.
    if (account.owner === sharedOwner || account.owner === '') continue
    const others = ofUsers.get(account.server)
    if (others === undefined) ofUsers.set(account.server, [account])
    else others.push(account)
  }
  return definitions.flatMap(({ name: server, oauth }) => {
    if (oauth === undefined) return []
    const { attempts, renewals } = counts.of(server)
    const counted = { attempts: { ...attempts }, renewals: { ...renewals } }
    // Where a token is given for something else nobody logs in.
    if (isExchanged(oauth))
      return [{ server, account: oauth.account, stored: 0, ...statesOf([]), ...counted }]
    const shared = oauth.account === 'shared' ? sharedAccount(server) : null
    const known = shared === null ? (ofUsers.get(server) ?? []) : [shared]
    const stored = shared === null ? counts.storedOfUsers(server) : shared.login === null ? 0 : 1
    return [{ server, account: oauth.account, stored, ...statesOf(known), ...counted }]
  })
}

function statesOf(
  accounts: readonly Account[],
): Pick<LoginFigures, 'insufficient' | 'needsLogin' | 'needsConsent' | 'endsAtS'> {
  const states = { insufficient: 0, needsLogin: 0, needsConsent: 0 }
  let endsAtMs = Number.POSITIVE_INFINITY
  for (const { state, login, isRenewed } of accounts) {
    if (state === 'needs_login') states.needsLogin++
    if (state === 'needs_consent') states.needsConsent++
    if (login === null) continue
    if (state !== 'logged_in') states.insufficient++
    else if (!isRenewed && login.expiresAtMs !== null) endsAtMs = Math.min(endsAtMs, login.expiresAtMs)
  }
  return { ...states, endsAtS: Number.isFinite(endsAtMs) ? endsAtMs / 1_000 : null }
}
