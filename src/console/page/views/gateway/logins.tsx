/** Servers that somebody has to log in at, and how each login stands. */
import { useState } from 'preact/hooks'
import type { ServerView } from '../../../../http/api/answers.ts'
import { type AnswerTo, call } from '../../api/api.ts'
import { may } from '../../api/session.ts'
import { refreshServers, servers } from '../../live/servers.ts'
import { Badge } from '../../parts/badge.tsx'
import { Button } from '../../parts/button.tsx'
import { CopyButton } from '../../parts/copy.tsx'
import { Confirm, Dialog } from '../../parts/dialog.tsx'
import { Empty, Failure, Waiting } from '../../parts/failure.tsx'
import { Page } from '../../parts/page.tsx'
import { type Column, Table } from '../../parts/table.tsx'
import { Ago } from '../../parts/time.tsx'
import { useDeed } from '../../parts/use-load.ts'
import { hrefTo } from '../../router.ts'
import { useStore } from '../../store.ts'
import { Uri } from '../playground/content.tsx'

type Login = NonNullable<ServerView['status']['login']>
type Begun = AnswerTo<'login'>

interface Row {
  readonly name: string
  readonly login: Login
}

export function Logins() {
  const { list, failure } = useStore(servers)
  const rows = (list ?? []).flatMap(({ definition, status }): Row[] =>
    status.login == null ? [] : [{ name: definition.name, login: status.login }],
  )
  return (
    <Page title="Logins" lead="Servers at which somebody has to log in before they can be used.">
      {failure === null ? null : <Failure failure={failure} again={() => void refreshServers()} />}
      {list === null && failure === null ? <Waiting what="the logins" /> : null}
      {list !== null && rows.length === 0 ? (
        <Empty title="No server wants a login">
          <p>
            Give the definition of a server over HTTP <code>oauth</code>, and the gateway logs in at it: with
            one account for all, or with that of each person.
          </p>
        </Empty>
      ) : null}
      {rows.length === 0 ? null : (
        <Table caption="Logins" columns={columns} rows={rows} keyOf={({ name }) => name} />
      )}
    </Page>
  )
}

const columns: readonly Column<Row>[] = [
  { title: 'Server', main: true, cell: ({ name }) => <a href={hrefTo('servers', name)}>{name}</a> },
  { title: 'Login', cell: ({ login }) => <StateOf login={login} /> },
  {
    title: 'Account',
    cell: ({ login }) => (login.account === 'shared' ? 'one for all' : 'that of each person'),
  },
  {
    title: 'At',
    cell: ({ login: { issuer, scopes } }) => (
      <>
        {issuer ?? '–'}
        {scopes.length === 0 ? null : <small>{scopes.join(' ')}</small>}
      </>
    ),
  },
  { title: 'Since', cell: ({ login: { since } }) => (since === null ? '–' : <Ago at={since} />) },
  { title: 'Actions', deeds: true, cell: (row) => <Deeds row={row} /> },
]

function StateOf({ login: { account, state } }: { readonly login: Login }) {
  if (account === 'user') return <Badge kind="idle">each at /me</Badge>
  if (state === 'logged_in')
    return (
      <Badge kind="ok" glyph="ok">
        logged in
      </Badge>
    )
  if (state === 'needs_consent')
    return (
      <Badge kind="warn" glyph="bad">
        needs more scopes
      </Badge>
    )
  return (
    <Badge kind="bad" glyph="bad">
      needs a login
    </Badge>
  )
}

function Deeds({ row: { name, login } }: { readonly row: Row }) {
  const [begun, setBegun] = useState<Begun | null>(null)
  const { busy, failure, run } = useDeed()
  const [leaving, setLeaving] = useState(false)
  if (login.account !== 'shared' || !may('admin')) return null
  const begin = async () => {
    setBegun(await call('login', { name, body: { how: 'browser' } }))
    await refreshServers()
  }
  return (
    <div class="actions">
      <Button busy={busy} label={`Log in at ${name}`} onClick={() => run(begin)}>
        {login.state === 'logged_in' ? 'Log in again' : 'Log in'}
      </Button>
      {login.state === 'needs_login' ? null : (
        <Button kind="danger" label={`Log out of ${name}`} onClick={() => setLeaving(true)}>
          Log out
        </Button>
      )}
      {failure === null ? null : <Failure failure={failure} />}
      {begun === null ? null : <Begun begun={begun} onClose={() => setBegun(null)} />}
      {leaving ? (
        <Confirm
          title={`Log out of ${name}?`}
          deed="Log out"
          onClose={() => setLeaving(false)}
          act={async () => {
            await call('logout', { name })
            await refreshServers()
          }}
        >
          <p>Nobody can use it until somebody logs in again.</p>
        </Confirm>
      ) : null}
    </div>
  )
}

function Begun({ begun, onClose }: { readonly begun: Begun; readonly onClose: () => void }) {
  const { name, message, url, userCode } = begun
  return (
    <Dialog title={`Log in at ${name}`} onClose={onClose}>
      <div class="stack">
        <p>{message}</p>
        {url === null ? null : (
          <>
            <Uri uri={url} />
            <div class="actions">
              <CopyButton text={url} what="the address" />
            </div>
          </>
        )}
        {userCode === null ? null : (
          <p>
            There, type <code>{userCode}</code>
          </p>
        )}
        <p class="hint">This page shows it as soon as the login is there.</p>
        <div class="actions end">
          <Button kind="main" onClick={onClose}>
            Done
          </Button>
        </div>
      </div>
    </Dialog>
  )
}
