import { expect, test } from 'bun:test'
import { scanMessage } from '../../../src/protocol/jsonrpc.ts'
import { AnsweredRequest } from '../../../src/upstream/connection/answered-request.ts'

const unnamed = '{"jsonrpc":"2.0","id":null,"error":{"code":-32603,"message":"boom"}}'
const refusal = '{"jsonrpc":"2.0","error":{"code":-32601,"message":"Method not found"}}'

interface Row {
  readonly why: string
  readonly text: string
  readonly arrivedFor?: number
  readonly attributes?: boolean
  readonly inFlight?: readonly number[]
  /** A notification has gone out, and nothing was answered since. */
  readonly notified?: boolean
  readonly id: number
}

const rows: readonly Row[] = [
  { why: 'its id', text: '{"id":7,"result":{}}', inFlight: [7, 8], id: 7 },
  { why: 'its id, wherever it came', text: '{"id":"7","result":{}}', arrivedFor: 8, attributes: true, id: 7 },
  {
    why: 'an error without id: where it came',
    text: unnamed,
    arrivedFor: 8,
    attributes: true,
    inFlight: [7, 8],
    id: 8,
  },
  {
    why: 'likewise in the body of a POST over HTTP+SSE',
    text: unnamed,
    arrivedFor: 8,
    inFlight: [7, 8],
    id: 8,
  },
  { why: 'on a pipe: the only one in flight', text: unnamed, inFlight: [7], id: 7 },
  { why: 'on a pipe with several in flight: nobody can tell', text: unnamed, inFlight: [7, 8], id: -1 },
  { why: 'with none in flight', text: unnamed, id: -1 },
  {
    why: 'on a stream of no request, where others have their own',
    text: unnamed,
    attributes: true,
    inFlight: [7],
    id: -1,
  },
  {
    why: 'a result without id is for nobody',
    text: '{"id":null,"result":{}}',
    arrivedFor: 7,
    attributes: true,
    inFlight: [7],
    id: -1,
  },
  {
    why: 'an id of another kind',
    text: '{"id":"server-error","error":{"code":1}}',
    arrivedFor: 7,
    attributes: true,
    inFlight: [7],
    id: -1,
  },
  {
    why: 'the refusal of a notification, as naive servers send it',
    text: refusal,
    inFlight: [7],
    notified: true,
    id: -1,
  },
  { why: 'a failure that is no such refusal', text: unnamed, inFlight: [7], notified: true, id: 7 },
  { why: 'a refusal where no notification is open', text: refusal, inFlight: [7], id: 7 },
]
test.each(rows)('a response is for request $id: $why', (row) => {
  const answered = new AnsweredRequest()
  if (row.notified === true) answered.notified(7)
  const message = scanMessage(row.text)
  if (message === null) throw new Error('no message')
  const inFlight = (row.inFlight ?? []).map((upstreamId) => ({ upstreamId }))
  expect(answered.idOf(message, row.arrivedFor ?? null, row.attributes ?? false, inFlight)).toBe(row.id)
})

test('a notification is done with once a later request is answered, and no earlier one', () => {
  const answered = new AnsweredRequest()
  const message = scanMessage(refusal)
  if (message === null) throw new Error('no message')
  const refused = (): number => answered.idOf(message, null, false, [{ upstreamId: 9 }])
  answered.notified(8)
  answered.answered(7)
  expect(refused()).toBe(-1)
  answered.answered(8)
  expect(refused()).toBe(9)
})
