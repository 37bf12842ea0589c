/** One rule of a key: which servers, and which of their tools. */
import { useEffect } from 'preact/hooks'
import { servers } from '../../live/servers.ts'
import { tools, wantTools } from '../../live/tools.ts'
import { Button } from '../../parts/button.tsx'
import { AreaField, Check, SelectField } from '../../parts/field.tsx'
import { useStore } from '../../store.ts'
import type { KeyRule } from './rule-words.ts'

export interface RuleDraft {
  readonly all: boolean
  readonly servers: readonly string[]
  readonly which: 'all' | 'some' | 'reading'
  /** One a line. */
  readonly tools: string
  /** Whether prompts and resources are open too where only some tools are. */
  readonly others: boolean
}

export const emptyRule: RuleDraft = { all: false, servers: [], which: 'all', tools: '', others: false }

export function ruleOf({ all, servers: named, which, tools: lines, others }: RuleDraft): KeyRule {
  const names = lines.split(/[\n,]/).map((line) => line.trim())
  return {
    servers: all ? ['*'] : [...named],
    ...(which === 'some' ? { tools: names.filter((line) => line !== '') } : {}),
    ...(which === 'reading' ? { readOnly: true } : {}),
    ...(which === 'all' || others ? {} : { prompts: [], resources: [] }),
  }
}

/** Beyond that a list of boxes is no help. */
const suggestedMax = 200

interface RuleProps {
  readonly at: number
  readonly rule: RuleDraft
  readonly onChange: (rule: RuleDraft) => void
  readonly onRemove?: () => void
}

export function RuleFields({ at, rule, onChange, onRemove }: RuleProps) {
  const change = (part: Partial<RuleDraft>) => onChange({ ...rule, ...part })
  return (
    <div class="rule">
      <Servers rule={rule} change={change} at={at} />
      <SelectField
        label="Tools"
        value={rule.which}
        onChange={(which) => change({ which })}
        options={[
          { value: 'all', text: 'All tools, prompts and resources' },
          { value: 'some', text: 'Only the tools that are chosen here' },
          { value: 'reading', text: 'Only tools that say of themselves that they only read' },
        ]}
      />
      {rule.which === 'some' ? <Tools rule={rule} change={change} /> : null}
      {rule.which === 'all' ? null : (
        <Check
          label="Prompts and resources too"
          checked={rule.others}
          onChange={(others) => change({ others })}
          hint="Without this the key opens none of them."
        />
      )}
      {onRemove === undefined ? null : (
        <div>
          <Button kind="quiet" label={`Remove rule ${at + 1}`} onClick={onRemove}>
            Remove this rule
          </Button>
        </div>
      )}
    </div>
  )
}

interface PartProps {
  readonly rule: RuleDraft
  readonly change: (part: Partial<RuleDraft>) => void
}

function Servers({ rule, change, at }: PartProps & { readonly at: number }) {
  const list = useStore(servers).list ?? []
  const toggle = (name: string, on: boolean) =>
    change({ servers: on ? [...rule.servers, name] : rule.servers.filter((each) => each !== name) })
  return (
    <fieldset>
      <legend>Servers{at === 0 ? '' : ` of rule ${at + 1}`}</legend>
      <Check
        label="All of them, those that come later as well"
        checked={rule.all}
        onChange={(all) => change({ all })}
      />
      {rule.all ? null : (
        <div class="boxes">
          {list.map(({ definition: { name, transport } }) => (
            <Check
              key={name}
              label={transport === 'group' ? `${name} (group)` : name}
              checked={rule.servers.includes(name)}
              onChange={(on) => toggle(name, on)}
            />
          ))}
        </div>
      )}
    </fieldset>
  )
}

/** Boxes for the tools of the chosen servers, and a text for patterns and for what is not there yet. */
function Tools({ rule, change }: PartProps) {
  const list = useStore(servers).list
  const known = useStore(tools)
  const chosen = (list ?? []).filter(({ definition }) => rule.all || rule.servers.includes(definition.name))
  useEffect(() => {
    for (const { definition, status } of chosen)
      if (status.status === 'connected') wantTools(definition.name, status.since)
  })
  const names = [
    ...new Set(
      chosen.flatMap(({ definition }) => known.get(definition.name)?.tools.map(({ name }) => name) ?? []),
    ),
  ]
  const written = rule.tools.split(/[\n,]/).map((line) => line.trim())
  const toggle = (name: string, on: boolean) => {
    const others = written.filter((line) => line !== '' && line !== name)
    change({ tools: (on ? [...others, name] : others).join('\n') })
  }
  return (
    <>
      {names.length === 0 || names.length > suggestedMax ? null : (
        <fieldset>
          <legend>Tools that these servers list</legend>
          <div class="boxes">
            {names.map((name) => (
              <Check
                key={name}
                label={<code>{name}</code>}
                checked={written.includes(name)}
                onChange={(on) => toggle(name, on)}
              />
            ))}
          </div>
        </fieldset>
      )}
      <AreaField
        label="Names of tools"
        value={rule.tools}
        onChange={(text) => change({ tools: text })}
        rows={3}
        hint="One a line; * stands for any text, as in search_*. A server may offer more tools to clients that can be asked (elicitation, sampling, roots): write their names here."
      />
    </>
  )
}
