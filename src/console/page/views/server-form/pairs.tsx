/** Names and values, as many as somebody wants. */
import { Button } from '../../parts/button.tsx'
import { Glyph } from '../../parts/glyph.tsx'
import type { Pair } from './draft.ts'

interface PairsProps {
  readonly legend: string
  readonly hint: string
  /** What one of them is called, such as "variable". */
  readonly one: string
  readonly pairs: readonly Pair[]
  readonly onChange: (pairs: readonly Pair[]) => void
  readonly error?: string | null
}

export function Pairs({ legend, hint, one, pairs, onChange, error = null }: PairsProps) {
  const put = (at: number, change: Partial<Pair>) =>
    onChange(pairs.map((pair, index) => (index === at ? { ...pair, ...change } : pair)))
  return (
    <fieldset class={error === null ? '' : 'field wrong'}>
      <legend>{legend}</legend>
      <div class="pairs">
        {pairs.map((pair, at) => (
          // Two may have one name while they are written.
          <div key={at}>
            <input
              class="code"
              value={pair.name}
              aria-label={`Name of ${one} ${at + 1}`}
              placeholder="Name"
              autocomplete="off"
              spellcheck={false}
              onInput={(event) => put(at, { name: event.currentTarget.value })}
            />
            <input
              class="code"
              value={pair.value}
              aria-label={`Value of ${one} ${pair.name === '' ? at + 1 : pair.name}`}
              placeholder="Value"
              autocomplete="off"
              spellcheck={false}
              onInput={(event) => put(at, { value: event.currentTarget.value })}
            />
            <Button
              kind="quiet"
              label={`Remove ${one} ${pair.name === '' ? at + 1 : pair.name}`}
              onClick={() => onChange(pairs.filter((_, index) => index !== at))}
            >
              <Glyph name="close" />
            </Button>
          </div>
        ))}
      </div>
      <p class="hint">{hint}</p>
      {error === null ? null : <p class="error">{error}</p>}
      <Button onClick={() => onChange([...pairs, { name: '', value: '' }])}>
        <Glyph name="plus" />
        Add a {one}
      </Button>
    </fieldset>
  )
}
