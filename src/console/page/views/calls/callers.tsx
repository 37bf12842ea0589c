/** Who has called most since the page was opened. Keys have their names beside what the log calls them. */
import { callers, countedSince } from '../../live/callers.ts'
import type { KeyNames } from '../../live/key-names.ts'
import { beatOf, tick } from '../../live/rates.ts'
import { Ago, clockOf } from '../../parts/time.tsx'
import { useStore } from '../../store.ts'

const shownMax = 5

/** `onChoose` is told whose calls somebody wants to see. */
export function Callers({
  names,
  onChoose,
}: {
  readonly names: KeyNames
  readonly onChoose: (caller: string) => void
}) {
  // Once a second is often enough to read.
  useStore(tick, (ticks) => beatOf('', ticks))
  const found = callers()
  if (found.length === 0) return null
  const since = countedSince()
  return (
    <section class="callers" aria-label="Who called most">
      <h2>Who called most</h2>
      <p class="hint">
        Counted since {clockOf(since).slice(0, 8)} UTC (<Ago at={since} />
        ).{found.length > shownMax ? ` ${shownMax} of ${found.length} callers.` : ''}
      </p>
      <ol>
        {found.slice(0, shownMax).map(({ caller, client, calls, failures, server }) => (
          <li key={caller} title={`${caller} ${client}`}>
            <button type="button" class="link" onClick={() => onChoose(names.get(caller) ?? caller)}>
              {names.get(caller) ?? caller}
            </button>
            <span>
              {calls} {calls === 1 ? 'call' : 'calls'}
              {failures === 0 ? '' : `, ${failures} failed`}
            </span>
            <small>most to {server}</small>
          </li>
        ))}
      </ol>
    </section>
  )
}
