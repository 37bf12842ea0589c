/**
 * Every failure that the gateway can report, in one catalogue.
 *
 * A row says how one failure looks on each wire: the HTTP status, the JSON-RPC code on MCP
 * endpoints, and whether the same request may succeed later. Only
 * `http/reply.ts` turns a row into a response. `test/errors.test.ts` pins the rows as literals.
 */
import { rpcError } from './protocol/jsonrpc.ts'

interface CatalogueRow {
  readonly status: number
  readonly rpcCode: number
  readonly retryable: boolean
  readonly title: string
}

/**
 * Codes of the gateway's own are -31000 minus the HTTP status: the range from -32000 to -32019 is closed to new
 * ones, -32002 means "resource not found" to clients before 2026-07-28 and must not be sent to later ones, and
 * the rest down to -32099 belongs to the specification (2026-07-28, basic/index, Error Codes). -32001 is what
 * SDKs say for a session that is unknown.
 */
export const catalogue = {
  PARSE_ERROR: row(400, -32700, false, 'Parse error'),
  INVALID_REQUEST: row(400, -32600, false, 'Invalid request'),
  BATCH_UNSUPPORTED: row(400, -32600, false, 'Batches are not accepted'),
  INVALID_PARAMS: row(400, -32602, false, 'Invalid params'),
  /** Of a stateless request whose envelope is right: 400 is for the envelope (2026-07-28, basic/index, `_meta`). */
  PARAMS_REFUSED: row(200, -32602, false, 'Invalid params'),
  HEADER_MISMATCH: row(400, -32020, false, 'Header mismatch'),
  UNSUPPORTED_VERSION: row(400, -32022, false, 'Unsupported protocol version'),
  UNSUPPORTED_MEDIA_TYPE: row(415, -32600, false, 'Unsupported content type'),
  NOT_ACCEPTABLE: row(406, -32600, false, 'Not acceptable'),
  SESSION_MISSING: row(400, -32600, false, 'Session id required'),
  SESSION_UNKNOWN: row(404, -32001, false, 'Session not found'),
  SERVER_UNKNOWN: row(404, -31404, false, 'Server not found'),
  SERVER_STARTING: row(503, -31503, true, 'Server is starting'),
  SERVER_UNAVAILABLE: row(503, -31503, true, 'Server is not available'),
  SERVER_DISABLED: row(503, -31503, true, 'Server is disabled'),
  UPSTREAM_CLOSED: row(502, -31502, true, 'Server connection closed'),
  UPSTREAM_TIMEOUT: row(504, -31504, true, 'Server did not answer in time'),
  UPSTREAM_ERROR: row(502, -31502, true, 'Server gave an invalid answer'),
  UPSTREAM_UNAUTHORIZED: row(502, -31502, false, 'Server refused the gateway credentials'),
  RESULT_TOO_LARGE: row(502, -31502, false, 'Result too large'),
  NO_CAPABLE_CLIENT: row(400, -32603, false, 'No client can answer this request'),
  PAYLOAD_TOO_LARGE: row(413, -32600, false, 'Request body too large'),
  RATE_LIMITED: row(429, -31429, true, 'Too many requests'),
  SESSIONS_EXHAUSTED: row(429, -31429, true, 'Too many sessions'),
  PROCESSES_EXHAUSTED: row(503, -31503, true, 'Too many child processes'),
  IN_FLIGHT_EXHAUSTED: row(429, -31429, true, 'Too many requests in flight'),
  BYTES_EXHAUSTED: row(429, -31429, true, 'Too many bytes held'),
  UNAUTHENTICATED: row(401, -32600, false, 'Authentication required'),
  CREDENTIAL_MISSING: row(403, -31403, false, 'Credential missing'),
  CREDENTIALS_EXHAUSTED: row(409, -32600, false, 'Too many credentials'),
  SECRETS_LOCKED: row(503, -31503, false, 'Stored credentials cannot be opened'),
  INSUFFICIENT_SCOPE: row(403, -32600, false, 'Insufficient scope'),
  SIGN_IN_FAILED: row(400, -32600, false, 'Sign-in failed'),
  ISSUER_UNAVAILABLE: row(503, -31503, true, 'Authorization server cannot be asked'),
  ADMIN_FORBIDDEN: row(403, -32600, false, 'Admin access denied'),
  ADDRESS_FORBIDDEN: row(403, -32600, false, 'Address not allowed'),
  HOST_FORBIDDEN: row(421, -32600, false, 'Host not allowed'),
  ORIGIN_FORBIDDEN: row(403, -32600, false, 'Origin not allowed'),
  NOT_FOUND: row(404, -31404, false, 'Not found'),
  METHOD_NOT_FOUND: row(404, -32601, false, 'Method not found'),
  METHOD_NOT_ALLOWED: row(405, -32600, false, 'Method not allowed'),
  BAD_REQUEST: row(400, -32600, false, 'Bad request'),
  DEFINITION_INVALID: row(400, -32602, false, 'Invalid server definition'),
  DEFINITION_EXISTS: row(409, -32600, false, 'Server already exists'),
  DEFINITION_READ_ONLY: row(409, -32600, false, 'Server is defined in the configuration file'),
  KEY_INVALID: row(400, -32602, false, 'Invalid key'),
  KEY_UNKNOWN: row(404, -31404, false, 'Key not found'),
  KEY_EXISTS: row(409, -32600, false, 'Key already exists'),
  KEY_READ_ONLY: row(409, -32600, false, 'Key is defined in the configuration file'),
  KEYS_EXHAUSTED: row(409, -32600, false, 'Too many keys'),
  APPROVAL_STALE: row(409, -32600, false, 'Approval is out of date'),
  CONFIGURATION_INVALID: row(422, -31422, false, 'Configuration cannot be taken'),
  STORE_UNAVAILABLE: row(503, -31503, true, 'Definitions cannot be stored'),
  STORAGE_FULL: row(507, -31507, false, 'Disk is full'),
  COMMAND_NOT_FOUND: row(422, -32602, false, 'Command not found'),
  COMMAND_FORBIDDEN: row(403, -32600, false, 'Command not allowed'),
  URL_FORBIDDEN: row(422, -32602, false, 'URL not allowed'),
  DRAINING: row(503, -31503, true, 'Gateway is shutting down'),
  INTERNAL: row(500, -32603, false, 'Internal error'),
} as const satisfies Record<string, CatalogueRow>

