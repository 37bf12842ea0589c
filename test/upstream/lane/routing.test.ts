/**
 * Whose message is whose. Each row is one lane, those on it, and one message of the server's; the expected side
 * is everything that anybody was told because of it, the server included.
 */
import { expect, test } from 'bun:test'
import type { UpstreamCall } from '../../../src/upstream/connection/calls.ts'
import { Connection } from '../../../src/upstream/connection/connection.ts'
import { Lane } from '../../../src/upstream/lane/lane.ts'
import type { LaneRole } from '../../../src/upstream/lane/roles.ts'
import { TextTransport } from '../../support/text-transport.ts'
import {
  bridgeCall,
  laneHost,
  messageOf,
  NotingCall,
  NotingClient,
  silentLog,
} from '../../support/upstream-parties.ts'

/** `owned`: the session `owner` has it to itself. `stateless`: it speaks for the stateless clients that are alike. */
type LaneKind = 'owned' | 'stateless' | 'shared' | 'modern'

interface ClientRow {
  readonly id: string
  /** Default `anonymous`. */
  readonly principal?: string
  readonly level?: string
  readonly uris?: readonly string[]
}

interface CallRow {
  readonly id: string
  /** The client that asked, by its id; without one it is a call of a stateless client. */
  readonly of?: string
  readonly principal?: string
  /** A session of the modern era's bridge, in which log messages may travel with any request. */
  readonly audience?: string
  /** Its client wants no log messages. */
  readonly quiet?: true
  /** A subscription. */
  readonly endless?: true
  readonly cancelled?: true
  /** Driven by a bridge, which can be told what the server asks. */
  readonly bridged?: true
}

interface Row {
  readonly why: string
  readonly lane: LaneKind
  readonly clients?: readonly ClientRow[]
  readonly calls?: readonly CallRow[]
  /** The call on whose own response it came; without one the wire does not say. */
  readonly on?: string
  /** `$a` stands for the upstream id of call `a`. */
  readonly says: string
  readonly heard: readonly string[]
}

const sampling = '{"jsonrpc":"2.0","id":"s1","method":"sampling/createMessage","params":{}}'
const ping = '{"jsonrpc":"2.0","id":"s1","method":"ping"}'
const info = '{"jsonrpc":"2.0","method":"notifications/message","params":{"level":"info","data":"x"}}'
const vendor = '{"jsonrpc":"2.0","method":"notifications/vendor/thing","params":{}}'
const tools = '{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}'
const prompts = '{"jsonrpc":"2.0","method":"notifications/prompts/list_changed"}'
const updated = '{"jsonrpc":"2.0","method":"notifications/resources/updated","params":{"uri":"file:///a/b"}}'
const withdrawn = '{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":"s1"}}'
const elsewhere =
  '{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":99,"progress":1}}'
const progressOf = (call: string) =>
  `{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":$${call},"progress":1}}`
const listening = (method: string, id: string) =>
  `{"jsonrpc":"2.0","method":"${method}","params":{"_meta":{"io.modelcontextprotocol/subscriptionId":${id}}}}`

const pong = 'server gets {"jsonrpc":"2.0","id":"s1","result":{}}'
const refused =
  'server gets {"jsonrpc":"2.0","id":"s1","error":{"code":-32603,"message":"No client can answer this request: this connection speaks for no single client","data":{"code":"NO_CAPABLE_CLIENT"}}}'

const twoOfOne: readonly ClientRow[] = [{ id: 'ann' }, { id: 'bob' }]
const twoOfTwo: readonly ClientRow[] = [
  { id: 'ann', principal: 'p' },
  { id: 'bob', principal: 'q' },
]

