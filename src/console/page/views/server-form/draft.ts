/** A definition while it is written: texts of fields, and the way to and from what the gateway takes. Pure. */
import type { ServerView } from '../../../../http/api/answers.ts'

export type Definition = ServerView['definition']

export type Reached = 'stdio' | 'streamable-http' | 'sse'

export interface Pair {
  readonly name: string
  readonly value: string
}

export interface Draft {
  readonly name: string
  readonly description: string
  readonly transport: Reached
  readonly command: string
  /** One a line, so that a blank needs no quotes. */
  readonly args: string
  readonly env: readonly Pair[]
  readonly url: string
  readonly headers: readonly Pair[]
  /** Whether it wants a login, and whose. */
  readonly login: 'none' | 'shared' | 'user'
  readonly startTimeout: string
  readonly timeout: string
  readonly isolation: 'auto' | 'session' | 'shared'
  readonly affinity: 'auto' | 'none'
  readonly onOwnerLoss: 'restart' | 'end'
  readonly pin: 'default' | 'on' | 'off'
  readonly filterMode: 'all' | 'allow' | 'block'
  /** One a line. */
  readonly filterTools: string
  readonly tags: readonly Pair[]
  readonly forwardHeaders: string
}

export const emptyDraft: Draft = {
  name: '',
  description: '',
  transport: 'stdio',
  command: '',
  args: '',
  env: [],
  url: '',
  headers: [],
  login: 'none',
  startTimeout: '',
  timeout: '',
  isolation: 'auto',
  affinity: 'auto',
  onOwnerLoss: 'restart',
  pin: 'default',
  filterMode: 'all',
  filterTools: '',
  tags: [],
  forwardHeaders: '',
}

/** What somebody edits. */
export function draftOf(definition: Definition): Draft {
  const { transport, toolFilter, pin } = definition
  return {
    name: definition.name,
    description: definition.description ?? '',
    transport: transport === 'sse' || transport === 'streamable-http' ? transport : 'stdio',
    command: definition.command ?? '',
    args: (definition.args ?? []).join('\n'),
    env: pairsOf(definition.env),
    url: definition.url ?? '',
    headers: pairsOf(definition.headers),
    login: definition.oauth == null ? 'none' : (definition.oauth.account ?? 'shared'),
    startTimeout: textOf(definition.startTimeout),
    timeout: textOf(definition.timeout),
    isolation: definition.isolation ?? 'auto',
    affinity: definition.affinity ?? 'auto',
    onOwnerLoss: definition.onOwnerLoss ?? 'restart',
    pin: pin == null ? 'default' : pin ? 'on' : 'off',
    filterMode: toolFilter == null ? 'all' : toolFilter.mode,
    filterTools: (toolFilter?.list ?? []).join('\n'),
    tags: pairsOf(definition.tags),
    forwardHeaders: (definition.forwardHeaders ?? []).join('\n'),
  }
}

/** What is sent: `base` with what the fields say; what no field is for stays. */
export function definitionOf(
  draft: Draft,
  base: Readonly<Record<string, unknown>> = {},
): Record<string, unknown> {
  const process = draft.transport === 'stdio'
  const filter = linesOf(draft.filterTools)
  return pruned({
    ...base,
    name: draft.name.trim(),
    description: draft.description.trim(),
    transport: draft.transport,
    command: process ? draft.command.trim() : undefined,
    args: process ? linesOf(draft.args) : undefined,
    env: process ? recordOf(draft.env) : undefined,
    url: process ? undefined : draft.url.trim(),
    headers: process ? undefined : recordOf(draft.headers),
    oauth: process || draft.login === 'none' ? undefined : { ...(base['oauth'] ?? {}), account: draft.login },
    startTimeout: durationOf(draft.startTimeout),
    timeout: durationOf(draft.timeout),
    isolation: draft.isolation,
    affinity: draft.affinity,
    onOwnerLoss: draft.onOwnerLoss,
    pin: draft.pin === 'default' ? undefined : draft.pin === 'on',
    toolFilter: draft.filterMode === 'all' ? undefined : { mode: draft.filterMode, list: filter },
    tags: recordOf(draft.tags),
    forwardHeaders: linesOf(draft.forwardHeaders),
  })
}

/** Without what says nothing, and without the dates, which are the gateway's. */
function pruned(value: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(value).filter(
      ([name, member]) =>
        member !== undefined && member !== null && name !== 'createdAt' && name !== 'updatedAt',
    ),
  )
}

export function linesOf(text: string): string[] {
  return text.split('\n').filter((line) => line.trim() !== '')
}

function pairsOf(record: Readonly<Record<string, string>> | null | undefined): Pair[] {
  return Object.entries(record ?? {}).map(([name, value]) => ({ name, value }))
}

function recordOf(pairs: readonly Pair[]): Record<string, string> {
  return Object.fromEntries(
    pairs.filter(({ name }) => name.trim() !== '').map(({ name, value }) => [name.trim(), value]),
  )
}

/** The wire has nanoseconds where a client sent them. */
function textOf(duration: string | number | null | undefined): string {
  if (duration == null) return ''
  return typeof duration === 'number' ? `${duration / 1e6}ms` : duration
}

function durationOf(text: string): string | undefined {
  return text.trim() === '' ? undefined : text.trim()
}

/** Fields by name of what the gateway said of them: `url: must be …; name: …`. */
export function faultsIn(details: string): ReadonlyMap<string, string> {
  const faults = new Map<string, string>()
  for (const part of details.split(/; (?=[a-zA-Z][\w.[\]-]*: )/)) {
    const [, field, reason] = /^([a-zA-Z]\w*)[\w.[\]-]*: (.+)$/s.exec(part) ?? []
    if (field !== undefined && reason !== undefined) faults.set(field, reason)
  }
  return faults
}
