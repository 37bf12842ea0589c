/** How something stands: a sign, a colour and a word, each of which would be enough. */
import type { ComponentChildren } from 'preact'
import type { ServerView } from '../../../http/api/answers.ts'
import { Glyph, type GlyphName } from './glyph.tsx'

export type BadgeKind = 'ok' | 'warn' | 'bad' | 'idle'

export function Badge({
  kind,
  glyph,
  children,
}: {
  readonly kind: BadgeKind
  readonly glyph?: GlyphName
  readonly children: ComponentChildren
}) {
  return (
    <span class={`badge ${kind}`}>
      {glyph === undefined ? null : <Glyph name={glyph} />}
      {children}
    </span>
  )
}

type StateOf = { readonly status: string } & Pick<ServerView['status'], 'disabledAt'>

/** The state of a server in a word. */
export function stateWord({ status, disabledAt }: StateOf): string {
  if (disabledAt !== null) return 'Off'
  switch (status) {
    case 'connected':
      return 'Running'
    case 'connecting':
      return 'Starting'
    case 'error':
      return 'Failing'
    case 'needs_login':
      return 'Needs login'
    default:
      return 'Stopped'
  }
}

export function StateBadge({ state }: { readonly state: StateOf }) {
  const word = stateWord(state)
  if (word === 'Running')
    return (
      <Badge kind="ok" glyph="ok">
        {word}
      </Badge>
    )
  if (word === 'Starting')
    return (
      <Badge kind="warn" glyph="wait">
        {word}
      </Badge>
    )
  if (word === 'Failing' || word === 'Needs login')
    return (
      <Badge kind="bad" glyph="bad">
        {word}
      </Badge>
    )
  return (
    <Badge kind="idle" glyph="off">
      {word}
    </Badge>
  )
}
