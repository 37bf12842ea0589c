/** What a client needs in its settings to reach a server: to be copied. The texts are those of `compozy servers snippet`. */
import { useEffect, useState } from 'preact/hooks'
import type { ClientName } from '../../../../snippets/clients.ts'
import { may, session } from '../../api/session.ts'
import { servers } from '../../live/servers.ts'
import { Note } from '../../parts/failure.tsx'
import { SelectField, TextField } from '../../parts/field.tsx'
import { Page, Section } from '../../parts/page.tsx'
import { hrefTo, keepInAddress, useRoute } from '../../router.ts'
import { useStore } from '../../store.ts'
import {
  type Choices,
  ClientText,
  clientNamed,
  clientNames,
  connectHref,
  textFor,
  titleOf,
  urlOf,
} from './client-text.tsx'

const all = ''

/** What was chosen last, for whoever comes back by the menu. */
let chosenLast: Choices = { client: 'claude-code', server: all }

export function Connect() {
  const { parts, query } = useRoute()
  const client = clientNamed(query.get('client'))
  // The bare address is that of the menu; a link to a server goes on with the client that was chosen last.
  const choices: Choices = {
    client: client ?? chosenLast.client,
    server: parts[1] ?? (client === null ? chosenLast.server : all),
  }
  const { server } = choices
  const choose = (part: Partial<Choices>) => keepInAddress(connectHref({ ...choices, ...part }))
  const [token, setToken] = useState('')
  const list = useStore(servers).list ?? []
  useEffect(() => {
    chosenLast = choices
    if (client === null) keepInAddress(connectHref(choices))
  }, [choices.client, server, client])
  const asks = asksForToken(list.find(({ definition }) => definition.name === server)?.definition)
  const typed = token.trim()
  const made = textFor(choices, typed !== '' ? typed : asks ? 'asked' : null)
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
            onChange={(next) => choose({ server: next })}
            options={[
              { value: all, text: 'All servers, at one URL' },
              ...list.map(({ definition }) => ({
                value: definition.name,
                text: definition.transport === 'group' ? `${definition.name} (group)` : definition.name,
              })),
            ]}
          />
          <SelectField<ClientName>
            label="Which client?"
            value={choices.client}
            onChange={(next) => choose({ client: next })}
            options={clientNames.map((value) => ({ value, text: titleOf(value) }))}
          />
        </div>
        <TokenField asks={asks} choices={choices} token={token} setToken={setToken} />
      </div>
      <div class="after-form">
        <Section title={made.title}>
          <ClientText made={made} />
          <p class="hint">
            Any other client: Streamable HTTP at <code>{urlOf(server)}</code>
          </p>
        </Section>
      </div>
    </Page>
  )
}

function TokenField({
  asks,
  choices: { client, server },
  token,
  setToken,
}: {
  readonly asks: boolean
  readonly choices: Choices
  readonly token: string
  readonly setToken: (token: string) => void
}) {
  if (!asks) return <Note kind="ok">No token is needed: this gateway asks its clients for none.</Note>
  const make = `${hrefTo('make-key')}?${new URLSearchParams({ client, ...(server === all ? {} : { server }) })}`
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

interface Asking {
  readonly authTokens?: readonly string[] | null
  readonly requireAuth?: boolean | null
}

function asksForToken(definition: Asking | undefined): boolean {
  const { gateway } = session.get().session ?? {}
  const own = (definition?.authTokens ?? []).length > 0 || definition?.requireAuth === true
  return own || gateway?.clientsAsked === true
}
