/** Adding and editing a group. What the form has no field for stays as it is. */
import { useState } from 'preact/hooks'
import type { ServerView } from '../../../../http/api/answers.ts'
import { saveDefinition, servers } from '../../live/servers.ts'
import { announce } from '../../parts/announce.tsx'
import { Button } from '../../parts/button.tsx'
import { Empty, Failure, Waiting } from '../../parts/failure.tsx'
import { Check, SelectField, TextField } from '../../parts/field.tsx'
import { Page } from '../../parts/page.tsx'
import { useDeed } from '../../parts/use-load.ts'
import { hrefTo, navigate, useRoute } from '../../router.ts'
import { useStore } from '../../store.ts'

type Definition = ServerView['definition']
type Member = NonNullable<Definition['members']>[number]

export function AddGroup() {
  return (
    <Page title="Add a group" back={{ href: hrefTo('groups'), text: 'Groups' }}>
      <Form definition={null} />
    </Page>
  )
}

export function EditGroup() {
  const name = useRoute().parts[1] ?? ''
  const { list } = useStore(servers)
  const entry = list?.find(({ definition }) => definition.name === name)
  return (
    <Page title={`Edit ${name}`} back={{ href: hrefTo('groups', name), text: name }}>
      {list === null ? <Waiting what="the group" /> : null}
      {list !== null && entry?.origin !== 'store' ? (
        <Empty title="It cannot be changed here">
          <p>There is no group of this name, or it stands in the configuration file.</p>
        </Empty>
      ) : null}
      {entry?.origin === 'store' ? <Form key={name} definition={entry.definition} /> : null}
    </Page>
  )
}

interface Draft {
  readonly name: string
  readonly description: string
  readonly members: readonly Member[]
  readonly naming: 'prefix' | 'plain'
  readonly exposure: 'all' | 'search'
}

function Form({ definition }: { readonly definition: Definition | null }) {
  const [draft, setDraft] = useState<Draft>(() => draftOf(definition))
  const { busy, failure, run } = useDeed()
  const change = (part: Partial<Draft>) => setDraft({ ...draft, ...part })
  const save = async () => {
    const body = { ...definition, ...draft, name: draft.name.trim(), transport: 'group' }
    announce(await saveDefinition(definition?.name ?? null, body))
    navigate('groups', body.name)
  }
  return (
    <form
      class="form"
      onSubmit={(event) => {
        event.preventDefault()
        run(save)
      }}
    >
      <TextField
        label="Name"
        value={draft.name}
        onChange={(name) => change({ name })}
        disabled={definition !== null}
        required
        code
      />
      <TextField
        label="Description"
        value={draft.description}
        onChange={(description) => change({ description })}
      />
      <Members members={draft.members} onChange={(members) => change({ members })} />
      <SelectField
        label="Names of tools"
        value={draft.naming}
        onChange={(naming) => change({ naming })}
        options={[
          { value: 'prefix', text: 'Behind the name of their server: files__read' },
          { value: 'plain', text: 'As they are: read' },
        ]}
      />
      <SelectField
        label="What clients are shown"
        value={draft.exposure}
        onChange={(exposure) => change({ exposure })}
        options={[
          { value: 'all', text: 'All tools' },
          { value: 'search', text: 'A tool that finds tools, for groups of very many' },
        ]}
      />
      {failure === null ? null : <Failure failure={failure} />}
      <div class="actions">
        <Button kind="main" type="submit" busy={busy}>
          {definition === null ? 'Add it' : 'Save it'}
        </Button>
        <a class="button quiet" href={hrefTo('groups')}>
          Cancel
        </a>
      </div>
    </form>
  )
}

function Members({
  members,
  onChange,
}: {
  readonly members: readonly Member[]
  readonly onChange: (members: readonly Member[]) => void
}) {
  const list = (useStore(servers).list ?? []).filter(({ definition }) => definition.transport !== 'group')
  const all = members.some((member) => member.all === true)
  const byTag = members.filter(({ tag }) => tag != null)
  const toggle = (name: string, on: boolean) =>
    onChange(on ? [...members, { server: name }] : members.filter(({ server }) => server !== name))
  return (
    <fieldset>
      <legend>Servers</legend>
      <div class="stack">
        <Check
          label="All of them, those that come later as well"
          checked={all}
          onChange={(on) =>
            onChange(on ? [...members, { all: true }] : members.filter((member) => member.all !== true))
          }
        />
        <div class="boxes">
          {list.map(({ definition: { name } }) => (
            <Check
              key={name}
              label={name}
              checked={members.some(({ server }) => server === name)}
              onChange={(on) => toggle(name, on)}
            />
          ))}
        </div>
        {byTag.length === 0 ? null : (
          <p class="hint">
            And those with the tags {byTag.map(({ tag }) => tag).join(', ')}, which stay as they are.
          </p>
        )}
      </div>
    </fieldset>
  )
}

function draftOf(definition: Definition | null): Draft {
  return {
    name: definition?.name ?? '',
    description: definition?.description ?? '',
    members: definition?.members ?? [],
    naming: definition?.naming ?? 'prefix',
    exposure: definition?.exposure ?? 'all',
  }
}
