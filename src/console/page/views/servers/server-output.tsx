/** What a server writes for people, as it writes it. */
import { useEffect, useRef, useState } from 'preact/hooks'
import type { ServerLogs } from '../../../../http/api/answers.ts'
import { asFailure } from '../../api/api.ts'
import { pause, readEvents } from '../../api/event-stream.ts'
import { Button } from '../../parts/button.tsx'
import { Section } from '../../parts/page.tsx'
import { clockOf } from '../../parts/time.tsx'

type Line = ServerLogs['lines'][number] & { readonly id: number }

const linesMax = 300
const pauseMs = 3_000

export function ServerOutput({ name }: { readonly name: string }) {
  const { lines, note } = useOutput(name)
  const [follows, setFollows] = useState(true)
  const box = useRef<HTMLDivElement>(null)
  useEffect(() => {
    if (follows && box.current !== null) box.current.scrollTop = box.current.scrollHeight
  }, [lines, follows])
  return (
    <Section
      title="Output"
      actions={
        lines.length === 0 ? null : (
          <Button kind="quiet" onClick={() => setFollows(!follows)}>
            {follows ? 'Stop scrolling' : 'Go on scrolling'}
          </Button>
        )
      }
    >
      {note === null ? null : <p class="hint">{note}</p>}
      <div class="output" ref={box} tabIndex={0} role="log" aria-live="off" aria-label={`Output of ${name}`}>
        {lines.length === 0 ? (
          <p class="hint">It has written nothing yet. What it writes to its standard error shows here.</p>
        ) : (
          lines.map(({ id, time, text }) => (
            <p key={id}>
              <time dateTime={time}>{clockOf(time)}</time>
              {text}
            </p>
          ))
        )}
      </div>
    </Section>
  )
}

/** The last lines, those of one frame drawn together. */
function useOutput(name: string): { readonly lines: readonly Line[]; readonly note: string | null } {
  const [lines, setLines] = useState<readonly Line[]>([])
  const [note, setNote] = useState<string | null>(null)
  useEffect(() => {
    const left = new AbortController()
    let kept: Line[] = []
    let frame = 0
    let lastId = 0
    const draw = () => {
      frame = 0
      setLines([...kept])
    }
    const add = (line: ServerLogs['lines'][number]) => {
      kept.push({ ...line, id: ++lastId })
      if (kept.length > linesMax) kept.shift()
      if (frame === 0) frame = requestAnimationFrame(draw)
    }
    const once = async () => {
      await readEvents('getServerLogs', {
        name,
        query: { follow: 'true' },
        signal: left.signal,
        onOpen() {
          // The stream begins with what was kept.
          kept = []
          setNote(null)
        },
        onEvent(event, data) {
          if (event === 'line') add(JSON.parse(data) as ServerLogs['lines'][number])
          if (event === 'missed') setNote('It writes faster than this page reads: some lines are left out.')
        },
      })
    }
    const follow = async () => {
      while (!left.signal.aborted) {
        await once().catch((thrown: unknown) => {
          if (!left.signal.aborted) setNote(asFailure(thrown).details)
        })
        await pause(pauseMs, left.signal)
      }
    }
    void follow()
    return () => {
      left.abort()
      cancelAnimationFrame(frame)
    }
  }, [name])
  return { lines, note }
}
