/** Who has called most since the page was opened. Keys have their names beside what the log calls them. */
import { call } from '../../api/api.ts'
import { type CallerCount, callers, countedSince } from '../../live/callers.ts'
import { beatOf, tick } from '../../live/rates.ts'
import { Section } from '../../parts/page.tsx'
import { type Column, Table } from '../../parts/table.tsx'
import { Ago } from '../../parts/time.tsx'
import { useLoad } from '../../parts/use-load.ts'
import { useStore } from '../../store.ts'

const shownMax = 8

/** `onChoose` is told whose calls somebody wants to see. */
export function Callers({ onChoose }: { readonly onChoose: (caller: string) => void }) {
  // Once a second is often enough to read.
  useStore(tick, (ticks) => beatOf('', ticks))
  const keys = useLoad((signal) => call('listKeys', { signal }), []).value?.keys ?? []
  const names = new Map(keys.map(({ principal, name }) => [principal, name]))
  const found = callers()
  if (found.length === 0) return null
  return (
    <Section title="Who called most">
      <p class="hint">
        Counted since this page was opened, <Ago at={countedSince} />.
        {found.length > shownMax ? ` ${shownMax} of ${found.length} callers.` : ''}
      </p>
      <Table
        caption="Callers"
        columns={columnsWith(names, onChoose)}
        rows={found.slice(0, shownMax)}
        keyOf={({ caller }) => caller}
      />
    </Section>
  )
}

function columnsWith(
  names: ReadonlyMap<string, string>,
  onChoose: (caller: string) => void,
): readonly Column<CallerCount>[] {
  return [
    {
      title: 'Caller',
      main: true,
      cell: ({ caller, client }) => (
        <>
          <button type="button" class="link" onClick={() => onChoose(caller)}>
            {names.get(caller) ?? caller}
          </button>
          <small>
            {names.has(caller) ? caller : ''} {client}
          </small>
        </>
      ),
    },
    { title: 'Calls', number: true, cell: ({ calls }) => calls },
    { title: 'Failed', number: true, cell: ({ failures }) => failures },
  ]
}
