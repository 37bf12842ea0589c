/** A session that is part of another one: what the two share, and what is each one's own. */
import { expect, test } from 'bun:test'
import { GatewayError } from '../../../src/errors.ts'
import { scanMessage } from '../../../src/protocol/jsonrpc.ts'
import { ByteLedger } from '../../../src/runtime/byte-ledger.ts'
import { Session, type Showing } from '../../../src/session/legacy/session.ts'

const settings = {
  replayEventsMax: 100,
  replayBytesMax: 100_000,
  streamBufferBytesMax: 100_000,
  heartbeatMs: 15_000,
  streamAfterMs: 3_000,
  clientInputMs: 600_000,
}

const asItCame: Showing = {
  notification: (_method, text) => text,
  answer: (_method, text) => text,
  mayChange: () => false,
}

const ended = new GatewayError('SESSION_UNKNOWN', 'ended')

test('two servers of one client may use the same ids for their questions: each gets its own answer', () => {
  const { whole, texts } = listeningSession()
  const [one, other] = [openPart(whole, 'one'), openPart(whole, 'other')]
  const answers: string[] = []
  one.ask(question(1), null, (text) => answers.push(`one ${text}`))
  other.ask(question(1), null, (text) => answers.push(`other ${text}`))
  expect(texts().map((text) => text.id)).toEqual([1, 2])
  whole.respond(read('{"jsonrpc":"2.0","id":2,"result":{"roots":[]}}'))
  whole.respond(read('{"jsonrpc":"2.0","id":1,"result":{"roots":[]}}'))
  expect(answers).toEqual([
    'other {"jsonrpc":"2.0","id":1,"result":{"roots":[]}}',
    'one {"jsonrpc":"2.0","id":1,"result":{"roots":[]}}',
  ])
})

test('a server takes back its own question, and not that of another one with the same id', () => {
  const { whole, texts } = listeningSession()
  const [one, other] = [openPart(whole, 'one'), openPart(whole, 'other')]
  one.ask(question(7), null, () => {})
  other.ask(question(7), null, () => {})
  other.withdraw(read('{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":7}}'), '7')
  expect(texts().at(-1)).toEqual({
    jsonrpc: '2.0',
    method: 'notifications/cancelled',
    params: { requestId: 2 },
  })
})

test('two servers may use the same progress token for their questions: each hears of its own', () => {
  const { whole, texts } = listeningSession()
  const [one, other] = [openPart(whole, 'one'), openPart(whole, 'other')]
  const asking = (token: string) =>
    read(`{"jsonrpc":"2.0","id":1,"method":"roots/list","params":{"_meta":{"progressToken":${token}}}}`)
  one.ask(asking('7'), null, () => {})
  other.ask(asking('"7"'), null, () => {})
  expect(texts().map(({ params }) => params)).toEqual([
    { _meta: { progressToken: 1 } },
    { _meta: { progressToken: 2 } },
  ])
  const progress = (token: string) =>
    read(
      `{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":${token},"progress":1}}`,
    )
  const told = (token: string) => {
    const found = whole.progressOf(progress(token))
    return found && [found.part.serverName, found.message.text]
  }
  expect(told('2')).toEqual(['other', progress('"7"').text])
  expect(told('1')).toEqual(['one', progress('7').text])
  expect(whole.progressOf(progress('7'))).toBeNull()
  whole.respond(read('{"jsonrpc":"2.0","id":1,"result":{}}'))
  expect(whole.progressOf(progress('1'))).toBeNull()
})

test('a part that ends refuses what its server has asked, and leaves the others alone', () => {
  const { whole } = listeningSession()
  const [one, other] = [openPart(whole, 'one'), openPart(whole, 'other')]
  const answers: string[] = []
  one.ask(question(1), null, (text) => answers.push(`one ${text.slice(0, 24)}`))
  other.ask(question(1), null, (text) => answers.push(`other ${text.slice(0, 24)}`))
  one.close(ended)
  expect(answers).toEqual(['one {"jsonrpc":"2.0","id":1,'])
  expect(whole.state).toBe('open')
  expect(whole.streams.standing).toBe(true)
  whole.close(ended)
  expect(answers).toHaveLength(2)
  expect(other.state).toBe('closed')
})

test('a part gives back what it kept for its client, whoever ends first', () => {
  const { whole, ledger } = listeningSession()
  const part = openPart(whole, 'one')
  expect(part.keep(1_000)).toBe(true)
  part.close(ended)
  expect(part.keep(-1_000)).toBe(true)
  whole.close(ended)
  expect(ledger.bytes).toBe(0)
})

test('what a server says reaches the client as its part shows it', () => {
  const { whole, texts } = listeningSession()
  const showing: Showing = {
    ...asItCame,
    notification: (method, text) => (method.endsWith('list_changed') ? null : text.replace('own', 'shown')),
  }
  const part = whole.openPart('one', showing, () => {})
  part.notify(read('{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}'), null)
  part.notify(read('{"jsonrpc":"2.0","method":"notifications/message","params":{"logger":"own"}}'), null)
  expect(texts()).toEqual([{ jsonrpc: '2.0', method: 'notifications/message', params: { logger: 'shown' } }])
})

function listeningSession() {
  const ledger = new ByteLedger({ heldBytesMax: 1_000_000, heldBytesPerClientMax: 1_000_000 })
  const init = {
    id: 'id',
    principalId: 'anonymous',
    clientKey: 'client',
    serverName: 'group',
    endpoint: 'sse',
    ledger,
  } as const
  const whole = new Session(init, settings, () => {})
  whole.begin(
    read('{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"capabilities":{"roots":{}}}}'),
    '2025-11-25',
    { roots: {} },
  )
  whole.state = 'open'
  const sent: string[] = []
  whole.streams.openSse('/message', () => {})
  const streams = whole.streams
  const send = streams.sendStanding.bind(streams)
  streams.sendStanding = (text) => {
    sent.push(text)
    send(text)
  }
  return { whole, ledger, texts: () => sent.map((text) => JSON.parse(text)) }
}

function openPart(whole: Session, serverName: string): Session {
  return whole.openPart(serverName, asItCame, () => {})
}

function question(id: number) {
  return read(`{"jsonrpc":"2.0","id":${id},"method":"roots/list"}`)
}

function read(text: string) {
  const message = scanMessage(text)
  if (message === null) throw new Error(`no message: ${text}`)
  return message
}