const serverRequests: readonly Row[] = [
  { why: 'nobody but the gateway knows whether it is there', lane: 'owned', says: ping, heard: [pong] },
  {
    why: 'a ping asks for no capability, so that a lane without any answers it',
    lane: 'shared',
    clients: twoOfTwo,
    calls: [{ id: 'a', of: 'ann' }],
    on: 'a',
    says: ping,
    heard: [pong],
  },
  {
    why: 'the lane speaks for one client, whether or not it has a call in flight',
    lane: 'owned',
    says: sampling,
    heard: ['owner is asked'],
  },
  {
    why: 'the only call in flight is the cause',
    lane: 'owned',
    calls: [{ id: 'a', of: 'owner' }],
    says: sampling,
    heard: ['owner is asked for a'],
  },
  {
    why: 'of two calls nobody can tell which is the cause, but the client is the same',
    lane: 'owned',
    calls: [
      { id: 'a', of: 'owner' },
      { id: 'b', of: 'owner' },
    ],
    says: sampling,
    heard: ['owner is asked'],
  },
  {
    why: 'its stream says which of two calls is the cause',
    lane: 'owned',
    calls: [
      { id: 'a', of: 'owner' },
      { id: 'b', of: 'owner' },
    ],
    on: 'b',
    says: sampling,
    heard: ['owner is asked for b'],
  },
  {
    why: 'a subscription causes nothing, so that the call beside it is the only one',
    lane: 'owned',
    calls: [
      { id: 'a', of: 'owner' },
      { id: 'l', of: 'owner', endless: true },
    ],
    says: sampling,
    heard: ['owner is asked for a'],
  },
  {
    why: 'stateless clients take turns: the one whose turn it is is the cause',
    lane: 'stateless',
    calls: [{ id: 'a', bridged: true }],
    says: sampling,
    heard: ['owner is asked for 0'],
  },
  {
    why: 'a shared lane declared nothing and nobody asked for anything',
    lane: 'shared',
    clients: [{ id: 'ann' }],
    says: sampling,
    heard: [refused],
  },
  {
    why: 'a client on a shared lane declared that it cannot be asked, even when the call is known',
    lane: 'shared',
    clients: [{ id: 'ann' }],
    calls: [{ id: 'a', of: 'ann' }],
    on: 'a',
    says: sampling,
    heard: [refused],
  },
  {
    why: 'a stateless request can answer what it lacks',
    lane: 'shared',
    calls: [{ id: 'a', bridged: true }],
    says: sampling,
    heard: ['bridge a: serverRequest'],
  },
  {
    why: 'of two stateless requests nobody can tell which is meant, and a guess could ask another principal',
    lane: 'shared',
    calls: [
      { id: 'a', bridged: true },
      { id: 'b', bridged: true },
    ],
    says: sampling,
    heard: [refused],
  },
  {
    why: 'of a stateless request and a session’s likewise',
    lane: 'shared',
    clients: [{ id: 'ann' }],
    calls: [
      { id: 'a', bridged: true },
      { id: 'b', of: 'ann' },
    ],
    says: sampling,
    heard: [refused],
  },
  {
    why: 'the stream says which of two stateless requests is meant',
    lane: 'shared',
    calls: [
      { id: 'a', bridged: true },
      { id: 'b', bridged: true },
    ],
    on: 'b',
    says: sampling,
    heard: ['bridge b: serverRequest'],
  },
  {
    why: 'modern servers ask inside of results; a client must not answer such a request',
    lane: 'modern',
    calls: [{ id: 'a' }],
    on: 'a',
    says: sampling,
    heard: [
      "noise: refused a request of the server's, which this revision has none of: sampling/createMessage",
    ],
  },
  {
    why: 'the modern era has no ping either',
    lane: 'modern',
    says: ping,
    heard: ["noise: refused a request of the server's, which this revision has none of: ping"],
  },
]

