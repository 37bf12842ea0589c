/** What is pressed. A button does something, a link leads somewhere; both may look alike. */
import type { ComponentChildren } from 'preact'
import { useState } from 'preact/hooks'
import { asFailure } from '../api/api.ts'
import { announce } from './announce.tsx'

export type ButtonKind = 'plain' | 'main' | 'danger' | 'quiet'

interface ButtonProps {
  readonly children: ComponentChildren
  readonly kind?: ButtonKind
  readonly type?: 'button' | 'submit'
  readonly disabled?: boolean
  readonly busy?: boolean
  /** Where the text alone does not say it, as in a row of many. */
  readonly label?: string
  readonly title?: string
  readonly onClick?: (event: MouseEvent) => void
}

/** A busy one stays in the order of focus, so that whoever pressed it does not lose their place. */
export function Button({ children, kind = 'plain', type = 'button', busy = false, ...more }: ButtonProps) {
  const { disabled = false, label, title, onClick } = more
  return (
    <button
      type={type}
      class={`button ${kind}`}
      disabled={disabled}
      aria-disabled={busy ? true : undefined}
      aria-busy={busy ? true : undefined}
      aria-label={label}
      title={title}
      onClick={(event) => {
        if (busy) event.preventDefault()
        else onClick?.(event)
      }}
    >
      {children}
    </button>
  )
}

/** Does something at the gateway, says that it is under way, and what came of it. */
export function ActionButton({
  act,
  done,
  ...props
}: Omit<ButtonProps, 'busy' | 'onClick'> & {
  readonly act: () => Promise<unknown>
  /** Said when it has ended well; null for what shows itself. */
  readonly done: string | null
}) {
  const [busy, setBusy] = useState(false)
  const press = async () => {
    setBusy(true)
    try {
      await act()
      if (done !== null) announce(done)
    } catch (thrown) {
      announce(asFailure(thrown).details, true)
    } finally {
      setBusy(false)
    }
  }
  return <Button {...props} busy={busy} onClick={() => void press()} />
}
