/**
 * Where items stand in messages: which one a request is about, and which a list shows. Pure, on texts; what is not
 * as it should be is treated as an item whose name cannot be told, which no rule lets through.
 */

import { type Era, rpcCodes } from '../protocol/eras.ts'
import { isObject } from '../protocol/json.ts'
import {
  type MessageText,
  memberSpan,
  paramString,
  replaceSpan,
  skipValue,
  stringAt,
} from '../protocol/jsonrpc.ts'
import { memberText, parsed } from '../protocol/spans.ts'
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
  const items = result && memberSpan(text, result.start, list)
  if (!items || text[items.start] !== '[') return text
  const kept: string[] = []
  let at = items.start + 1
  while (at < items.end - 1) {
    const code = text.charCodeAt(at)
    if (code <= 32 || code === 44) {
      at++
      continue
    }
    const end = skipValue(text, at)
    if (end < 0) return text
    const name = memberSpan(text, at, key)
    const itemName = name && stringAt(text, name.start, name.end)
    if (reach.allows(kind, itemName, kind === 'tool' ? toolFacts(text, at) : null))
      kept.push(text.slice(at, end))
    at = end
  }
  return replaceSpan(text, items, `[${kept.join(',')}]`)
}

/** What a tool says of itself. */
function toolFacts(text: string, tool: number): ItemFacts {
  const annotations = memberSpan(text, tool, 'annotations')
  const hint = annotations && memberSpan(text, annotations.start, 'readOnlyHint')
  return { readOnly: hint !== null && text.slice(hint.start, hint.end) === 'true' }
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
  const kind = kindOf(message)
  if (kind === null || !reach.hides(kind)) return null
  const name = nameOf(message, kind)
  if (reach.allows(kind, name)) return null
  if (kind !== 'tool' || name === null || !reach.allows(kind, name, readOnly)) return kind
  const byFacts = (facts: ItemFacts | null): ItemKind | null =>
    reach.allows(kind, name, facts) ? null : kind
  const facts = tools.known(name)
  return facts === undefined ? tools.reread(name).then(byFacts) : byFacts(facts)
}

/** Whether a stateless client asks to be told of a resource that it may not use. */
function listensToHidden(reach: Reach, { text, paramsStart, paramsEnd }: MessageText): boolean {
  if (!reach.hides('resource') || paramsStart < 0) return false
  const filter = parsed(memberText(text.slice(paramsStart, paramsEnd), 'notifications') ?? 'null')
  const uris = isObject(filter) ? filter['resourceSubscriptions'] : undefined
  return Array.isArray(uris) && uris.some((uri) => typeof uri === 'string' && !reach.allows('resource', uri))
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
