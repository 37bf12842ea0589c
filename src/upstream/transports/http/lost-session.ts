/**
 * What a server says about the session of the gateway: that it does not know it any more, and whether that proves
 * that the request which brought the session id did not run. Only then may the request be sent again.
 *
 * | the server says | the request | the session |
 * | --- | --- | --- |
 * | an error with the id of the request, whatever status and words | is answered | lost when the words say so |
 * | 404 or 410, whatever the words, unless the body is a JSON-RPC message of another kind or cannot be read | did not run | lost |
 * | any other status below 500, in the words of a check of sessions | did not run | lost |
 * | 500 and above in those words, or a 404 that cannot be read | may have run | lost |
 *
 * The specification knows 404 alone (2025-11-25, Session Management), but servers copy examples that answer 400, and
 * without this they would never recover from a restart. Servers check the session before they read the request, and
 * an error that has read it carries its id.
 *
 * Pure. Cases: test/upstream/transports/http/lost-session.test.ts
 */
import { isObject, jsonIn } from '../../../protocol/json.ts'
import { memberSpan } from '../../../protocol/jsonrpc.ts'
import { integerAt } from '../../../protocol/response.ts'

/** What the body of a response says that went wrong. */
export interface SaidError {
  readonly text: string
  /** The code of a JSON-RPC error; null for an error in another form. */
  readonly code: number | null
  readonly message: string
  /** True when it carries the id of the request. */
  readonly own: boolean
  /** True when it names no request: its id is null, or not there. */
  readonly unnamed: boolean
}

/** Longer texts are no error of a check of sessions. */
const checkedCharsMax = 4_096
/** The words of such a check are few. */
const saidCharsMax = 200

/** The error in a body of JSON or plain text; null when there is none. */
export function readSaidError(body: string, requestId: number | null): SaidError | null {
  const text = body.trim()
  const value = jsonIn(text)
  if (value === undefined)
    return text === '' ? null : { text, code: null, message: text, own: false, unnamed: true }
  if (!isObject(value)) return null
  const span = memberSpan(text, 0, 'id')
  const own = span !== null && requestId !== null && integerAt(text, span.start, span.end) === requestId
  const unnamed = value.id === undefined || value.id === null
  const error = isObject(value.error) ? value.error : null
  if (error === null || typeof error['code'] !== 'number') {
    const said = [error?.['message'], value.error, value['message'], value['detail']]
    const message = said.find((word) => typeof word === 'string')
    return message === undefined ? null : { text, code: null, message, own, unnamed }
  }
  const message = typeof error['message'] === 'string' ? error['message'] : ''
  return { text, code: error['code'], message, own, unnamed }
}

/** The same for a body that may be any answer: null, and at no cost, for all that is no error about a session. */
export function readSessionError(body: string, requestId: number): SaidError | null {
  if (body.length > checkedCharsMax || !body.includes('"error"')) return null
  const error = /session|initialized/i.test(body) ? readSaidError(body, requestId) : null
  if (error === null || !saysSessionUnknown(error)) return null
  // A tool may speak of sessions of its own; -32001 and -32002 are what SDKs say of theirs.
  return error.own && error.code !== -32001 && error.code !== -32002 ? null : error
}

/** Codes of SDKs for a session that is unknown, or a message outside one. */
const sessionCodes: ReadonlySet<number | null> = new Set([null, -32000, -32001, -32002, -32600])

const unknown = '(?:no|not|invalid|unknown|missing|expired|bad|unrecognized)'
const session = '(?:mcp[- ]?)?session(?:[- ]?id)?(?: header)?'
const lost =
  '(?:(?:is|was|has|does|has been|must be) )?(?:not found|not exist|unknown|invalid|not valid|missing|required|expired|terminated|closed|(?:been )?terminated|not (?:yet )?initialized)'
/** The whole text: `Your bank session has expired` is the answer of a tool. */
const sessionWords = new RegExp(
  `^(?:(?:bad request|not found|invalid request|error)[:,.]? *)?(?:${unknown}(?: (?:or|valid|active|${unknown}))* ${session}(?: provided)?|(?:the )?${session}(?: [\\w-]{8,128}| "[^"]{1,128}")? ${lost}(?: (?:or|and) \\w+)?|server not (?:yet )?initialized)[.!]?$`,
  'i',
)

/** True when an error says that the session is unknown, and nothing else. */
export function saysSessionUnknown({ code, message }: SaidError): boolean {
  return sessionCodes.has(code) && message.length <= saidCharsMax && sessionWords.test(message.trim())
}
