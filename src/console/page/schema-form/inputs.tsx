/** What a person types or picks: one field each, and the frames around several. */
import type { ComponentChildren } from 'preact'
import { useId } from 'preact/hooks'
import { AreaField, Check, Field as LabelledField, TextField } from '../parts/field.tsx'
import { type Draft, type Fault, unset } from './drafts.ts'
import type { ChoicesField, Field, JsonField, Limit, NumberField, TextField as TextFields } from './fields.ts'

export interface ViewProps<F extends Field = Field> {
  readonly field: F
  readonly draft: Draft
  readonly onDraft: (draft: Draft) => void
  readonly faults: readonly Fault[]
}

export interface NamedProps<F extends Field = Field> extends ViewProps<F> {
  readonly label: string
  readonly required: boolean
}

/** The label of a field; what need not be filled in says so. */
export function shownLabel({ label, required }: Pick<NamedProps, 'label' | 'required'>): string {
  return required ? label : `${label} (optional)`
}

export function TypedView(props: NamedProps<TextFields | NumberField | JsonField>) {
  const { field, draft, onDraft, faults } = props
  const label = shownLabel(props)
  const common = {
    error: ownFault(faults),
    required: props.required,
    value: draft.kind === 'typed' ? draft.text : '',
    onChange: (text: string) => onDraft(text === '' ? unset : { kind: 'typed', text }),
    ...hintProps(hintOf(field)),
  }
  if (field.kind === 'json') return <AreaField {...common} label={`${label}, as JSON`} rows={3} />
  if (field.kind === 'text' && field.lines === 'many')
    return <AreaField {...common} label={label} code={false} rows={1} />
  return <TextField {...common} label={label} type={inputType(field)} />
}

/** One of several, or none. */
export function PickView({
  field,
  onDraft,
  faults,
  label,
  required,
  options,
  chosen,
  toDraft,
}: NamedProps & {
  readonly options: readonly { readonly value: string; readonly text: string }[]
  readonly chosen: string
  readonly toDraft: (value: string) => Draft
}) {
  const error = ownFault(faults)
  return (
    <LabelledField
      label={shownLabel({ label, required })}
      error={error}
      required={required}
      {...hintProps(field.description)}
    >
      {({ id, describedBy }) => (
        <select
          id={id}
          aria-describedby={describedBy}
          aria-invalid={error === null ? undefined : true}
          value={chosen}
          onChange={({ currentTarget: { value } }) => onDraft(value === '' ? unset : toDraft(value))}
        >
          <option value="">{required ? 'Choose' : 'Not set'}</option>
          {options.map((option) => (
            <option key={option.value} value={option.value}>
              {option.text}
            </option>
          ))}
        </select>
      )}
    </LabelledField>
  )
}

export function ChoicesView({ field, draft, onDraft, label, required, faults }: NamedProps<ChoicesField>) {
  const chosen = draft.kind === 'chosen' ? draft.indexes : []
  return (
    <Frame label={shownLabel({ label, required })} description={field.description} error={ownFault(faults)}>
      {field.options.map((option, at) => (
        <Check
          key={option.json}
          label={option.label}
          checked={chosen.includes(at)}
          onChange={(checked) => {
            const indexes = checked
              ? [...chosen, at].sort((a, b) => a - b)
              : chosen.filter((index) => index !== at)
            onDraft(indexes.length === 0 ? unset : { kind: 'chosen', indexes })
          }}
        />
      ))}
    </Frame>
  )
}

export function Frame({
  label,
  description,
  error,
  children,
}: {
  readonly label: string
  readonly description: string | null
  readonly error: string | null
  readonly children: ComponentChildren
}) {
  const id = useId()
  return (
    <fieldset
      class={`part ${error === null ? '' : 'wrong'}`}
      aria-describedby={description === null ? undefined : id}
    >
      <legend>{label}</legend>
      {description === null ? null : (
        <p class="hint" id={id}>
          {description}
        </p>
      )}
      {error === null ? null : <p class="error">{error}</p>}
      <div class="stack">{children}</div>
    </fieldset>
  )
}

function hintProps(text: string | null): { readonly hint?: string } {
  return text === null || text === '' ? {} : { hint: text }
}

function hintOf(field: TextFields | NumberField | JsonField): string {
  const parts = [sentence(field.description)]
  if (field.kind === 'json') parts.push(field.why)
  if (field.kind === 'text' && field.format !== null) parts.push(`Format: ${field.format}.`)
  if (field.kind === 'text' && field.pattern !== null) parts.push(`Pattern: ${field.pattern}`)
  if (field.kind === 'number') {
    parts.push(field.integer ? 'A whole number.' : 'A number.')
    if (field.min !== null) parts.push(`${limitWord(field.min, 'At least', 'More than')}.`)
    if (field.max !== null) parts.push(`${limitWord(field.max, 'At most', 'Less than')}.`)
  }
  if (field.initial !== null) parts.push(`Default: ${field.initial}.`)
  return parts.filter((part) => part !== null).join(' ')
}

/** What stands before other sentences ends like one. */
function sentence(text: string | null): string | null {
  return text === null || text === '' || /[.!?:;…]$/.test(text.trim()) ? text : `${text}.`
}

function limitWord({ value, inclusive }: Limit, atMost: string, less: string): string {
  return `${inclusive ? atMost : less} ${value}`
}

function inputType(field: TextFields | NumberField): 'text' | 'date' {
  // A number is typed as text: the browser's own field changes long ones.
  if (field.kind === 'number') return 'text'
  return field.format === 'date' ? 'date' : 'text'
}

export function within(faults: readonly Fault[], step: string | number): Fault[] {
  return faults
    .filter(({ path }) => path[0] === step)
    .map(({ path, message }) => ({ path: path.slice(1), message }))
}

export function ownFault(faults: readonly Fault[]): string | null {
  return faults.find(({ path }) => path.length === 0)?.message ?? null
}
