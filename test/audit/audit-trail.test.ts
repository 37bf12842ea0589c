/** Which requests have a line in the audit, and which event it is. */
import { expect, test } from 'bun:test'
import { anonymous } from '../../src/access/principal.ts'
import { type AuditedRequest, AuditTrail } from '../../src/audit/audit-trail.ts'
import { PolicyRevision } from '../../src/audit/policy-revision.ts'
import { defaultConfig } from '../support/default-config.ts'

const config = defaultConfig({ stateDirectory: '/', terminal: false })
const policy = () =>
  new PolicyRevision({ settings: { config }, definitions: () => [], others: () => ({}), version: () => 1 })

interface Given {
  readonly area: string
  readonly method?: string
  readonly path?: string
  readonly rpcMethod?: string
  readonly outcome?: 'ok' | 'refused'
  readonly code?: string
  readonly log?: AuditedRequest['log']
}

/** The events that one answered request leaves. */
function eventsOf({ area, method = 'POST', path = '/x', log = {}, ...entry }: Given, times = 1): string[] {
  const lines: string[] = []
  const target = {
    write: (members: string) => void lines.push(members),
    linesDropped: 0,
    reopen() {},
    sweep() {},
    close: async () => {},
  }
  const trail = new AuditTrail(target, policy())
  const request = {
    area,
    path,
    client: null,
    principal: anonymous,
    log,
    request: { method, headers: new Headers() },
  }
  for (let n = 0; n < times; n++)
    trail.answered(request, { method, durationMs: 1, clientIp: null, requestId: 'r-1', ...entry })
  return lines
    .map((members) => (JSON.parse(`{${members}}`) as { event: string }).event)
    .filter((event) => event !== 'start')
}

test.each<Given & { why: string; events: readonly string[] }>([
  { why: 'a call', area: 'mcp', rpcMethod: 'tools/call', outcome: 'ok', events: ['call'] },
  { why: 'a call that goes on', area: 'mcp', rpcMethod: 'tools/call', events: [] },
  {
    why: 'a call that was refused',
    area: 'mcp',
    rpcMethod: 'tools/call',
    outcome: 'refused',
    code: 'SESSION_UNKNOWN',
    events: ['call'],
  },
  { why: 'a method of nobody', area: 'mcp', rpcMethod: 'vendor/x', outcome: 'ok', events: ['call'] },
  { why: 'a beginning', area: 'mcp', rpcMethod: 'initialize', outcome: 'ok', events: [] },
  { why: 'a notification', area: 'mcp', rpcMethod: 'notifications/progress', outcome: 'ok', events: [] },
  { why: 'an answer of a client', area: 'mcp', events: [] },
  { why: 'a stream', area: 'mcp', method: 'GET', events: [] },
  { why: 'a body that is none', area: 'mcp', code: 'PARSE_ERROR', outcome: 'refused', events: [] },
  {
    why: 'a server that is not there',
    area: 'mcp',
    code: 'SERVER_UNKNOWN',
    outcome: 'refused',
    events: ['refused'],
  },
  { why: 'no token', area: 'mcp', code: 'UNAUTHENTICATED', outcome: 'refused', events: ['refused'] },
  { why: 'a change', area: 'admin', method: 'PUT', outcome: 'ok', events: ['admin'] },
  {
    why: 'a change that was refused',
    area: 'admin',
    code: 'DEFINITION_EXISTS',
    outcome: 'refused',
    events: ['admin'],
  },
  { why: 'a look', area: 'admin', method: 'GET', outcome: 'ok', events: [] },
  {
    why: 'a look without a token',
    area: 'admin',
    method: 'GET',
    code: 'UNAUTHENTICATED',
    events: ['refused'],
  },
  {
    why: 'a call over the admin API',
    area: 'admin',
    rpcMethod: 'tools/call',
    outcome: 'ok',
    events: ['call'],
  },
  {
    why: 'one whose body is none',
    area: 'admin',
    path: '/admin/tools/call',
    code: 'BAD_REQUEST',
    outcome: 'refused',
    events: ['call'],
  },
  { why: 'a sign-in', area: 'me', log: { signedIn: anonymous }, outcome: 'ok', events: ['sign-in'] },
  {
    why: 'a sign-out',
    area: 'me',
    method: 'DELETE',
    path: '/me/session',
    outcome: 'ok',
    events: ['sign-out'],
  },
  { why: 'the same by a form', area: 'me', path: '/me/forms', outcome: 'ok', events: ['sign-out'] },
  {
    why: 'a credential that is stored',
    area: 'me',
    method: 'PUT',
    path: '/me/credentials/docs/token',
    log: { target: 'docs token' },
    outcome: 'ok',
    events: ['credential'],
  },
  {
    why: 'a login at a server that a browser has come back from',
    area: 'callback',
    method: 'GET',
    path: '/oauth/callback/1234',
    log: { target: 'docs login' },
    outcome: 'ok',
    events: ['credential'],
  },
  { why: 'a look at those', area: 'me', method: 'GET', path: '/me/credentials', outcome: 'ok', events: [] },
  {
    why: 'a wrong token to sign in with',
    area: 'me',
    code: 'UNAUTHENTICATED',
    outcome: 'refused',
    events: ['refused'],
  },
  { why: 'health', area: 'health', method: 'GET', outcome: 'ok', events: [] },
])('$why leaves $events', ({ events, why: _, ...given }) => {
  expect(eventsOf(given)).toEqual([...events])
})

test.each<Given & { why: string }>([
  {
    why: 'a Host that is none',
    area: 'admin',
    code: 'BAD_REQUEST',
    log: { reason: 'The Host header is not a host name.' },
  },
  { why: 'a foreign page', area: 'admin', code: 'ORIGIN_FORBIDDEN' },
  { why: 'no token', area: 'admin', code: 'UNAUTHENTICATED' },
])('however many come with $why, the lines are few', ({ why: _, ...given }) => {
  const events = eventsOf({ ...given, outcome: 'refused' }, 1_000)
  expect(events).toEqual(Array<string>(10).fill('refused'))
})
