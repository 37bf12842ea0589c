/**
 * What has a line in the audit, and what stands in it (docs/AUDIT.md). Names and outcomes, never what a request says or
 * what came of it. Whatever somebody outside has chosen is cut, and cannot move a cursor.
 */
import type { NamedItem } from '../access/items.ts'
import type { Principal } from '../access/principal.ts'
import { type ClientAddress, countingKey } from '../net/address.ts'
import { parseTraceparent } from '../protocol/traces/trace-context.ts'
import type { CallEntry } from '../telemetry/access-line.ts'
import { isoFormatter } from '../telemetry/pino.ts'
import { printableJson } from '../telemetry/printable.ts'
import type { AuditTarget } from './audit-target.ts'
import type { PolicyRevision } from './policy-revision.ts'
import { Refusals, type UntoldRefusals } from './refusals.ts'

/** What the audit reads of a request; `RequestContext` of the HTTP room has all of it. */
export interface AuditedRequest {
  readonly area: string
  readonly path: string
  readonly client: ClientAddress | null
  readonly principal: Principal
  readonly request: { readonly method: string; readonly headers: { get(name: string): string | null } }
  readonly log: {
    /** What is no tool; that stands in the entry. */
    readonly item?: NamedItem
    readonly traceparent?: string
    readonly reason?: string
    readonly signedIn?: Principal
    readonly target?: string
    readonly changed?: string
  }
}

/** Requests of a session's own: they use nothing of a server. Every other method is a call, known or not. */
const housekeeping: ReadonlySet<string> = new Set([
  'initialize',
  'ping',
  'server/discover',
  'logging/setLevel',
])

/** Codes of those who were not let in, or not here. */
const doorCodes: ReadonlySet<string> = new Set([
  'UNAUTHENTICATED',
  'INSUFFICIENT_SCOPE',
  'SIGN_IN_FAILED',
  'ISSUER_UNAVAILABLE',
  'ADMIN_FORBIDDEN',
  'ADDRESS_FORBIDDEN',
  'HOST_FORBIDDEN',
  'ORIGIN_FORBIDDEN',
  'RATE_LIMITED',
])

/** A call made over the admin API; all else that is not read there is a change. */
const adminCallPath = '/admin/tools/call'
/** Where admins speak MCP: what has no method there opens or ends a session, or answers a question. */
const adminStreamPath = /^\/admin\/mcps\/[^/]+\/stream\/?$/
/** By a program, and by the form of the page, which changes nothing else without a target. */
const signOutPath = /^(?:DELETE \/(?:me|console)\/session|POST \/me\/forms)\/?$/
const textMax = 256

export class AuditTrail {
  readonly #target: AuditTarget
  readonly #policy: PolicyRevision
  readonly #refusals = new Refusals()
  readonly #isoTime = isoFormatter()
  #begun = false
  /** Who called last: a busy client calls again and again. */
  #principal: Principal | null = null
  #client: string | undefined
  #address: string | null = null
  #who = ''
  /** What was called last. */
  #call: CallEntry | null = null
  #what = ''

  constructor(target: AuditTarget, policy: PolicyRevision) {
    this.#target = target
    this.#policy = policy
  }

  /** A request was answered; one whose call goes on has no outcome yet. */
  answered(request: AuditedRequest, entry: CallEntry & { readonly method: string }): void {
    const { area, log } = request
    if (entry.rpcMethod !== undefined) {
      if (entry.outcome !== undefined) this.ended(request, entry)
      return
    }
    const { code } = entry
    // Whoever is refused before anybody has looked who it is must not have a line each time.
    const atDoor = log.reason !== undefined || doorCodes.has(code ?? '')
    if (code !== undefined && (atDoor || (code === 'SERVER_UNKNOWN' && area === 'mcp')))
      this.#refused(request, entry, code)
    else if (log.signedIn !== undefined) this.#signedIn(entry, log.signedIn)
    else if ((area === 'me' || area === 'callback') && log.target !== undefined)
      this.#credentialChanged(request, entry)
    else if (
      (area === 'me' || area === 'console') &&
      code === undefined &&
      signOutPath.test(`${entry.method} ${request.path}`)
    )
      this.#write('sign-out', this.#factsOf(request, entry))
    else if (area === 'admin' && entry.method !== 'GET' && entry.method !== 'HEAD') {
      if (!adminStreamPath.test(request.path)) this.#adminDid(request, entry)
    }
  }

