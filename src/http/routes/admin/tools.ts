/** Every tool of every server, and calling one without speaking MCP (CONTRACT.md, "Admin API"). */
import { ownerOf } from '../../../access/owner/credential-owner.ts'
import { GatewayError, reasonOf, revokedError, shownError } from '../../../errors.ts'
import { isObject, type JsonObject, jsonIn } from '../../../protocol/json.ts'
import { within } from '../../../runtime/patience.ts'
import { eventFrame } from '../../../session/event-stream.ts'
import { type CallEnding, endingOfError, plainEndings } from '../../../telemetry/call-ending.ts'
import { shownText } from '../../../telemetry/callers.ts'
import { maskError } from '../../../telemetry/redaction.ts'
import type { ServerEntry } from '../../../upstream/server/directory.ts'
import type { ToolList } from '../../api/answers.ts'
import { answer } from '../../api/operation.ts'
import { type ToolCall, toolCall } from '../../api/tool-call-schema.ts'
import { contextOf } from '../../context.ts'
import { recordEnding } from '../../hooks/access-log.ts'
import { replyRpcText } from '../../reply.ts'
import { readTyped } from './body.ts'
import type { AdminParts } from './parts.ts'
import { queryDurationMs, queryText } from './query.ts'
import { knownEntry, maskOf } from './servers.ts'

type Listed = Partial<ToolList>

/**
 * One page of everything: a server that does not answer in time is named and left out. `?wait` shortens that time,
 * `?name` asks one server alone.
 */
export async function listTools(parts: AdminParts, request: Request): Promise<Response> {
  const waitMs = queryDurationMs(request, 'wait', parts.toolsListMs) ?? parts.toolsListMs
  const name = queryText(request, 'name')
  const found = name === null ? parts.directory.list() : [knownEntry(parts, name)]
  const entries = found.map((entry) => asCaller(entry, request))
  const lists = await Promise.all(entries.map((entry) => toolsOf(entry, waitMs)))
  const heldBack = entries.flatMap(({ definition }) => heldBackAt(parts, definition.name))
  return answer('listTools', 200, {
    tools: lists.flatMap(({ tools = [] }) => tools),
    ...(heldBack.length > 0 && { heldBack }),
    errors: lists.flatMap(({ errors = [] }) => errors),
  })
}

/** What a pinned server lists and nobody is shown. */
function heldBackAt({ approvals }: AdminParts, mcpName: string): NonNullable<ToolList['heldBack']> {
  return approvals.heldBack(mcpName).map((name) => ({ mcpName, name }))
}

/** Where each user has a server of their own: that of whoever asks, also of an admin. Nobody acts as somebody else. */
export function asCaller(entry: ServerEntry, request: Request): ServerEntry {
  return entry.as?.(ownerOf(contextOf(request).principal)) ?? entry
}

/** The tools of one server, or why it has listed none within this time. */
export async function toolsOf(entry: ServerEntry, waitMs: number): Promise<Listed> {
  const mcpName = entry.definition.name
  const tooSlow = () =>
    new GatewayError('UPSTREAM_TIMEOUT', `The server did not list its tools within ${waitMs} ms.`)
  try {
    const tools = await within(entry.listTools(), waitMs, tooSlow)
    return { tools: tools.map((tool) => ({ ...tool, mcpName })) }
  } catch (error) {
    return { errors: [{ mcpName, error: maskOf(entry)(reasonOf(error)) }] }
  }
}

/**
 * Calls one tool. What the server says about the call is 200, what keeps it from being asked is not. Whoever takes an
 * event stream is told of progress, and given everything that the tool returned. The call is given up when the
 * caller leaves.
 */
export async function callTool(parts: AdminParts, request: Request): Promise<Response> {
  const call = await readTyped(request, toolCall, parts.config.limits.bodyBytesMax)
  const { log } = contextOf(request)
  log.rpcMethod = 'tools/call'
  log.tool = shownText(call.toolName, nameCharsMax)
  const entry = asCaller(knownEntry(parts, call.mcpName), request)
  log.mcp = call.mcpName
  if (takesEvents(request)) return streamCall(parts, request, entry, call)
  const awaited = parts.streams.await(request)
  try {
    const watch = { progress() {}, signal: awaited.signal }
    const { result } = await entry.callTool(call.toolName, call.arguments ?? {}, watch)
    log.ending = endingOfResult(result)
    return replyResult(result)
  } catch (thrown) {
    const error = callFailure(entry, thrown)
    log.ending = awaited.signal.aborted ? plainEndings.cancelled : endingOfThrown(thrown, error)
    if (awaited.signal.aborted && !request.signal.aborted) throw revokedError()
    // The server's own error answer (no such tool, bad arguments) is a tool error to this caller.
    if (error.code === 'UPSTREAM_ERROR') return replyToolError(error.details)
    throw error
  } finally {
    awaited.end()
  }
}

