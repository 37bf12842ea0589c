/** Why somebody may use something, or may not: every door that a request meets, in its order. */
import { useState } from 'preact/hooks'
import type { AccessExplanation } from '../../../../http/api/access-answer.ts'
import type { KeyList } from '../../../../http/api/key-answers.ts'
import { call } from '../../api/api.ts'
import { servers } from '../../live/servers.ts'
import { Badge } from '../../parts/badge.tsx'
import { Button } from '../../parts/button.tsx'
import { Failure, Note } from '../../parts/failure.tsx'
import { TextField } from '../../parts/field.tsx'
import { Page, Section } from '../../parts/page.tsx'
import { useDeed, useLoad } from '../../parts/use-load.ts'
import { hrefTo, useRoute } from '../../router.ts'
import { useStore } from '../../store.ts'
import { openedOf, reasonWords } from './rule-words.ts'

export function Explain() {
  const { query } = useRoute()
  const [who, setWho] = useState(query.get('principal') ?? '')
  const [server, setServer] = useState(query.get('server') ?? '')
  const [tool, setTool] = useState(query.get('tool') ?? '')
  const [found, setFound] = useState<AccessExplanation | null>(null)
  const { busy, failure, run } = useDeed()
  const known = useStore(servers).list ?? []
  const keys = useLoad((signal) => call('listKeys', { signal }), []).value?.keys ?? []
  const ask = async () => {
    const named = tool.trim() === '' ? {} : { tool: tool.trim() }
    const query = { principal: who.trim(), server: server.trim(), ...named }
    setFound(
      await call('explainAccess', { query }).catch((thrown: unknown) => {
        setFound(null)
        throw thrown
      }),
    )
  }
  return (
    <Page
      title="Explain access"
      lead="May somebody use a server or a tool, and which rule decides?"
      back={{ href: hrefTo('keys'), text: 'Keys' }}
    >
      <form
        class="form"
        onSubmit={(event) => {
          event.preventDefault()
          run(ask)
        }}
      >
        <TextField
          label="Who"
          value={who}
          onChange={setWho}
          required
          list={['anonymous', ...keys.map(({ name }) => name)]}
          hint="The name of a key, what the list of calls shows as caller, issuer and subject of a person, or anonymous."
        />
        <div class="fields-two">
          <TextField
            label="Server or group"
            value={server}
            onChange={setServer}
            required
            list={known.map(({ definition }) => definition.name)}
          />
          <TextField label="Tool (optional)" value={tool} onChange={setTool} />
        </div>
        <div class="actions">
          <Button kind="main" type="submit" busy={busy}>
            Explain
          </Button>
        </div>
      </form>
      <div class="after-form" aria-live="polite">
        {failure === null ? null : <Failure failure={failure} />}
        {found === null ? null : <Verdict found={found} keys={keys} />}
      </div>
    </Page>
  )
}

function Verdict({ found, keys }: { readonly found: AccessExplanation; readonly keys: KeyList['keys'] }) {
  const { principal, server, item, allowed, rule, nearest, unsure, steps } = found
  const names = new Map(keys.map((key) => [key.principal, key.name]))
  const key = keys.find((each) => each.principal === principal.id)
  // To come in at a server is not to use all of it.
  const opened = allowed && item === null && key !== undefined ? openedOf(key.access, server) : null
  const part = opened === null || opened === 'everything' ? '' : `: ${opened}`
  const what = item === null ? `the server ${server}${part}` : `${item} of ${server}`
  return (
    <Section
      title={`${principal.name ?? names.get(principal.id) ?? principal.id} ${allowed ? 'may use' : 'may not use'} ${what}`}
    >
      <Note kind={allowed ? 'ok' : 'warn'}>
        {reasonWords(rule, names)}
        {nearest === null ? null : <p>Did you mean {nearest}?</p>}
        {unsure === null ? null : <p>{unsure}</p>}
      </Note>
      <ol class="steps">
        {steps.map((step, at) => (
          <li key={at}>
            <Badge kind={step.allowed ? 'ok' : 'bad'} glyph={step.allowed ? 'ok' : 'close'}>
              {step.allowed ? 'yes' : 'no'}
            </Badge>
            <span>
              <strong>{step.asked}</strong>
              <br />
              {reasonWords(step.rule, names)}
            </span>
          </li>
        ))}
      </ol>
    </Section>
  )
}
