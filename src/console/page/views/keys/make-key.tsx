/** Makes a key: for whom, what it opens, until when. */
import { useState } from 'preact/hooks'
import type { MadeKeyAnswer } from '../../../../http/api/key-answers.ts'
import { ApiFailure, call } from '../../api/api.ts'
import { Button } from '../../parts/button.tsx'
import { Failure, Note } from '../../parts/failure.tsx'
import { Choice, SelectField, TextField } from '../../parts/field.tsx'
import { Glyph } from '../../parts/glyph.tsx'
import { Page } from '../../parts/page.tsx'
import { useDeed } from '../../parts/use-load.ts'
import { hrefTo, useRoute } from '../../router.ts'
import { type Choices, clientNamed, connectHref } from '../connect/client-text.tsx'
import { emptyRule, type RuleDraft, RuleFields, ruleOf } from './rule-fields.tsx'
import { ShownOnce } from './shown-once.tsx'

type Kind = 'client' | 'viewer' | 'operator' | 'admin'
type Expiry = '7' | '30' | '90' | '365' | 'never'

const dayMs = 24 * 60 * 60_000

interface Draft {
  readonly name: string
  readonly user: string
  readonly kind: Kind
  readonly expiry: Expiry
  readonly rules: readonly RuleDraft[]
}

export function MakeKey() {
  const { query } = useRoute()
  const [draft, setDraft] = useState<Draft>(() => begun(query))
  const { busy, failure, run, forget } = useDeed()
  const [made, setMade] = useState<MadeKeyAnswer | null>(null)
  const connecting = choicesIn(query)
  // Whoever comes from connecting a client goes back there, with what was chosen.
  const from = connecting === null ? hrefTo('keys') : connectHref(connecting)
  const change = (part: Partial<Draft>) => {
    setDraft({ ...draft, ...part })
    // What it was about may be mended now; whether it is comes out at the next try.
    forget()
  }
  const make = async () => {
    const fault = faultOf(draft)
    if (fault !== null) throw fault
    setMade(await call('createKey', { body: bodyOf(draft) }))
  }
  return (
    <Page title="Make a key" back={{ href: from, text: connecting === null ? 'Keys' : 'Connect a client' }}>
      <form
        class="form"
        onSubmit={(event) => {
          event.preventDefault()
          run(make)
        }}
      >
        <TextField
          label="Name"
          value={draft.name}
          onChange={(name) => change({ name })}
          required
          hint="Who or what uses it, such as ada-laptop or ci. It stands in logs and in the list of calls."
        />
        <KindFields draft={draft} change={change} />
        <SelectField
          label="It ends"
          value={draft.expiry}
          onChange={(expiry) => change({ expiry })}
          options={[
            { value: '7', text: 'in a week' },
            { value: '30', text: 'in 30 days' },
            { value: '90', text: 'in 90 days' },
            { value: '365', text: 'in a year' },
            { value: 'never', text: 'never' },
          ]}
        />
        <TextField
          label="On whose behalf (optional)"
          value={draft.user}
          onChange={(user) => change({ user })}
          hint="A person or a team. Rules elsewhere may name it under who.users."
        />
        {failure === null ? null : <Failure failure={failure} />}
        <div class="actions">
          <Button kind="main" type="submit" busy={busy}>
            Make the key
          </Button>
          <a class="button quiet" href={from}>
            Cancel
          </a>
        </div>
      </form>
      {made === null ? null : (
        <ShownOnce
          made={made}
          connecting={connecting}
          onClose={() => {
            location.hash = from
          }}
        />
      )}
    </Page>
  )
}

function KindFields({
  draft,
  change,
}: {
  readonly draft: Draft
  readonly change: (part: Partial<Draft>) => void
}) {
  const { kind, rules } = draft
  return (
    <>
      <Choice
        legend="What is it for?"
        value={kind === 'client' ? 'client' : 'admin'}
        onChange={(next) => change({ kind: next === 'client' ? 'client' : 'viewer' })}
        options={[
          { value: 'client', text: 'An MCP client', hint: 'An editor, an agent, a program' },
          { value: 'admin', text: 'This console and its API', hint: 'A person or a script that administers' },
        ]}
      />
      {kind === 'client' ? (
        <Rules rules={rules} onChange={(next) => change({ rules: next })} />
      ) : (
        <>
          <SelectField
            label="Role"
            value={kind}
            onChange={(role) => change({ kind: role })}
            options={[
              { value: 'viewer', text: 'Viewer: may look' },
              {
                value: 'operator',
                text: 'Operator: may also call tools, restart servers, switch them on and off',
              },
              { value: 'admin', text: 'Admin: may do everything' },
            ]}
          />
          <Note kind="warn">
            As long as there is a key with a role, the admin API and this console ask everybody who they are,
            this machine too.
          </Note>
        </>
      )}
    </>
  )
}

function Rules({
  rules,
  onChange,
}: {
  readonly rules: readonly RuleDraft[]
  readonly onChange: (rules: readonly RuleDraft[]) => void
}) {
  const put = (at: number, rule: RuleDraft) =>
    onChange(rules.map((each, index) => (index === at ? rule : each)))
  return (
    <fieldset>
      <legend>What may it use?</legend>
      <div class="stack">
        {rules.map((rule, at) => (
          // Rules have no names, and none is moved.
          <RuleFields
            key={at}
            at={at}
            rule={rule}
            onChange={(next) => put(at, next)}
            {...(rules.length === 1
              ? {}
              : { onRemove: () => onChange(rules.filter((_, index) => index !== at)) })}
          />
        ))}
        <div>
          <Button onClick={() => onChange([...rules, emptyRule])}>
            <Glyph name="plus" />
            Add another rule
          </Button>
        </div>
      </div>
    </fieldset>
  )
}

/** For which client it is made, where one came from connecting it. */
function choicesIn(query: URLSearchParams): Choices | null {
  const client = clientNamed(query.get('client'))
  return client === null ? null : { client, server: query.get('server') ?? '' }
}

/** A link may say for which server, and which tool of it. */
function begun(query: URLSearchParams): Draft {
  const server = query.get('server')
  const tool = query.get('tool')
  const rule: RuleDraft = {
    ...emptyRule,
    ...(server === null ? { all: choicesIn(query) !== null } : { servers: [server] }),
    ...(tool === null ? {} : { which: 'some', tools: tool }),
  }
  return { name: '', user: '', kind: 'client', expiry: '90', rules: [rule] }
}

/** A key that opens nothing is hardly meant, and nobody would find out why it does not work. */
function faultOf({ kind, rules }: Draft): ApiFailure | null {
  if (kind !== 'client') return null
  if (rules.some(({ all, servers }) => !all && servers.length === 0))
    return new ApiFailure(
      0,
      'INCOMPLETE',
      'It would open nothing',
      'Choose at least one server in each rule.',
    )
  if (rules.some(({ which, tools }) => which === 'some' && tools.trim() === ''))
    return new ApiFailure(
      0,
      'INCOMPLETE',
      'It would open no tool',
      'Choose at least one tool, or all of them.',
    )
  return null
}

function bodyOf({ name, user, kind, expiry, rules }: Draft): unknown {
  return {
    name: name.trim(),
    expires: expiry === 'never' ? null : new Date(Date.now() + Number(expiry) * dayMs).toISOString(),
    ...(user.trim() === '' ? {} : { user: user.trim() }),
    ...(kind === 'client' ? { access: rules.map(ruleOf) } : { role: kind }),
  }
}
