/** The admin API of a running gateway, as the commands under `compozy servers` use it. */
import type { ArgsDef } from 'citty'
import type { FlagTexts } from '../../config/load.ts'
import { settings } from '../../config/schema.ts'
import { CommandError, UsageError } from '../../errors.ts'
import type { ErrorAnswer } from '../../http/api/answers.ts'
import { objectIn } from '../../protocol/json.ts'
import { printableJson } from '../../telemetry/printable.ts'
import { serverHint } from '../arguments.ts'
import { findingFlags, urlFlag } from '../config-flags.ts'
import { addressOf, gatewayUrl, readSettings } from '../configuration.ts'
import { directWhenLocal, unreachableReason } from '../gateway-fetch.ts'
import { readEvents, type StreamEvent } from './event-stream.ts'
import { type Received, received } from './received.ts'
import { SilenceWatch } from './silence-watch.ts'

/** Longer than the gateway's own bounds for what a command asks, calls apart. */
const answerMsMax = 120_000

/** Errors that say that this caller is let in nowhere, or that nobody is served. */
const refusals: ReadonlySet<unknown> = new Set([
  'UNAUTHENTICATED',
  'ADMIN_FORBIDDEN',
  'ADDRESS_FORBIDDEN',
  'HOST_FORBIDDEN',
  'ORIGIN_FORBIDDEN',
  'DRAINING',
])

/** Where a flag would show it to everybody who may list processes. */
export const tokenVariable = 'COMPOZY_ADMIN_TOKEN'

export const adminFlags: ArgsDef = {
  url: urlFlag,
  token: {
    type: 'string',
    valueHint: 'token',
    description: `Admin token, or a key of the admin API.\nenv ${tokenVariable}, default the first admin token of the configuration`,
  },
  json: { type: 'boolean', description: 'Prints JSON, for programs.' },
  ...findingFlags,
}

/** The place of a server's name on the command line; completion knows it by its hint, and the parser checks it. */
export const serverArgument = {
  type: 'positional',
  valueHint: serverHint,
  description: 'Name of the server.',
} as const satisfies ArgsDef[string]

export interface AdminApi {
  /** Where it is asked, without a slash at the end. */
  readonly base: string
  /** Where clients reach the gateway: its `base_url` where one is configured. */
  readonly clientBase: string
  /** The JSON of a successful answer, an empty map for one without body. Throws a CommandError. */
  request<Answer>(method: string, path: string, body?: unknown): Promise<Received<Answer>>
  /** The events of an answer that is a stream, until it ends. Throws a CommandError. */
  events(method: string, path: string, options: EventOptions): AsyncGenerator<StreamEvent>
}

export interface EventOptions {
  readonly body?: unknown
  readonly signal?: AbortSignal
}

/** Finds the gateway through `--url` and `--token` or its variable, or through the configuration. */
export async function adminApi(flags: FlagTexts): Promise<AdminApi> {
  const token = flags['token']?.at(-1) ?? (process.env[tokenVariable] || undefined)
  const named = flags['url'] !== undefined
  const found =
    named && token !== undefined
      ? { address: null, baseUrl: null, token }
      : await readSettings(flags, (value) => ({
          address: named ? null : addressOf(value),
          baseUrl: named ? null : value(settings.baseUrl),
          token: token ?? value(settings.auth.adminTokens)[0],
        }))
  const base = await gatewayUrl(flags, found.address)
  const door: Door = { base, token: found.token, root: '/admin' }
  return {
    base,
    clientBase: found.baseUrl ?? base,
    request: (method, path, body) => request(door, { method, path, body }),
    events: (method, path, options) => events(door, { method, path, ...options }),
  }
}

/** As whom a user's own commands come. */
export const userTokenVariable = 'COMPOZY_TOKEN'

/** The API of whoever uses servers, below `/me`, with a key or token of their own; nothing in a configuration is one. */
export async function userApi(flags: FlagTexts): Promise<Pick<AdminApi, 'request'>> {
  const token = flags['token']?.at(-1) ?? (process.env[userTokenVariable] || undefined)
  if (token === undefined)
    throw new UsageError(
      `say who you are: your own key in ${userTokenVariable}, or --token; an admin stores for somebody else with --owner`,
    )
  const address = flags['url'] === undefined ? await readSettings(flags, addressOf) : null
  const door: Door = { base: await gatewayUrl(flags, address), token, root: '/me' }
  return { request: (method, path, body) => request(door, { method, path, body }) }
}

/** The path of a server, for `request`. Throws a UsageError for what would be another path. */
export function serverPath(name: string, action = ''): string {
  if (!/^[A-Za-z0-9]/.test(name)) throw new UsageError(`"${name}" is no name of a server`)
  return `/mcps/${encodeURIComponent(name)}${action}`
}

/** True for `--json`. */
export function wantsJson(flags: FlagTexts): boolean {
  return flags['json']?.at(-1) === 'true'
}

/** JSON for programs, and safe for a terminal all the same. */
export function asJson(value: unknown): string {
  return printableJson(JSON.stringify(value, null, 2))
}

interface Door {
  readonly base: string
  readonly token: string | undefined
  readonly root: '/admin' | '/me'
}

interface Call {
  readonly method: string
  readonly path: string
  readonly body?: unknown
  readonly signal?: AbortSignal
}

