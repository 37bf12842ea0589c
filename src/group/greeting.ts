/** What a group says of itself when a client begins: at once, from what is known of its members. Pure. */
import { metaKeys, modernVersions } from '../protocol/eras.ts'
import { memberText, parsed } from '../protocol/spans.ts'
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
}

/** The result of `initialize`. */
export function initializeResult(identity: GroupIdentity, view: GroupView, version: string): string {
  return JSON.stringify({
    protocolVersion: version,
    capabilities,
    serverInfo: infoOf(identity),
    instructions: instructionsOf(view),
  })
}

/** The result of `server/discover`. */
export function discoverResult(identity: GroupIdentity, view: GroupView): string {
  return JSON.stringify({
    resultType: 'complete',
    supportedVersions: modernVersions,
    capabilities,
    instructions: instructionsOf(view),
    ttlMs: 0,
    cacheScope: 'private',
    _meta: { [metaKeys.serverInfo]: infoOf(identity) },
  })
}

/** What every result for a modern client names. */
export function infoOf({ name, version }: GroupIdentity): { name: string; version: string } {
  return { name, version }
}

/** What the members that are there have said, each under its name. */
function instructionsOf(view: GroupView): string | undefined {
  const parts: string[] = []
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
