/** Every tool of every server, and calling one without speaking MCP (CONTRACT.md, "Admin API"). */
import { GatewayError, reasonOf } from '../../../errors.ts'
import { isObject, type JsonObject } from '../../../protocol/json.ts'
import type { ServerEntry, ToolDescription } from '../../../upstream/server/directory.ts'
import type { ToolList } from '../../api/answers.ts'
import { answer } from '../../api/operation.ts'
import { toolCall } from '../../api/tool-call-schema.ts'
import { contextOf } from '../../context.ts'
import { replyRpcText } from '../../reply.ts'
import type { AdminParts } from './admin.ts'
import { readTyped } from './body.ts'
import { knownEntry, maskOf } from './servers.ts'

type Listed = Partial<ToolList>

/** One page of everything: a server that does not answer in time is named and left out. */
export async function listTools(parts: AdminParts): Promise<Response> {
  const lists = await Promise.all(parts.directory.list().map((entry) => toolsOf(entry, parts.toolsListMs)))
  return answer('listTools', 200, {
    tools: lists.flatMap(({ tools = [] }) => tools),
    errors: lists.flatMap(({ errors = [] }) => errors),
  })
}

async function toolsOf(entry: ServerEntry, waitMs: number): Promise<Listed> {
  const mcpName = entry.definition.name
  let timer: ReturnType<typeof setTimeout> | undefined
  const tooSlow = new Promise<never>((_resolve, reject) => {
    const details = `The server did not list its tools within ${waitMs} ms.`
    timer = setTimeout(() => reject(new GatewayError('UPSTREAM_TIMEOUT', details)), waitMs)
  })
  try {
    const tools: ToolDescription[] = await Promise.race([entry.listTools(), tooSlow])
    return { tools: tools.map((tool) => ({ ...tool, mcpName })) }
  } catch (error) {
    return { errors: [{ mcpName, error: maskOf(entry)(reasonOf(error)) }] }
  } finally {
    clearTimeout(timer)
  }
}

/** Calls one tool. What the server says about the call is 200, what keeps it from being asked is not. */
export async function callTool(parts: AdminParts, request: Request): Promise<Response> {
  const call = await readTyped(request, toolCall, parts.config.limits.bodyBytesMax)
  const { log } = contextOf(request)
  const entry = knownEntry(parts, call.mcpName)
  log.mcp = call.mcpName
  log.tool = call.toolName
  try {
    return replyResult(await entry.callTool(call.toolName, call.arguments ?? {}))
  } catch (error) {
    if (!(error instanceof GatewayError)) throw error
    const details = maskOf(entry)(error.details)
    // The server's own error answer (no such tool, bad arguments) is a tool error to this caller.
    if (error.code === 'UPSTREAM_ERROR') return replyToolError(details)
    throw new GatewayError(error.code, details, error.retryAfterSeconds)
  }
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
  if (!text.trimStart().startsWith('{')) return false
  try {
    JSON.parse(text)
    return true
  } catch {
    return false
  }
}
