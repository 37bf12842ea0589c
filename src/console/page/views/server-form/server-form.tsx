/** Adding and editing a server: by fields or as JSON, tried before it is saved. */
import { useState } from 'preact/hooks'
import { isObject } from '../../../../protocol/json.ts'
import { ApiFailure } from '../../api/api.ts'
import { saveDefinition, servers } from '../../live/servers.ts'
import { announce } from '../../parts/announce.tsx'
import { Button } from '../../parts/button.tsx'
import { Empty, Failure, Waiting } from '../../parts/failure.tsx'
import { AreaField, Choice } from '../../parts/field.tsx'
import { Page } from '../../parts/page.tsx'
import { useDeed } from '../../parts/use-load.ts'
import { hrefTo, navigate, useRoute } from '../../router.ts'
import { useStore } from '../../store.ts'
import { type Definition, type Draft, definitionOf, draftOf, emptyDraft, faultsIn } from './draft.ts'
import { MainFields, MoreFields } from './fields.tsx'
import { TrialReport, useTrial } from './trial.tsx'

export function AddServer() {
  return (
    <Page
      title="Add a server"
      lead="Try it before you save it: the gateway starts it once, shows what it found, and ends it again."
      back={{ href: hrefTo('servers'), text: 'Servers' }}
    >
      <Form definition={null} />
    </Page>
  )
}

export function EditServer() {
  const name = useRoute().parts[1] ?? ''
  const { list } = useStore(servers)
  const server = list?.find(({ definition }) => definition.name === name)
  const back = { href: hrefTo('servers', name), text: name }
  return (
    <Page title={`Edit ${name}`} lead="Calls in flight finish on the old definition." back={back}>
      {list === null ? <Waiting what="the definition" lines={6} /> : null}
      {list !== null && server === undefined ? (
        <Empty title="There is no server of this name">
          <a href={hrefTo('servers')}>All servers</a>
        </Empty>
      ) : null}
      {server?.origin === 'file' ? (
        <Empty title="It stands in the configuration file">
          <p>Change it there, and have the file read again.</p>
        </Empty>
      ) : null}
      {server?.origin === 'store' ? <Form key={name} definition={server.definition} /> : null}
    </Page>
  )
}

type Way = 'fields' | 'json'

/** What is written, in the form that it is written in. */
interface Written {
  readonly way: Way
  readonly draft: Draft
  readonly json: string
  readonly base: Readonly<Record<string, unknown>>
}

function Form({ definition }: { readonly definition: Definition | null }) {
  const [written, setWritten] = useState<Written>(() => begun(definition))
  const { busy, failure, run, forget } = useDeed()
  const trial = useTrial()
  const named = definition === null
  const save = async () => {
    const body = bodyOf(written)
    announce(await saveDefinition(definition?.name ?? null, body))
    navigate('servers', String(body['name'] ?? ''))
  }
  const attempt = () => {
    forget()
    trial.run(() => bodyOf(written))
  }
  const said = failure ?? trial.failure
  const faults = faultsIn(said?.details ?? '')
  return (
    <form
      class="form"
      onSubmit={(event) => {
        event.preventDefault()
        run(save)
      }}
    >
      <Choice
        legend="Write it"
        value={written.way}
        onChange={(way) => setWritten(inWay(written, way))}
        options={[
          { value: 'fields', text: 'In fields' },
          { value: 'json', text: 'As JSON', hint: 'Every field of a definition' },
        ]}
      />
      {written.way === 'json' ? (
        <AreaField
          label="Definition"
          value={written.json}
          rows={18}
          onChange={(json) => setWritten({ ...written, json })}
          hint="One server. An entry of the mcpServers of a client file is taken as well."
        />
      ) : (
        <ByFields written={written} setWritten={setWritten} faults={faults} named={named} />
      )}
      {said === null ? null : <Failure failure={said} />}
      <TrialReport trial={trial} />
      <div class="actions">
        <Button kind="main" type="submit" busy={busy}>
          {busy ? 'Saving' : named ? 'Add it' : 'Save it'}
        </Button>
        <Button busy={trial.busy} onClick={attempt}>
          {trial.busy ? 'Trying' : 'Try it'}
        </Button>
        <a class="button quiet" href={hrefTo(...(named ? ['servers'] : ['servers', definition.name]))}>
          Cancel
        </a>
      </div>
    </form>
  )
}

function ByFields({
  written,
  setWritten,
  faults,
  named,
}: {
  readonly written: Written
  readonly setWritten: (next: Written) => void
  readonly faults: ReadonlyMap<string, string>
  readonly named: boolean
}) {
  const { draft } = written
  const change = (part: Partial<Draft>) => setWritten({ ...written, draft: { ...draft, ...part } })
  return (
    <>
      <MainFields draft={draft} change={change} faults={faults} named={named} />
      <details>
        <summary>More: filters, time-outs, tags</summary>
        <MoreFields draft={draft} change={change} faults={faults} named={named} />
      </details>
    </>
  )
}

function begun(definition: Definition | null): Written {
  const base = (definition ?? {}) as Readonly<Record<string, unknown>>
  const draft = definition === null ? emptyDraft : draftOf(definition)
  return { way: 'fields', draft, base, json: '' }
}

/** The same definition in the other form. What cannot be read stays as it is written. */
function inWay(written: Written, way: Way): Written {
  if (way === written.way) return written
  if (way === 'json')
    return { ...written, way, json: JSON.stringify(definitionOf(written.draft, written.base), null, 2) }
  try {
    const read = readJson(written.json)
    return { ...written, way, base: read, draft: draftOf(read as unknown as Definition) }
  } catch {
    announce('This is no JSON yet; it stays as it is.', true)
    return written
  }
}

function bodyOf({ way, draft, base, json }: Written): Record<string, unknown> {
  return way === 'json' ? readJson(json) : definitionOf(draft, base)
}

/** Takes `{ "mcpServers": { "files": { … } } }` and `{ "files": { "command": … } }` for the one server in it. */
function readJson(text: string): Record<string, unknown> {
  const value = parsed(text)
  if (!isObject(value))
    throw unreadable('A definition is an object, such as { "name": "files", "transport": "stdio" }.')
  const map = value['mcpServers']
  const inner = isObject(map) ? map : value
  const [only, ...others] = Object.entries(inner)
  if (isObject(map) && (others.length > 0 || only === undefined))
    throw unreadable(`It holds ${Object.keys(map).length} servers. Leave one, and add the others after it.`)
  if (others.length > 0 || only === undefined || !isObject(only[1])) return inner
  const [name, entry] = only
  const transport =
    entry['transport'] ?? entry['type'] ?? (entry['command'] === undefined ? 'streamable-http' : 'stdio')
  const { type: _, ...fields } = entry
  return { ...fields, name, transport }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (thrown) {
    throw unreadable(thrown instanceof Error ? `${thrown.message}.` : 'It is no JSON.')
  }
}

function unreadable(details: string): ApiFailure {
  return new ApiFailure(0, 'UNREADABLE', 'The definition cannot be read', details)
}
