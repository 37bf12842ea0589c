/** What is filled in. Each has a label that is there to be read, and says below what is meant and what is wrong. */
import type { ComponentChildren } from 'preact'
import { useId } from 'preact/hooks'

interface FieldProps {
  readonly label: string
  readonly hint?: ComponentChildren
  readonly error?: string | null
  /** Said beside the label. */
  readonly required?: boolean
  readonly children: (ids: {
    readonly id: string
    readonly describedBy: string | undefined
  }) => ComponentChildren
}

export function Field({ label, hint, error = null, required = false, children }: FieldProps) {
  const id = useId()
  const hintId = `${id}-hint`
  const errorId = `${id}-error`
  const describedBy = [hint === undefined ? '' : hintId, error === null ? '' : errorId].join(' ').trim()
  return (
    <div class={`field ${error === null ? '' : 'wrong'} ${required ? 'needed' : ''}`}>
      <label for={id}>{label}</label>
      {children({ id, describedBy: describedBy === '' ? undefined : describedBy })}
      {hint === undefined ? null : (
        <p class="hint" id={hintId}>
          {hint}
        </p>
      )}
      {error === null ? null : (
        <p class="error" id={errorId}>
          {error}
        </p>
      )}
    </div>
  )
}

interface TextProps {
  readonly label: string
  readonly value: string
  readonly onChange: (value: string) => void
  readonly hint?: ComponentChildren
  readonly error?: string | null
  readonly type?: 'text' | 'password' | 'search' | 'date'
  readonly required?: boolean
  readonly placeholder?: string
  readonly autocomplete?: string
  readonly autofocus?: boolean
  readonly disabled?: boolean
  /** For what is read letter by letter. */
  readonly code?: boolean
  readonly list?: readonly string[]
}

export function TextField({
  label,
  hint,
  error = null,
  value,
  onChange,
  code = false,
  list,
  ...more
}: TextProps) {
  const listId = useId()
  // The types of the library tie each kind of input to what may stand beside it.
  const kind = { type: more.type ?? 'text', ...(list === undefined ? {} : { list: listId }) } as {
    type: 'text'
  }
  return (
    <Field
      label={label}
      error={error}
      required={more.required ?? false}
      {...(hint === undefined ? {} : { hint })}
    >
      {({ id, describedBy }) => (
        <>
          <input
            id={id}
            class={code ? 'code' : ''}
            value={value}
            aria-describedby={describedBy}
            aria-invalid={error === null ? undefined : true}
            spellcheck={!code}
            autocomplete={more.autocomplete ?? 'off'}
            {...kind}
            required={more.required ?? false}
            disabled={more.disabled ?? false}
            autofocus={more.autofocus ?? false}
            {...(more.placeholder === undefined ? {} : { placeholder: more.placeholder })}
            onInput={(event) => onChange(event.currentTarget.value)}
          />
          {list === undefined ? null : (
            <datalist id={listId}>
              {list.map((word) => (
                <option key={word} value={word} />
              ))}
            </datalist>
          )}
        </>
      )}
    </Field>
  )
}

interface AreaProps
  extends Pick<
    TextProps,
    'label' | 'value' | 'onChange' | 'hint' | 'error' | 'placeholder' | 'code' | 'required'
  > {
  readonly rows?: number
}

export function AreaField({
  label,
  hint,
  error = null,
  value,
  onChange,
  rows = 4,
  code = true,
  placeholder,
  required = false,
}: AreaProps) {
  return (
    <Field label={label} error={error} required={required} {...(hint === undefined ? {} : { hint })}>
      {({ id, describedBy }) => (
        <textarea
          id={id}
          class={code ? 'code' : ''}
          rows={rows}
          value={value}
          spellcheck={!code}
          aria-required={required}
          aria-describedby={describedBy}
          aria-invalid={error === null ? undefined : true}
          {...(placeholder === undefined ? {} : { placeholder })}
          onInput={(event) => onChange(event.currentTarget.value)}
        />
      )}
    </Field>
  )
}

interface SelectProps<Value extends string> {
  readonly label: string
  readonly value: Value
  readonly options: readonly { readonly value: Value; readonly text: string }[]
  readonly onChange: (value: Value) => void
  readonly hint?: ComponentChildren
}

export function SelectField<Value extends string>({
  label,
  value,
  options,
  onChange,
  hint,
}: SelectProps<Value>) {
  return (
    <Field label={label} {...(hint === undefined ? {} : { hint })}>
      {({ id, describedBy }) => (
        <select
          id={id}
          value={value}
          aria-describedby={describedBy}
          onChange={(event) => onChange(event.currentTarget.value as Value)}
        >
          {options.map((option) => (
            <option key={option.value} value={option.value}>
              {option.text}
            </option>
          ))}
        </select>
      )}
    </Field>
  )
}

interface CheckProps {
  readonly label: ComponentChildren
  readonly checked: boolean
  readonly onChange: (checked: boolean) => void
  readonly hint?: ComponentChildren
  readonly disabled?: boolean
}

export function Check({ label, checked, onChange, hint, disabled = false }: CheckProps) {
  const id = useId()
  return (
    <div class="check">
      <input
        id={id}
        type="checkbox"
        checked={checked}
        disabled={disabled}
        aria-describedby={hint === undefined ? undefined : `${id}-hint`}
        onChange={(event) => onChange(event.currentTarget.checked)}
      />
      <div>
        <label for={id}>{label}</label>
        {hint === undefined ? null : (
          <p class="hint" id={`${id}-hint`}>
            {hint}
          </p>
        )}
      </div>
    </div>
  )
}

interface ChoiceProps<Value extends string> {
  readonly legend: string
  readonly value: Value
  readonly options: readonly { readonly value: Value; readonly text: string; readonly hint?: string }[]
  readonly onChange: (value: Value) => void
}

/** One of a few, all of them to be seen. */
export function Choice<Value extends string>({ legend, value, options, onChange }: ChoiceProps<Value>) {
  const name = useId()
  return (
    <fieldset class="choice">
      <legend>{legend}</legend>
      <div class="options">
        {options.map((option) => (
          <label key={option.value} class={option.value === value ? 'chosen' : ''}>
            <input
              type="radio"
              name={name}
              value={option.value}
              checked={option.value === value}
              onChange={() => onChange(option.value)}
            />
            <span>
              <strong>{option.text}</strong>
              {option.hint === undefined ? null : <small>{option.hint}</small>}
            </span>
          </label>
        ))}
      </div>
    </fieldset>
  )
}
