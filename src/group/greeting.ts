/** What a group says of itself when a client begins: at once, from what is known of its members. Pure. */
import { tasksExtension } from '../protocol/bridge/facts.ts'
import { type Era, metaKeys, modernVersions } from '../protocol/eras.ts'
import { isObject, type JsonObject } from '../protocol/json.ts'
import { memberText, parsed } from '../protocol/spans.ts'
import { firstSentence } from './search/search-tools.ts'
import type { GroupView } from './view/group-view.ts'

/** What a client is told of how to use the group; the rest is left out, member by member. */
const instructionsCharsMax = 32 * 1024

/** What every group can do, as far as its members can. */
export const capabilities = {
  tools: { listChanged: true },
  prompts: { listChanged: true },
  resources: { listChanged: true, subscribe: true },
  completions: {},
  logging: {},
}

export interface GroupIdentity {
  readonly name: string
  readonly description: string
  /** Of the gateway. */
  readonly version: string
  /** Whether its tools are found with a tool. */
  readonly searched: boolean
}

/** The result of `initialize`. */
export function initializeResult(identity: GroupIdentity, view: GroupView, version: string): string {
  return JSON.stringify({
    protocolVersion: version,
    capabilities: { ...capabilities, ...tasksOf(view) },
    serverInfo: infoOf(identity),
    instructions: instructionsOf(identity, view),
  })
}

/** The result of `server/discover`. */
export function discoverResult(identity: GroupIdentity, view: GroupView): string {
  return JSON.stringify({
    resultType: 'complete',
    supportedVersions: modernVersions,
    capabilities: { ...capabilities, ...tasksExtensionOf(view) },
    instructions: instructionsOf(identity, view),
    ttlMs: 0,
    cacheScope: 'private',
    _meta: { [metaKeys.serverInfo]: infoOf(identity) },
  })
}

/** What every result for a modern client names. */
export function infoOf({ name, version }: GroupIdentity): { name: string; version: string } {
  return { name, version }
}

/** Tasks of the legacy era, as far as a member that is there has them: what one can do, the group can do for it. */
function tasksOf(view: GroupView): { tasks?: JsonObject } {
  const tasks: Record<string, unknown> = {}
  for (const declared of declaredIn(view, 'legacy', (capabilities) => capabilities['tasks'])) {
    const requests = { ...objectIn(tasks, 'requests'), ...objectIn(declared, 'requests') }
    Object.assign(tasks, declared, { requests })
  }
  return Object.keys(tasks).length === 0 ? {} : { tasks }
}

/** The same of the modern era, where it is an extension. */
function tasksExtensionOf(view: GroupView): { extensions?: JsonObject } {
  const [declared] = declaredIn(view, 'modern', ({ extensions }) =>
    isObject(extensions) ? extensions[tasksExtension] : undefined,
  )
  return declared === undefined ? {} : { extensions: { [tasksExtension]: declared } }
}

function declaredIn(
  view: GroupView,
  era: Era,
  read: (capabilities: JsonObject) => unknown,
): readonly JsonObject[] {
  return view.members.flatMap(({ server }) => {
    const facts = server?.facts
    const declared = facts?.era === era ? read(facts.capabilities) : null
    return isObject(declared) ? [declared] : []
  })
}

function objectIn(value: JsonObject, key: string): JsonObject {
  const found = value[key]
  return isObject(found) ? found : {}
}

/** Servers that are named to whoever searches. */
const namedServersMax = 100

/** How tools are found, where they are not listed, and what the members that are there have said, each under its name. */
function instructionsOf({ searched }: GroupIdentity, view: GroupView): string | undefined {
  const parts: string[] = searched ? [searchInstructions(view)] : []
  let chars = 0
  for (const { name, server } of view.members) {
    const said = server?.facts ? parsed(memberText(server.facts.resultText, 'instructions') ?? 'null') : null
    if (typeof said !== 'string' || said.trim() === '') continue
    const part = `## ${name}\n\n${said.trim()}`
    chars += part.length + 2
    if (chars > instructionsCharsMax) {
      parts.push(`## ${name}\n\n(left out: too long)`)
      break
    }
    parts.push(part)
  }
  return parts.length === 0 ? undefined : parts.join('\n\n')
}

/** A model searches better when it knows whose tools there are. */
function searchInstructions(view: GroupView): string {
  const servers = view.members.slice(0, namedServersMax).map(({ name, server }) => {
    const about = firstSentence(server?.definition.description ?? '')
    return about === '' ? `- ${name}` : `- ${name}: ${about}`
  })
  const how =
    'Most tools are not listed. Find them with find_tools, read their arguments with describe_tools, call them with call_tool. There are tools of:'
  return [how, ...servers].join('\n')
}
