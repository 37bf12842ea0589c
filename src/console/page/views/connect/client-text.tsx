/** What a client needs in its settings: the text itself, where it belongs, and what is chosen about it. */
import { type ClientName, clients, nameInClients, type Snippet } from '../../../../snippets/clients.ts'
import { gatewayUrl } from '../../api/api.ts'
import { CodeBlock } from '../../parts/copy.tsx'
import { Note } from '../../parts/failure.tsx'
import { hrefTo } from '../../router.ts'

/** Which client should reach what. */
export interface Choices {
  readonly client: ClientName
  /** Empty for all servers at one URL. */
  readonly server: string
}

/** What clients call the gateway where they reach all servers at once. */
const nameOfAll = 'compozy'

export const clientNames = Object.keys(clients) as ClientName[]

/** The client of this name; null for none. */
export function clientNamed(name: string | null): ClientName | null {
  return clientNames.find((each) => each === name) ?? null
}

export function titleOf(name: ClientName): string {
  return clients[name]({ name: 'x', url: 'http://127.0.0.1/', token: null }).title
}

/** Where a client reaches it. */
export function urlOf(server: string): string {
  const base = gatewayUrl()
  return server === '' ? `${base}/mcp` : `${base}/mcp-proxy/${encodeURIComponent(server)}/stream`
}

export function textFor({ client, server }: Choices, token: string | null): Snippet {
  const name = nameInClients(server === '' ? nameOfAll : server)
  return clients[client]({ name, url: urlOf(server), token })
}

/** The view with these choices. */
export function connectHref({ client, server }: Choices): string {
  return `${server === '' ? hrefTo('connect') : hrefTo('connect', server)}?client=${client}`
}

export function ClientText({ made }: { readonly made: Snippet }) {
  const { title, places, text, command, warning, notes, format } = made
  return (
    <div class="stack">
      <div>
        <h3>Where it belongs</h3>
        <ul>
          {places.map((place) => (
            <li key={place}>{place}</li>
          ))}
        </ul>
      </div>
      {warning === null ? null : <Note kind="warn">{warning}</Note>}
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
    </div>
  )
}
