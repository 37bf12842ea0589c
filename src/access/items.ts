/**
 * Where items stand in messages: which one a request is about, and which a list shows. Pure, on texts; what is not
 * as it should be is treated as an item whose name cannot be told, which no rule lets through.
 */

import { type Era, rpcCodes } from '../protocol/eras.ts'
import {
  isSpelling,
  type MessageText,
  memberSpan,
  paramSpan,
  paramString,
  repeatsParam,
  replaceSpan,
  type Span,
  skipValue,
  stringAt,
} from '../protocol/jsonrpc.ts'
import { editObject, hasDoubled, memberText, parsed } from '../protocol/spans.ts'
import type { Pins } from './pins.ts'
import type { ItemFacts, ItemKind, Reach } from './reach.ts'

interface ListForm {
  readonly kind: ItemKind
  /** The member of the result that is the list. */
  readonly list: string
  /** The member of an item that names it. */
  readonly key: string
}

const lists: ReadonlyMap<string, ListForm> = new Map([
  ['tools/list', { kind: 'tool', list: 'tools', key: 'name' }],
  ['prompts/list', { kind: 'prompt', list: 'prompts', key: 'name' }],
  ['resources/list', { kind: 'resource', list: 'resources', key: 'uri' }],
  ['resources/templates/list', { kind: 'template', list: 'resourceTemplates', key: 'uriTemplate' }],
])

/** Whether the answer to this method is read before a client gets it: a list of which something may be hidden. */
export function isFiltered(reach: Reach, method: string): boolean {
  if (reach.open) return false
  const form = lists.get(method)
  return form !== undefined && reach.hides(form.kind)
}

/** The text of an answer without the items that the caller may not use; every other byte stays. */
export function filteredAnswer(reach: Reach, method: string, text: string): string {
  const form = isFiltered(reach, method) ? lists.get(method) : undefined
  return form === undefined ? text : withoutHidden(text, form, reach)
}

function withoutHidden(text: string, { kind, list, key }: ListForm, reach: Reach): string {
  const result = memberSpan(text, 0, 'result')
  if (result === null) return text
  const items = memberSpan(text, result.start, list)
  const resultText = text.slice(result.start, result.end)
  const drop = (member: string): boolean => member !== list && isSpelling(list, member)
  const nothing = () =>
    replaceSpan(text, result, editObject(resultText, { drop, set: { [list]: '[]' } }) ?? '{}')
  // Two lists: whoever reads the other one would see what is hidden.
  if (items === null) return hasDoubled(resultText, [list]) ? nothing() : text
  const pins = kind === 'tool' ? reach.pins : null
  const kept: { readonly name: string | null; readonly item: string }[] = []
  const whole = eachItem(text, items, key, (name, item) => {
    const facts = kind === 'tool' ? toolFacts(item, pins !== null) : null
    if (reach.allows(kind, name, facts)) kept.push({ name, item })
  })
  if (!whole) return nothing()
  // What stands further down may have closed a tool: nobody is shown what they may not call.
  const shown = pins === null ? kept : kept.filter(({ name }) => pins.allows(name))
  return replaceSpan(text, items, `[${shown.map(({ item }) => item).join(',')}]`)
}

/** Visits the items of a list with their names. False where it is none, or is broken off. */
function eachItem(
  text: string,
  list: Span,
  key: string,
  visit: (name: string | null, item: string) => void,
): boolean {
  if (text[list.start] !== '[') return false
  let at = list.start + 1
  while (at < list.end - 1) {
    const code = text.charCodeAt(at)
    if (code <= 32 || code === 44) {
      at++
      continue
    }
    const end = skipValue(text, at)
    if (end < 0) return false
    const item = text.slice(at, end)
    const name = memberSpan(item, 0, key)
    visit(name && stringAt(item, name.start, name.end), item)
    at = end
  }
  return true
}

/** Shows pins what a server lists, by the text of a result of `tools/list`. */
export function noteTools(pins: Pins, resultText: string): void {
  const items = memberSpan(resultText, 0, 'tools')
  if (items) eachItem(resultText, items, 'name', (name, item) => void pins.shows(name, item))
}

/** What a tool says of itself; `whole` where its text counts too. */
function toolFacts(tool: string, whole: boolean): ItemFacts {
  const annotations = memberSpan(tool, 0, 'annotations')
  const hint = annotations && memberSpan(tool, annotations.start, 'readOnlyHint')
  const readOnly = hint !== null && tool.slice(hint.start, hint.end) === 'true'
  return whole ? { readOnly, text: tool } : { readOnly }
}

/** What decides about a call beside the name of its tool: whether that says of itself that it changes nothing. */
export interface ToolFactsTable {
  /** Undefined while it has to be looked up, null for a tool that is not there. */
  known(name: string): ItemFacts | null | undefined
  reread(name: string): Promise<ItemFacts | null>
}