const ownedNotifications: readonly Row[] = [
  { why: 'all that is said on it is for its owner', lane: 'owned', says: info, heard: ['owner hears'] },
  {
    why: 'with the only call in flight, so that it travels on its stream',
    lane: 'owned',
    calls: [{ id: 'a', of: 'owner' }],
    says: info,
    heard: ['owner hears for a'],
  },
  {
    why: 'with the call on whose stream it came',
    lane: 'owned',
    calls: [
      { id: 'a', of: 'owner' },
      { id: 'b', of: 'owner' },
    ],
    on: 'a',
    says: info,
    heard: ['owner hears for a'],
  },
  {
    why: 'with neither of two calls when the wire does not say',
    lane: 'owned',
    calls: [
      { id: 'a', of: 'owner' },
      { id: 'b', of: 'owner' },
    ],
    says: info,
    heard: ['owner hears'],
  },
  {
    why: 'not with a call whose client wants no log messages',
    lane: 'owned',
    calls: [{ id: 'a', of: 'owner', quiet: true }],
    says: info,
    heard: ['owner hears'],
  },
  {
    why: 'a change belongs to no call that merely happens to run',
    lane: 'owned',
    calls: [{ id: 'a', of: 'owner' }],
    says: tools,
    heard: ['owner hears'],
  },
  {
    why: 'the server filters subscriptions itself where only one client has any',
    lane: 'owned',
    says: updated,
    heard: ['owner hears'],
  },
  { why: 'what nobody knows is the owner’s too', lane: 'owned', says: vendor, heard: ['owner hears'] },
  {
    why: 'the server withdraws its question under the id that it had used',
    lane: 'owned',
    calls: [{ id: 'a', of: 'owner' }],
    says: withdrawn,
    heard: ['owner need not answer "s1"'],
  },
  {
    why: 'a withdrawal that names no request withdraws none',
    lane: 'owned',
    says: '{"jsonrpc":"2.0","method":"notifications/cancelled","params":{}}',
    heard: [],
  },
  {
    why: 'progress is its call’s',
    lane: 'owned',
    calls: [
      { id: 'a', of: 'owner' },
      { id: 'b', of: 'owner' },
    ],
    says: progressOf('b'),
    heard: ['call b hears'],
  },
  {
    why: 'progress of nothing that runs is nobody’s',
    lane: 'owned',
    calls: [{ id: 'a', of: 'owner' }],
    says: elsewhere,
    heard: [],
  },
  {
    why: 'a stateless client who listens does so on its one lane',
    lane: 'stateless',
    clients: [{ id: 'ann' }, { id: 'bob' }],
    says: prompts,
    heard: ['owner hears', 'ann hears', 'bob hears'],
  },
  {
    why: 'and are told of the resources alone that they asked for',
    lane: 'stateless',
    clients: [
      { id: 'ann', uris: ['file:///a/'] },
      { id: 'bob', uris: ['file:///c'] },
    ],
    says: updated,
    heard: ['owner hears', 'ann hears'],
  },
]

