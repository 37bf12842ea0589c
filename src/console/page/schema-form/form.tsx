/** A form made from fields. Everything that a server wrote is text here. */
import { Button } from '../parts/button.tsx'
import { SelectField, TextField } from '../parts/field.tsx'
import { type Draft, type Fault, firstDraft, groupDraft, unset } from './drafts.ts'
import type { Field, GroupField, ListField, VariantsField } from './fields.ts'
import {
  ChoicesView,
  Frame,
  type NamedProps,
  ownFault,
  PickView,
  shownLabel,
  TypedView,
  type ViewProps,
  within,
} from './inputs.tsx'

const truths = [
  { value: 'true', text: 'true' },
  { value: 'false', text: 'false' },
]
const truthText = (draft: Draft): string => (draft.kind === 'truth' ? String(draft.value) : '')
const truthDraft = (value: string): Draft => ({ kind: 'truth', value: value === 'true' })

/** Brings whoever has sent a form that is not complete to the first field that needs another look, once it says so. */
export function toFirstFault(form: HTMLFormElement): void {
  requestAnimationFrame(() => form.querySelector<HTMLElement>('[aria-invalid]')?.focus())
}

/** The fields of a group without a frame around them: the arguments of a tool, or the answers to a question. */
export function SchemaForm({ field, draft, onDraft, faults }: ViewProps) {
  if (field.kind !== 'group') {
    return <FieldView field={field} draft={draft} onDraft={onDraft} faults={faults} label="Value" required />
  }
  if (field.members.length === 0 && field.rest === null) return <p class="hint">It takes no arguments.</p>
  return <Members field={field} draft={draft} onDraft={onDraft} faults={faults} />
}

function Members({ field, draft, onDraft, faults }: ViewProps<GroupField>) {
  const { members, rest } = draft.kind === 'members' ? draft : { members: new Map<string, Draft>(), rest: [] }
  const set = (name: string, next: Draft): void =>
    onDraft({ kind: 'members', members: new Map(members).set(name, next), rest })
  const setRest = (next: typeof rest): void => onDraft({ kind: 'members', members, rest: next })
  return (
    <div class="stack">
      {field.members.map(({ name, required, field: member }) => (
        <FieldView
          key={name}
          field={member}
          label={member.title === null || member.title === name ? name : `${member.title} (${name})`}
          required={required}
          draft={members.get(name) ?? unset}
          faults={within(faults, name)}
          onDraft={(next) => set(name, next)}
        />
      ))}
      {field.rest === null ? null : (
        <Rest field={field.rest} named={rest} faults={faults} onNamed={setRest} />
      )}
    </div>
  )
}

function Rest({
  field,
  named,
  faults,
  onNamed,
}: {
  readonly field: Field
  readonly named: readonly { readonly name: string; readonly draft: Draft }[]
  readonly faults: readonly Fault[]
  readonly onNamed: (named: readonly { readonly name: string; readonly draft: Draft }[]) => void
}) {
  const change = (at: number, next: { readonly name: string; readonly draft: Draft }): void =>
    onNamed(named.map((each, index) => (index === at ? next : each)))
  return (
    <>
      {named.map(({ name, draft }, at) => (
        <fieldset key={at} class="part">
          <legend>{name === '' ? `Member ${at + 1}` : name}</legend>
          <TextField label="Name" code value={name} onChange={(text) => change(at, { name: text, draft })} />
          <FieldView
            field={field}
            label="Value"
            required
            draft={draft}
            faults={within(faults, at)}
            onDraft={(next) => change(at, { name, draft: next })}
          />
          <Button kind="quiet" onClick={() => onNamed(named.filter((_, index) => index !== at))}>
            Remove {name === '' ? `member ${at + 1}` : name}
          </Button>
        </fieldset>
      ))}
      <div>
        <Button onClick={() => onNamed([...named, { name: '', draft: firstDraft(field) }])}>
          Add a member
        </Button>
      </div>
    </>
  )
}

function FieldView(props: NamedProps) {
  const { field, draft, label, onDraft } = props
  if (draft.kind === 'null') {
    return (
      <div class="field">
        <span class="name">{label}</span>
        <p class="hint">
          null{' '}
          <Button kind="quiet" label={`Give ${label} a value`} onClick={() => onDraft(unset)}>
            Give a value
          </Button>
        </p>
      </div>
    )
  }
  return (
    <div class="with-null">
      <ValueView {...props} />
      {field.nullable ? (
        <Button kind="quiet" label={`Set ${label} to null`} onClick={() => onDraft({ kind: 'null' })}>
          Set to null
        </Button>
      ) : null}
    </div>
  )
}