async function request(door: Door, call: Call): Promise<Record<string, unknown>> {
  using watch = new SilenceWatch(door.base)
  const signal = AbortSignal.any([watch.signal, AbortSignal.timeout(answerMsMax)])
  const response = await send(door, { ...call, signal }, 'application/json')
  const text = await textOf(response, watch).catch((thrown: unknown) => {
    throw unreachable(door, thrown)
  })
  const answer = objectIn(text)
  const asked = door.root === '/admin' ? call : { ...call, path: `${door.root}${call.path}` }
  if (response.ok && isOfGateway(asked, response.status, answer)) return answer ?? {}
  throw refusal(door, response.status, response.ok ? null : answer)
}

/** What an answer of a gateway has in it, by which it is told from that of another program. */
const signs: readonly (readonly [path: RegExp, member: string])[] = [
  [/^\/mcps$/, 'mcps'],
  [/^\/mcps\/[^/]+\/logs$/, 'lines'],
  [/^\/mcps\/[^/?]+(?:\?|$)/, 'definition'],
  [/^\/tools(?:\?|$)/, 'tools'],
  [/^\/access\?/, 'verdict'],
  [/^\/approvals(?:\?|$)/, 'servers'],
  [/^\/groups$/, 'groups'],
  [/^\/groups\/[^/]+$/, 'members'],
  [/^\/keys$/, 'keys'],
  [/^\/cluster$/, 'cluster'],
  [/^\/credentials(?:\?|$)/, 'credentials'],
  [/^\/me\/credentials$/, 'servers'],
  [/^\/openapi\.json$/, 'openapi'],
]

function isOfGateway(
  { method, path }: Call,
  status: number,
  answer: Record<string, unknown> | null,
): boolean {
  if (method === 'DELETE' || status === 204) return status === 204 && method !== 'GET'
  if (answer === null) return false
  if (method !== 'GET') return typeof answer['message'] === 'string'
  const member = signs.find(([known]) => known.test(path))?.[1]
  return member === undefined || answer[member] !== undefined
}

async function textOf({ body }: Response, watch: SilenceWatch): Promise<string> {
  const chunks: Uint8Array[] = []
  if (body !== null) for await (const chunk of heard(body, watch)) chunks.push(chunk)
  return Buffer.concat(chunks).toString()
}

async function* heard(body: ReadableStream<Uint8Array>, watch: SilenceWatch): AsyncGenerator<Uint8Array> {
  for await (const chunk of body) {
    watch.heard()
    yield chunk
  }
}

async function* events(door: Door, call: Call): AsyncGenerator<StreamEvent> {
  using watch = new SilenceWatch(door.base)
  const signal = AbortSignal.any([watch.signal, ...(call.signal === undefined ? [] : [call.signal])])
  const response = await send(door, { ...call, signal }, 'text/event-stream')
  const { body, status } = response
  if (response.ok && body !== null && response.headers.get('content-type') === 'text/event-stream') {
    try {
      yield* readEvents(heard(body, watch))
    } catch (thrown) {
      if (call.signal?.aborted === true || thrown instanceof CommandError) throw thrown
      if (watch.signal.aborted) throw unreachable(door, watch.signal.reason)
      throw new CommandError(`the gateway at ${door.base} has ended the connection: it has stopped`, 4)
    }
    return
  }
  const text = await textOf(response, watch).catch(() => '')
  throw response.ok
    ? new CommandError(`the gateway at ${door.base} is of a version that does not know this command`)
    : refusal(door, status, objectIn(text))
}

function send(door: Door, { method, path, body, signal }: Call, accept: string): Promise<Response> {
  const { base, token, root } = door
  return fetch(`${base}${root}${path}`, {
    method,
    // A redirect would carry the token somewhere else.
    redirect: 'manual',
    ...(signal && { signal }),
    ...directWhenLocal(base),
    headers: {
      accept,
      ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  }).catch((thrown: unknown) => {
    throw unreachable(door, thrown)
  })
}

function unreachable({ base }: Door, thrown: unknown): CommandError {
  return new CommandError(`no gateway answers at ${base}: ${unreachableReason(thrown)}`, 4)
}

function refusal({ base }: Door, status: number, answer: unknown): CommandError {
  const { error, details, code } = received<ErrorAnswer>(answer)
  const reason = [error, inCommands(details)]
    .filter((part) => typeof part === 'string' && part !== '')
    .join(': ')
  if (reason === '')
    return new CommandError(`${base} is no gateway, or not its base URL: it answered ${status}`, 4)
  const hint = status === 401 ? ' Give one with --token.' : ''
  return new CommandError(`${reason}${hint} (HTTP ${status})`, refusals.has(code) ? 4 : 1)
}

/** A hint of the gateway in the words of this command line. */
function inCommands(details: unknown): unknown {
  if (typeof details !== 'string') return details
  return details
    .replace('GET /admin/mcps lists all of them', '"compozy servers list" lists all of them')
    .replace('GET /admin/groups lists all of them', '"compozy groups list" lists all of them')
    .replace('GET /admin/keys lists all of them', '"compozy keys list" lists all of them')
    .replace(/GET \/admin\/approvals\?name=(\S+)/, '"compozy approvals show $1"')
}
