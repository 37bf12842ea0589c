/** A server as a client sees it: its tools, prompts and resources, to be tried by hand. */
import { useEffect, useMemo, useState } from 'preact/hooks'
import type { ServerView } from '../../../../http/api/answers.ts'
import { jsonIn } from '../../../../protocol/json.ts'
import { may } from '../../api/session.ts'
import { servers } from '../../live/servers.ts'
import { type McpClient, recordOf } from '../../mcp/wire.ts'
import { Button } from '../../parts/button.tsx'
import { Empty, Failure, Note, Waiting } from '../../parts/failure.tsx'
import { AreaField, Check, SelectField, TextField } from '../../parts/field.tsx'
import { Page } from '../../parts/page.tsx'
import { hrefTo, navigate, useRoute } from '../../router.ts'
import { laidOut } from '../../schema-form/json-text.ts'
import { useStore } from '../../store.ts'
import { holdsWords } from '../../words.ts'
import { type ClientSettings, firstSettings, useConnection, type WireLog } from './connection.ts'
import { Fold, LongText } from './content.tsx'
import { type Item, type ListKind, textIn, titleOf, useList } from './lists.ts'
import { PromptPanel, ResourcePanel, TemplatePanel, ToolPanel } from './panels.tsx'
import { type Runner, useRun } from './run.ts'

const kinds = ['tools', 'prompts', 'resources', 'templates'] as const
const kindWords: Readonly<Record<ListKind, string>> = {
  tools: 'Tools',
  prompts: 'Prompts',
  resources: 'Resources',
  templates: 'Templates',
}

/** `#/playground`, `#/playground/SERVER`, `#/playground/SERVER/tools/NAME`. */
export function Playground() {
  const { parts } = useRoute()
  const [, server, kind, name] = parts
  const { list, failure } = useStore(servers)
  return (
    <Page
      title={server === undefined ? 'Playground' : `Playground: ${server}`}
      lead="Try a server by hand, as a client sees it."
    >
      {failure === null ? null : <Failure failure={failure} />}
      {list === null ? (
        failure === null ? (
          <Waiting what="servers" />
        ) : null
      ) : list.length === 0 ? (
        <Empty title="There is no server yet">
          <a href={hrefTo('servers', 'add')}>Add a server</a>
        </Empty>
      ) : (
        <>
          <SelectField
            label="Server"
            value={server ?? ''}
            options={[
              ...(server === undefined ? [{ value: '', text: 'Choose a server' }] : []),
              ...list.map(({ definition }) => ({ value: definition.name, text: optionText(definition) })),
              { value: 'mcp', text: 'mcp (every server, as at /mcp)' },
            ]}
            onChange={(chosen) => navigate('playground', chosen)}
          />
          {server === undefined ? null : may('operator') ? (
            <ServerPlayground
              key={server}
              server={server}
              view={list.find(({ definition }) => definition.name === server) ?? null}
              kind={kindIn(kind)}
              name={name ?? null}
            />
          ) : (
            <Note>Your role may look. Speaking with a server takes an operator.</Note>
          )}
        </>
      )}
    </Page>
  )
}

function optionText({ name, transport }: ServerView['definition']): string {
  return transport === 'group' ? `${name} (group)` : name
}

/** `tools`, and `tool` as well. */
function kindIn(text: string | undefined): ListKind {
  return kinds.find((kind) => kind === text || kind === `${text}s`) ?? 'tools'
}

interface ServerPlaygroundProps {
  readonly server: string
  readonly view: ServerView | null
  readonly kind: ListKind
  readonly name: string | null
}

function ServerPlayground({ server, view, kind, name }: ServerPlaygroundProps) {
  const [settings, setSettings] = useState<ClientSettings>(() => ({
    ...firstSettings,
    era: view?.status.era === 'modern' ? 'modern' : 'legacy',
  }))
  const { client, failure, wire, connect } = useConnection(server, settings)
  return (
    <>
      <Greeting client={client} onConnect={connect} />
      <details class="settings">
        <summary>What this client is</summary>
        <Settings settings={settings} onSettings={setSettings} />
      </details>
      {failure === null ? null : <Failure failure={failure} again={connect} />}
      {client === null ? (
        failure === null ? (
          <Waiting what={server} lines={5} />
        ) : null
      ) : (
        <Items client={client} server={server} kind={kind} name={name} />
      )}
      <Fold summary="Messages on the wire">{() => <Wire wire={wire} />}</Fold>
    </>
  )
}