const sharedNotifications: readonly Row[] = [
  {
    why: 'with the client whose call it came on, and nobody else',
    lane: 'shared',
    clients: twoOfOne,
    calls: [
      { id: 'a', of: 'ann' },
      { id: 'b', of: 'bob' },
    ],
    on: 'b',
    says: info,
    heard: ['bob hears for b'],
  },
  {
    why: 'the only call in flight is the cause, and its client the one who hears',
    lane: 'shared',
    clients: twoOfTwo,
    calls: [{ id: 'a', of: 'ann', principal: 'p' }],
    says: info,
    heard: ['ann hears for a'],
  },
  {
    why: 'of calls of two principals the message may be either one’s, so that nobody hears it',
    lane: 'shared',
    clients: twoOfTwo,
    calls: [
      { id: 'a', of: 'ann', principal: 'p' },
      { id: 'b', of: 'bob', principal: 'q' },
    ],
    says: info,
    heard: [],
  },
  {
    why: 'of two calls of one principal it is all of its clients’',
    lane: 'shared',
    clients: twoOfOne,
    calls: [
      { id: 'a', of: 'ann' },
      { id: 'b', of: 'bob' },
    ],
    says: info,
    heard: ['ann hears', 'bob hears'],
  },
  {
    why: 'of no call, it may hold anybody’s data: one principal hears it',
    lane: 'shared',
    clients: twoOfOne,
    says: info,
    heard: ['ann hears', 'bob hears'],
  },
  { why: '… and two do not', lane: 'shared', clients: twoOfTwo, says: info, heard: [] },
  {
    why: 'a client that asked for warnings is spared the rest, though it is its own call’s',
    lane: 'shared',
    clients: [{ id: 'ann', level: 'warning' }],
    calls: [{ id: 'a', of: 'ann' }],
    on: 'a',
    says: info,
    heard: [],
  },
  {
    why: 'each client has its own level',
    lane: 'shared',
    clients: [
      { id: 'ann', level: 'warning' },
      { id: 'bob', level: 'debug' },
    ],
    says: info,
    heard: ['bob hears'],
  },
  {
    why: 'a stateless request takes its own log messages, which it filters itself',
    lane: 'shared',
    calls: [{ id: 'a', bridged: true }],
    on: 'a',
    says: info,
    heard: ['bridge a: notification'],
  },
  {
    why: 'a list that has changed holds nobody’s data',
    lane: 'shared',
    clients: twoOfTwo,
    says: prompts,
    heard: ['ann hears', 'bob hears'],
  },
  {
    why: '… not even when it came on one’s stream',
    lane: 'shared',
    clients: twoOfTwo,
    calls: [{ id: 'a', of: 'ann' }],
    on: 'a',
    says: tools,
    heard: ['ann hears', 'bob hears'],
  },
  {
    why: 'an update is for those who subscribed',
    lane: 'shared',
    clients: [
      { id: 'ann', principal: 'p', uris: ['file:///a/b'] },
      { id: 'bob', principal: 'q', uris: ['file:///c'] },
      { id: 'cid', principal: 'r' },
    ],
    says: updated,
    heard: ['ann hears'],
  },
  {
    why: 'what nobody knows may hold anybody’s data: one principal hears it',
    lane: 'shared',
    clients: twoOfOne,
    says: vendor,
    heard: ['ann hears', 'bob hears'],
  },
  { why: '… and two do not', lane: 'shared', clients: twoOfTwo, says: vendor, heard: [] },
  {
    why: 'nothing was asked of anybody here, so that nothing can be withdrawn',
    lane: 'shared',
    clients: twoOfOne,
    says: withdrawn,
    heard: [],
  },
  {
    why: 'progress is its call’s, whoever else is there',
    lane: 'shared',
    clients: twoOfTwo,
    calls: [
      { id: 'a', of: 'ann' },
      { id: 'b', of: 'bob' },
    ],
    on: 'b',
    says: progressOf('a'),
    heard: ['call a hears'],
  },
  {
    why: 'progress of nothing that runs is nobody’s',
    lane: 'shared',
    clients: twoOfOne,
    calls: [{ id: 'a', of: 'ann' }],
    on: 'a',
    says: elsewhere,
    heard: [],
  },
]