/** The stable name of a failure, sent as `code` in the plain HTTP error form. */
export type ErrorCode = keyof typeof catalogue

/** Failures that are no refusal: something that should have worked did not. */
const broken: ReadonlySet<ErrorCode> = new Set([
  'SERVER_STARTING',
  'SERVER_UNAVAILABLE',
  'UPSTREAM_CLOSED',
  'UPSTREAM_TIMEOUT',
  'UPSTREAM_ERROR',
  'UPSTREAM_UNAUTHORIZED',
  'RESULT_TOO_LARGE',
  'STORE_UNAVAILABLE',
  'SECRETS_LOCKED',
  'COMMAND_NOT_FOUND',
  'INTERNAL',
])

/** Whether a request that got this error was refused, or has failed. */
export function outcomeOfCode(code: ErrorCode): 'refused' | 'failed' {
  return broken.has(code) ? 'failed' : 'refused'
}

/** True for the name of a row of the catalogue. */
export function isErrorCode(text: string): text is ErrorCode {
  return Object.hasOwn(catalogue, text)
}

function row(status: number, rpcCode: number, retryable: boolean, title: string): CatalogueRow {
  return { status, rpcCode, retryable, title }
}

/** A failure with its catalogue row and one sentence that says what to do about it. */
export class GatewayError extends Error {
  override readonly name = 'GatewayError'

