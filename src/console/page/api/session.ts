/** Who has the page open. The cookie is the browser's; the page knows only what it must send beside it. */
import type { ConsoleSession } from '../../../http/api/console-answers.ts'
import { createStore } from '../store.ts'
import { ApiFailure, asFailure, call, connection } from './api.ts'

export interface SessionState {
  readonly phase: 'loading' | 'unreachable' | 'signed-out' | 'signed-in'
  readonly session: ConsoleSession | null
  /** Why somebody has to sign in who was in; why the gateway cannot be asked. */
  readonly note: string | null
}

export const session = createStore<SessionState>({ phase: 'loading', session: null, note: null })

connection.signedOut = () => {
  if (session.get().phase !== 'signed-in') return
  void loadSession('Your sign-in has ended: it was too old, or what you signed in with counts no more.')
}

connection.renew = async () => {
  const before = connection.csrf
  await loadSession()
  return connection.csrf !== null && connection.csrf !== before
}

/** Asks who has the page open; `note` is said to somebody who is nobody any more. */
export async function loadSession(note: string | null = null): Promise<void> {
  try {
    take(await call('getConsoleSession'), note)
  } catch (thrown) {
    const { details } = asFailure(thrown)
    session.set({ phase: 'unreachable', session: session.get().session, note: details })
  }
}

/** Rejects with an ApiFailure that says why not. */
export async function signIn(token: string): Promise<void> {
  take(await call('signInToConsole', { body: { token } }), null)
}

export async function signOut(): Promise<void> {
  try {
    await call('signOutOfConsole')
  } catch (thrown) {
    // Whoever is nobody any more is signed out.
    if (!(thrown instanceof ApiFailure) || thrown.status === 0) throw thrown
  }
  // Nothing of what was shown stays in memory.
  location.hash = ''
  location.reload()
}

function take(found: ConsoleSession, note: string | null): void {
  connection.csrf = found.me?.csrf ?? null
  session.set({ phase: found.me === null ? 'signed-out' : 'signed-in', session: found, note })
}

const ranks = { anonymous: 0, client: 0, viewer: 1, operator: 2, admin: 3 } as const

/** Whether whoever is signed in has this role, or one that may do more. The gateway decides; this only spares a refusal. */
export function may(role: 'viewer' | 'operator' | 'admin'): boolean {
  const own = session.get().session?.me?.role ?? 'anonymous'
  return ranks[own] >= ranks[role]
}
