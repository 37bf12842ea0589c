/** What a client needs in its settings to reach a server: to be copied. The texts are those of `compozy servers snippet`. */
import { useState } from 'preact/hooks'
import { type ClientName, clients, nameInClients, type Snippet } from '../../../../snippets/clients.ts'
import { gatewayUrl } from '../../api/api.ts'
import { may, session } from '../../api/session.ts'
import { servers } from '../../live/servers.ts'
import { CodeBlock } from '../../parts/copy.tsx'
import { Note } from '../../parts/failure.tsx'
import { SelectField, TextField } from '../../parts/field.tsx'
import { Page, Section } from '../../parts/page.tsx'
import { hrefTo, useRoute } from '../../router.ts'
import { useStore } from '../../store.ts'

/** What clients call the gateway where they reach all servers at once, and the choice of that. */
const nameOfAll = 'compozy'
const all = ''

const clientNames = Object.keys(clients) as ClientName[]

export function Connect() {
  const given = useRoute().parts[1] ?? all
  const [server, setServer] = useState(given)
  const [client, setClient] = useState<ClientName>('claude-code')
  const [token, setToken] = useState('')
  const list = useStore(servers).list ?? []
  const asks = asksForToken(list.find(({ definition }) => definition.name === server)?.definition)
  const base = gatewayUrl()
  const url = server === all ? `${base}/mcp` : `${base}/mcp-proxy/${encodeURIComponent(server)}/stream`
  const name = nameInClients(server === all ? nameOfAll : server)
  const typed = token.trim()
  const made: Snippet = clients[client]({ name, url, token: typed !== '' ? typed : asks ? 'asked' : null })
  return (
    <Page
      title="Connect a client"
      lead="Choose what it should reach and which client it is, and copy what belongs into its settings."
    >
      <div class="form">
        <div class="fields-two">
          <SelectField
            label="What should it reach?"
            value={server}
            onChange={setServer}
            options={[
              { value: all, text: 'All servers, at one URL' },
              ...list.map(({ definition }) => ({
                value: definition.name,
                text: definition.transport === 'group' ? `${definition.name} (group)` : definition.name,
              })),
            ]}
          />
          <SelectField
            label="Which client?"
            value={client}
            onChange={setClient}
            options={clientNames.map((value) => ({ value, text: titleOf(value) }))}
          />
        </div>
        <TokenField asks={asks} server={server} token={token} setToken={setToken} />
      </div>
      <div class="after-form">
        <SnippetSection made={made} url={url} />
      </div>
    </Page>
  )
}

function TokenField({
  asks,
  server,
  token,
  setToken,
}: {
  readonly asks: boolean
  readonly server: string
  readonly token: string
  readonly setToken: (token: string) => void
}) {
  if (!asks) return <Note kind="ok">No token is needed: this gateway asks its clients for none.</Note>
  const make = `${hrefTo('make-key')}${server === all ? '' : `?server=${encodeURIComponent(server)}`}`
  return (
    <TextField
      label="Key or token (optional)"
      value={token}
      onChange={setToken}
      code
      hint={
        <>
          Written into the text below and sent nowhere. Without one the text has a place for it.
          {may('admin') ? (
            <>
              {' '}
              <a href={make}>Make a key for this client</a>
            </>
          ) : null}
        </>
      }
    />
  )
}

function SnippetSection({ made, url }: { readonly made: Snippet; readonly url: string }) {
  const { title, places, text, command, notes, format } = made
  return (
    <Section title={title}>
      <div class="stack">
        <div>
          <h3>Where it belongs</h3>
          <ul>
            {places.map((place) => (
              <li key={place}>{place}</li>
            ))}
          </ul>
        </div>
        <CodeBlock text={text} what={`the ${format} for ${title}`} />
        {command === null ? null : (
          <div class="stack">
            <h3>Or, in a terminal</h3>
            <CodeBlock text={command} what={`the command for ${title}`} />
          </div>
        )}
        {notes.length === 0 ? null : (
          <ul class="hint">
            {notes.map((note) => (
              <li key={note}>{note}</li>
            ))}
          </ul>
        )}
        <p class="hint">
          Any other client: Streamable HTTP at <code>{url}</code>
        </p>
      </div>
    </Section>
  )
}

function titleOf(name: ClientName): string {
  return clients[name]({ name: 'x', url: 'http://127.0.0.1/', token: null }).title
}

interface Asking {
  readonly authTokens?: readonly string[] | null
  readonly requireAuth?: boolean | null
}

function asksForToken(definition: Asking | undefined): boolean {
  const { gateway } = session.get().session ?? {}
  const own = (definition?.authTokens ?? []).length > 0 || definition?.requireAuth === true
  return own || gateway?.clientsAsked === true
}
