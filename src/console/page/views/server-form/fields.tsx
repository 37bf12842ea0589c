/** The fields of a definition: what most servers need at the top, what few need below. */
import { AreaField, Choice, SelectField, TextField } from '../../parts/field.tsx'
import type { Draft } from './draft.ts'
import { Pairs } from './pairs.tsx'

export interface FieldsProps {
  readonly draft: Draft
  readonly change: (change: Partial<Draft>) => void
  /** By field, in the gateway's words. */
  readonly faults: ReadonlyMap<string, string>
  /** False for a server that has its name already. */
  readonly named: boolean
}

export function MainFields(props: FieldsProps) {
  const { draft, change, faults, named } = props
  const fault = (field: string) => faults.get(field) ?? null
  return (
    <>
      <Choice
        legend="How is it reached?"
        value={draft.transport}
        onChange={(transport) => change({ transport })}
        options={[
          { value: 'stdio', text: 'A program', hint: 'The gateway starts it on its own machine' },
          { value: 'streamable-http', text: 'A URL', hint: 'It runs elsewhere and speaks Streamable HTTP' },
          { value: 'sse', text: 'An older URL', hint: 'HTTP with SSE, of 2024' },
        ]}
      />
      <TextField
        label="Name"
        value={draft.name}
        onChange={(name) => change({ name })}
        disabled={!named}
        required
        code
        error={fault('name')}
        hint={
          named
            ? 'Letters, digits, hyphens. It stands in the URL that clients use.'
            : 'A server keeps its name.'
        }
      />
      <TextField
        label="Description"
        value={draft.description}
        onChange={(description) => change({ description })}
        error={fault('description')}
        hint="What it is for, for people. May stay empty."
      />
      {draft.transport === 'stdio' ? <ProgramFields {...props} /> : <UrlFields {...props} />}
    </>
  )
}

function ProgramFields({ draft, change, faults }: FieldsProps) {
  return (
    <>
      <TextField
        label="Command"
        value={draft.command}
        onChange={(command) => change({ command })}
        required
        code
        error={faults.get('command') ?? null}
        placeholder="npx"
        hint="The program alone, such as npx, uvx or the path of a file."
      />
      <AreaField
        label="Arguments"
        value={draft.args}
        onChange={(args) => change({ args })}
        error={faults.get('args') ?? null}
        placeholder={'-y\n@modelcontextprotocol/server-filesystem\n/srv/files'}
        hint="One a line, without quotes."
      />
      <Pairs
        legend="Environment"
        one="variable"
        hint="Values are stored, and shown as *** from then on. A *** that stays keeps the stored value."
        pairs={draft.env}
        onChange={(env) => change({ env })}
        error={faults.get('env') ?? null}
      />
    </>
  )
}

function UrlFields({ draft, change, faults }: FieldsProps) {
  return (
    <>
      <TextField
        label="URL"
        value={draft.url}
        onChange={(url) => change({ url })}
        required
        code
        error={faults.get('url') ?? null}
        placeholder="https://mcp.example.com/mcp"
      />
      <SelectField
        label="Login at it"
        value={draft.login}
        onChange={(login) => change({ login })}
        options={[
          { value: 'none', text: 'None, or by a header below' },
          { value: 'shared', text: 'OAuth, with one account for all' },
          { value: 'user', text: 'OAuth, with the account of each person' },
        ]}
        hint="With one account for all you log in once, under Logins, after it is added."
      />
      <Pairs
        legend="Headers"
        one="header"
        hint="Sent with each request, such as Authorization. Values are shown as *** from then on."
        pairs={draft.headers}
        onChange={(headers) => change({ headers })}
        error={faults.get('headers') ?? null}
      />
    </>
  )
}

export function MoreFields({ draft, change, faults }: FieldsProps) {
  return (
    <div class="stack">
      <SelectField
        label="Which tools clients see"
        value={draft.filterMode}
        onChange={(filterMode) => change({ filterMode })}
        options={[
          { value: 'all', text: 'All of them' },
          { value: 'allow', text: 'Only those named below' },
          { value: 'block', text: 'All but those named below' },
        ]}
      />
      {draft.filterMode === 'all' ? null : (
        <AreaField
          label="Tools"
          value={draft.filterTools}
          onChange={(filterTools) => change({ filterTools })}
          error={faults.get('toolFilter') ?? null}
          hint="One name a line."
        />
      )}
      <SelectField
        label="Approval of its tools"
        value={draft.pin}
        onChange={(pin) => change({ pin })}
        options={[
          { value: 'default', text: 'As the setting mcp_proxy.pinning says' },
          { value: 'on', text: 'Hold tools back until an admin has approved them' },
          { value: 'off', text: 'Show tools as they come' },
        ]}
      />
      <SelectField
        label="Connections"
        value={draft.isolation}
        onChange={(isolation) => change({ isolation })}
        options={[
          { value: 'auto', text: 'Shared where that is safe' },
          { value: 'session', text: 'One for each client' },
          { value: 'shared', text: 'One for all' },
        ]}
      />
      <SelectField
        label="Clients without sessions, with several replicas or workers"
        value={draft.affinity}
        onChange={(affinity) => change({ affinity })}
        options={[
          { value: 'auto', text: 'Each at one of them, so that calls find what earlier ones left behind' },
          { value: 'none', text: 'Each call wherever it comes to' },
        ]}
      />
      <SelectField
        label="Sessions of a replica or worker that is gone"
        value={draft.onOwnerLoss}
        onChange={(onOwnerLoss) => change({ onOwnerLoss })}
        options={[
          { value: 'restart', text: 'Go on elsewhere, on a new connection' },
          { value: 'end', text: 'End: clients begin anew' },
        ]}
      />
      <div class="fields-two">
        <TextField
          label="Longest start"
          value={draft.startTimeout}
          onChange={(startTimeout) => change({ startTimeout })}
          error={faults.get('startTimeout') ?? null}
          placeholder="2m"
        />
        <TextField
          label="Longest silence of a call"
          value={draft.timeout}
          onChange={(timeout) => change({ timeout })}
          error={faults.get('timeout') ?? null}
          placeholder="60s"
        />
      </div>
      <AreaField
        label="Headers of clients that go on to it"
        value={draft.forwardHeaders}
        onChange={(forwardHeaders) => change({ forwardHeaders })}
        error={faults.get('forwardHeaders') ?? null}
        rows={2}
        hint="One name a line; none for most servers."
      />
      <Pairs
        legend="Tags"
        one="tag"
        hint="Notes of your own. A group may choose its members by them."
        pairs={draft.tags}
        onChange={(tags) => change({ tags })}
        error={faults.get('tags') ?? null}
      />
    </div>
  )
}
