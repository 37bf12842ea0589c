/** What a server lists, page by page, as this client is shown it. */
import { type McpClient, recordOf } from '../../mcp/wire.ts'
import { type Loaded, useLoad } from '../../parts/use-load.ts'
import { failureOf } from './connection.ts'

export type ListKind = 'tools' | 'prompts' | 'resources' | 'templates'
export type Item = Readonly<Record<string, unknown>>

const methods: Readonly<Record<ListKind, readonly [method: string, member: string, capability: string]>> = {
  tools: ['tools/list', 'tools', 'tools'],
  prompts: ['prompts/list', 'prompts', 'prompts'],
  resources: ['resources/list', 'resources', 'resources'],
  templates: ['resources/templates/list', 'resourceTemplates', 'resources'],
}

/** Of one list; what a server lists beyond is not shown, and said so. */
export const itemsMax = 10_000
const pagesMax = 1_000

export function useList(client: McpClient, kind: ListKind): Loaded<readonly Item[]> {
  return useLoad(
    (signal) =>
      readList(client, kind, signal).catch((thrown: unknown) => {
        throw failureOf(thrown)
      }),
    [client, kind],
  )
}

async function readList(client: McpClient, kind: ListKind, signal: AbortSignal): Promise<readonly Item[]> {
  const [method, member, capability] = methods[kind]
  if (client.greeting.capabilities[capability] === undefined) return []
  const items: Item[] = []
  let cursor: unknown
  for (let page = 0; page < pagesMax && items.length < itemsMax; page++) {
    const params = typeof cursor === 'string' ? { cursor: JSON.stringify(cursor) } : {}
    const result = recordOf(JSON.parse(await client.request(method, params, { signal })))
    const found = result[member]
    if (Array.isArray(found)) items.push(...found.map(recordOf))
    cursor = result['nextCursor']
    if (typeof cursor !== 'string') break
  }
  return items.slice(0, itemsMax)
}

/** A text member of an item; null for none. */
export function textIn(item: Item, member: string): string | null {
  const value = item[member]
  return typeof value === 'string' && value !== '' ? value : null
}

/** What people call it. */
export function titleOf(item: Item): string {
  return (
    textIn(item, 'title') ??
    textIn(recordOf(item['annotations']), 'title') ??
    textIn(item, 'name') ??
    '(without a name)'
  )
}
