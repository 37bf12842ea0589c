/** Who shares a connection with whom: two clients with the same key share one, an owner shares its own with nobody. */
import { expect, test } from 'bun:test'
import type { Era } from '../../../src/protocol/eras.ts'
import type { Isolation, ServerDefinition, TransportKind } from '../../../src/registry/definition.ts'
import {
  type LaneRole,
  primaryOrder,
  primaryRole,
  sessionRole,
  statelessRole,
} from '../../../src/upstream/lane/roles.ts'
import { definitionOf } from '../../registry/definitions.ts'
import { NotingClient } from '../../support/upstream-parties.ts'

const transports: readonly TransportKind[] = ['stdio', 'sse', 'streamable-http']

function definition(isolation: Isolation, transport: TransportKind): ServerDefinition {
  const where = transport === 'stdio' ? { command: 'server' } : { url: 'http://127.0.0.1:1/mcp' }
  return definitionOf({ name: 'a', transport, isolation, ...where })
}

/** A role as a row says it: the key, and of whom it is when it is somebody's. */
function shown({ key, era, owner, ownerAnnounces }: LaneRole): string {
  const whose = owner === null ? 'nobody' : `${owner.id}${ownerAnnounces ? ', who announces' : ''}`
  return `${key} | ${era} | ${whose}`
}

interface SessionRow {
  readonly why: string
  readonly isolation: Isolation
  readonly transport: TransportKind
  readonly era: Era
  /** Of a client that can be asked nothing, and of one that can be. */
  readonly mute: string
  readonly interactive: string
}

const own = 'session s1 | legacy | s1, who announces'
const ofPrincipal = 'principal p | legacy | nobody'
const ofAll = 'all | legacy | nobody'
const modern = 'modern | modern | nobody'

const sessionRows: readonly SessionRow[] = [
  {
    why: 'a process is dear, so that those who cannot be asked share one for each principal',
    isolation: 'auto',
    transport: 'stdio',
    era: 'legacy',
    mute: ofPrincipal,
    interactive: own,
  },
  {
    why: 'a session over HTTP costs the server little',
    isolation: 'auto',
    transport: 'sse',
    era: 'legacy',
    mute: own,
    interactive: own,
  },
  {
    why: 'likewise',
    isolation: 'auto',
    transport: 'streamable-http',
    era: 'legacy',
    mute: own,
    interactive: own,
  },
  {
    why: 'the definition asks for it',
    isolation: 'session',
    transport: 'stdio',
    era: 'legacy',
    mute: own,
    interactive: own,
  },
  { why: 'likewise', isolation: 'session', transport: 'sse', era: 'legacy', mute: own, interactive: own },
  {
    why: 'likewise',
    isolation: 'session',
    transport: 'streamable-http',
    era: 'legacy',
    mute: own,
    interactive: own,
  },
  {
    why: 'the definition gives up on asking',
    isolation: 'shared',
    transport: 'stdio',
    era: 'legacy',
    mute: ofAll,
    interactive: ofAll,
  },
  { why: 'likewise', isolation: 'shared', transport: 'sse', era: 'legacy', mute: ofAll, interactive: ofAll },
  {
    why: 'likewise',
    isolation: 'shared',
    transport: 'streamable-http',
    era: 'legacy',
    mute: ofAll,
    interactive: ofAll,
  },
  {
    why: 'every modern request says whose it is',
    isolation: 'auto',
    transport: 'stdio',
    era: 'modern',
    mute: modern,
    interactive: modern,
  },
  {
    why: 'likewise',
    isolation: 'auto',
    transport: 'streamable-http',
    era: 'modern',
    mute: modern,
    interactive: modern,
  },
  {
    why: 'a process may keep what it likes between requests, and the definition wants one for each session',
    isolation: 'session',
    transport: 'stdio',
    era: 'modern',
    mute: 'session s1 | modern | s1, who announces',
    interactive: 'session s1 | modern | s1, who announces',
  },
  {
    why: 'over HTTP the modern era has no sessions to tell apart',
    isolation: 'session',
    transport: 'streamable-http',
    era: 'modern',
    mute: modern,
    interactive: modern,
  },
  {
    why: 'one for all is what it is anyway',
    isolation: 'shared',
    transport: 'stdio',
    era: 'modern',
    mute: modern,
    interactive: modern,
  },
  {
    why: 'likewise',
    isolation: 'shared',
    transport: 'streamable-http',
    era: 'modern',
    mute: modern,
    interactive: modern,
  },
]
test.each(sessionRows)('a session at a $era server over $transport, isolation $isolation: $why', (row) => {
  const role = (interactive: boolean): string =>
    shown(
      sessionRole(
        definition(row.isolation, row.transport),
        new NotingClient('s1', { principalId: 'p', interactive }),
        row.era,
      ),
    )
  expect([role(false), role(true)]).toEqual([row.mute, row.interactive])
})

