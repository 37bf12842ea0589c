/** One group: who is in it, who is missing and why, and what its clients see. */
import { useState } from 'preact/hooks'
import type { GroupReport } from '../../../../http/api/answers.ts'
import { call, gatewayUrl } from '../../api/api.ts'
import { may } from '../../api/session.ts'
import { refreshServers, servers } from '../../live/servers.ts'
import { Button } from '../../parts/button.tsx'
import { CopyButton } from '../../parts/copy.tsx'
import { Confirm } from '../../parts/dialog.tsx'
import { Failure, Note, Waiting } from '../../parts/failure.tsx'
import { Page, Section } from '../../parts/page.tsx'
import { type Column, Table } from '../../parts/table.tsx'
import { useLoad } from '../../parts/use-load.ts'
import { hrefTo, navigate, useRoute } from '../../router.ts'
import { useStore } from '../../store.ts'
import { nameOfAll, streamPath } from './group-list.tsx'

type Shown = GroupReport['tools'][number]
type Member = GroupReport['members'][number]

const shownMax = 50

export function GroupPage() {
  const name = useRoute().parts[1] ?? ''
  const { value, failure, reload } = useLoad((signal) => call('getGroup', { name, signal }), [name])
  return (
    <Page
      title={name}
      lead={value?.description ?? ''}
      back={{ href: hrefTo('groups'), text: 'Groups' }}
      actions={<Deeds name={name} />}
    >
      {failure === null ? null : <Failure failure={failure} again={reload} />}
      {value === null && failure === null ? <Waiting what="the group" lines={5} /> : null}
      {value === null ? null : <Report report={value} />}
    </Page>
  )
}

function Report({ report }: { readonly report: GroupReport }) {
  const { name, endpoints, members, ambiguous } = report
  const url = gatewayUrl() + streamPath(endpoints)
  return (
    <>
      <Section title="Connect">
        <div class="endpoint">
          <code>{url}</code>
          <div class="actions">
            <CopyButton text={url} what="the URL" />
            <a class="button plain" href={name === nameOfAll ? hrefTo('connect') : hrefTo('connect', name)}>
              Connect a client
            </a>
          </div>
        </div>
      </Section>
      <Section title={`Servers (${members.length})`}>
        {members.length === 0 ? <p class="hint">No server is in it.</p> : null}
        <Table
          caption="Servers of the group"
          columns={memberColumns}
          rows={members}
          keyOf={({ server }) => server}
        />
      </Section>
      {ambiguous.length === 0 ? null : (
        <Note kind="warn">
          <strong>Several tools would have one name, and are shown under none:</strong>
          <ul>
            {ambiguous.map((each) => (
              <li key={each.name}>
                <code>{each.name}</code> of {each.owners.map(({ server }) => server).join(', ')}
              </li>
            ))}
          </ul>
        </Note>
      )}
      <ShownTools tools={report.tools} />
    </>
  )
}

/** The page of the server has all of it. */
const reasonCharsMax = 90

const memberColumns: readonly Column<Member>[] = [
  { title: 'Server', main: true, cell: ({ server }) => <a href={hrefTo('servers', server)}>{server}</a> },
  {
    title: 'Stands before its names',
    cell: ({ prefix }) => (prefix === '' ? 'nothing' : <code>{prefix}</code>),
  },
  {
    title: 'In the lists',
    wide: true,
    cell: ({ reason, status }) =>
      reason === null && status === 'connected' ? (
        'yes'
      ) : (
        <span title={reason ?? undefined}>
          no: {(reason ?? status).slice(0, reasonCharsMax)}
          {(reason ?? '').length > reasonCharsMax ? '…' : ''}
        </span>
      ),
  },
]

function ShownTools({ tools }: { readonly tools: readonly Shown[] }) {
  const [all, setAll] = useState(false)
  return (
    <Section title={`Tools as its clients see them (${tools.length})`}>
      {tools.length === 0 ? <p class="hint">None of its servers lists a tool.</p> : null}
      <ul class="tool-list">
        {tools.slice(0, all ? undefined : shownMax).map(({ name, server, tool }) => (
          <li key={name}>
            <code>{name}</code>
            <span class="hint">
              {tool} of {server}
            </span>
          </li>
        ))}
      </ul>
      {all || tools.length <= shownMax ? null : (
        <Button onClick={() => setAll(true)}>Show all {tools.length}</Button>
      )}
    </Section>
  )
}

function Deeds({ name }: { readonly name: string }) {
  const [removing, setRemoving] = useState(false)
  const entry = useStore(servers).list?.find(({ definition }) => definition.name === name)
  if (!may('admin') || entry === undefined || entry.origin === 'file') return null
  return (
    <>
      <a class="button plain" href={hrefTo('edit-group', name)}>
        Edit
      </a>
      <Button kind="danger" onClick={() => setRemoving(true)}>
        Remove
      </Button>
      {removing ? (
        <Confirm
          title={`Remove the group ${name}?`}
          deed="Remove it"
          onClose={() => setRemoving(false)}
          act={async () => {
            await call('removeServer', { name })
            await refreshServers()
            navigate('groups')
          }}
        >
          <p>Its sessions end. Its servers stay.</p>
        </Confirm>
      ) : null}
    </>
  )
}
