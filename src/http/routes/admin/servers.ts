/** The registry over HTTP: `/admin/mcps` and `/admin/mcps/{name}` (CONTRACT.md, "Admin API"). */

import type { LoginView } from '../../../credentials/oauth/login-view.ts'
import { GatewayError } from '../../../errors.ts'
import { isObject } from '../../../protocol/json.ts'
import type { ServerDefinition } from '../../../registry/definition.ts'
import { type ParseOptions, parseDefinition } from '../../../registry/definition-schema.ts'
import { definitionToWire, secretValuesOf } from '../../../registry/definition-wire.ts'
import { nestedGroup } from '../../../registry/group/group-rules.ts'
import { mergeMasked } from '../../../registry/merge-masked.ts'
import { sentenceOf } from '../../../registry/problems.ts'
import { resolveSent } from '../../../registry/secrets/resolve.ts'
import { createMask, type Mask, maskJson } from '../../../telemetry/redaction.ts'
import type { ServerEntry, ServerStatus } from '../../../upstream/server/directory.ts'
import type { ServerView } from '../../api/answers.ts'
import { answer } from '../../api/operation.ts'
import { contextOf, requireAdmitted } from '../../context.ts'
import { replyEmpty } from '../../reply.ts'
import { readJson } from './body.ts'
import type { NameOrder } from './name-order.ts'
import type { AdminParts } from './parts.ts'
import { queryDurationMs } from './query.ts'

/** Longest `?wait` for a server to have started or failed. */
const settleMsMax = 60_000

/** The handlers of one gateway. Each resolves with the answer or rejects with a GatewayError. */
export interface ServerHandlers {
  list(): Response
  get(request: Request, name: string): Promise<Response>
  create(request: Request): Promise<Response>
  replace(request: Request, name: string): Promise<Response>
  remove(request: Request, name: string): Promise<Response>
}

export function serverHandlers(parts: AdminParts, order: NameOrder): ServerHandlers {
  return {
    list() {
      const mcps = parts.directory.list().map((entry) => viewOf(parts, entry))
      return answer('listServers', 200, { mcps, count: mcps.length })
    },
    async get(request, name) {
      const waitMs = queryDurationMs(request, 'wait', settleMsMax)
      if (waitMs !== null) await knownEntry(parts, name).untilSettled(waitMs)
      return answer('getServer', 200, viewOf(parts, knownEntry(parts, name)))
    },
    async create(request) {
      const body = await readJson(request, parts.config.limits.bodyBytesMax)
      const definition = definitionOf(parts, body, { now: now(parts) })
      contextOf(request).log.mcp = definition.name
      return await order.run(definition.name, () => create(parts, request, definition), contextOf(request))
    },
    async replace(request, name) {
      const body = await readJson(request, parts.config.limits.bodyBytesMax)
      return await order.run(name, () => replace(parts, request, name, body), contextOf(request))
    },
    remove: (request, name) => order.run(name, () => remove(parts, request, name), contextOf(request)),
  }
}

async function create(parts: AdminParts, request: Request, definition: ServerDefinition): Promise<Response> {
  const { name } = definition
  const existing = parts.directory.get(name)
  if (existing !== undefined) {
    const where = existing.origin === 'file' ? 'defined in the configuration file' : 'registered already'
    throw new GatewayError(
      'DEFINITION_EXISTS',
      `A server named ${name} is ${where}. ${existing.origin === 'file' ? 'Choose another name.' : 'Change it with PUT (compozy servers update), or choose another name.'}`,
    )
  }
  await parts.gate(definition)
  // The gate asks a name server, which may be the caller's own.
  requireAdmitted(contextOf(request))
  // Durable before it is answered: what a client was told 201 is there after a crash.
  // A switch that was set for another server of this name, one of the file, is not meant for this one.
  parts.store.setDisabled(name, null)
  parts.store.put(definition)
  parts.directory.add(definition, 'store')
  audit(parts, request, { action: 'create', name, before: null, after: definition })
  return answer('createServer', 201, {
    message: `The server is registered and connecting in the background.${doorNotes(parts, definition)}`,
    name,
  })
}

async function replace(parts: AdminParts, request: Request, name: string, body: unknown): Promise<Response> {
  const { definition: previous } = writableEntry(parts, name)
  const definition = definitionOf(parts, mergeMasked(withName(body, name), previous), {
    now: now(parts),
    previous,
  })
  if (definition.name !== name) {
    throw new GatewayError(
      'DEFINITION_INVALID',
      `name: is ${definition.name} in the body, but ${name} in the path. A server cannot be renamed; delete it and register it anew.`,
    )
  }
  await parts.gate(definition)
  requireAdmitted(contextOf(request))
  parts.store.put(definition)
  parts.directory.replace(definition)
  audit(parts, request, { action: 'replace', name, before: previous, after: definition })
  return answer('replaceServer', 200, {
    message: `The server is replaced; calls in flight finish on the old one.${doorNotes(parts, definition)}`,
    name,
  })
}

async function remove(parts: AdminParts, request: Request, name: string): Promise<Response> {
  const { definition } = writableEntry(parts, name)
  parts.store.delete(name)
  await parts.directory.remove(name)
  await parts.approvals.removed(name)
  await parts.credentials.removed(name)
  audit(parts, request, { action: 'delete', name, before: definition, after: null })
  return replyEmpty(204)
}

/** The entry of a name, or SERVER_UNKNOWN. A name is never used as a path or a query, only looked up. */
export function knownEntry(parts: Pick<AdminParts, 'directory'>, name: string): ServerEntry {
  const entry = parts.directory.get(name)
  if (entry === undefined) {
    throw new GatewayError('SERVER_UNKNOWN', `No server has this name. GET /admin/mcps lists all of them.`)
  }
  return entry
}

