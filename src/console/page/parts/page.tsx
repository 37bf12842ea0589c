/** The frame of each view: one heading, which gets the focus when the view is opened, and what can be done here. */
import type { ComponentChildren } from 'preact'
import { useEffect, useRef } from 'preact/hooks'
import { Glyph } from './glyph.tsx'

interface PageProps {
  readonly title: string
  /** What this is about, in a sentence. */
  readonly lead?: ComponentChildren
  readonly actions?: ComponentChildren
  /** Where one came from. */
  readonly back?: { readonly href: string; readonly text: string }
  readonly children: ComponentChildren
}

let first = true

/** The next view is one that somebody has asked for in this page, by signing in. */
export function expectFocus(): void {
  first = false
}

export function Page({ title, lead, actions, back, children }: PageProps) {
  const heading = useRef<HTMLHeadingElement>(null)
  useEffect(() => {
    document.title = `${title} · Console`
    // Whoever has just come to the page begins at its top; whoever goes on inside it begins at the new view.
    if (!first) {
      heading.current?.focus({ preventScroll: true })
      scrollTo(0, 0)
    }
    first = false
  }, [title])
  return (
    <>
      <header class="page-head">
        <div>
          {back === undefined ? null : (
            <a class="back" href={back.href}>
              <Glyph name="back" />
              {back.text}
            </a>
          )}
          <h1 tabIndex={-1} ref={heading}>
            {title}
          </h1>
          {lead === undefined ? null : <p class="lead">{lead}</p>}
        </div>
        {actions === undefined ? null : <div class="actions">{actions}</div>}
      </header>
      {children}
    </>
  )
}

/** A part of a view, with a heading of its own. */
export function Section({
  title,
  actions,
  children,
}: {
  readonly title: string
  readonly actions?: ComponentChildren
  readonly children: ComponentChildren
}) {
  return (
    <section class="section">
      <header>
        <h2>{title}</h2>
        {actions === undefined ? null : <div class="actions">{actions}</div>}
      </header>
      {children}
    </section>
  )
}

/** Names and values, one under the other where it is narrow. */
export function Facts({ facts }: { readonly facts: readonly (readonly [string, ComponentChildren])[] }) {
  return (
    <dl class="facts">
      {facts.map(([name, value]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  )
}
