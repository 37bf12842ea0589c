/**
 * What a client of one server says, as the client of a group that holds it would, and back: names get and lose their
 * prefix, URIs their qualified form. What other members list keeps theirs, both ways. Nothing else is touched, so
 * that whatever the suite finds is the gateway's.
 */
import { qualifyUri, readQualifiedUri } from '../../src/group/uris.ts'

export interface Message {
  readonly method?: unknown
  readonly params?: unknown
  readonly result?: unknown
}

/** A message of the client's, for the group. */
export function toGroup(message: unknown, member: string): unknown {
  if (Array.isArray(message)) return message.map((each) => toGroup(each, member))
  if (!isMap(message)) return message
  const { method, params } = message as Message
  if (typeof method !== 'string' || !isMap(params)) return message
  return { ...message, params: paramsToGroup(method, params, member) }
}

/** The same for the header that repeats the name or URI of a stateless request. */
export function headerToGroup(method: string, value: string, member: string): string {
  return method.startsWith('resources/') ? uriToGroup(value, member) : nameToGroup(value, member)
}

/** A name that has a prefix is another member's; the fixtures have no such names of their own. */
function nameToGroup(name: string, member: string): string {
  return name.includes('__') ? name : `${member}__${name}`
}

function uriToGroup(uri: string, member: string): string {
  return readQualifiedUri(uri) === null ? qualifyUri(member, uri) : uri
}

/** A message of the group's, for the client of this member. What other members list stays as it is. */
export function toClient(message: unknown, member: string): unknown {
  if (Array.isArray(message)) return message.map((each) => toClient(each, member))
  if (!isMap(message)) return message
  const { method, params, result } = message as Message
  if (method === 'notifications/resources/updated' && isMap(params))
    return { ...message, params: withOwnUri(params, 'uri', member) }
  return isMap(result) ? { ...message, result: resultToClient(result, member) } : message
}

type Fields = Readonly<Record<string, unknown>>

function paramsToGroup(method: string, params: Fields, member: string): Fields {
  switch (method) {
    case 'tools/call':
    case 'prompts/get':
      return mapped(params, 'name', (name) => nameToGroup(name, member))
    case 'resources/read':
    case 'resources/subscribe':
    case 'resources/unsubscribe':
      return mapped(params, 'uri', (uri) => uriToGroup(uri, member))
    case 'completion/complete': {
      const ref = isMap(params['ref']) ? params['ref'] : {}
      const named = mapped(ref, 'name', (name) => nameToGroup(name, member))
      return { ...params, ref: mapped(named, 'uri', (uri) => uriToGroup(uri, member)) }
    }
    case 'subscriptions/listen': {
      const wanted = isMap(params['notifications']) ? params['notifications'] : {}
      const uris = wanted['resourceSubscriptions']
      if (!Array.isArray(uris)) return params
      const qualified = uris.map((uri) => (typeof uri === 'string' ? uriToGroup(uri, member) : uri))
      return { ...params, notifications: { ...wanted, resourceSubscriptions: qualified } }
    }
    default:
      return params
  }
}

function resultToClient(result: Fields, member: string): Fields {
  const name = (item: Fields): Fields =>
    mapped(item, 'name', (shown) =>
      shown.startsWith(`${member}__`) ? shown.slice(member.length + 2) : shown,
    )
  const change: Readonly<Record<string, (item: Fields) => Fields>> = {
    tools: name,
    prompts: name,
    resources: (item) => withOwnUri(item, 'uri', member),
    resourceTemplates: (item) => withOwnUri(item, 'uriTemplate', member),
    contents: (item) => withOwnUri(item, 'uri', member),
    content: (item) => blockToClient(item, member),
    messages: (item) => ({
      ...item,
      ...(isMap(item['content']) ? { content: blockToClient(item['content'], member) } : {}),
    }),
  }
  return Object.fromEntries(
    Object.entries(result).map(([key, value]) => [
      key,
      Array.isArray(value) && Object.hasOwn(change, key)
        ? value.map((item: unknown) => (isMap(item) ? (change[key]?.(item) ?? item) : item))
        : value,
    ]),
  )
}

function blockToClient(block: Fields, member: string): Fields {
  if (block['type'] === 'resource_link') return withOwnUri(block, 'uri', member)
  const { resource } = block as { resource?: unknown }
  return isMap(resource) ? { ...block, resource: withOwnUri(resource, 'uri', member) } : block
}

function withOwnUri(item: Fields, key: string, member: string): Fields {
  return mapped(item, key, (shown) => {
    const read = readQualifiedUri(shown)
    return read?.server === member ? read.uri : shown
  })
}

function mapped(item: Fields, key: string, change: (text: string) => string): Fields {
  const value = item[key]
  return typeof value === 'string' ? { ...item, [key]: change(value) } : item
}

function isMap(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
