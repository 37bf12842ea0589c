/** Calls as they end, and the last ones since the page was opened. */
import { useEffect, useRef, useState } from 'preact/hooks'
import { liveState, onCalls, recentCalls } from '../../live/live.ts'
import { Badge, type BadgeKind } from '../../parts/badge.tsx'
import { Button } from '../../parts/button.tsx'
import { Empty, Note } from '../../parts/failure.tsx'
import { SelectField, TextField } from '../../parts/field.tsx'
import { Facts, Page } from '../../parts/page.tsx'
import { clockOf } from '../../parts/time.tsx'
import { VirtualRows } from '../../parts/virtual-rows.tsx'
import { useRoute } from '../../router.ts'
import { useStore } from '../../store.ts'
import { anyCall, CallLog, type Logged, type Wanted } from './call-log.ts'
import { Callers } from './callers.tsx'

/** Calls are drawn so often; more often nobody reads them. */
const drawMs = 200
const rowHeightPx = 56

const outcomeWords: Readonly<Record<string, string>> = {
  ok: 'Answered',
  tool_error: 'Tool failed',
  rpc_error: 'Error answer',
  refused: 'Refused',
  failed: 'Broken',
  cancelled: 'Cancelled',
  input_required: 'Asks back',
}

export function Calls() {
  const { query } = useRoute()
  const { log, draw } = useCallLog({
    ...anyCall,
    server: query.get('server') ?? '',
    caller: query.get('caller') ?? '',
  })
  const [chosen, setChosen] = useState<Logged | null>(null)
  const live = useStore(liveState)
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
              setChosen(null)
              draw()
            }}
          >
            Clear
          </Button>
        </>
      }
    >
      <Filters wanted={log.wanted} onChange={change} />
      <p class="hint">
        {/* The figures are for those who look: read out, they would never end. */}
        <span role="status">
          {log.paused ? 'Paused' : live.status === 'live' ? 'Live' : 'Waiting for the gateway'}
        </span>
        {log.paused && log.waiting > 0 ? `; ${log.waiting} wait` : ''}. {log.shown.length} of {log.kept}{' '}
        shown.
      </p>
      {log.missed > 0 ? (
        <Note kind="warn">{`${log.missed} calls were too many at once and are not shown.`}</Note>
      ) : null}
      {chosen === null ? null : <Chosen logged={chosen} onClose={() => setChosen(null)} />}
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
      <div class="after-form">
        <Callers onChoose={(caller) => change({ caller })} />
      </div>
    </Page>
  )
}

function useCallLog(wanted: Wanted): { readonly log: CallLog; draw(): void } {
  const [log] = useState(() => {
    const made = new CallLog()
    made.want(wanted)
    made.add(recentCalls())
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
  chosen,
  onChoose,
}: {
  readonly logged: Logged
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
      <span class="who">{call.caller}</span>
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

function Chosen({ logged: { call }, onClose }: { readonly logged: Logged; readonly onClose: () => void }) {
  const facts = Object.entries(call).map(([name, value]) => [name, String(value)] as const)
  return (
    <section class="section" aria-label="One call">
      <header>
        <h2>One call</h2>
        <div class="actions">
          <Button onClick={onClose}>Close</Button>
        </div>
      </header>
      <Facts facts={facts} />
    </section>
  )
}

function durationWords(ms: number): string {
  return ms < 10
    ? `${ms.toFixed(1)} ms`
    : ms < 1_000
      ? `${Math.round(ms)} ms`
      : `${(ms / 1_000).toFixed(1)} s`
}
