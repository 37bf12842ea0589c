/** Arguments, by a form or as JSON; what was filled in goes along from one to the other. */
import { useMemo, useState } from 'preact/hooks'
import { Note } from '../../parts/failure.tsx'
import { AreaField } from '../../parts/field.tsx'
import { type Draft, draftOf, type Fault, firstDraft, written } from '../../schema-form/drafts.ts'
import { type Field, fieldOf } from '../../schema-form/fields.ts'
import { SchemaForm } from '../../schema-form/form.tsx'
import { jsonFault, laidOut, readExact } from '../../schema-form/json-text.ts'

export interface Arguments {
  readonly field: Field
  readonly mode: 'form' | 'json'
  readonly draft: Draft
  readonly text: string
  /** Whether faults are shown: not before somebody has tried. */
  readonly tried: boolean
  /** Why the form cannot show what stands as JSON. */
  readonly note: string | null
  set(change: Partial<Pick<Arguments, 'draft' | 'text'>>): void
  choose(mode: 'form' | 'json'): void
  /** The JSON of the arguments; null where something is wrong, which is shown then. */
  take(): string | null
}

/** `schema` is that of a tool's input. */
export function useArguments(schema: unknown): Arguments {
  const field = useMemo(() => fieldOf(schema ?? { type: 'object' }), [schema])
  const [state, setState] = useState(() => ({
    mode: 'form' as 'form' | 'json',
    draft: firstDraft(field),
    text: '',
    tried: false,
    note: null as string | null,
  }))
  return {
    field,
    ...state,
    set: (change) => setState((now) => ({ ...now, ...change })),
    choose(mode) {
      setState((now) => {
        if (mode === now.mode) return now
        if (mode === 'json')
          return { ...now, mode, note: null, text: laidOut(written(field, now.draft).json ?? '{}') }
        const value = readExact(now.text.trim() === '' ? '{}' : now.text)
        const draft = value === undefined ? null : draftOf(field, value)
        return draft === null
          ? { ...now, note: 'The form has no place for this. It stays as JSON, which is sent as it stands.' }
          : { ...now, mode, draft, note: null }
      })
    },
    take() {
      setState((now) => ({ ...now, tried: true }))
      if (state.mode === 'json') {
        const text = state.text.trim() === '' ? '{}' : state.text.trim()
        return jsonFault(text) === null ? text : null
      }
      const { json, faults } = written(field, state.draft)
      return faults.length === 0 ? (json ?? '{}') : null
    },
  }
}

export function ArgumentsView({ given }: { readonly given: Arguments }) {
  const { field, mode, draft, text, tried, note } = given
  const faults: readonly Fault[] = mode === 'form' && tried ? written(field, draft).faults : []
  return (
    <div class="stack">
      <div class="tabs" role="group" aria-label="How the arguments are written">
        {(['form', 'json'] as const).map((each) => (
          <button key={each} type="button" aria-pressed={mode === each} onClick={() => given.choose(each)}>
            {each === 'form' ? 'Form' : 'JSON'}
          </button>
        ))}
      </div>
      {note === null ? null : <Note kind="warn">{note}</Note>}
      {mode === 'form' ? (
        <SchemaForm
          field={field}
          draft={draft}
          faults={faults}
          onDraft={(next) => given.set({ draft: next })}
        />
      ) : (
        <AreaField
          label="Arguments, as JSON"
          rows={8}
          value={text}
          error={tried ? jsonFault(text.trim() === '' ? '{}' : text) : null}
          onChange={(next) => given.set({ text: next })}
        />
      )}
      {faults.length === 0 ? null : (
        <p class="error" role="alert">
          {faults.length === 1
            ? 'One field needs another look.'
            : `${faults.length} fields need another look.`}
        </p>
      )}
    </div>
  )
}
