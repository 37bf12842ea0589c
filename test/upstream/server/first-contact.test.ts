/** In which order an unknown server is tried, and which of its refusals is told. */
import { describe, expect, test } from 'bun:test'
import { GatewayError } from '../../../src/errors.ts'
import { parseDefinition } from '../../../src/registry/definition-schema.ts'
import { EraMismatch } from '../../../src/upstream/connection/handshake.ts'
import { FirstContact } from '../../../src/upstream/server/first-contact.ts'

const place = {
  stdio: { command: 'one' },
  sse: { url: 'http://127.0.0.1:1/sse' },
  'streamable-http': { url: 'http://127.0.0.1:1/mcp' },
}
const notModern = new EraMismatch('modern', 'not modern', true)
const refused = new EraMismatch('legacy', 'missing API key', false, 400)
const stateless = new EraMismatch('legacy', 'no initialize here', true)
const wall = new GatewayError('UPSTREAM_ERROR', 'HTTP 500')
const silence = new GatewayError('UPSTREAM_TIMEOUT', 'no answer to server/discover')
const nobody = new GatewayError('SERVER_UNAVAILABLE', 'nobody is there')

function contactWith(transport: keyof typeof place): FirstContact {
  const parsed = parseDefinition({ name: 'one', transport, ...place[transport] }, { now: '' })
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.problems))
  return new FirstContact(parsed.definition)
}

describe('a server is tried', () => {
  test.each<{
    why: string
    over?: keyof typeof place
    failures: GatewayError[]
    eras: string[]
    reason: string
  }>([
    { why: 'not at all where nobody is', failures: [nobody], eras: ['modern'], reason: 'nobody is there' },
    {
      why: 'in the older way after one answer that is clear',
      failures: [notModern, refused],
      eras: ['modern', 'legacy'],
      reason: 'missing API key',
    },
    {
      why: 'in the older way after two answers that say nothing',
      failures: [wall, wall, refused],
      eras: ['modern', 'modern', 'legacy'],
      reason: 'missing API key',
    },
    {
      why: 'in the older way after one silence, which was long enough',
      failures: [silence, wall],
      eras: ['modern', 'legacy'],
      reason: 'HTTP 500',
    },
    {
      why: 'once more in the newer way when the older one is refused in its words',
      failures: [silence, stateless, wall],
      eras: ['modern', 'legacy', 'modern'],
      reason: 'HTTP 500 (no initialize here)',
    },
    {
      why: 'no more where both ways are refused clearly',
      failures: [notModern, stateless],
      eras: ['modern', 'legacy'],
      reason: 'not modern (no initialize here)',
    },
    {
      why: 'the older way first on a pipe',
      over: 'stdio',
      failures: [refused, notModern],
      eras: ['legacy', 'modern'],
      reason: 'missing API key',
    },
    {
      why: 'no second time on a pipe that closed',
      over: 'stdio',
      failures: [wall],
      eras: ['legacy'],
      reason: 'HTTP 500',
    },
    {
      why: 'in one way over HTTP+SSE',
      over: 'sse',
      failures: [refused],
      eras: ['legacy'],
      reason: 'missing API key',
    },
  ])('$why', ({ over, failures, eras, reason }) => {
    const contact = contactWith(over ?? 'streamable-http')
    const tried: string[] = []
    for (let era = contact.next; era !== null; era = contact.next) {
      tried.push(era)
      contact.failed(failures[tried.length - 1])
    }
    expect(tried).toEqual(eras)
    expect(contact.reason.details).toBe(reason)
  })

  test('with a short wait for the first question only, and a pause only before it is put again', () => {
    const contact = contactWith('streamable-http')
    expect([contact.boundMs(120_000), contact.boundMs(2_000), contact.repeats]).toEqual([5_000, 1_000, false])
    contact.failed(wall)
    expect([contact.boundMs(120_000), contact.repeats]).toEqual([5_000, true])
    contact.failed(silence)
    expect([contact.boundMs(115_000), contact.repeats, contact.modernUnclear]).toEqual([115_000, false, true])
    contact.failed(stateless)
    expect([contact.boundMs(114_000), contact.repeats]).toEqual([114_000, false])
    expect(contactWith('stdio').boundMs(120_000)).toBe(120_000)
  })
})
