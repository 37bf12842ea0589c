import { describe, expect, test } from 'bun:test'
import {
  readSaidError,
  readSessionError,
  saysSessionUnknown,
} from '../../../../src/upstream/transports/http/lost-session.ts'

function says(message: string, code: number | null = -32000): boolean {
  return saysSessionUnknown({ text: '', code, message, own: false, unnamed: true })
}

describe('a session is unknown when a server says', () => {
  test.each([
    'Session not found',
    'session not found.',
    'Not Found: Session has been terminated',
    'Not Found: Invalid or expired session ID',
    'Bad Request: No valid session ID provided',
    'Bad Request: Mcp-Session-Id header is required',
    'Bad Request: Missing session ID',
    'Bad Request: Server not initialized',
    'Server not initialized',
    'Session not initialized',
    'Invalid session',
    'Invalid session ID',
    'Invalid or missing session ID',
    'No active session',
    'Unknown session',
    'Session expired',
    'Session has expired',
    'Session does not exist',
    'The session was closed',
    'Session 0f8fad5b-d9cb-469f-a165-70867728950e not found',
    'Session ID "abc" not found',
  ])('%s', (message) => expect(says(message)).toBe(true))
})

describe('a session is not what a server means by', () => {
  test.each([
    'Your bank session has expired',
    'Browser session not found: open one first',
    'No session for user 7',
    'Session not found in the calendar of May',
    'Could not open a session to the database',
    'Invalid session length',
    'Tool not found',
    'Not Found',
    '',
  ])('%s', (message) => expect(says(message)).toBe(false))

  test('an argument that it refuses', () => {
    expect(says('Invalid session ID', -32602)).toBe(false)
  })
})

describe('what a body says', () => {
  const rows: { why: string; body: string; said: object | null }[] = [
    {
      why: 'a JSON-RPC error with the id of the request',
      body: '{"jsonrpc":"2.0","id":7.0,"error":{"code":-32001,"message":"m"}}',
      said: { code: -32001, message: 'm', own: true, unnamed: false },
    },
    {
      why: 'with the id of nobody',
      body: '{"jsonrpc":"2.0","id":"server-error","error":{"code":-32600,"message":"m"}}',
      said: { own: false, unnamed: false },
    },
    {
      why: 'with a null id',
      body: '{"jsonrpc":"2.0","id":null,"error":{"code":-32600,"message":"m"}}',
      said: { own: false, unnamed: true },
    },
    { why: 'a text of a framework', body: '{"error":"m"}', said: { code: null, message: 'm', own: false } },
    { why: 'of another one', body: '{"detail":"m"}', said: { code: null, message: 'm' } },
    { why: 'without a code', body: '{"error":{"message":"m"}}', said: { code: null, message: 'm' } },
    {
      why: 'a text of a framework, with the id of the request',
      body: '{"id":7,"error":"m"}',
      said: { code: null, own: true },
    },
    { why: 'plain text', body: ' m\n', said: { code: null, message: 'm' } },
    { why: 'a result', body: '{"id":7,"result":{}}', said: null },
    { why: 'a list', body: '[]', said: null },
    { why: 'nothing', body: '', said: null },
  ]
  test.each(rows)('is read: $why', ({ body, said }) => {
    const read = readSaidError(body, 7)
    if (said === null) expect(read).toBeNull()
    else expect(read).toMatchObject(said)
  })
})

describe('a successful response', () => {
  const session = (id: unknown, code: number, message = 'Session not found'): string =>
    JSON.stringify({ jsonrpc: '2.0', id, error: { code, message } })
  const rows: { why: string; body: string; found: boolean }[] = [
    { why: 'the error of a check of sessions', body: session(null, -32600), found: true },
    { why: 'the same with the id of the request', body: session(7, -32001), found: true },
    { why: 'a tool that has sessions of its own', body: session(7, -32000), found: false },
    { why: 'a time-out of an SDK', body: session(7, -32001, 'Request timed out'), found: false },
    {
      why: 'a result that speaks of errors',
      body: '{"id":7,"result":{"error":"Session not found"}}',
      found: false,
    },
    { why: 'a long text', body: session(null, -32600).padEnd(5_000), found: false },
  ]
  test.each(rows)('is about the session: $found, for $why', ({ body, found }) => {
    expect(readSessionError(body, 7) !== null).toBe(found)
  })
})
