/** Signing in, with a token or at the issuer. */
import { useEffect, useState } from 'preact/hooks'
import type { ConsoleSession } from '../../../http/api/console-answers.ts'
import { connection } from '../api/api.ts'
import { session as current, signIn, signOut } from '../api/session.ts'
import { ActionButton, Button } from '../parts/button.tsx'
import { Failure, Note } from '../parts/failure.tsx'
import { TextField } from '../parts/field.tsx'
import { expectFocus } from '../parts/page.tsx'
import { useDeed } from '../parts/use-load.ts'

export function SignIn({
  session,
  note,
}: {
  readonly session: ConsoleSession
  readonly note: string | null
}) {
  const [token, setToken] = useState('')
  const { busy, failure, run } = useDeed()
  useEffect(() => {
    document.title = 'Sign in · Console'
  }, [])
  const submit = () => {
    expectFocus()
    return signIn(token.trim())
  }
  return (
    <main class="alone">
      <div class="brand large">
        <Mark />
        compozy
      </div>
      <h1>Sign in to the console</h1>
      {note === null ? null : <Note kind="warn">{note}</Note>}
      <form
        class="stack"
        onSubmit={(event) => {
          event.preventDefault()
          run(submit)
        }}
      >
        {/* Password managers keep a secret under a name. */}
        <input type="text" name="username" autocomplete="username" value="admin" hidden readOnly />
        <TextField
          label="Admin token or key"
          type="password"
          value={token}
          onChange={setToken}
          required
          autofocus
          code
          autocomplete="current-password"
          hint="One of auth.admin_tokens, or a key with a role (cpz_…). It is sent once and not kept in the browser."
        />
        {failure === null ? null : <Failure failure={failure} />}
        <Button kind="main" type="submit" busy={busy}>
          {busy ? 'Signing in' : 'Sign in'}
        </Button>
      </form>
      {session.issuer ? (
        <p class="or">
          <a class="button plain" href={`${connection.prefix}/me/sign-in?return=/console`}>
            Sign in with your organisation
          </a>
        </p>
      ) : null}
    </main>
  )
}

/** Somebody is known, and may do nothing here. */
export function NoRole() {
  const who = current.get().session?.me
  return (
    <main class="alone">
      <h1>You have no role here</h1>
      <Note kind="warn">
        You are signed in as {who?.name ?? who?.principal}, which opens MCP servers and not the console. Ask
        an admin for a role (auth.oauth.login), or sign in with an admin token or a key with a role.
      </Note>
      <ActionButton kind="main" act={signOut} done={null}>
        Sign out
      </ActionButton>
    </main>
  )
}

export function Mark() {
  return (
    <svg class="mark" viewBox="0 0 32 32" width="24" height="24" aria-hidden="true" focusable="false">
      <rect width="32" height="32" rx="8" />
      <path d="M8 16h6M18 10h6M18 22h6M14 16l4-6M14 16l4 6" />
    </svg>
  )
}
