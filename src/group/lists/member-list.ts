/** One list of one server as its own texts: read page after page, each item kept as it was written. Pure but for the asking. */
import { GatewayError } from '../../errors.ts'
import type { ListChangeRow } from '../../protocol/eras.ts'
import { memberSpan, stringAt } from '../../protocol/jsonrpc.ts'
import { elementsOf, memberText, parsed } from '../../protocol/spans.ts'

export type ListKind = 'tools' | 'prompts' | 'resources' | 'templates'

/** How a list is asked for and read. */
export interface ListRow {
  readonly method: string
  /** The member of the result that is the list. */
  readonly member: string
  /** The member of an item by which it is known. */
  readonly known: 'name' | 'uri' | 'uriTemplate'
  /** The capability of a server that has such a list, by which its changes are announced too. */
  readonly capability: ListChangeRow['capability']
}

export const listRows: Readonly<Record<ListKind, ListRow>> = {
  tools: { method: 'tools/list', member: 'tools', known: 'name', capability: 'tools' },
  prompts: { method: 'prompts/list', member: 'prompts', known: 'name', capability: 'prompts' },
  resources: { method: 'resources/list', member: 'resources', known: 'uri', capability: 'resources' },
  templates: {
    method: 'resources/templates/list',
    member: 'resourceTemplates',
    known: 'uriTemplate',
    capability: 'resources',
  },
}

/** The list that a method asks for. */
export const listOfMethod: ReadonlyMap<string, ListKind> = new Map(
  (['tools', 'prompts', 'resources', 'templates'] as const).map((kind) => [listRows[kind].method, kind]),
)

/** One item: its text, and the name, URI or template by which it is known. */
export interface ListItem {
  readonly text: string
  readonly name: string
  /** A tool says of itself that it changes nothing. */
  readonly readOnlyHint: boolean
}

export class MemberList {
  readonly items: readonly ListItem[]
  /** Characters of all its items. */
  readonly chars: number
  /** The same for lists with the same texts, in this process and in the next. */
  readonly digest: string
  /** True where an item may name a resource beside itself: the page of an app. */
  readonly hasApps: boolean

  constructor(items: readonly ListItem[]) {
    this.items = items
    const hasher = new Bun.CryptoHasher('sha1')
    let chars = 0
    let hasApps = false
    for (const { text } of items) {
      chars += text.length
      hasApps ||= text.includes('resourceUri')
      hasher.update(text)
    }
    this.chars = chars
    this.hasApps = hasApps
    this.digest = hasher.digest('base64url')
  }
}

export const emptyList = new MemberList([])

/** A server that hands out pages without end is stopped here. */
const pagesMax = 1_000
/** Characters of all pages together: each may be as large as one message. */
const listCharsMax = 64 * 1024 * 1024

/** A list as it was read, with how long it may be kept by what its pages say; null where they say nothing. */
export interface ReadList {
  readonly list: MemberList
  readonly ttlMs: number | null
}

type AskForPage = (cursorText: string | null) => Promise<string>

/**
 * Reads every page. `ask` sends the request for the page behind this cursor (raw JSON text, null for the first) and
 * gives the text of its result. Rejects with a GatewayError where the answers are no list, or never end.
 */
export async function readList(kind: ListKind, ask: AskForPage): Promise<ReadList> {
  const { method, member, known } = listRows[kind]
  const { items, ttlMs } = await readPages(method, member, ask)
  // The pages hold more than items, which a part of their text would keep as long as it is kept itself.
  const whole = items.join('')
  let end = 0
  const list = items.flatMap(({ length }) => {
    const text = whole.slice(end, end + length)
    end += length
    const span = memberSpan(text, 0, known)
    const name = span && stringAt(text, span.start, span.end)
    // Nobody could use what has no name.
    return name === null ? [] : [{ text, name, readOnlyHint: kind === 'tools' && isReadOnly(text) }]
  })
  return { list: new MemberList(list), ttlMs }
}

/** The texts of all items of a list; `member` is that of the result which holds them. */
export async function readPages(
  method: string,
  member: string,
  ask: AskForPage,
): Promise<{ items: string[]; ttlMs: number | null }> {
  const items: string[] = []
  const seen = new Set<string>()
  let cursor: string | null = null
  let chars = 0
  let ttlMs: number | null = null
  for (let page = 0; page < pagesMax; page++) {
    const result: string = await ask(cursor)
    chars += result.length
    if (chars > listCharsMax) throw unusable(`${method} is larger than ${listCharsMax} characters`)
    const elements = elementsOf(memberText(result, member) ?? '')
    if (elements === null) throw unusable(`${method} was answered with something else than a list`)
    for (const text of elements) items.push(text)
    const pageTtlMs = ttlOf(result)
    if (pageTtlMs !== null) ttlMs = Math.min(pageTtlMs, ttlMs ?? pageTtlMs)
    cursor = cursorOf(result)
    if (cursor === null) return { items, ttlMs }
    if (seen.has(cursor)) throw unusable(`${method} gave the same cursor twice`)
    seen.add(cursor)
  }
  throw unusable(`${method} has more than ${pagesMax} pages`)
}

function unusable(reason: string): GatewayError {
  return new GatewayError('UPSTREAM_ERROR', reason)
}

function isReadOnly(tool: string): boolean {
  const annotations = tool.includes('readOnlyHint') ? memberSpan(tool, 0, 'annotations') : null
  const hint = annotations && memberSpan(tool, annotations.start, 'readOnlyHint')
  return hint !== null && tool.slice(hint.start, hint.end) === 'true'
}

function ttlOf(result: string): number | null {
  const ttl = parsed(memberText(result, 'ttlMs') ?? 'null')
  return typeof ttl === 'number' && ttl >= 0 ? ttl : null
}

/** Raw JSON text of the cursor; null at the end of the list. */
function cursorOf(result: string): string | null {
  const text = memberText(result, 'nextCursor')
  return text?.startsWith('"') ? text : null
}