  /** A call has come to its end. */
  ended(request: AuditedRequest, entry: CallEntry): void {
    const { rpcMethod } = entry
    if (rpcMethod === undefined || housekeeping.has(rpcMethod) || rpcMethod.startsWith('notifications/'))
      return
    const { log } = request
    const item = log.item
    const named = item === undefined ? '' : field(item.kind, nameOf(item))
    const facts = `${this.#whoOf(request, entry)}${this.#whatOf(entry)}${named}${outcomeOf(entry)}`
    this.#write(
      'call',
      facts + this.#endOf(entry, log.traceparent ?? request.request.headers.get('traceparent')),
    )
  }

  /** The configuration was read again, and nobody asked for it over the API. */
  reloaded(cause: string, taken: boolean): void {
    this.#write(
      'admin',
      `,"action":"reload"${field('cause', cause)},"outcome":"${taken ? 'ok' : 'refused'}"${this.#revision()}`,
    )
  }

  /** No line comes after. */
  stopped(): void {
    this.#tell(this.#refusals.end())
    this.#write('stop', this.#revision())
  }

  /** Time's passing. */
  sweep(nowMs: number): void {
    this.#begin()
    this.#tell(this.#refusals.sweep(nowMs))
  }

  #refused(request: AuditedRequest, entry: CallEntry & { readonly method: string }, code: string): void {
    const { client, path, log } = request
    const address = client === null ? '' : countingKey(client)
    if (!this.#refusals.note(address, code, performance.now())) return
    const why = field('reason', log.reason)
    const facts = `${this.#whoOf(request, entry)}${field('action', `${entry.method} ${path}`)}`
    this.#write('refused', `${facts}${field('code', code)}${why}${this.#endOf(entry, null)}`)
  }

  #signedIn(entry: CallEntry, principal: Principal): void {
    const who = `${whoOf(principal)}${addressOf(entry)}`
    this.#write('sign-in', `${who}${field('role', principal.role)}${this.#endOf(entry, null)}`)
  }

  /** Somebody has stored, or removed, what servers take of them, or has logged in at one in a browser. */
  #credentialChanged(request: AuditedRequest, entry: CallEntry & { readonly method: string }): void {
    const { path, log } = request
    const what = field('action', `${entry.method} ${path}`) + field('target', log.target)
    this.#write(
      'credential',
      this.#whoOf(request, entry) + what + outcomeOf(entry) + this.#endOf(entry, null),
    )
  }

  #adminDid(request: AuditedRequest, entry: CallEntry & { readonly method: string }): void {
    const { path, log } = request
    // Of approvals no version tells.
    this.#policy.forget()
    const action =
      path === adminCallPath ? field('method', 'tools/call') : field('action', `${entry.method} ${path}`)
    const changed = field('server', entry.mcp) + field('target', log.target) + field('changed', log.changed)
    const facts = `${this.#whoOf(request, entry)}${action}${changed}`
    const event = path === adminCallPath ? 'call' : 'admin'
    this.#write(event, `${facts}${outcomeOf(entry)}${this.#endOf(entry, null)}`)
  }

  #tell(untold: UntoldRefusals | null): void {
    if (untold !== null) this.#write('refusals', `,"untold":${JSON.stringify(untold)}${this.#revision()}`)
  }

  #factsOf(request: AuditedRequest, entry: CallEntry): string {
    return this.#whoOf(request, entry) + this.#endOf(entry, null)
  }

  #whoOf({ principal }: AuditedRequest, entry: CallEntry): string {
    const { client, clientIp } = entry
    if (principal !== this.#principal || client !== this.#client || clientIp !== this.#address) {
      this.#principal = principal
      this.#client = client
      this.#address = clientIp
      this.#who = `${whoOf(principal)}${field('client', client)}${addressOf(entry)}`
    }
    return this.#who
  }

  #whatOf(entry: CallEntry): string {
    const last = this.#call
    const { mcp, group, rpcMethod, tool } = entry
    if (last?.mcp !== mcp || last?.tool !== tool || last?.rpcMethod !== rpcMethod || last?.group !== group)
      this.#what = `${plainField('server', mcp)}${plainField('group', group)}${field('method', rpcMethod)}${field('tool', tool)}`
    this.#call = entry
    return this.#what
  }

  /** `traceparent` is what came with the request, where the gateway sends no spans of its own. */
  #endOf({ durationMs, requestId, traceId }: CallEntry, traceparent: string | null): string {
    const ms = Math.round(durationMs * 1000) / 1000
    const trace = traceId ?? (traceparent === null ? undefined : parseTraceparent(traceparent)?.traceId)
    return `,"durationMs":${ms}${this.#revision()},"requestId":"${requestId}"${plainField('traceId', trace)}`
  }

  #revision(): string {
    return `,"policy":"${this.#policy.text}"`
  }

  /** The first line, written once it is known what there is. */
  #begin(): void {
    if (this.#begun) return
    this.#begun = true
    this.#write('start', this.#revision())
  }

  #write(event: string, members: string): void {
    if (!this.#begun) this.#begin()
    this.#target.write(`"time":"${this.#isoTime(Date.now())}","event":"${event}"${members}`)
  }
}

function whoOf({ shown, name }: Principal): string {
  return `${plainField('principal', shown)}${field('name', name)}`
}

function addressOf({ clientIp }: CallEntry): string {
  return clientIp === null ? '' : plainField('address', clientIp)
}

function outcomeOf({ outcome, code, rpcCode }: CallEntry): string {
  const said = outcome === undefined ? '' : `,"outcome":"${outcome}"`
  const answered = rpcCode === undefined ? '' : `,"rpcCode":${rpcCode}`
  return code === undefined ? said + answered : `${said},"code":"${code}"${answered}`
}

/** What stands behind `?` and `#` of a URI may be content, and what stands before `@` a secret. */
function nameOf({ kind, name }: NamedItem): string {
  if (kind === 'prompt' || kind === 'tool') return name
  return name.replace(/[?#].*$/s, '').replace(/^([a-z][a-z\d+.:-]*:\/\/)[^/@]*@/i, '$1')
}

/** Of a text that has nothing to be escaped, whoever made it: names of servers, addresses, principals. */
function plainField(name: string, text: string | undefined): string {
  return text === undefined ? '' : `,"${name}":"${text}"`
}

const plain = /^[\w./:@ +-]*$/

function field(name: string, text: string | undefined): string {
  if (text === undefined) return ''
  if (text.length <= textMax && plain.test(text)) return `,"${name}":"${text}"`
  const cut = text.length > textMax ? `${text.slice(0, textMax)}…` : text
  return `,"${name}":${printableJson(JSON.stringify(cut))}`
}
