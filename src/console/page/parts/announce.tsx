/** What has happened, said to those who look and to those who listen, and gone after a while. */
import { createStore, useStore } from '../store.ts'
import { Glyph } from './glyph.tsx'

interface Notice {
  readonly id: number
  readonly text: string
  readonly bad: boolean
}

const notices = createStore<readonly Notice[]>([])
const shownMax = 3
const shownMs = 6_000
/** What went wrong takes longer to read. */
const badMs = 12_000
let lastId = 0

/** Says it. Whoever can do something about it is told where it happened as well. */
export function announce(text: string, bad = false): void {
  const id = ++lastId
  notices.set([...notices.get(), { id, text, bad }].slice(-shownMax))
  setTimeout(() => dismiss(id), bad ? badMs : shownMs)
}

function dismiss(id: number): void {
  notices.set(notices.get().filter((notice) => notice.id !== id))
}

/** The one place where they are said; always there, or screen readers would not listen to it. */
export function Notices() {
  const shown = useStore(notices)
  return (
    <div class="notices" role="status" aria-live="polite">
      {shown.map(({ id, text, bad }) => (
        <div key={id} class={`notice ${bad ? 'bad' : ''}`}>
          <span>{text}</span>
          <button type="button" class="quiet" aria-label="Dismiss" onClick={() => dismiss(id)}>
            <Glyph name="close" />
          </button>
        </div>
      ))}
    </div>
  )
}
