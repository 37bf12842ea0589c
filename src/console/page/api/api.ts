/** Asks the gateway, typed by the schemas that its answers are made from (src/http/api). */
import type { ErrorAnswer } from '../../../http/api/answers.ts'
import type { operations } from '../../../http/api/operations.ts'
import { isObject } from '../../../protocol/json.ts'
import { type Place, pathOf, type RouteId, routes } from './routes.ts'

type Answers<Id extends RouteId> = (typeof operations)[Id]['answers']
type Made<Schema> = Schema extends { readonly static: infer Value } ? Value : undefined
type Of<Id extends RouteId, Status extends number> =
  Answers<Id> extends Readonly<Record<Status, { readonly schema: infer Schema }>> ? Made<Schema> : never
/** What an operation answers when it ends well. */
export type AnswerTo<Id extends RouteId> = Of<Id, 200> | Of<Id, 201> | Of<Id, 204>

export interface Given extends Place {
  readonly body?: unknown
  readonly signal?: AbortSignal
}

/** What the gateway refused, in its own words, which say what to do. */
export class ApiFailure extends Error {
  constructor(
    /** 0 where nothing has answered. */
    readonly status: number,
    readonly code: string,
    readonly title: string,
    readonly details: string,
  ) {
    super(details)
  }
}

/** What stands before all paths of the gateway, and what a page sends beside the cookie. */
export const connection = {
  prefix: document.querySelector<HTMLMetaElement>('meta[name=gateway-prefix]')?.content ?? '',
  csrf: null as string | null,
  /** Told when the gateway knows this browser no more. */
  signedOut: () => {},
  /** Asks who has the page open; true where that is somebody who must send something else. */
  renew: async (): Promise<boolean> => false,
}

/** What each request of the page to the gateway carries beside the cookie, which counts for nothing without it. */
export function csrfHeaders(): Record<string, string> {
  return connection.csrf === null ? {} : { 'x-csrf-token': connection.csrf }
}

/** The URL of the gateway as its clients reach it from where this page is. */
export function gatewayUrl(): string {
  return location.origin + connection.prefix
}

/** Rejects with an ApiFailure, and with an AbortError when `signal` ends it. */
export async function call<Id extends RouteId>(id: Id, given: Given = {}): Promise<AnswerTo<Id>> {
  const response = await send(id, given, 'application/json')
  if (response.status === 204) return undefined as never
  return (await response.json()) as AnswerTo<Id>
}

/** The response of an operation that has ended well. */
export async function send(id: RouteId, given: Given, accept: string): Promise<Response> {
  const response = await ask(id, given, accept)
  if (response.ok) return response
  const signsIn = id === 'signInToConsole'
  const failure = await failureOf(response, signsIn)
  // Another tab has signed in anew, and the cookie of both is another. What was refused did not run.
  const stale = failure.status === 403 && connection.csrf !== null && (await connection.renew())
  const again = stale ? await ask(id, given, accept) : null
  if (again?.ok === true) return again
  throw again === null ? failure : await failureOf(again, signsIn)
}

function ask(id: RouteId, given: Given, accept: string): Promise<Response> {
  const [method] = routes[id]
  const { body, signal } = given
  return fetch(connection.prefix + pathOf(id, given), {
    method,
    credentials: 'same-origin',
    cache: 'no-store',
    redirect: 'error',
    headers: {
      accept,
      ...csrfHeaders(),
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    ...(signal === undefined ? {} : { signal }),
  }).catch((thrown: unknown) => {
    if (signal?.aborted === true) throw thrown
    throw unreachable()
  })
}

/** Nothing has answered. */
export function unreachable(): ApiFailure {
  return new ApiFailure(
    0,
    'UNREACHABLE',
    'The gateway does not answer',
    'The connection failed. See whether the gateway runs and whether this machine reaches it, then try again.',
  )
}

/** What the gateway has refused, or a proxy before it. Whoever was signed in is so no longer where it asks who comes. */
export async function failureOf(response: Response, signsIn = false): Promise<ApiFailure> {
  const { status } = response
  if (status === 401 && !signsIn) connection.signedOut()
  const body: unknown = await response.json().catch(() => null)
  const { error, details, code }: Partial<Record<keyof ErrorAnswer, unknown>> = isObject(body) ? body : {}
  const said = (text: unknown, otherwise: string) => (typeof text === 'string' ? text : otherwise)
  return new ApiFailure(
    status,
    said(code, 'UNKNOWN'),
    said(error, `The gateway answered with ${status}`),
    said(details, 'Its log says more, or that of the proxy before it.'),
  )
}

/** Whatever was thrown, as something to show. */
export function asFailure(thrown: unknown): ApiFailure {
  if (thrown instanceof ApiFailure) return thrown
  const details = thrown instanceof Error ? thrown.message : String(thrown)
  return new ApiFailure(0, 'UNKNOWN', 'Something went wrong in this page', details)
}