const modernNotifications: readonly Row[] = [
  {
    why: 'the stream says whose it is',
    lane: 'modern',
    calls: [
      { id: 'a', principal: 'p' },
      { id: 'b', principal: 'q' },
    ],
    on: 'b',
    says: info,
    heard: ['call b hears'],
  },
  {
    why: 'a request that asked for no log messages gets none, even on its own stream',
    lane: 'modern',
    calls: [{ id: 'a', quiet: true }],
    on: 'a',
    says: info,
    heard: [],
  },
  {
    why: 'the only request that wants any',
    lane: 'modern',
    calls: [{ id: 'a' }],
    says: info,
    heard: ['call a hears'],
  },
  {
    why: '… whatever runs beside it for others who want none',
    lane: 'modern',
    calls: [
      { id: 'a', principal: 'p' },
      { id: 'b', principal: 'q', quiet: true },
    ],
    says: info,
    heard: ['call a hears'],
  },
  {
    why: 'two principals could be meant',
    lane: 'modern',
    calls: [
      { id: 'a', principal: 'p' },
      { id: 'b', principal: 'q' },
    ],
    says: info,
    heard: [],
  },
  {
    why: 'two requests of one principal without a session could be meant',
    lane: 'modern',
    calls: [
      { id: 'a', principal: 'p' },
      { id: 'b', principal: 'p' },
    ],
    says: info,
    heard: [],
  },
  {
    why: 'a cancelled request has no response left, but its server may still speak for it',
    lane: 'modern',
    calls: [
      { id: 'a', principal: 'p' },
      { id: 'b', principal: 'q', cancelled: true },
    ],
    says: info,
    heard: [],
  },
  {
    why: 'a cancelled request of the same principal takes nothing from anybody',
    lane: 'modern',
    calls: [
      { id: 'a', principal: 'p' },
      { id: 'b', principal: 'p', cancelled: true },
    ],
    says: info,
    heard: ['call a hears'],
  },
  {
    why: 'requests of one session: with the last of them, once',
    lane: 'modern',
    clients: [{ id: 'ann' }],
    calls: [
      { id: 'a', principal: 'p', audience: 'ann' },
      { id: 'b', principal: 'p', audience: 'ann' },
    ],
    says: info,
    heard: ['call b hears'],
  },
  {
    why: 'sessions of one principal: once in each',
    lane: 'modern',
    clients: twoOfOne,
    calls: [
      { id: 'a', principal: 'p', audience: 'ann' },
      { id: 'b', principal: 'p', audience: 'bob' },
      { id: 'c', principal: 'p', audience: 'bob' },
    ],
    says: info,
    heard: ['call a hears', 'call c hears'],
  },
  {
    why: 'a request without a session beside one that has it: it could be meant, and has no session to say so in',
    lane: 'modern',
    clients: [{ id: 'ann' }],
    calls: [
      { id: 'a', principal: 'p', audience: 'ann' },
      { id: 'b', principal: 'p' },
    ],
    says: info,
    heard: [],
  },
  {
    why: 'sessions of two principals: in none',
    lane: 'modern',
    clients: twoOfTwo,
    calls: [
      { id: 'a', principal: 'p', audience: 'ann' },
      { id: 'b', principal: 'q', audience: 'bob' },
    ],
    says: info,
    heard: [],
  },
  {
    why: 'progress by its token',
    lane: 'modern',
    calls: [
      { id: 'a', principal: 'p' },
      { id: 'b', principal: 'q' },
    ],
    says: progressOf('b'),
    heard: ['call b hears'],
  },
  {
    why: 'a change by the id of the subscription that asked for it',
    lane: 'modern',
    calls: [{ id: 'a' }, { id: 'l', endless: true }, { id: 'm', endless: true }],
    says: listening('notifications/tools/list_changed', '$m'),
    heard: ['call m hears'],
  },
  {
    why: '… however that id is spelled',
    lane: 'modern',
    calls: [{ id: 'l', endless: true }],
    says: listening('notifications/tools/list_changed', '"$l"'),
    heard: ['call l hears'],
  },
  {
    why: 'an id that no subscription has is nobody’s, though one call runs',
    lane: 'modern',
    calls: [{ id: 'a' }],
    says: listening('notifications/tools/list_changed', '99'),
    heard: [],
  },
  {
    why: 'a change that names no subscription is no part of the request that happens to run',
    lane: 'modern',
    calls: [{ id: 'a' }],
    says: tools,
    heard: [],
  },
  { why: 'nor is an update', lane: 'modern', calls: [{ id: 'a' }], says: updated, heard: [] },
  {
    why: 'on its own stream a change is a part of the subscription',
    lane: 'modern',
    calls: [{ id: 'a' }, { id: 'l', endless: true }],
    on: 'l',
    says: updated,
    heard: ['call l hears'],
  },
  {
    why: 'what nobody knows belongs to the only request in flight',
    lane: 'modern',
    calls: [{ id: 'a' }, { id: 'l', endless: true }],
    says: vendor,
    heard: ['call a hears'],
  },
  {
    why: '… and to none of two',
    lane: 'modern',
    calls: [{ id: 'a' }, { id: 'b' }],
    says: vendor,
    heard: [],
  },
  { why: '… and to nobody where nobody asked', lane: 'modern', says: vendor, heard: [] },
  {
    why: 'a server ends a subscription by its id',
    lane: 'modern',
    calls: [{ id: 'a' }, { id: 'l', endless: true }],
    says: '{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":$l}}',
    heard: ['call l ends: here {"resultType":"complete"}'],
  },
  {
    why: 'and nothing else: a call that it names goes on',
    lane: 'modern',
    calls: [{ id: 'a' }, { id: 'l', endless: true }],
    says: '{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":$a}}',
    heard: [],
  },
]