  constructor(
    readonly code: ErrorCode,
    /** What happened and what to do. Shown to clients: never a secret, a token or a stack. */
    readonly details: string,
    /** Seconds until the same may succeed; meaningful for 429 and 503. */
    readonly retryAfterSeconds?: number,
    /** Members of the JSON-RPC error's `data` that the specification asks for. */
    readonly data?: Readonly<Record<string, unknown>>,
  ) {
    super(details)
  }

  get status(): number {
    return catalogue[this.code].status
  }

  get rpcCode(): number {
    return catalogue[this.code].rpcCode
  }

  get title(): string {
    return catalogue[this.code].title
  }

  get retryable(): boolean {
    return catalogue[this.code].retryable
  }

  /** When to come back, for `Retry-After` and for `data.retryAfterMs`: a 503 always says it. */
  get comeBackInSeconds(): number | undefined {
    return this.retryAfterSeconds ?? (this.retryable && this.status === 503 ? 1 : undefined)
  }
}

/** The refusal of a request whose client can find out from `challenge`, a `WWW-Authenticate`, how to come in. */
export class ChallengeError extends GatewayError {
  constructor(
    code: 'UNAUTHENTICATED' | 'INSUFFICIENT_SCOPE',
    details: string,
    readonly challenge: string,
  ) {
    super(code, details)
  }
}

/** A failure as a JSON-RPC error response; for `idText` see `rpcError`. */
export function rpcErrorText(error: GatewayError, idText: string | null | undefined): string {
  return rpcError(idText, rpcErrorObject(error))
}

/**
 * The `error` member of such a response, as JSON text. Its `data` tells what the HTTP status and `Retry-After` would
 * tell, which an answer with status 200, or one on a stream, does not have.
 */
export function rpcErrorObject(error: GatewayError): string {
  const message = JSON.stringify(`${error.title}: ${error.details}`)
  const seconds = error.comeBackInSeconds
  const retryAfterMs = seconds === undefined ? undefined : Math.ceil(seconds * 1000)
  const data = JSON.stringify({ ...error.data, code: error.code, retryAfterMs })
  return `{"code":${error.rpcCode},"message":${message},"data":${data}}`
}

/** The refusal of a gateway on its way out; with the catalogue's `Retry-After`, another may have taken its place. */
export function drainingError(): GatewayError {
  return new GatewayError('DRAINING', 'The gateway is shutting down; try again when it has started anew.')
}

/** The same failure for a call that was sent on: nobody who asks again should think that it has not run. */
export function sentOnError(error: GatewayError): GatewayError {
  if (error.code !== 'DRAINING') return error
  const details =
    'The gateway is shutting down and could not wait for the answer. The call was sent to its server and may have run; look before you send it again.'
  return new GatewayError('DRAINING', details)
}

/** What is said of a server that is not there, also to those for whom it is not. */
export function serverUnknownError(name: string): GatewayError {
  const shown = JSON.stringify(name.slice(0, 64))
  return new GatewayError(
    'SERVER_UNKNOWN',
    `There is no server named ${shown}; GET /admin/mcps lists those there are.`,
  )
}

/** Seconds after which a client may have read or ended enough. */
const bytesRetrySeconds = 5

/** The refusal of whoever was let in, and has lost while they waited what had let them in. */
export function revokedError(): GatewayError {
  return new GatewayError('UNAUTHENTICATED', 'The token or key counts no more.')
}

/** The refusal of what finds no room among the bytes that are held for clients (runtime/byte-ledger.ts). */
export function noRoomError(): GatewayError {
  return new GatewayError(
    'BYTES_EXHAUSTED',
    'The gateway holds too much for its clients: answers that are not read, sessions, subscriptions, calls that wait. Read or end some (limits.held_bytes_per_client_max, limits.held_bytes_max).',
    bytesRetrySeconds,
  )
}

