/**
 * Holds what tests are answered by the admin API, health and metrics to the OpenAPI document: every client
 * of theirs passes its answers through here, so that an answer which the document does not describe fails
 * the test that met it, whatever that test is about.
 */
import Ajv2020 from 'ajv/dist/2020'
import { type OpenApiDocument, openApiDocument } from '../../src/http/api/openapi.ts'
import { createApp } from '../../src/http/app.ts'
import { adminRoutes } from '../../src/http/routes/admin/admin.ts'
import { AdminStreams } from '../../src/http/routes/admin/streams.ts'
import { createMemoryStore } from '../../src/registry/storage/store.ts'
import { ByteLedger } from '../../src/runtime/byte-ledger.ts'
import { Events } from '../../src/telemetry/events.ts'
import { createMetrics } from '../../src/telemetry/metrics.ts'
import type { ServerDirectory } from '../../src/upstream/server/directory.ts'

/** An operation of the document, as far as answers go. */
interface Described {
  readonly responses: Readonly<Record<string, DescribedResponse>>
}

interface DescribedResponse {
  readonly content?: Readonly<Record<string, unknown>>
  readonly 'x-codes'?: readonly string[]
}

/** Errors of paths and methods that the document does not have; the way in may refuse them as well. */
const strayStatuses: ReadonlySet<number> = new Set([400, 401, 403, 404, 405, 413, 421, 429, 503])

/** The document of the sources, for a gateway at `http://gateway.example`. */
export const document = documentOfSources()
const ajv = new Ajv2020({ strict: false, allErrors: true })
ajv.addSchema(closed(document) as object, 'api')

/** `fetch`, with the answer held to the document. */
export async function documentedFetch(url: string, init?: BunFetchRequestInit): Promise<Response> {
  const answer: Response = await fetch(url, init)
  return await asDocumented(init?.method ?? 'GET', url, answer)
}

/**
 * The answer itself, its body unread. Rejects when the document has no such status for the operation, no
 * such error code for the status, or a schema that the body does not fit; a member that the schema does
 * not name is a misfit here. Answers of other paths pass.
 */
export async function asDocumented(method: string, url: string, answer: Response): Promise<Response> {
  const path = new URL(url).pathname.replace(/(.)\/$/, '$1')
  if (!/^\/(?:admin|metrics|healthz|readyz)(?:\/|$)/.test(path) || method === 'OPTIONS') return answer
  // A stream may never end, and the document has words for its events only.
  const streams = answer.headers.get('content-type') === 'text/event-stream'
  const faults = faultsOf(method, path, answer, streams ? '' : await answer.clone().text())
  if (faults.length === 0) return answer
  throw new Error(`${method} ${path} ${answer.status} is not as documented: ${faults.join('; ')}`)
}

function faultsOf(method: string, path: string, { status, headers }: Response, text: string): string[] {
  const [template, operation] = operationOf(method, path)
  if (operation === null) {
    if (!strayStatuses.has(status)) return ['the document has no such operation']
    return method === 'HEAD' ? [] : misfits('#/components/schemas/Error', JSON.parse(text))
  }
  const response = operation.responses[status]
  if (response === undefined) return ['the document has no such status']
  const contentTypes = Object.keys(response.content ?? {})
  const given = headers.get('content-type')
  const contentType = contentTypes.find((described) => described === given)
  if ((contentType ?? null) !== given || (given === null && contentTypes.length > 0)) {
    return [`the content type is ${given}`]
  }
  if (contentType === undefined) return text === '' ? [] : ['there is a body']
  if (method === 'HEAD' || contentType !== 'application/json') return []
  const body = JSON.parse(text) as { readonly code?: string }
  const codes = response['x-codes']
  if (codes !== undefined && !codes.includes(body.code ?? '')) return [`the code is ${body.code}`]
  const place = [
    'paths',
    template,
    method.toLowerCase(),
    'responses',
    status,
    'content',
    contentType,
    'schema',
  ]
  return misfits(`#/${place.map(pointerPart).join('/')}`, body)
}

function operationOf(method: string, path: string): [template: string, operation: Described | null] {
  const [name = '', operations = {}] =
    Object.entries(document.paths).find(([template]) =>
      new RegExp(`^${template.replaceAll('.', '\\.').replace(/\{\w+\}/g, '[^/]+')}$`).test(path),
    ) ?? []
  return [
    name,
    (operations[method === 'HEAD' ? 'get' : method.toLowerCase()] as Described | undefined) ?? null,
  ]
}

/** A part of a JSON pointer in a URI fragment. */
function pointerPart(part: string | number): string {
  return encodeURIComponent(String(part).replaceAll('~', '~0').replaceAll('/', '~1'))
}

function misfits(pointer: string, value: unknown): string[] {
  const validate = ajv.getSchema(`api${pointer}`)
  if (validate === undefined) return [`the document has nothing at ${pointer}`]
  if (validate(value) === true) return []
  return (validate.errors ?? []).map(
    ({ instancePath, message, params }) => `${instancePath || 'body'} ${message} ${JSON.stringify(params)}`,
  )
}

/** The document with every object closed that says nothing about further members. */
function closed(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(closed)
  if (typeof value !== 'object' || value === null) return value
  const copy = Object.fromEntries(Object.entries(value).map(([name, member]) => [name, closed(member)]))
  const open = copy['type'] === 'object' && 'properties' in copy && !('additionalProperties' in copy)
  return open ? { ...copy, additionalProperties: false } : copy
}

/** No server and no socket: the routes alone make the document. */
function documentOfSources(): OpenApiDocument {
  const nothing = () => {
    throw new Error('only the routes of this app are of interest')
  }
  const directory: ServerDirectory = {
    list: nothing,
    get: nothing,
    add: nothing,
    replace: nothing,
    remove: nothing,
    restart: nothing,
    disable: nothing,
    enable: nothing,
    try: nothing,
  }
  const log = { debug: nothing, info: nothing, warn: nothing, error: nothing }
  const config = {
    limits: { bodyBytesMax: 0 },
  } as const
  const app = createApp({
    directory,
    log,
    state: { draining: false },
    identity: () => null,
    me: {
      access: {
        holderOf: nothing,
        asksWho: true,
        admits: nothing,
        asksAdmins: true,
        decider: { keysAsk: false },
      },
      settings: {
        get config() {
          return nothing()
        },
      },
      credentials: { directory, log, confirm: nothing, logins: nothing, userValues: nothing },
      signIn: nothing,
    },
    connect: {
      load: nothing,
      wantsLogin: nothing,
      wantsLogins: nothing,
      signIn: nothing,
      ownerOf: nothing,
      access: { admits: nothing },
    },
    metrics: { snapshot: () => createMetrics().snapshot([], 0) },
    admin: adminRoutes({
      directory,
      store: createMemoryStore(),
      log,
      config,
      gate: nothing,
      recorder: { log: { access: nothing, call: nothing }, metrics: createMetrics(), events: new Events() },
      streams: new AdminStreams(new ByteLedger({ heldBytesMax: 0, heldBytesPerClientMax: 0 }), {
        heartbeatMs: 0,
      }),
      reload: nothing,
    }),
    mcp: { stream: nothing, sse: nothing, message: nothing },
  })
  return openApiDocument(app.routes, 'http://gateway.example')
}