test.each(serverRequests)('a request of the server ($lane lane): $why', (row) => {
  expect(heardOf(row)).toEqual(row.heard.toSorted())
})

test.each([...ownedNotifications, ...sharedNotifications, ...modernNotifications])(
  'a notification ($lane lane): $why',
  (row) => {
    expect(heardOf(row)).toEqual(row.heard.toSorted())
  },
)

test("an owner's answer goes to the server as the owner wrote it", () => {
  const owner = new NotingClient('owner')
  const transport = new TextTransport()
  const role = roleOf('owned', owner)
  const connection = new Connection(transport, new Lane(laneHost(), role), limits, silentLog)
  connection.message(sampling, null)
  owner.answer('{"jsonrpc":"2.0","id":"s1","result":{"role":"user"}}')
  expect(transport.texts).toEqual(['{"jsonrpc":"2.0","id":"s1","result":{"role":"user"}}'])
})

const limits = { callIdleMs: 60_000, callTotalMs: 600_000, resultBytesMax: 1024 * 1024 }

function roleOf(kind: LaneKind, owner: NotingClient): LaneRole {
  const owned = kind === 'owned' || kind === 'stateless'
  return {
    key: kind,
    era: kind === 'modern' ? 'modern' : 'legacy',
    owner: owned ? owner : null,
    ownerAnnounces: kind === 'owned',
    why: '',
  }
}

/** Sets the scene of a row, lets the server speak, and gives what was heard, by alphabet: who hears first is nobody's right. */
function heardOf(row: Row): string[] {
  const heard: string[] = []
  const note = (line: string) => heard.push(line)
  const owner = new NotingClient('owner', { note })
  const lane = new Lane(laneHost({ note }), roleOf(row.lane, owner))
  // As a session joins its own lane.
  if (row.lane === 'owned') lane.clients.add(owner)
  const clients = new Map([['owner', owner]])
  for (const client of row.clients ?? []) clients.set(client.id, joined(client, lane, note))

  const transport = new TextTransport()
  const connection = new Connection(transport, lane, limits, silentLog)
  const calls = new Map((row.calls ?? []).map((call) => [call.id, inFlight(call, connection, clients, note)]))
  const before = transport.sent.length
  heard.length = 0
  const text = row.says.replace(/\$(\w+)/g, (_, id: string) => String(calls.get(id)?.upstreamId))
  connection.message(text, row.on === undefined ? null : (calls.get(row.on)?.upstreamId ?? null))
  for (const sent of transport.texts.slice(before)) heard.push(`server gets ${sent}`)
  return heard.toSorted()
}

function joined(row: ClientRow, lane: Lane, note: (line: string) => void): NotingClient {
  const client = new NotingClient(row.id, { note, ...(row.principal && { principalId: row.principal }) })
  lane.clients.add(client)
  for (const uri of row.uris ?? [])
    lane.subscriptions.note(client, request('resources/subscribe', { uri }), false)
  if (row.level) lane.subscriptions.note(client, request('logging/setLevel', { level: row.level }), false)
  return client
}

function inFlight(
  row: CallRow,
  connection: Connection,
  clients: ReadonlyMap<string, NotingClient>,
  note: (line: string) => void,
): UpstreamCall {
  const client = (row.of !== undefined && clients.get(row.of)) || null
  const text = `{"jsonrpc":"2.0","id":"${row.id}","method":"tools/call","params":{"_meta":{"progressToken":0}}}`
  const call = row.bridged ? bridgeCall(row.id, note) : new NotingCall(text, { client, note })
  call.principalId = row.principal ?? client?.principalId ?? 'anonymous'
  call.audience = (row.audience !== undefined && clients.get(row.audience)) || null
  call.logs = row.quiet !== true
  call.endless = row.endless === true
  connection.request(call)
  if (row.cancelled) connection.cancel(call, null)
  return call
}

function request(method: string, params: unknown) {
  return messageOf(JSON.stringify({ jsonrpc: '2.0', id: 1, method, params }))
}