function Greeting({
  client,
  onConnect,
}: {
  readonly client: McpClient | null
  readonly onConnect: () => void
}) {
  if (client === null) return null
  const { serverInfo, protocolVersion, instructions } = client.greeting
  const name = textIn(serverInfo, 'title') ?? textIn(serverInfo, 'name')
  return (
    <div class="stack">
      <p class="hint">
        Connected{name === null ? '' : ` to ${name} ${textIn(serverInfo, 'version') ?? ''}`},{' '}
        {protocolVersion}, {client.era === 'legacy' ? 'with a session' : 'without a session'}.{' '}
        <Button kind="quiet" onClick={onConnect}>
          Connect anew
        </Button>
      </p>
      {instructions === null ? null : (
        <details>
          <summary>Instructions of the server</summary>
          <p class="said">{instructions}</p>
        </details>
      )}
    </div>
  )
}

function Settings({
  settings,
  onSettings,
}: {
  readonly settings: ClientSettings
  readonly onSettings: (settings: ClientSettings) => void
}) {
  const [uris, setUris] = useState(settings.rootUris)
  const set = (change: Partial<ClientSettings>): void => onSettings({ ...settings, ...change })
  return (
    <div class="stack">
      <SelectField
        label="Protocol"
        value={settings.era}
        options={[
          { value: 'legacy', text: '2025-11-25, with a session' },
          { value: 'modern', text: '2026-07-28, each request alone' },
        ]}
        onChange={(era) => set({ era })}
        hint="The gateway speaks both with every server."
      />
      <Check
        label="May be asked for input"
        checked={settings.elicitation}
        onChange={(elicitation) => set({ elicitation })}
        hint="Elicitation: the server asks the person a question."
      />
      <Check
        label="May be asked for an answer of a model"
        checked={settings.sampling}
        onChange={(sampling) => set({ sampling })}
        hint="Sampling: you answer in the place of the model."
      />
      <Check
        label="Has roots"
        checked={settings.roots}
        onChange={(roots) => set({ roots })}
        hint="Folders that it works in."
      />
      {settings.roots ? (
        <>
          <AreaField label="Roots, one URI a line" rows={2} value={uris} onChange={setUris} />
          {uris === settings.rootUris ? null : (
            <div>
              <Button onClick={() => set({ rootUris: uris })}>Take these roots</Button>
            </div>
          )}
        </>
      ) : null}
    </div>
  )
}

interface ItemsProps {
  readonly client: McpClient
  readonly server: string
  readonly kind: ListKind
  readonly name: string | null
}

const shownMax = 200

function Items({ client, server, kind, name }: ItemsProps) {
  const runner = useRun()
  const { value: items, failure, reload } = useList(client, kind)
  const [linked, setLinked] = useState<string | null>(null)
  const { clear } = runner
  useEffect(() => {
    setLinked(null)
    clear()
  }, [kind, name])
  const chosen = name === null ? undefined : items?.find((item) => keyOf(item) === name)
  const readLinked = (uri: string): void => {
    setLinked(uri)
    runner.start((watch) => client.request('resources/read', { uri: JSON.stringify(uri) }, watch))
  }
  return (
    <div class="playground">
      <nav class="tabs" aria-label="What the server has">
        {kinds.map((each) => (
          <a
            key={each}
            href={hrefTo('playground', server, each)}
            aria-current={each === kind ? 'page' : undefined}
          >
            {kindWords[each]}
          </a>
        ))}
      </nav>
      <div class="columns">
        <div class={`stack list ${name === null ? '' : 'behind'}`}>
          {failure === null ? null : <Failure failure={failure} again={reload} />}
          {items === null && failure === null ? <Waiting what={kindWords[kind].toLowerCase()} /> : null}
          {items === null ? null : (
            <ItemList items={items} server={server} kind={kind} name={name} onReload={reload} />
          )}
        </div>
        <div class="detail">
          {name === null ? null : (
            <p class="narrow-only">
              <a href={hrefTo('playground', server, kind)}>All {kindWords[kind].toLowerCase()}</a>
            </p>
          )}
          <Detail
            client={client}
            item={linked === null ? chosen : { uri: linked, name: linked }}
            kind={linked === null ? kind : 'resources'}
            missing={name !== null && items !== null && chosen === undefined ? name : null}
            runner={runner}
            onRead={readLinked}
          />
        </div>
      </div>
    </div>
  )
}

