/** Trying a definition: under way, and what came of it. */
import { useEffect, useRef, useState } from 'preact/hooks'
import type { TrialAnswer } from '../../../../http/api/trial-operations.ts'
import { type ApiFailure, asFailure, call } from '../../api/api.ts'
import { Button } from '../../parts/button.tsx'
import { Glyph } from '../../parts/glyph.tsx'

/** More than these are shown when somebody wants to see them. */
const openMax = 30

export interface TrialState {
  readonly busy: boolean
  readonly found: TrialAnswer | null
  readonly failure: ApiFailure | null
  run(body: () => unknown): void
  stop(): void
}

export function useTrial(): TrialState {
  const [state, setState] = useState<Omit<TrialState, 'run' | 'stop'>>({
    busy: false,
    found: null,
    failure: null,
  })
  const left = useRef<AbortController | null>(null)
  // Whoever leaves the view gives the trial up: the gateway ends what it has started.
  useEffect(() => () => left.current?.abort(), [])
  const run = async (body: () => unknown) => {
    const own = new AbortController()
    left.current?.abort()
    left.current = own
    setState({ busy: true, found: null, failure: null })
    try {
      const found = await call('tryServer', { body: body(), signal: own.signal })
      setState({ busy: false, found, failure: null })
    } catch (thrown) {
      const failure = own.signal.aborted ? null : asFailure(thrown)
      if (left.current === own) setState({ busy: false, found: null, failure })
    }
  }
  return { ...state, run: (body) => void run(body), stop: () => left.current?.abort() }
}

export function TrialReport({ trial }: { readonly trial: TrialState }) {
  return (
    <div aria-live="polite">
      {trial.busy ? (
        <div class="message info">
          <Glyph name="wait" />
          <div>
            <strong>The gateway starts it</strong>
            <p>A program that has to be fetched first may take half a minute.</p>
            <Button onClick={trial.stop}>Stop</Button>
          </div>
        </div>
      ) : null}
      {trial.found === null ? null : <Found found={trial.found} />}
    </div>
  )
}

function Found({ found }: { readonly found: TrialAnswer }) {
  const { works, message, status, tools, toolCount, tookMs } = found
  return (
    <div class={`message ${works ? 'ok' : 'bad'}`}>
      <Glyph name={works ? 'ok' : 'bad'} />
      <div>
        <strong>{works ? 'It works' : 'It does not work'}</strong>
        <p>{message}</p>
        <p class="hint">
          {tookMs} ms{status.protocolVersion === null ? '' : `, MCP ${status.protocolVersion}`}. It is ended
          again, and nothing is saved.
        </p>
        {tools.length === 0 ? null : (
          <details open={tools.length <= openMax}>
            <summary>Tools ({toolCount})</summary>
            <ul class="tool-list">
              {tools.map(({ name, description }) => (
                <li key={name}>
                  <code>{name}</code>
                  <p>{description}</p>
                </li>
              ))}
            </ul>
          </details>
        )}
        {status.stderrTail.length === 0 ? null : (
          <details open={!works}>
            <summary>What it wrote</summary>
            <pre class="output" tabIndex={0} role="region" aria-label="What it wrote">
              {status.stderrTail.join('\n')}
            </pre>
          </details>
        )}
      </div>
    </div>
  )
}
