/**
 * People who have signed in in a browser. The browser holds a random id in a cookie and the gateway its digest: what is
 * in memory is no cookie. Bounded in number, in all and for one person; past a bound the oldest one ends.
 */
import { createHash, randomBytes } from 'node:crypto'
import type { Principal } from '../../access/principal.ts'

/** One browser, from sign-in to sign-out. */
export interface BrowserSession {
  /** The digest of the cookie, which opens nothing. */
  readonly key: string
  /** Who it is now: roles are those of the configuration in force. Null once that is nobody any more. */
  readonly principal: Principal | null
  /** What the page must send in a header with whatever changes something: another site's page cannot know it. */
  readonly csrf: string
  /** Wall clock. */
  readonly endsAtMs: number
}

/** A session as its browser gets it. */
export interface OpenedSession {
  /** For the cookie, once. */
  readonly cookie: string
  /** How long it lasts. */
  readonly seconds: number
  readonly session: BrowserSession
}

/** Who a session belongs to, asked each time. */
export type Holder = () => Principal | null

const sessionMs = 8 * 60 * 60_000
const sessionsMax = 10_000
const sessionsPerPersonMax = 32
const idBytes = 32
const csrfBytes = 16

interface Entry extends BrowserSession {
  readonly principalId: string
}

export class BrowserSessions {
  /** By digest, oldest first. */
  readonly #sessions = new Map<string, Entry>()

  /** Opens one; `cookie` is what the browser gets, once. */
  open(principalId: string, holder: Holder): OpenedSession {
    const cookie = randomBytes(idBytes).toString('base64url')
    const key = digestOf(cookie)
    const session: Entry = {
      key,
      principalId,
      csrf: randomBytes(csrfBytes).toString('base64url'),
      endsAtMs: Date.now() + sessionMs,
      get principal() {
        return Date.now() < this.endsAtMs ? holder() : null
      },
    }
    this.#makeRoom(principalId)
    this.#sessions.set(key, session)
    return { cookie, session, seconds: sessionMs / 1_000 }
  }

  /** The session of a cookie; null for a cookie that opens nothing, and for a session that has ended. */
  find(cookie: string): BrowserSession | null {
    const session = this.#sessions.get(digestOf(cookie))
    if (session === undefined) return null
    if (session.principal !== null) return session
    this.#sessions.delete(session.key)
    return null
  }

  /** Who the session of this key belongs to now; null where there is none any more. */
  principalIn(key: string): Principal | null {
    return this.#sessions.get(key)?.principal ?? null
  }

  end(session: BrowserSession): void {
    this.#sessions.delete(session.key)
  }

  /** Whether it is open: what was opened in its name ends with it. */
  has(session: BrowserSession): boolean {
    return this.#sessions.get(session.key) === session && session.principal !== null
  }

  #makeRoom(principalId: string): void {
    const own = [...this.#sessions.values()].filter((session) => session.principalId === principalId)
    if (own.length >= sessionsPerPersonMax && own[0] !== undefined) this.#sessions.delete(own[0].key)
    for (const key of this.#sessions.keys()) {
      if (this.#sessions.size < sessionsMax) break
      this.#sessions.delete(key)
    }
  }
}

/** No secret of a browser is kept as it is. */
export function digestOf(text: string): string {
  return createHash('sha256').update(text).digest('base64')
}
