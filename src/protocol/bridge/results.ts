/**
 * Results and requests of one era in the words of the other.
 *
 * Spec: 2026-07-28, changelog (resultType, caching, error codes, structuredContent), basic/index
 * (`_meta`), server/utilities/caching.
 */
import type { Envelope } from '../envelope.ts'
import { clientRequests, metaKeys, rpcCodes } from '../eras.ts'
import { paramMarks } from '../headers.ts'
import { isObject, type JsonObject } from '../json.ts'
import { editObject, elementsOf, memberText, parsed } from '../spans.ts'
import { wrapOutputSchema } from './output-schema.ts'
import type { RejectedTool, RpcFailure, ToolFacts } from './types.ts'

const reservedPrefix = 'io.modelcontextprotocol/'

/** A modern request's parameters for a legacy server: the envelope, answers and state removed. */
export function legacyParams(params: string): string | null {
  const meta = memberText(params, '_meta')
  const kept = meta === null ? null : editObject(meta, { drop: (key) => key.startsWith(reservedPrefix) })
  return editObject(params, {
    drop: (key) => key === '_meta' || key === 'inputResponses' || key === 'requestState',
    set: kept !== null && kept !== '{}' ? { _meta: kept } : {},
  })
}

/** What a legacy session says of its client in every modern request, as JSON texts. */
export interface ClientFacts {
  readonly version: string
  readonly clientInfo: string | null
  readonly clientCapabilities: string
  readonly logLevel: Envelope['logLevel']
}

/** What a legacy request may carry by chance and a modern server would take for its own. */
const modernOnly = ['task', 'inputResponses', 'requestState']

/** A legacy request's parameters for a modern server: the envelope added, task augmentation removed. */
export function modernParams(params: string | null, client: ClientFacts): string | null {
  const meta = (params === null ? null : memberText(params, '_meta')) ?? '{}'
  const own = editObject(meta, {
    drop: (key) => key.startsWith(reservedPrefix),
    set: {
      [metaKeys.protocolVersion]: JSON.stringify(client.version),
      ...(client.clientInfo === null ? {} : { [metaKeys.clientInfo]: client.clientInfo }),
      [metaKeys.clientCapabilities]: client.clientCapabilities,
      ...(client.logLevel === null ? {} : { [metaKeys.logLevel]: JSON.stringify(client.logLevel) }),
    },
  })
  if (own === null) return null
  return editObject(params === null || params === 'null' ? '{}' : params, {
    drop: (key) => modernOnly.includes(key),
    set: { _meta: own },
  })
}

/** A legacy server's result for a modern client; null when it is no object. */
export function modernResult(method: string, result: string, identity: string | null): string | null {
  const meta = memberText(result, '_meta')
  const signed = signedMeta(meta, identity)
  const tools = method === 'tools/list' ? memberText(result, 'tools') : null
  const cached = clientRequests.modern.get(method)?.cacheable === true
  return editObject(result, {
    // A legacy server's hints, had it any, would not be these hints.
    drop: (key) => cached && (key === 'ttlMs' || key === 'cacheScope'),
    set: {
      ...(tools === null ? {} : { tools: modernTools(tools) }),
      resultType: '"complete"',
      ...(cached ? { ttlMs: '0', cacheScope: '"private"' } : {}),
      ...(signed === null ? {} : { _meta: signed }),
    },
  })
}

function signedMeta(meta: string | null, identity: string | null): string | null {
  if (identity === null) return null
  return editObject(meta ?? '{}', { set: { [metaKeys.serverInfo]: identity } })
}

/** Tools as a modern client may use them: what runs only as a task cannot be called across eras. */
function modernTools(tools: string): string {
  const kept: string[] = []
  for (const tool of elementsOf(tools) ?? []) {
    const execution = memberText(tool, 'execution')
    if (execution === null) kept.push(tool)
    else if (memberText(execution, 'taskSupport') !== '"required"') {
      kept.push(editObject(tool, { drop: (key) => key === 'execution' }) ?? tool)
    }
  }
  return `[${kept.join(',')}]`
}

/** A modern server's complete result for a legacy client; null when it is no object. */
export function legacyResult(method: string, result: string, tool: ToolFacts | null): string | null {
  const meta = memberText(result, '_meta')
  const kept = meta === null ? null : editObject(meta, { drop: (key) => key === metaKeys.serverInfo })
  const cached = clientRequests.modern.get(method)?.cacheable === true
  const edited = editObject(result, {
    drop: (key) =>
      key === 'resultType' ||
      (cached && (key === 'ttlMs' || key === 'cacheScope')) ||
      (key === '_meta' && (kept === null || kept === '{}')),
    set: kept !== null && kept !== '{}' ? { _meta: kept } : {},
  })
  return edited !== null && method === 'tools/call' ? legacyToolResult(edited, tool) : edited
}

