/** What has to be answered before anything else. The browser keeps the focus inside, and gives it back at the end. */
import type { ComponentChildren } from 'preact'
import { useEffect, useId, useRef } from 'preact/hooks'
import { Button } from './button.tsx'
import { Failure } from './failure.tsx'
import { Glyph } from './glyph.tsx'
import { useDeed } from './use-load.ts'

interface DialogProps {
  readonly title: string
  readonly children: ComponentChildren
  readonly onClose: () => void
  /** True where something would be lost that is shown once: a press beside it, or Escape, does not close it. */
  readonly stays?: boolean
}

/** Open as long as it is drawn. */
export function Dialog({ title, children, onClose, stays = false }: DialogProps) {
  const element = useRef<HTMLDialogElement>(null)
  const titleId = useId()
  useEffect(() => {
    const dialog = element.current
    dialog?.showModal()
    return () => dialog?.close()
  }, [])
  return (
    <dialog
      ref={element}
      class="dialog"
      aria-labelledby={titleId}
      onCancel={(event) => {
        event.preventDefault()
        if (!stays) onClose()
      }}
      onClose={() => {
        // A browser closes it by itself when Escape is pressed again and again. After the end there is no element.
        if (element.current === null) return
        if (stays) element.current.showModal()
        else onClose()
      }}
    >
      <header>
        <h2 id={titleId}>{title}</h2>
        {stays ? null : (
          <button type="button" class="quiet" aria-label="Close" onClick={onClose}>
            <Glyph name="close" />
          </button>
        )}
      </header>
      {children}
    </dialog>
  )
}

interface ConfirmProps {
  readonly title: string
  readonly children: ComponentChildren
  /** What the button says: the deed, not "OK". */
  readonly deed: string
  readonly act: () => Promise<unknown>
  readonly onClose: () => void
}

/** Asks before something that cannot be taken back. */
export function Confirm({ title, children, deed, act, onClose }: ConfirmProps) {
  const { busy, failure, run } = useDeed()
  const done = async () => {
    await act()
    onClose()
  }
  return (
    <Dialog title={title} onClose={onClose}>
      <div class="stack">
        {children}
        {failure === null ? null : <Failure failure={failure} />}
        <div class="actions end">
          <Button onClick={onClose}>Cancel</Button>
          <Button kind="danger" busy={busy} onClick={() => run(done)}>
            {deed}
          </Button>
        </div>
      </div>
    </Dialog>
  )
}
