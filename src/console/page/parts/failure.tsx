/** What went wrong, and what to do about it: the gateway's own words. */
import type { ComponentChildren } from 'preact'
import type { ApiFailure } from '../api/api.ts'
import { Button } from './button.tsx'
import { Glyph } from './glyph.tsx'

export function Failure({
  failure,
  again,
}: {
  readonly failure: Pick<ApiFailure, 'title' | 'details'>
  /** Tries again, where that makes sense. */
  readonly again?: () => void
}) {
  return (
    <div class="message bad" role="alert">
      <Glyph name="bad" />
      <div>
        <strong>{failure.title}</strong>
        <p>{failure.details}</p>
        {again === undefined ? null : <Button onClick={again}>Try again</Button>}
      </div>
    </div>
  )
}

/** Something to know, which is no fault. */
export function Note({
  children,
  kind = 'info',
}: {
  readonly children: ComponentChildren
  readonly kind?: 'info' | 'warn' | 'ok'
}) {
  return (
    <div class={`message ${kind}`}>
      <Glyph name={kind === 'ok' ? 'ok' : 'bad'} />
      <div>{children}</div>
    </div>
  )
}

/** Nothing is there yet: what would be, and how it comes to be. */
export function Empty({ title, children }: { readonly title: string; readonly children: ComponentChildren }) {
  return (
    <div class="empty">
      <p class="title">{title}</p>
      <div class="stack">{children}</div>
    </div>
  )
}

/** Stands where something will be, in its size, so that nothing jumps. */
export function Waiting({ what, lines = 3 }: { readonly what: string; readonly lines?: number }) {
  return (
    <div class="waiting" role="status">
      <span class="unseen">Loading {what}</span>
      {Array.from({ length: lines }, (_, at) => (
        <span key={at} class="bone" aria-hidden="true" />
      ))}
    </div>
  )
}
