/** Keys: who has one, what each opens, until when. */
import { useState } from 'preact/hooks'
import type { KeyList as Keys } from '../../../../http/api/key-answers.ts'
import { call } from '../../api/api.ts'
import { may } from '../../api/session.ts'
import { Badge } from '../../parts/badge.tsx'
import { Button } from '../../parts/button.tsx'
import { Confirm } from '../../parts/dialog.tsx'
import { Empty, Failure, Waiting } from '../../parts/failure.tsx'
import { Check } from '../../parts/field.tsx'
import { Glyph } from '../../parts/glyph.tsx'
import { Page } from '../../parts/page.tsx'
import { type Column, Table } from '../../parts/table.tsx'
import { Ago } from '../../parts/time.tsx'
import { useLoad } from '../../parts/use-load.ts'
import { hrefTo } from '../../router.ts'
import { RotateKey } from './rotate-key.tsx'
import { ruleWords } from './rule-words.ts'

type Key = Keys['keys'][number]

export function KeyList() {
  const { value, failure, reload } = useLoad((signal) => call('listKeys', { signal }), [])
  return (
    <Page
      title="Keys"
      lead="A key opens exactly what its rules name, and can be taken back by itself."
      actions={
        <>
          <a class="button plain" href={hrefTo('explain')}>
            Explain access
          </a>
          <MakeLink />
        </>
      }
    >
      {failure === null ? null : <Failure failure={failure} again={reload} />}
      {value === null && failure === null ? <Waiting what="the keys" lines={4} /> : null}
      {value?.count === 0 ? (
        <Empty title="No keys yet">
          <p>
            Give each client a key of its own: it says who calls, opens only what it should, and can be
            revoked without touching the others.
          </p>
          <MakeLink />
        </Empty>
      ) : null}
      {value === null || value.count === 0 ? null : (
        <Table
          caption="Keys"
          columns={columnsOf(value.keys, reload)}
          rows={value.keys}
          keyOf={({ id }) => id}
        />
      )}
    </Page>
  )
}

function MakeLink() {
  if (!may('admin')) return null
  return (
    <a class="button main" href={hrefTo('make-key')}>
      <Glyph name="plus" />
      Make a key
    </a>
  )
}

function columnsOf(all: readonly Key[], reload: () => void): readonly Column<Key>[] {
  return [
    {
      title: 'Key',
      main: true,
      cell: ({ name, principal, user, source }) => (
        <>
          <strong>{name}</strong>
          <small>
            <code>{principal}</code>
            {user === null ? '' : ` · for ${user}`}
            {source === 'file' ? ' · file' : ''}
          </small>
        </>
      ),
    },
    { title: 'Opens', wide: true, cell: (key) => <Opens of={key} /> },
    { title: 'Ends', cell: (key) => <Ends of={key} /> },
    {
      title: 'Last used',
      cell: ({ lastUsedAt }) => (lastUsedAt === null ? 'never' : <Ago at={lastUsedAt} />),
    },
    {
      title: 'Actions',
      deeds: true,
      cell: (key) => <KeyDeeds of={key} last={all.length === 1} reload={reload} />,
    },
  ]
}

function Opens({ of: { role, access } }: { readonly of: Key }) {
  if (role !== 'client') return <Badge kind="warn">this console, as {role}</Badge>
  if (access.length === 0) return <>nothing</>
  return (
    <ul>
      {access.map((rule, at) => (
        <li key={at}>{ruleWords(rule)}</li>
      ))}
    </ul>
  )
}

function Ends({ of: { expires, expired, previousEnds } }: { readonly of: Key }) {
  if (expired) return <Badge kind="bad">has ended</Badge>
  return (
    <>
      {expires === null ? 'never' : <Ago at={expires} ahead />}
      {previousEnds === null ? null : (
        <small>
          its old text <Ago at={previousEnds} ahead />
        </small>
      )}
    </>
  )
}

function KeyDeeds({
  of: key,
  last,
  reload,
}: {
  readonly of: Key
  readonly last: boolean
  readonly reload: () => void
}) {
  const [doing, setDoing] = useState<'rotate' | 'revoke' | null>(null)
  const close = () => setDoing(null)
  return (
    <div class="actions">
      <a
        class="button plain"
        href={`${hrefTo('explain')}?principal=${encodeURIComponent(key.principal)}`}
        aria-label={`Explain ${key.name}`}
      >
        Explain
      </a>
      {may('admin') && key.source === 'store' ? (
        <>
          <Button label={`Rotate ${key.name}`} onClick={() => setDoing('rotate')}>
            Rotate
          </Button>
          <Button kind="danger" label={`Revoke ${key.name}`} onClick={() => setDoing('revoke')}>
            Revoke
          </Button>
        </>
      ) : null}
      {doing === 'rotate' ? <RotateKey id={key.id} name={key.name} onClose={close} onDone={reload} /> : null}
      {doing === 'revoke' ? <Revoke of={key} last={last} onClose={close} reload={reload} /> : null}
    </div>
  )
}

function Revoke({
  of: { id, name },
  last,
  onClose,
  reload,
}: {
  readonly of: Key
  readonly last: boolean
  readonly onClose: () => void
  readonly reload: () => void
}) {
  const [open, setOpen] = useState(false)
  return (
    <Confirm
      title={`Revoke ${name}?`}
      deed="Revoke it"
      onClose={onClose}
      act={async () => {
        await call('revokeKey', { name: id, ...(open ? { query: { open: 'true' } } : {}) })
        reload()
      }}
    >
      <p>
        Its sessions, streams and calls end within a second. This cannot be taken back: whoever needs it gets
        a new key.
      </p>
      {last ? (
        <Check
          label="Let everybody in again who was let in before there were keys"
          checked={open}
          onChange={setOpen}
          hint="This is the last key. Without this, what the keys have closed stays closed."
        />
      ) : null}
    </Confirm>
  )
}
