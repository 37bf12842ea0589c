/** What is on the screen: signing in, or the views with the way to them. */
import { useEffect } from 'preact/hooks'
import { loadSession, session } from '../api/session.ts'
import { countCallers } from '../live/callers.ts'
import { follow } from '../live/live.ts'
import { countCalls } from '../live/rates.ts'
import { watchServers } from '../live/servers.ts'
import { Notices } from '../parts/announce.tsx'
import { Button } from '../parts/button.tsx'
import { Failure } from '../parts/failure.tsx'
import { useRoute } from '../router.ts'
import { useStore } from '../store.ts'
import { NotFound, viewAt } from '../views/all-views.ts'
import { Boundary } from './boundary.tsx'
import { Frame } from './frame.tsx'
import { NoRole, SignIn } from './sign-in.tsx'

export function App() {
  const { phase, session: known, note } = useStore(session)
  return (
    <>
      {phase === 'loading' ? <p class="unseen">Loading the console</p> : null}
      {phase === 'unreachable' ? <Unreachable note={note ?? ''} /> : null}
      {phase === 'signed-out' && known !== null ? <SignIn session={known} note={note} /> : null}
      {phase === 'signed-in' && known?.me != null ? <Inside role={known.me.role} /> : null}
      <Notices />
    </>
  )
}

function Inside({ role }: { readonly role: string }) {
  return role === 'client' || role === 'anonymous' ? <NoRole /> : <Views />
}

function Views() {
  const { parts } = useRoute()
  useEffect(() => {
    const left = new AbortController()
    const ends = [countCalls(), countCallers(), watchServers()]
    void follow(left.signal)
    return () => {
      left.abort()
      for (const end of ends) end()
    }
  }, [])
  const { component: View, key } = viewAt(parts) ?? { component: NotFound, key: '?' }
  return (
    <Frame>
      <Boundary key={key}>
        <View />
      </Boundary>
    </Frame>
  )
}

/** How often a gateway that is away is asked again. */
const awayMs = 4_000

function Unreachable({ note }: { readonly note: string }) {
  useEffect(() => {
    const timer = setInterval(() => void loadSession(), awayMs)
    return () => clearInterval(timer)
  }, [])
  return (
    <main class="alone">
      <h1>The gateway does not answer</h1>
      <Failure failure={{ title: 'Nothing can be shown', details: note }} />
      <Button kind="main" onClick={() => void loadSession()}>
        Try again
      </Button>
    </main>
  )
}
