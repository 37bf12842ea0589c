/** Calls as they end, and the last ones since the page was opened. */
import { useEffect, useRef, useState } from 'preact/hooks'
import { clearCallers } from '../../live/callers.ts'
import { type KeyNames, useKeyNames } from '../../live/key-names.ts'
import { forgetCalls, forgottenCalls, liveState, onCalls, recentCalls } from '../../live/live.ts'
import { Badge, type BadgeKind } from '../../parts/badge.tsx'
import { Button } from '../../parts/button.tsx'
import { Empty, Note } from '../../parts/failure.tsx'
import { SelectField, TextField } from '../../parts/field.tsx'
import { Page } from '../../parts/page.tsx'
import { clockOf } from '../../parts/time.tsx'
import { VirtualRows } from '../../parts/virtual-rows.tsx'
import { useRoute } from '../../router.ts'
import { useStore } from '../../store.ts'
import { durationWords } from '../../words.ts'
import { anyCall, CallLog, type Logged, type Wanted } from './call-log.ts'
import { countWords, outcomeWords } from './call-words.ts'
import { Callers } from './callers.tsx'
import { OneCall } from './one-call.tsx'

/** Calls are drawn so often; more often nobody reads them. */
const drawMs = 200
const rowHeightPx = 56

export function Calls() {
  const { query } = useRoute()
  const { log, draw } = useCallLog({
    ...anyCall,
    server: query.get('server') ?? '',
    caller: query.get('caller') ?? '',
  })
  const [chosen, setChosen] = useState<Logged | null>(null)
  const live = useStore(liveState)
  const names = useKeyNames()
  log.name(names)
  const change = (part: Partial<Wanted>): void => {
    log.want({ ...log.wanted, ...part })
    draw()
  }
  const pause = (paused: boolean): void => {
    log.pause(paused)
    draw()
  }
  return (
    <Page
      title="Live calls"
      lead="Calls as they end, from when this page was opened. The log and the audit have those before."
      actions={
        <>
          <Button onClick={() => pause(!log.paused)}>{log.paused ? 'Go on' : 'Pause'}</Button>
          <Button
            onClick={() => {
              log.clear()
              forgetCalls()
              clearCallers()
              setChosen(null)
              draw()
            }}
          >
            Clear
          </Button>
        </>
      }
    >
      <Callers names={names} onChoose={(caller) => change({ caller })} />
      <Filters wanted={log.wanted} onChange={change} />
      <p class="hint">
        {/* The figures are for those who look: read out, they would never end. */}
        <span role="status">
          {log.paused ? 'Paused' : live.status === 'live' ? 'Live' : 'Waiting for the gateway'}
        </span>
        {log.paused && log.waiting > 0 ? `; ${log.waiting} wait` : ''}.{' '}
        {countWords(log.shown.length, log.kept, log.letGo)}
      </p>
      {log.missed > 0 ? (
        <Note kind="warn">{`${log.missed} calls were too many at once and are not shown.`}</Note>
      ) : null}
      {chosen === null ? null : <OneCall call={chosen.call} names={names} onClose={() => setChosen(null)} />}
      {log.shown.length === 0 ? (
        <Empty title={log.kept === 0 ? 'No call has ended yet' : 'No call fits'}>
          {log.kept === 0 ? 'Calls appear here as clients make them.' : 'Other words above show more.'}
        </Empty>
      ) : (
        <div class="calls">
          <VirtualRows
            label="Calls, the last one first"
            rows={log.shown}
            rowHeightPx={rowHeightPx}
            keyOf={({ id }) => String(id)}
            row={(logged) => (
              <Row
                logged={logged}
                names={names}
                chosen={logged.id === chosen?.id}
                onChoose={() => {
                  pause(true)
                  setChosen(logged)
                }}
              />
            )}
          />
        </div>
      )}
    </Page>
  )
}

function useCallLog(wanted: Wanted): { readonly log: CallLog; draw(): void } {
  const [log] = useState(() => {
    const made = new CallLog()
    made.want(wanted)
    made.add(recentCalls(), 0, forgottenCalls())
    return made
  })
  const [, setTimes] = useState(0)
  const timer = useRef<ReturnType<typeof setTimeout> | null>(null)
  const draw = (): void => setTimes((count) => count + 1)
  useEffect(() => {
    const end = onCalls((calls, missed) => {
      log.add(calls, missed)
      timer.current ??= setTimeout(() => {
        timer.current = null
        draw()
      }, drawMs)
    })
    return () => {
      end()
      if (timer.current !== null) clearTimeout(timer.current)
      timer.current = null
    }
  }, [log])
  return { log, draw }
}

function Filters({
  wanted,
  onChange,
}: {
  readonly wanted: Wanted
  readonly onChange: (part: Partial<Wanted>) => void
}) {
  return (
    <div class="filters">
      <TextField
        type="search"
        label="Caller"
        value={wanted.caller}
        onChange={(caller) => onChange({ caller })}
      />
      <TextField
        type="search"
        label="Server"
        value={wanted.server}
        onChange={(server) => onChange({ server })}
      />
      <TextField
        type="search"
        label="Tool or method"
        value={wanted.tool}
        onChange={(tool) => onChange({ tool })}
      />
      <SelectField
        label="Outcome"
        value={wanted.outcome}
        options={[
          { value: '', text: 'Any' },
          { value: 'bad', text: 'Whatever did not end well' },
          ...Object.entries(outcomeWords).map(([value, text]) => ({ value, text })),
        ]}
        onChange={(outcome) => onChange({ outcome })}
      />
    </div>
  )
}

function Row({
  logged: { call },
  names,
  chosen,
  onChoose,
}: {
  readonly logged: Logged
  readonly names: KeyNames
  readonly chosen: boolean
  readonly onChoose: () => void
}) {
  return (
    <button type="button" class={`call ${chosen ? 'chosen' : ''}`} onClick={onChoose}>
      <span class="when">{clockOf(call.time)}</span>
      <OutcomeBadge outcome={call.outcome} />
      <span class="what">
        <strong>{call.mcp}</strong> {call.tool ?? call.rpcMethod}
      </span>
      <span class="who">{names.get(call.caller ?? '') ?? call.caller}</span>
      <span class="long">{durationWords(call.durationMs)}</span>
    </button>
  )
}

function OutcomeBadge({ outcome }: { readonly outcome: string | undefined }) {
  const kind: BadgeKind =
    outcome === 'ok'
      ? 'ok'
      : outcome === 'input_required' || outcome === 'cancelled'
        ? 'idle'
        : outcome === 'tool_error'
          ? 'warn'
          : 'bad'
  return (
    <Badge kind={kind} glyph={kind === 'ok' ? 'ok' : kind === 'idle' ? 'wait' : 'bad'}>
      {outcomeWords[outcome ?? ''] ?? outcome ?? ''}
    </Badge>
  )
}