function ValueView(props: NamedProps) {
  const { field } = props
  switch (field.kind) {
    case 'text':
    case 'number':
    case 'json':
      return <TypedView {...props} field={field} />
    case 'truth':
      return <PickView {...props} options={truths} chosen={truthText(props.draft)} toDraft={truthDraft} />
    case 'choice':
      return (
        <PickView
          {...props}
          options={field.options.map((option, at) => ({ value: String(at), text: option.label }))}
          chosen={props.draft.kind === 'chosen' ? String(props.draft.indexes[0]) : ''}
          toDraft={(value) => ({ kind: 'chosen', indexes: [Number(value)] })}
        />
      )
    case 'choices':
      return <ChoicesView {...props} field={field} />
    case 'list':
      return <ListView {...props} field={field} />
    case 'group':
      return <GroupView {...props} field={field} />
    case 'variants':
      return <VariantsView {...props} field={field} />
  }
}

function VariantsView({ field, draft, onDraft, label, required, faults }: NamedProps<VariantsField>) {
  const chosen = draft.kind === 'variant' ? field.variants[draft.index] : undefined
  const choose = (value: string): void => {
    const variant = value === '' ? undefined : field.variants[Number(value)]
    onDraft(
      variant === undefined
        ? unset
        : { kind: 'variant', index: Number(value), draft: firstDraft(variant.field) },
    )
  }
  return (
    <Frame label={shownLabel({ label, required })} description={field.description} error={ownFault(faults)}>
      <SelectField
        label="Which form"
        value={draft.kind === 'variant' ? String(draft.index) : ''}
        options={[
          { value: '', text: required ? 'Choose' : 'Not set' },
          ...field.variants.map((variant, at) => ({ value: String(at), text: variant.label })),
        ]}
        onChange={choose}
      />
      {chosen === undefined ? null : (
        <VariantView field={chosen.field} draft={draft} onDraft={onDraft} faults={faults} />
      )}
    </Frame>
  )
}

function VariantView({ field, draft, onDraft, faults }: ViewProps) {
  if (draft.kind !== 'variant') return null
  const { index } = draft
  const set = (next: Draft): void => onDraft({ kind: 'variant', index, draft: next })
  return field.kind === 'group' ? (
    <Members field={field} draft={draft.draft} onDraft={set} faults={faults} />
  ) : (
    <FieldView field={field} label="Value" required draft={draft.draft} onDraft={set} faults={faults} />
  )
}

function ListView({ field, draft, onDraft, label, required, faults }: NamedProps<ListField>) {
  const items = draft.kind === 'items' ? draft.items : []
  const take = (next: readonly Draft[]): void =>
    onDraft(next.length === 0 ? unset : { kind: 'items', items: next })
  return (
    <Frame label={shownLabel({ label, required })} description={field.description} error={ownFault(faults)}>
      {items.map((item, at) => (
        <div key={at} class="item">
          <FieldView
            field={field.item}
            label={`Item ${at + 1}`}
            required
            draft={item}
            faults={within(faults, at)}
            onDraft={(next) => take(items.map((each, index) => (index === at ? next : each)))}
          />
          <Button
            kind="quiet"
            label={`Remove item ${at + 1} of ${label}`}
            onClick={() => take(items.filter((_, index) => index !== at))}
          >
            Remove
          </Button>
        </div>
      ))}
      <div>
        <Button
          label={`Add an item to ${label}`}
          disabled={items.length >= field.itemsMax}
          onClick={() => take([...items, firstDraft(field.item)])}
        >
          Add an item
        </Button>
      </div>
    </Frame>
  )
}

function GroupView({ field, draft, onDraft, label, required, faults }: NamedProps<GroupField>) {
  return (
    <Frame label={shownLabel({ label, required })} description={field.description} error={ownFault(faults)}>
      {draft.kind === 'members' ? (
        <>
          <Members field={field} draft={draft} onDraft={onDraft} faults={faults} />
          {required ? null : (
            <Button kind="quiet" onClick={() => onDraft(unset)}>
              Leave {label} out
            </Button>
          )}
        </>
      ) : (
        <div>
          <Button onClick={() => onDraft(groupDraft(field))}>Fill in {label}</Button>
        </div>
      )}
    </Frame>
  )
}