/** 2025-11-25 and earlier: structured content is an object, and text stands for it where no one reads it. */
function legacyToolResult(result: string, tool: ToolFacts | null): string {
  const structured = memberText(result, 'structuredContent')
  if (structured === null) return result
  const isRoot = isObject(parsed(structured))
  if (isRoot && tool?.wrapsOutput !== true) return result
  const set: Record<string, string> = { structuredContent: `{"result":${structured}}` }
  const content = elementsOf(memberText(result, 'content') ?? '[]') ?? []
  if (!isRoot && !content.some((block) => memberText(block, 'type') === '"text"')) {
    set['content'] = `[${[...content, `{"type":"text","text":${JSON.stringify(structured)}}`].join(',')}]`
  }
  return editObject(result, { set }) ?? result
}

/** A modern server's tool list for a legacy client, and what to keep of each tool. */
export interface LegacyTools {
  readonly result: string
  readonly tools: readonly ToolFacts[]
  readonly rejected: readonly RejectedTool[]
}

/**
 * `overHttp`: the gateway is then the client that must leave out tools with invalid `x-mcp-header` marks
 * (basic/transports/streamable-http, Custom Headers from Tool Parameters).
 */
export function legacyTools(result: string, overHttp: boolean): LegacyTools | null {
  const stripped = legacyResult('tools/list', result, null)
  if (stripped === null) return null
  const kept: string[] = []
  const tools: ToolFacts[] = []
  const rejected: { name: string; reason: string }[] = []
  for (const text of elementsOf(memberText(stripped, 'tools') ?? '[]') ?? []) {
    const facts = toolFacts(parsed(text))
    if (facts === null) continue
    if ('invalid' in facts && overHttp) {
      rejected.push({ name: facts.name, reason: facts.invalid })
      continue
    }
    const tool: ToolFacts = 'invalid' in facts ? { ...facts, marks: [] } : facts
    tools.push(tool)
    const schema = tool.wrapsOutput ? memberText(text, 'outputSchema') : null
    const wrapped = schema && editObject(text, { set: { outputSchema: wrapOutputSchema(schema) } })
    kept.push(wrapped ?? text)
  }
  const edited = editObject(stripped, { set: { tools: `[${kept.join(',')}]` } })
  return { result: edited ?? stripped, tools, rejected }
}

function toolFacts(tool: unknown): ToolFacts | (Omit<ToolFacts, 'marks'> & { invalid: string }) | null {
  if (!isObject(tool) || typeof tool.name !== 'string') return null
  const output = tool['outputSchema']
  const wrapsOutput = isObject(output) && output.type !== 'object'
  const annotations = tool['annotations']
  const readOnly = isObject(annotations) && annotations['readOnlyHint'] === true
  const marks = paramMarks(tool['inputSchema'])
  return 'invalid' in marks
    ? { name: tool.name, wrapsOutput, readOnly, invalid: marks.invalid }
    : { name: tool.name, wrapsOutput, readOnly, marks }
}

/** A legacy server's error for a modern client: codes that this era must not send are replaced. */
export function modernFailure(failure: RpcFailure): RpcFailure {
  const { code } = failure
  if (code === rpcCodes.resourceNotFound) return recoded(failure, rpcCodes.invalidParams)
  // The range belongs to the specification; out of a legacy server only -32021 means what it says there.
  const reserved = code <= -32020 && code >= -32099 && code !== rpcCodes.missingClientCapability
  return reserved ? recoded(failure, rpcCodes.internalError) : failure
}

/** A modern server's error for a legacy client: what is about the gateway's own envelope is not the client's affair. */
export function legacyFailure(failure: RpcFailure): RpcFailure {
  const ours = failure.code === rpcCodes.headerMismatch || failure.code === rpcCodes.unsupportedVersion
  return ours ? recoded(failure, rpcCodes.internalError) : failure
}

function recoded(failure: RpcFailure, code: number): RpcFailure {
  const text = editObject(failure.text, { set: { code: String(code) } })
  return text === null
    ? { ...failure, ...rpcFailure(code, 'The server gave an invalid error') }
    : { ...failure, code, text }
}

/** An error of the gateway's own. */
export function rpcFailure(code: number, message: string, data?: JsonObject): RpcFailure {
  return { code, text: JSON.stringify({ code, message, ...(data && { data }) }) }
}
