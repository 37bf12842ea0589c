/** The catalogue as clients see it: names, statuses and codes are an outward surface, so they are literals here. */
import { expect, test } from 'bun:test'
import { catalogue, drainingError, internalError } from '../src/errors.ts'

const rows: readonly (readonly [code: string, status: number, rpcCode: number, retryable: boolean])[] = [
  ['PARSE_ERROR', 400, -32700, false],
  ['INVALID_REQUEST', 400, -32600, false],
  ['BATCH_UNSUPPORTED', 400, -32600, false],
  ['INVALID_PARAMS', 400, -32602, false],
  ['PARAMS_REFUSED', 200, -32602, false],
  ['HEADER_MISMATCH', 400, -32020, false],
  ['UNSUPPORTED_VERSION', 400, -32022, false],
  ['UNSUPPORTED_MEDIA_TYPE', 415, -32600, false],
  ['NOT_ACCEPTABLE', 406, -32600, false],
  ['SESSION_MISSING', 400, -32600, false],
  ['SESSION_UNKNOWN', 404, -32001, false],
  ['SERVER_UNKNOWN', 404, -31404, false],
  ['SERVER_STARTING', 503, -31503, true],
  ['SERVER_UNAVAILABLE', 503, -31503, true],
  ['SERVER_DISABLED', 503, -31503, true],
  ['UPSTREAM_CLOSED', 502, -31502, true],
  ['UPSTREAM_TIMEOUT', 504, -31504, true],
  ['UPSTREAM_ERROR', 502, -31502, true],
  ['UPSTREAM_UNAUTHORIZED', 502, -31502, false],
  ['RESULT_TOO_LARGE', 502, -31502, false],
  ['NO_CAPABLE_CLIENT', 400, -32603, false],
  ['PAYLOAD_TOO_LARGE', 413, -32600, false],
  ['RATE_LIMITED', 429, -31429, true],
  ['SESSIONS_EXHAUSTED', 429, -31429, true],
  ['PROCESSES_EXHAUSTED', 503, -31503, true],
  ['IN_FLIGHT_EXHAUSTED', 429, -31429, true],
  ['BYTES_EXHAUSTED', 429, -31429, true],
  ['UNAUTHENTICATED', 401, -32600, false],
  ['CREDENTIAL_MISSING', 403, -31403, false],
  ['CREDENTIALS_EXHAUSTED', 409, -32600, false],
  ['SECRETS_LOCKED', 503, -31503, false],
  ['INSUFFICIENT_SCOPE', 403, -32600, false],
  ['SIGN_IN_FAILED', 400, -32600, false],
  ['ISSUER_UNAVAILABLE', 503, -31503, true],
  ['ADMIN_FORBIDDEN', 403, -32600, false],
  ['ADDRESS_FORBIDDEN', 403, -32600, false],
  ['HOST_FORBIDDEN', 421, -32600, false],
  ['ORIGIN_FORBIDDEN', 403, -32600, false],
  ['NOT_FOUND', 404, -31404, false],
  ['METHOD_NOT_FOUND', 404, -32601, false],
  ['METHOD_NOT_ALLOWED', 405, -32600, false],
  ['BAD_REQUEST', 400, -32600, false],
  ['DEFINITION_INVALID', 400, -32602, false],
  ['DEFINITION_EXISTS', 409, -32600, false],
  ['DEFINITION_READ_ONLY', 409, -32600, false],
  ['KEY_INVALID', 400, -32602, false],
  ['KEY_UNKNOWN', 404, -31404, false],
  ['KEY_EXISTS', 409, -32600, false],
  ['KEY_READ_ONLY', 409, -32600, false],
  ['KEYS_EXHAUSTED', 409, -32600, false],
  ['APPROVAL_STALE', 409, -32600, false],
  ['CONFIGURATION_INVALID', 422, -31422, false],
  ['STORE_UNAVAILABLE', 503, -31503, true],
  ['STORAGE_FULL', 507, -31507, false],
  ['COMMAND_NOT_FOUND', 422, -32602, false],
  ['COMMAND_FORBIDDEN', 403, -32600, false],
  ['URL_FORBIDDEN', 422, -32602, false],
  ['DRAINING', 503, -31503, true],
  ['INTERNAL', 500, -32603, false],
]

test('every row has the status and code that clients know', () => {
  const actual = Object.entries(catalogue).map(([code, { status, rpcCode, retryable }]) => [
    code,
    status,
    rpcCode,
    retryable,
  ])
  expect(actual).toEqual(rows.map((row) => [...row]))
})

test('no row uses a code that the specification keeps for something else', () => {
  const defined = { HEADER_MISMATCH: -32020, UNSUPPORTED_VERSION: -32022 }
  const jsonRpc = [-32700, -32600, -32601, -32602, -32603]
  // -32001 is the custom of SDKs for a session that is unknown, which only the session-based revisions have.
  const allowed = new Set([...Object.values(defined), ...jsonRpc, -32001])
  const wrong = Object.entries(catalogue).filter(
    ([, { rpcCode }]) => rpcCode <= -32000 && rpcCode >= -32768 && !allowed.has(rpcCode),
  )
  expect(wrong).toEqual([])
  expect(Object.entries(catalogue).filter(([, { rpcCode }]) => rpcCode === -32001)).toHaveLength(1)
  for (const [code, rpcCode] of Object.entries(defined))
    expect<unknown>(catalogue[code as keyof typeof defined].rpcCode).toBe(rpcCode)
})

test('a gateway that stops, and one that failed, say so in one wording each', () => {
  expect(drainingError()).toMatchObject({
    code: 'DRAINING',
    details: 'The gateway is shutting down; try again when it has started anew.',
  })
  expect(internalError('a-1')).toMatchObject({
    code: 'INTERNAL',
    details: 'The gateway failed to answer this request; its log has the reason under a-1.',
  })
  expect(internalError().details).toBe('The gateway failed to answer this request; its log has the reason.')
})
