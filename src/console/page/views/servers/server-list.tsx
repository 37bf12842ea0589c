/** All servers: which run, which do not and why, and what is called. */
import { useEffect, useMemo, useState } from 'preact/hooks'
import type { ServerView } from '../../../../http/api/answers.ts'
import { may } from '../../api/session.ts'
import { refreshServers, servers } from '../../live/servers.ts'
import { tools, wantTools } from '../../live/tools.ts'
import { StateBadge, stateWord } from '../../parts/badge.tsx'
import { Button } from '../../parts/button.tsx'
import { Empty, Failure, Waiting } from '../../parts/failure.tsx'
import { TextField } from '../../parts/field.tsx'
import { Glyph } from '../../parts/glyph.tsx'
import { Page } from '../../parts/page.tsx'
import { Sparkline } from '../../parts/sparkline.tsx'
import { Ago } from '../../parts/time.tsx'
import { hrefTo } from '../../router.ts'
import { useStore } from '../../store.ts'
import { holdsWords, withoutMiddle } from '../../words.ts'
import { ServerDeeds } from './server-deeds.tsx'

/** With fewer than that one sees at a glance what is there. */
const searchedFrom = 8
/** As much of a command as its two lines hold. */
const whereCharsMax = 40

export function ServerList() {
  const { list, failure } = useStore(servers)
  const [wanted, setWanted] = useState('')
  const own = (list ?? []).filter(({ definition }) => definition.transport !== 'group')
  const shown = own.filter((server) => matches(server, wanted))
  return (
    <Page
      title="Servers"
      lead={list === null ? 'What runs behind this gateway.' : summary(own)}
      actions={<AddLink />}
    >
      {failure === null ? null : <Failure failure={failure} again={() => void refreshServers()} />}
      {list === null && failure === null ? <Waiting what="the servers" lines={6} /> : null}
      {own.length < searchedFrom ? null : (
        <TextField
          label="Find"
          type="search"
          value={wanted}
          onChange={setWanted}
          placeholder="Name, state, tag or address"
        />
      )}
      {list !== null && own.length === 0 ? <NoServers /> : null}
      {own.length > 0 && shown.length === 0 ? (
        <Empty title={`No server fits “${wanted}”`}>
          <Button onClick={() => setWanted('')}>Show all {own.length}</Button>
        </Empty>
      ) : null}
      {shown.length === 0 ? null : <Rows list={shown} />}
    </Page>
  )
}

function AddLink() {
  if (!may('admin')) return null
  return (
    <a class="button main" href={hrefTo('add-server')}>
      <Glyph name="plus" />
      Add a server
    </a>
  )
}

function NoServers() {
  return (
    <Empty title="No servers yet">
      <p>
        A server is a program or a URL that speaks MCP. Add one here, or under <code>mcps</code> in the
        configuration file. Clients then find it below this gateway.
      </p>
      <AddLink />
    </Empty>
  )
}

function summary(list: readonly ServerView[]): string {
  const counts = new Map<string, number>()
  for (const { status } of list) {
    const word = stateWord(status).toLowerCase()
    counts.set(word, (counts.get(word) ?? 0) + 1)
  }
  if (list.length === 0) return 'What runs behind this gateway.'
  return [...counts].map(([word, count]) => `${count} ${word}`).join(', ')
}

function matches({ definition, status }: ServerView, wanted: string): boolean {
  const { name, description, command, url, tags } = definition
  const text = [
    name,
    description,
    command,
    url,
    stateWord(status),
    status.reason,
    ...Object.entries(tags ?? {}).flat(),
  ].join(' ')
  return holdsWords(text, wanted)
}

function Rows({ list }: { readonly list: readonly ServerView[] }) {
  return (
    <table class="table servers" role="table">
      <caption class="unseen">Servers</caption>
      <thead role="rowgroup">
        <tr role="row">
          {['Server', 'State', 'Calls', 'Tools', 'Processes', 'Restarts'].map((title) => (
            <th key={title} role="columnheader" scope="col" class={numbers.has(title) ? 'number' : ''}>
              {title}
            </th>
          ))}
          <th role="columnheader" scope="col">
            <span class="unseen">Actions</span>
          </th>
        </tr>
      </thead>
      <tbody role="rowgroup">
        {list.map((server) => (
          <Row key={server.definition.name} server={server} />
        ))}
      </tbody>
    </table>
  )
}

const numbers: ReadonlySet<string> = new Set(['Tools', 'Processes', 'Restarts'])

/** Drawn anew only when something of it is another that can be seen: figures change all the time. */
function Row({ server }: { readonly server: ServerView }) {
  const { definition, status, origin } = server
  const { since, reason, disabledAt, processes, restarts } = status
  const { name, description, transport } = definition
  const seen = [name, description, transport, whereOf(definition), origin, status.status]
  return useMemo(
    () => <DrawnRow server={server} />,
    [...seen, since, reason, disabledAt, processes, restarts],
  )
}

function DrawnRow({ server }: { readonly server: ServerView }) {
  const { definition, status, origin } = server
  const { name, description } = definition
  return (
    <tr role="row">
      <th role="rowheader" scope="row" class="main">
        <a href={hrefTo('servers', name)}>{name}</a>
        <small>
          {description == null || description === '' ? (
            <span title={whereOf(definition)}>{withoutMiddle(whereOf(definition), whereCharsMax)}</span>
          ) : (
            description
          )}
          {origin === 'file' ? ' · file' : ''}
        </small>
      </th>
      <td role="cell" class="state">
        <StateBadge state={status} />
        <small>
          <Ago at={status.disabledAt ?? status.since} />
        </small>
        {status.reason === null || status.disabledAt !== null ? null : <p class="reason">{status.reason}</p>}
      </td>
      <td role="cell">
        <CellName text="Calls" />
        <Sparkline name={name} />
      </td>
      <td role="cell" class="number">
        <CellName text="Tools" />
        <ToolCount name={name} status={status} />
      </td>
      <td role="cell" class="number">
        <CellName text="Processes" />
        {definition.transport === 'stdio' ? status.processes : '–'}
      </td>
      <td role="cell" class="number">
        <CellName text="Restarts" />
        {status.restarts}
      </td>
      <td role="cell" class="deeds">
        <ServerDeeds server={server} />
      </td>
    </tr>
  )
}

function CellName({ text }: { readonly text: string }) {
  return (
    <span class="cell-name" aria-hidden="true">
      {text}
    </span>
  )
}

/** Asked for once the page stands, and again when the server has come up anew. */
function ToolCount({ name, status }: { readonly name: string; readonly status: ServerView['status'] }) {
  const found = useStore(tools, (all) => all.get(name))
  const up = status.status === 'connected' && status.disabledAt === null
  useEffect(() => {
    if (up) wantTools(name, status.since)
  }, [name, up, status.since])
  if (found === undefined || !up) return <>–</>
  return (
    <>
      {found.tools.length}
      {found.heldBack.length === 0 ? null : <small> +{found.heldBack.length} held back</small>}
    </>
  )
}

/** How a server is reached, in few words. */
export function whereOf({ transport, command, args, url }: ServerView['definition']): string {
  return transport === 'stdio' ? [command, ...(args ?? [])].join(' ') : (url ?? '')
}