function writableEntry(parts: AdminParts, name: string): ServerEntry {
  const entry = knownEntry(parts, name)
  if (entry.origin === 'file') {
    throw new GatewayError(
      'DEFINITION_READ_ONLY',
      `${name} comes from the configuration file. Change it there and have it read again (POST /admin/reload, HUP).`,
    )
  }
  return entry
}

/** The path names the server, so the body need not repeat it. */
function withName(body: unknown, name: string): unknown {
  if (!isObject(body) || 'name' in body) return body
  return { ...body, name }
}

/** The definition that was sent, checked. Throws DEFINITION_INVALID with what is wrong. */
export function definitionOf(parts: AdminParts, body: unknown, options: ParseOptions): ServerDefinition {
  const parsed = parseDefinition(body, { ...options, written: true })
  if (!parsed.ok) throw new GatewayError('DEFINITION_INVALID', sentenceOf(parsed.problems))
  const others = parts.directory.list().map(({ definition }) => definition)
  const nested = nestedGroup(parsed.definition, others)
  if (nested !== null) throw new GatewayError('DEFINITION_INVALID', sentenceOf([nested]))
  return resolveSent(parsed.definition, parts.config.secretDirs ?? [])
}

/** What a server printed or answered may quote the credentials that it was given; they go no further. */
export function maskOf(entry: ServerEntry): Mask {
  return createMask(secretValuesOf(entry.definition))
}

/** A status without the secrets that the server has put into what it says. */
export function maskedStatus(status: ServerStatus, mask: Mask): ServerStatus {
  const { serverInfo, capabilities, lastError, reason, stderrTail } = status
  const said: unknown = JSON.parse(maskJson(mask, JSON.stringify([serverInfo, capabilities])))
  const [shownInfo, shownCapabilities] = said as [unknown, unknown]
  return {
    ...status,
    serverInfo: shownInfo,
    capabilities: shownCapabilities,
    lastError: lastError === null ? null : mask(lastError),
    reason: reason === null ? null : mask(reason),
    stderrTail: stderrTail.map(mask),
  }
}

/** Told at once to whoever has just closed a door to everybody, or given clients the key to this API; and to the log. */
function doorNotes(parts: AdminParts, definition: ServerDefinition): string {
  const { name } = definition
  const [reason, doubt] = [parts.closedReason(name), parts.doubtAbout(definition)]
  if (reason !== null) parts.log.warn({ mcp: name, reason }, 'nobody can come in at this server')
  if (doubt !== null) parts.log.warn({ mcp: name }, doubt)
  return `${reason === null ? '' : ` Nobody can come in: ${reason}.`}${doubt === null ? '' : ` Warning: ${doubt}.`}`
}

function viewOf(parts: AdminParts, entry: ServerEntry): ServerView {
  const status = maskedStatus(entry.status(), maskOf(entry))
  const login = parts.credentials.logins.view(entry.definition)
  return {
    definition: definitionToWire(entry.definition),
    origin: entry.origin,
    status: {
      ...status,
      ...(login === null ? {} : loginState(entry, login)),
      login,
      reason: status.reason ?? loginReason(login),
      closed: parts.closedReason(entry.definition.name),
    },
  }
}

/** Of a server that is not connected because nobody has logged in, or that lets nobody do anything before. */
function loginState({ disabledAt }: ServerEntry, { account, state }: LoginView): { status?: 'needs_login' } {
  return account === 'shared' && state === 'needs_login' && disabledAt === null
    ? { status: 'needs_login' }
    : {}
}

function loginReason(login: LoginView | null): string | null {
  if (login === null || login.account !== 'shared' || login.url === null) return null
  return login.state === 'needs_login'
    ? `It wants a login: ${login.url}`
    : `Some calls need more than the login allows; log in again: ${login.url}`
}

/** The time of a change, ISO 8601. */
export function now(parts: AdminParts): string {
  return parts.now().toISOString()
}

interface Change {
  readonly action:
    | 'create'
    | 'try'
    | 'replace'
    | 'delete'
    | 'restart'
    | 'enable'
    | 'disable'
    | 'approve'
    | 'revoke'
    | 'login'
    | 'logout'
  readonly name: string
  readonly before: ServerDefinition | null
  readonly after: ServerDefinition | null
  /** Definitions of tools that were decided about. */
  readonly tools?: string
}

/** Their names, with a blank in between; what they hold is told by the log. */
function changedFields(before: ServerDefinition, after: ServerDefinition): string {
  const names = Object.keys(after) as (keyof ServerDefinition)[]
  const dates: readonly string[] = ['createdAt', 'updatedAt']
  return names.filter((name) => !dates.includes(name) && !Bun.deepEquals(before[name], after[name])).join(' ')
}

/** Who changed what, from where. Written for the day somebody asks how a process came to be started. */
export function audit(parts: AdminParts, request: Request, change: Change): void {
  const { principal, client, requestId, log } = contextOf(request)
  const { before, after } = change
  if (before !== null && after !== null) log.changed = changedFields(before, after)
  if (change.tools !== undefined) log.target = change.tools
  parts.log.info(
    {
      caller: principal.shown,
      clientIp: client,
      requestId,
      action: change.action,
      name: change.name,
      before: before && JSON.stringify(definitionToWire(before)),
      after: after && JSON.stringify(definitionToWire(after)),
      ...(change.tools !== undefined && { tools: change.tools }),
    },
    'admin change',
  )
}
