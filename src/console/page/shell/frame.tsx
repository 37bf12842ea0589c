/** What stands around each view: the way to the others, whether what is shown is live, and who has the page open. */
import type { ComponentChildren } from 'preact'
import { useEffect, useState } from 'preact/hooks'
import { session, signOut } from '../api/session.ts'
import { type LiveState, liveState } from '../live/live.ts'
import { ActionButton } from '../parts/button.tsx'
import { Glyph } from '../parts/glyph.tsx'
import { hrefTo, useRoute } from '../router.ts'
import { useStore } from '../store.ts'
import { navigation } from '../views/all-views.ts'
import { Mark } from './sign-in.tsx'
import { chooseTheme, type Theme, theme } from './theme.ts'

export function Frame({ children }: { readonly children: ComponentChildren }) {
  const [open, setOpen] = useState(false)
  const { parts } = useRoute()
  // Whoever has chosen a view wants to see it.
  useEffect(() => setOpen(false), [parts.join('/')])
  return (
    <div class="frame">
      <button type="button" class="skip" onClick={() => document.getElementById('main')?.focus()}>
        Skip to the content
      </button>
      <header class="top">
        <button
          type="button"
          class="quiet menu"
          aria-expanded={open}
          aria-controls="navigation"
          onClick={() => setOpen(!open)}
        >
          <Glyph name={open ? 'close' : 'menu'} />
          <span class="unseen">Menu</span>
        </button>
        <a class="brand" href={hrefTo('servers')}>
          <Mark />
          compozy
        </a>
        <Live />
        <ThemeSwitch />
        <Who />
      </header>
      <nav id="navigation" aria-label="Views" class={open ? 'open' : ''}>
        <Navigation here={parts[0] ?? ''} />
      </nav>
      <main id="main" tabIndex={-1}>
        {children}
      </main>
    </div>
  )
}

function Navigation({ here }: { readonly here: string }) {
  return (
    <ul>
      {navigation.map(({ path, title, glyph, begins, holds = [] }) => (
        <li key={path} class={begins === true ? 'begins' : ''}>
          <a href={hrefTo(path)} aria-current={here === path || holds.includes(here) ? 'page' : undefined}>
            <Glyph name={glyph} />
            {title}
          </a>
        </li>
      ))}
    </ul>
  )
}

const liveWords: Readonly<Record<LiveState['status'], string>> = {
  live: 'Live',
  connecting: 'Connecting',
  waiting: 'Not live',
}

function Live() {
  const { status, reason } = useStore(liveState)
  return (
    <span class={`live ${status}`} role="status" title={reason ?? undefined}>
      <span class="dot" aria-hidden="true" />
      {liveWords[status]}
      {reason === null ? null : <span class="unseen">: {reason}</span>}
    </span>
  )
}

const themes: Readonly<Record<Theme, { readonly next: Theme; readonly glyph: 'screen' | 'sun' | 'moon' }>> = {
  system: { next: 'light', glyph: 'screen' },
  light: { next: 'dark', glyph: 'sun' },
  dark: { next: 'system', glyph: 'moon' },
}

function ThemeSwitch() {
  const now = useStore(theme)
  const { next, glyph } = themes[now]
  return (
    <button
      type="button"
      class="quiet"
      aria-label={`Colours: ${now}. Change to ${next}`}
      title={`Colours: ${now}`}
      onClick={() => chooseTheme(next)}
    >
      <Glyph name={glyph} />
    </button>
  )
}

function Who() {
  const known = useStore(session).session
  const me = known?.me
  if (me == null) return null
  return (
    <div class="who">
      <span class="name" title={me.principal}>
        <span>{me.name ?? (me.principal === 'anonymous' ? 'this machine' : me.principal)}</span>
        <small>{me.role}</small>
      </span>
      {known?.asks === true ? (
        <ActionButton kind="quiet" label="Sign out" title="Sign out" act={signOut} done={null}>
          <Glyph name="out" />
        </ActionButton>
      ) : null}
    </div>
  )
}