/** What is shown of the name of a tool. */
const nameCharsMax = 128

function endingOfResult(result: { readonly isError?: unknown }): CallEnding {
  return result.isError === true ? plainEndings.toolError : plainEndings.ok
}

/** The server's own error answer has its code; everything else is of the catalogue. */
function endingOfThrown(thrown: unknown, error: GatewayError): CallEnding {
  const { upstreamRpcCode } = thrown as { readonly upstreamRpcCode?: unknown }
  return typeof upstreamRpcCode === 'number'
    ? { outcome: 'rpc_error', rpcCode: upstreamRpcCode }
    : endingOfError(error)
}

/** What a call was refused with, without what it says of a secret; what is no refusal is thrown on. */
function callFailure(entry: ServerEntry, thrown: unknown): GatewayError {
  if (!(thrown instanceof GatewayError)) throw thrown
  return maskError(maskOf(entry), thrown)
}

function takesEvents(request: Request): boolean {
  return /\btext\/event-stream\b/i.test(request.headers.get('accept') ?? '')
}

/** One `progress` event for each step, and a last one: `result` with what the tool returned, or `error`. */
function streamCall(parts: AdminParts, request: Request, entry: ServerEntry, call: ToolCall): Response {
  const context = contextOf(request)
  const left = new AbortController()
  context.log.pending = true
  const stream = parts.streams.open(request, () => left.abort())
  const tell = (event: string, json: string) => {
    // Line breaks of JSON stand between its tokens only, and an event has one line.
    stream.write(eventFrame(json.replaceAll(/[\r\n]+/g, ' '), null, event))
  }
  const watch = { progress: (text: string) => tell('progress', text), signal: left.signal }
  const finish = async (): Promise<void> => {
    try {
      const { text, result } = await entry.callTool(call.toolName, call.arguments ?? {}, watch)
      tell('result', text)
      recordEnding(parts.recorder, context, endingOfResult(result))
    } catch (thrown) {
      const { requestId } = context
      if (!(thrown instanceof GatewayError))
        parts.log.error({ requestId, reason: reasonOf(thrown) }, 'admin request failed')
      const error = shownError(thrown, requestId)
      const { title, details, code } = maskError(maskOf(entry), error)
      tell('error', JSON.stringify({ error: title, details, code }))
      const ending = left.signal.aborted ? plainEndings.cancelled : endingOfThrown(thrown, error)
      recordEnding(parts.recorder, context, ending)
    }
    stream.close()
  }
  void finish()
  return stream.response
}

/** The first content in the shape that existing clients read; see the contract's list. */
function replyResult(result: { readonly content?: unknown; readonly isError?: unknown }): Response {
  const content: readonly unknown[] | null = Array.isArray(result.content) ? result.content : null
  if (result.isError === true) return replyToolError(textsOf(content ?? []).join('\n'))
  const first = content?.[0]
  const [text] = textsOf([first])
  if (text !== undefined) {
    // Spliced, not parsed and written anew: integers beyond 2^53 would come out changed.
    return isJsonObject(text) ? replyRpcText(`{"result":${text}}`) : answer('callTool', 200, { result: text })
  }
  const { type, data, mimeType }: JsonObject = isObject(first) ? first : {}
  if (type === 'image') return answer('callTool', 200, { result: { type, data, mimeType } })
  return answer('callTool', 200, { result: content ?? result })
}

function replyToolError(text: string): Response {
  const error = text === '' ? 'The tool failed without saying why.' : text
  return answer('callTool', 200, { result: null, error })
}

function textsOf(content: readonly unknown[]): string[] {
  return content.flatMap((item) => {
    if (!isObject(item)) return []
    const { type, text } = item
    return type === 'text' && typeof text === 'string' ? [text] : []
  })
}

function isJsonObject(text: string): boolean {
  return text.trimStart().startsWith('{') && jsonIn(text) !== undefined
}
