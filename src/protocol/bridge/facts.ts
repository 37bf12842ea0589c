/**
 * `initialize` and `server/discover` answer the same question in the two eras: what the server is and can
 * do. The upstream's answer is kept, and each client is answered from it in its own era.
 *
 * Tasks are hidden across eras, because their messages differ: 2025-11-25 has a capability `tasks`, the modern
 * era an extension of the same purpose with other methods and shapes.
 *
 * Spec: 2026-07-28, server/discover; 2025-11-25, basic/lifecycle.
 */
import { eraOfVersion, type LogLevel, metaKeys, modernVersions } from '../eras.ts'
import { isObject, type JsonObject } from '../json.ts'
import { editObject, membersOf, memberText, parsed } from '../spans.ts'
import type { ClientFacts } from './results.ts'
import type { ServerFacts } from './types.ts'

/** Names the tasks of the modern era among extensions. */
export const tasksExtension = 'io.modelcontextprotocol/tasks'

/** What to keep of an `initialize` result; null when it is none. */
export function factsOfInitialize(resultText: string): ServerFacts | null {
  const result = parsed(resultText)
  if (!isObject(result) || typeof result['protocolVersion'] !== 'string') return null
  return {
    era: 'legacy',
    version: result['protocolVersion'],
    capabilities: isObject(result['capabilities']) ? result['capabilities'] : {},
    identity: identityOf(memberText(resultText, 'serverInfo')),
    resultText,
  }
}

/** What to keep of a `server/discover` result; null when it is none or shares no modern version with us. */
export function factsOfDiscover(resultText: string): ServerFacts | null {
  const result = parsed(resultText)
  if (!isObject(result) || !Array.isArray(result['supportedVersions'])) return null
  const supported: readonly unknown[] = result['supportedVersions']
  const version = modernVersions.find((candidate) => supported.includes(candidate))
  if (version === undefined) return null
  const meta = memberText(resultText, '_meta')
  return {
    era: 'modern',
    version,
    capabilities: isObject(result['capabilities']) ? result['capabilities'] : {},
    identity: identityOf(meta === null ? null : memberText(meta, metaKeys.serverInfo)),
    resultText,
  }
}

/** The result of `server/discover` for a modern client of a legacy server. */
export function discoverResult(facts: ServerFacts): string {
  const info = memberText(facts.resultText, 'serverInfo')
  const meta = memberText(facts.resultText, '_meta') ?? '{}'
  const edited = editObject(facts.resultText, {
    drop: (key) => key === 'protocolVersion' || key === 'serverInfo' || key === '_meta',
    set: {
      resultType: '"complete"',
      supportedVersions: JSON.stringify(modernVersions),
      capabilities: capabilitiesAcross(memberText(facts.resultText, 'capabilities')),
      ttlMs: '0',
      cacheScope: '"private"',
      ...(info === null ? {} : { _meta: editObject(meta, { set: { [metaKeys.serverInfo]: info } }) ?? '{}' }),
    },
  })
  return edited ?? '{}'
}

/** The result of `initialize` for a legacy client of a modern server; `name` stands in for a server that gives none. */
export function initializeResult(facts: ServerFacts, version: string, name: string): string {
  const meta = memberText(facts.resultText, '_meta')
  const info = meta === null ? null : memberText(meta, metaKeys.serverInfo)
  const keptMeta = meta === null ? null : editObject(meta, { drop: (key) => key === metaKeys.serverInfo })
  const dropped = ['supportedVersions', 'resultType', 'ttlMs', 'cacheScope', '_meta', 'serverInfo']
  const edited = editObject(facts.resultText, {
    drop: (key) => dropped.includes(key),
    set: {
      protocolVersion: JSON.stringify(version),
      capabilities: capabilitiesAcross(memberText(facts.resultText, 'capabilities')),
      serverInfo: info ?? JSON.stringify({ name, version: 'unknown' }),
      ...(keptMeta === null || keptMeta === '{}' ? {} : { _meta: keptMeta }),
    },
  })
  return edited ?? '{}'
}

/** The result of a modern server's own `server/discover`, without the versions that the gateway does not speak. */
export function narrowedDiscoverResult(resultText: string): string {
  const versions = parsed(memberText(resultText, 'supportedVersions') ?? 'null')
  if (!Array.isArray(versions)) return resultText
  const spoken = versions.filter((version) => eraOfVersion.get(version) === 'modern')
  if (spoken.length === versions.length) return resultText
  return editObject(resultText, { set: { supportedVersions: JSON.stringify(spoken) } }) ?? resultText
}

/** What a legacy client said of itself in the parameters of its `initialize`, as a modern request says it. */
export function clientOfInitialize(
  params: string,
  server: ServerFacts,
  logLevel: LogLevel | null,
): ClientFacts {
  const info = memberText(params, 'clientInfo')
  const capabilities = capabilitiesAcross(memberText(params, 'capabilities'))
  // roots.listChanged announces a notification that the modern era has not.
  const roots = memberText(capabilities, 'roots')
  return {
    version: server.version,
    clientInfo: identityOf(info) === null ? null : info,
    clientCapabilities:
      roots === null ? capabilities : (editObject(capabilities, { set: { roots: '{}' } }) ?? capabilities),
    logLevel,
  }
}

function capabilitiesAcross(text: string | null): string {
  const members = text === null ? null : membersOf(text)
  if (text === null || members === null) return '{}'
  const extensions = memberText(text, 'extensions')
  const kept = extensions && editObject(extensions, { drop: (key) => key === tasksExtension })
  return (
    editObject(text, {
      drop: (key) => key === 'tasks' || (key === 'extensions' && kept === '{}'),
      set: kept !== null && kept !== '{}' ? { extensions: kept } : {},
    }) ?? '{}'
  )
}

/** Name and version only: an identity travels with every result, and icons may be megabytes. */
function identityOf(info: string | null): string | null {
  const value = info === null ? undefined : parsed(info)
  if (!isObject(value) || typeof value.name !== 'string' || typeof value.version !== 'string') return null
  return JSON.stringify({ name: value.name, version: value.version })
}

/** Whether a server declared a flag such as `tools.listChanged`. */
export function declares(
  facts: { readonly capabilities: JsonObject },
  capability: string,
  flag: string,
): boolean {
  const declared = facts.capabilities[capability]
  return isObject(declared) && declared[flag] === true
}