/**
 * The kind of the item that a request is about and the caller may not use; null for a request that may go on. A promise
 * where that hangs on what is not known yet of a tool.
 */
export function refusedItem(
  reach: Reach,
  message: MessageText,
  tools: ToolFactsTable,
): ItemKind | null | Promise<ItemKind | null> {
  if (reach.open) return null
  if (message.method === 'subscriptions/listen') return listensToHidden(reach, message) ? 'resource' : null
  if (message.method === 'completion/complete' && !refTypes.has(refMember(message, 'type') ?? ''))
    return reach.hides('template') ? 'template' : reach.hides('prompt') ? 'prompt' : null
  const kind = kindOf(message)
  if (kind === null || !reach.hides(kind)) return null
  const name = nameOf(message, kind)
  if (kind !== 'tool' || name === null) return reach.allows(kind, name) ? null : kind
  // What is pinned counts only once it is known what the server lists now.
  const unseen = () => reach.pins !== null && tools.known(name) === undefined && !reach.pins.saw(name)
  if (!unseen() && reach.allows(kind, name)) return null
  if (!reach.allows(kind, name, readOnly)) return kind
  const byFacts = (facts: ItemFacts | null): ItemKind | null =>
    !unseen() && reach.allows(kind, name, facts) ? null : kind
  const facts = tools.known(name)
  return facts === undefined ? tools.reread(name).then(byFacts) : byFacts(facts)
}

/** Whether a caller hears of this: changes of a resource that it may not use are none to it. */
export function mayHear(reachNow: () => Reach, method: string, params: () => string | null): boolean {
  // Most of what a server says is something else, and must not pay for this.
  if (method !== 'notifications/resources/updated') return true
  const reach = reachNow()
  if (!reach.hides('resource')) return true
  const uri = parsed(memberText(params() ?? '{}', 'uri') ?? 'null')
  return reach.allows('resource', typeof uri === 'string' ? uri : null)
}

/** What a completion may be about; of anything else, and of what is said twice, nobody can tell. */
const refTypes: ReadonlySet<string> = new Set(['ref/prompt', 'ref/resource'])

/** Whether a stateless client asks to be told of a resource that it may not use, or of what nobody can tell. */
function listensToHidden(reach: Reach, message: MessageText): boolean {
  if (!reach.hides('resource')) return false
  const span = paramSpan(message, 'notifications')
  if (span === null) return repeatsParam(message, ['notifications'])
  const filter = message.text.slice(span.start, span.end)
  if (hasDoubled(filter, ['resourceSubscriptions'])) return true
  const uris = parsed(memberText(filter, 'resourceSubscriptions') ?? 'null')
  if (uris === null) return false
  return !Array.isArray(uris) || uris.some((uri) => typeof uri !== 'string' || !reach.allows('resource', uri))
}

const readOnly: ItemFacts = { readOnly: true }

/**
 * As a server of this era answers that has no such thing: what is hidden and what is not there look alike. The modern
 * era has no code of its own for resources.
 */
export function unknownItem(kind: ItemKind, era: Era): { readonly code: number; readonly message: string } {
  if (kind !== 'resource') return { code: rpcCodes.invalidParams, message: `Unknown ${kind}` }
  const code = era === 'legacy' ? rpcCodes.resourceNotFound : rpcCodes.invalidParams
  return { code, message: 'Resource not found' }
}

/** A prompt, resource or template by name. */
export interface NamedItem {
  readonly kind: ItemKind
  readonly name: string
}

/** The one that a request names; null for none, and for one that cannot be told. */
export function itemIn(message: MessageText): NamedItem | null {
  const kind = kindOf(message)
  const name = kind === null ? null : nameOf(message, kind)
  return kind === null || name === null ? null : { kind, name }
}

function kindOf(message: MessageText): ItemKind | null {
  switch (message.method) {
    case 'tools/call':
      return 'tool'
    case 'prompts/get':
      return 'prompt'
    case 'resources/read':
    case 'resources/subscribe':
    case 'resources/unsubscribe':
      return 'resource'
    case 'completion/complete':
      return refMember(message, 'type') === 'ref/prompt' ? 'prompt' : 'template'
    default:
      return null
  }
}

function nameOf(message: MessageText, kind: ItemKind): string | null {
  const key = kind === 'resource' || kind === 'template' ? 'uri' : 'name'
  return message.method === 'completion/complete' ? refMember(message, key) : paramString(message, key)
}

/** A text within the `ref` of a completion. */
function refMember({ text, paramsStart }: MessageText, key: string): string | null {
  const ref = memberSpan(text, paramsStart, 'ref')
  const span = ref && memberSpan(text, ref.start, key)
  return span && stringAt(text, span.start, span.end)
}