interface ItemListProps extends Omit<ItemsProps, 'client'> {
  readonly items: readonly Item[]
  readonly onReload: () => void
}

function ItemList({ items, server, kind, name, onReload }: ItemListProps) {
  const [words, setWords] = useState('')
  const found = useMemo(() => filtered(items, words), [items, words])
  return (
    <>
      <TextField
        type="search"
        label={`Find in ${kindWords[kind].toLowerCase()}`}
        value={words}
        onChange={setWords}
      />
      <p class="hint" role="status">
        {found.length} of {items.length}
      </p>
      <ul class="items">
        {found.slice(0, shownMax).map((item) => (
          <li key={keyOf(item)}>
            <a
              href={hrefTo('playground', server, kind, keyOf(item))}
              aria-current={keyOf(item) === name ? 'true' : undefined}
            >
              <strong>{titleOf(item)}</strong>
              <small>{textIn(item, 'description')?.slice(0, 200) ?? keyOf(item)}</small>
            </a>
          </li>
        ))}
      </ul>
      {found.length > shownMax ? (
        <p class="hint">{found.length - shownMax} more: write what to look for.</p>
      ) : null}
      <div>
        <Button kind="quiet" onClick={onReload}>
          Refresh
        </Button>
      </div>
    </>
  )
}

function Detail({
  client,
  item,
  kind,
  missing,
  runner,
  onRead,
}: {
  readonly client: McpClient
  readonly item: Item | undefined
  readonly kind: ListKind
  readonly missing: string | null
  readonly runner: Runner
  readonly onRead: (uri: string) => void
}) {
  if (missing !== null && item === undefined)
    return <Note kind="warn">{`The server lists nothing called ${missing} here.`}</Note>
  if (item === undefined) return <p class="hint">Choose one to try it.</p>
  const panel = { client, item, runner, onRead, mayRun: may('operator') }
  const key = keyOf(item)
  switch (kind) {
    case 'tools':
      return <ToolPanel key={key} {...panel} />
    case 'prompts':
      return <PromptPanel key={key} {...panel} />
    case 'resources':
      return <ResourcePanel key={key} {...panel} />
    case 'templates':
      return <TemplatePanel key={key} {...panel} />
  }
}

function keyOf(item: Item): string {
  return textIn(item, 'uri') ?? textIn(item, 'uriTemplate') ?? textIn(item, 'name') ?? ''
}

function filtered(items: readonly Item[], words: string): readonly Item[] {
  return items.filter((item) =>
    holdsWords(`${keyOf(item)} ${titleOf(item)} ${textIn(item, 'description') ?? ''}`, words),
  )
}

function Wire({ wire }: { readonly wire: WireLog }) {
  const entries = useStore(wire.entries)
  if (entries.length === 0) return <p class="hint">Nothing was said yet.</p>
  return (
    <div class="stack">
      <p class="hint">The last {entries.length} messages, as they were sent and received.</p>
      <ol class="wire">
        {entries.map(({ id, direction, text }) => (
          <li key={id}>
            <Fold summary={`${direction === 'sent' ? 'Sent' : 'Received'}: ${wireWord(text)}`}>
              {() => <LongText text={laidOut(text)} what={`Message ${id}`} />}
            </Fold>
          </li>
        ))}
      </ol>
      <div>
        <Button kind="quiet" onClick={() => wire.clear()}>
          Forget them
        </Button>
      </div>
    </div>
  )
}

function wireWord(text: string): string {
  const message = jsonIn(text)
  if (message === undefined) return `${text.slice(0, 40)}…`
  const { method, id, error } = recordOf(message)
  if (typeof method === 'string') return `${method}${id === undefined ? '' : ` (${String(id)})`}`
  return `${error === undefined ? 'answer' : 'error'} (${String(id)})`
}
