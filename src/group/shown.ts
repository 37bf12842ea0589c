/**
 * What a member says, as its group shows it: names, URIs and loggers change, every other byte stays. Pure, on
 * texts of whole messages; a text that is not what it should be is passed on as it is.
 */
import { memberSpan, replaceSpan, type Span, skipSpace, skipValue, stringAt } from '../protocol/jsonrpc.ts'
import { editObject, memberText, parsed } from '../protocol/spans.ts'

/** How the group shows a URI of the member's; the same text where it stays. */
export type ShowUri = (uri: string) => string

/** Another text for a span; spans do not overlap and come in order. */
interface Change extends Span {
  readonly text: string
}

const uriKey = '"uri"'
/** Also a part of `ui/resourceUri`, the flat spelling that older apps use. */
const appKey = 'resourceUri'

/** A response of a member's to a request of this method. The same string when nothing changes. */
export function shownAnswer(method: string, text: string, show: ShowUri): string {
  if (!(text.includes(uriKey) || text.includes(appKey))) return text
  const result = memberSpan(text, 0, 'result')
  if (result === null) return text
  const changes: Change[] = []
  const add = (span: Span | null): void => addUri(changes, text, span, show)
  switch (method) {
    case 'tools/call':
    case 'tasks/result':
      contentUris(text, memberSpan(text, result.start, 'content'), add)
      appUris(text, result.start, add)
      break
    case 'prompts/get':
      eachElement(text, memberSpan(text, result.start, 'messages'), (message) =>
        contentUris(text, memberSpan(text, message, 'content'), add),
      )
      break
    case 'resources/read':
      eachElement(text, memberSpan(text, result.start, 'contents'), (content) =>
        add(memberSpan(text, content, 'uri')),
      )
      break
  }
  return changed(text, changes)
}

const mayHold = [uriKey, appKey].map((key) => Buffer.from(key))
const seamBytes = Math.max(...mayHold.map(({ length }) => length)) - 1

/** Whether the bytes of a large answer, piece after piece, could hold something that `shownAnswer` changes. */
export function mayHoldUri(pieces: readonly Uint8Array[]): boolean {
  let tail = Buffer.alloc(0)
  for (const piece of pieces) {
    const bytes = Buffer.from(piece.buffer, piece.byteOffset, piece.byteLength)
    const seam = Buffer.concat([tail, bytes.subarray(0, seamBytes)])
    if (mayHold.some((key) => seam.includes(key) || bytes.includes(key))) return true
    tail = Buffer.concat([tail, bytes.subarray(-seamBytes)]).subarray(-seamBytes)
  }
  return false
}

/** A notification of a member's. The same string when nothing changes. */
export function shownNotification(method: string, text: string, server: string, show: ShowUri): string {
  const params = memberSpan(text, 0, 'params')
  if (params === null) return text
  if (method === 'notifications/resources/updated') {
    const changes: Change[] = []
    addUri(changes, text, memberSpan(text, params.start, 'uri'), show)
    return changed(text, changes)
  }
  if (method !== 'notifications/message') return text
  const span = memberSpan(text, params.start, 'logger')
  const own = span && stringAt(text, span.start, span.end)
  const logger = JSON.stringify(own === null || own === '' ? server : `${server}.${own}`)
  const edited = editObject(text.slice(params.start, params.end), { set: { logger } })
  return edited === null ? text : replaceSpan(text, params, edited)
}

/** What changes in one item of a list; what is left out stays as it is. */
export interface ItemChange {
  readonly name?: string
  readonly description?: string
  readonly show?: ShowUri
}

/** One item of a list (a tool, a prompt, a resource, a template), as text. */
export function shownItem(text: string, { name, description, show }: ItemChange): string {
  const set: Record<string, string> = {}
  if (name !== undefined) set['name'] = JSON.stringify(name)
  if (description !== undefined) set['description'] = JSON.stringify(description)
  const shown = show === undefined ? text : withShownUris(text, show)
  return Object.keys(set).length === 0 ? shown : (editObject(shown, { set }) ?? text)
}

function withShownUris(text: string, show: ShowUri): string {
  const set: Record<string, string> = {}
  for (const key of ['uri', 'uriTemplate']) {
    const own = parsed(memberText(text, key) ?? 'null')
    if (typeof own === 'string' && show(own) !== own) set[key] = JSON.stringify(show(own))
  }
  const shown = Object.keys(set).length === 0 ? text : (editObject(text, { set }) ?? text)
  if (!shown.includes(appKey)) return shown
  const changes: Change[] = []
  appUris(shown, skipSpace(shown, 0), (span) => addUri(changes, shown, span, show))
  return changed(shown, changes)
}

/** The URIs of apps: `_meta.ui.resourceUri`, and `_meta["ui/resourceUri"]` as it was first written. */
function appUris(text: string, objectStart: number, add: (span: Span | null) => void): void {
  const meta = memberSpan(text, objectStart, '_meta')
  if (meta === null) return
  const ui = memberSpan(text, meta.start, 'ui')
  add(ui && memberSpan(text, ui.start, 'resourceUri'))
  add(memberSpan(text, meta.start, 'ui/resourceUri'))
}

/** The URIs in content: one block, or a list of them. */
function contentUris(text: string, content: Span | null, add: (span: Span | null) => void): void {
  if (content === null) return
  if (text[content.start] === '{') blockUri(text, content.start, add)
  else eachElement(text, content, (block) => blockUri(text, block, add))
}

function blockUri(text: string, block: number, add: (span: Span | null) => void): void {
  const kind = memberSpan(text, block, 'type')
  switch (kind && stringAt(text, kind.start, kind.end)) {
    case 'resource_link':
      add(memberSpan(text, block, 'uri'))
      break
    case 'resource': {
      const resource = memberSpan(text, block, 'resource')
      add(resource && memberSpan(text, resource.start, 'uri'))
      break
    }
  }
}

/** Where each element of an array begins; nothing for what is no array. */
function eachElement(text: string, array: Span | null, visit: (start: number) => void): void {
  if (array === null || text[array.start] !== '[') return
  let at = skipSpace(text, array.start + 1)
  while (at < array.end - 1) {
    visit(at)
    const end = skipValue(text, at)
    if (end < 0) return
    at = skipSpace(text, end)
    if (text[at] === ',') at = skipSpace(text, at + 1)
  }
}

function addUri(changes: Change[], text: string, span: Span | null, show: ShowUri): void {
  const own = span && stringAt(text, span.start, span.end)
  if (span === null || own === null) return
  const shown = show(own)
  if (shown !== own) changes.push({ ...span, text: JSON.stringify(shown) })
}

function changed(text: string, changes: readonly Change[]): string {
  if (changes.length === 0) return text
  const pieces: string[] = []
  let at = 0
  for (const change of [...changes].sort((a, b) => a.start - b.start)) {
    pieces.push(text.slice(at, change.start), change.text)
    at = change.end
  }
  return pieces.join('') + text.slice(at)
}