interface StatelessRow {
  readonly why: string
  readonly isolation: Isolation
  readonly era: Era
  /** Where nobody can be asked, and where the client of these capabilities can be. */
  readonly mute: string
  readonly askable: string
}

const statelessRows: readonly StatelessRow[] = [
  {
    why: 'its capabilities are the connection’s',
    isolation: 'auto',
    era: 'legacy',
    mute: ofPrincipal,
    askable: 'c1 | legacy | c1',
  },
  {
    why: 'there is no session to have one of its own',
    isolation: 'session',
    era: 'legacy',
    mute: ofPrincipal,
    askable: 'c1 | legacy | c1',
  },
  {
    why: 'the definition gives up on asking',
    isolation: 'shared',
    era: 'legacy',
    mute: ofAll,
    askable: ofAll,
  },
  { why: 'every request says whose it is', isolation: 'auto', era: 'modern', mute: modern, askable: modern },
  { why: 'likewise', isolation: 'session', era: 'modern', mute: modern, askable: modern },
  { why: 'likewise', isolation: 'shared', era: 'modern', mute: modern, askable: modern },
]
test.each(statelessRows)('a stateless request at a $era server, isolation $isolation: $why', (row) => {
  for (const transport of transports) {
    const server = definition(row.isolation, transport)
    const client = new NotingClient('c1', { principalId: 'p', interactive: true })
    const roles = [null, client].map((who) => shown(statelessRole(server, 'p', who, row.era)))
    expect([transport, ...roles]).toEqual([transport, row.mute, row.askable])
  }
})

test.each<{ why: string; isolation: Isolation; closed: string; open: string }>([
  {
    why: 'without tokens every client is the same one, so that the gateway’s own lane serves them too',
    isolation: 'auto',
    closed: 'gateway | legacy | nobody',
    open: 'principal anonymous | legacy | nobody',
  },
  {
    why: 'no session may meet what another one left, the gateway’s probes included',
    isolation: 'session',
    closed: 'gateway | legacy | nobody',
    open: 'gateway | legacy | nobody',
  },
  { why: 'one for all', isolation: 'shared', closed: ofAll, open: ofAll },
])('the lane of the gateway itself, isolation $isolation: $why', ({ isolation, closed, open }) => {
  for (const transport of transports) {
    const server = definition(isolation, transport)
    const roles = [false, true].map((openAccess) => shown(primaryRole(server, openAccess, 'legacy')))
    expect([transport, ...roles]).toEqual([transport, closed, open])
    expect(shown(primaryRole(server, true, 'modern'))).toBe(modern)
  }
})

test('the lane that the gateway opens first is the one that such clients then use', () => {
  const server = definition('auto', 'stdio')
  const { key } = sessionRole(server, new NotingClient('s1', { principalId: 'anonymous' }), 'legacy')
  expect(primaryRole(server, true, 'legacy').key).toBe(key)
  expect(statelessRole(server, 'anonymous', null, 'legacy').key).toBe(key)
})

test('two principals, two sessions and two stateless clients never share a key', () => {
  const server = definition('auto', 'stdio')
  const clients = ['s1', 's2'].flatMap((id) =>
    ['p', 'q'].map(
      (principalId) => new NotingClient(`${id} of ${principalId}`, { principalId, interactive: true }),
    ),
  )
  const keys = [
    ...clients.map((client) => sessionRole(server, client, 'legacy').key),
    ...clients.map((client) => statelessRole(server, client.principalId, client, 'legacy').key),
    ...['p', 'q'].map((principal) => statelessRole(server, principal, null, 'legacy').key),
    primaryRole(server, false, 'legacy').key,
    primaryRole(server, false, 'modern').key,
  ]
  expect(new Set(keys).size).toBe(keys.length)
})

test.each<{ transport: TransportKind; eras: readonly Era[]; why: string }>([
  {
    transport: 'stdio',
    eras: ['legacy', 'modern'],
    why: 'old servers may exit on anything before initialize',
  },
  {
    transport: 'streamable-http',
    eras: ['modern', 'legacy'],
    why: 'the specification has the modern way first',
  },
  { transport: 'sse', eras: ['legacy'], why: 'no modern server speaks it' },
])('a server over $transport is tried in the eras $eras: $why', ({ transport, eras }) => {
  expect(primaryOrder(definition('auto', transport))).toEqual(eras)
})