/** The failure of a call whose answer is over a bound, by the name of its setting. */
export function resultTooLargeError(
  bytesMax: number,
  setting: 'limits.result_bytes_max' | 'limits.line_bytes_max',
): GatewayError {
  return new GatewayError(
    'RESULT_TOO_LARGE',
    `The server answered with more than ${bytesMax} bytes (${setting}). Ask for less, or for a part of it.`,
  )
}

/** A fault of the gateway itself. What it was stands in the log only, under the id of the request. */
export function internalError(requestId?: string): GatewayError {
  const where = requestId === undefined ? '' : ` under ${requestId}`
  return new GatewayError(
    'INTERNAL',
    `The gateway failed to answer this request; its log has the reason${where}.`,
  )
}

/** What is told of anything thrown: itself where it is of the catalogue, else nothing but that it is a fault. */
export function shownError(thrown: unknown, requestId?: string): GatewayError {
  return thrown instanceof GatewayError ? thrown : internalError(requestId)
}

/** Anything thrown as an error of the catalogue. */
export function gatewayErrorOf(thrown: unknown): GatewayError {
  return thrown instanceof GatewayError ? thrown : new GatewayError('INTERNAL', reasonOf(thrown))
}

/** The message of anything thrown, without a stack. */
export function reasonOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown)
}

/** A wait as details tell it: in milliseconds below a second, above it in whole seconds or minutes. */
export function spokenDuration(ms: number): string {
  const seconds = Math.round(ms / 1_000)
  if (ms < 950) return `${Math.round(ms)} ms`
  return seconds < 120 ? `${seconds} s` : `${Math.round(seconds / 60)} min`
}

/** The `code` of a system error, or undefined. */
export function errorCode(thrown: unknown): string | undefined {
  const code = (thrown as { code?: unknown } | null | undefined)?.code
  return typeof code === 'string' ? code : undefined
}

const systemReasons: Readonly<Record<string, string>> = {
  EACCES: 'permission denied',
  EBADF: 'it is closed',
  EDQUOT: 'the quota is used up',
  EIO: 'input/output error',
  EISDIR: 'it is a folder',
  EMFILE: 'too many files are open',
  ENOENT: 'no such file or folder',
  ENOSPC: 'no space left on the device',
  ENOTDIR: 'a part of the path is no folder',
  EPERM: 'not permitted',
  EROFS: 'the file system is read-only',
}

/** Why the system has refused something with a file, in words for a person. */
export function systemReason(thrown: unknown): string {
  return systemReasons[errorCode(thrown) ?? ''] ?? reasonOf(thrown)
}

/** A command line that cannot be understood. One line for a person; the process exits with 2. */
export class UsageError extends Error {
  override readonly name = 'UsageError'
  readonly exitCode = 2
}

/**
 * A command that was understood and could not be carried out. One line; the process exits with 1, or with a code by
 * which scripts tell apart what went wrong: 3 when a tool answered an error, 4 when the gateway cannot be reached
 * or lets nobody in.
 */
export class CommandError extends Error {
  override readonly name = 'CommandError'

  constructor(
    message: string,
    readonly exitCode: 1 | 3 | 4 = 1,
  ) {
    super(message)
  }
}

/**
 * A configuration that cannot be used. Each fault is one line for a person at a terminal: it names
 * where the value came from, what is wrong and what to write instead. Never a secret, never a stack.
 */
export class ConfigError extends Error {
  override readonly name = 'ConfigError'
  /** All that was found, one line each. */
  readonly faults: readonly string[]

  constructor(
    faults: string | readonly string[],
    /** What the process exits with: 2 for a flag, 1 for everything that stands outside the command line. */
    readonly exitCode: 1 | 2 = 1,
  ) {
    const lines = typeof faults === 'string' ? [faults] : faults
    super(lines.join('; '))
    this.faults = lines
  }
}
