/** What a front says on a channel, and what of it counts. */
import { describe, expect, test } from 'bun:test'
import {
  BroughtReader,
  type Common,
  readMessage,
  writeBrought,
  writeMessage,
} from '../../../../src/cluster/forward/wire/channel/brought.ts'
import { createSeal } from '../../../../src/cluster/seal.ts'

const nowMs = 1_700_000_000_000
const line = { from: 'a'.repeat(16), to: 'b'.repeat(16), atMs: nowMs, serial: 7 }
const frames = 'R1 0 1 2\nüxy'
const [newer, older] = ['n'.repeat(32), 'o'.repeat(32)]

function codesOf(...secrets: string[]) {
  const seal = createSeal(secrets)
  return (text: string) => seal.macs('forward', text)
}

describe('a message on a channel', () => {
  const text = writeMessage(line, frames, codesOf(newer))

  test('says from whom it is, its number, and what is in it', () => {
    expect(readMessage(text, line.to, nowMs, codesOf(newer))).toEqual({
      ...{ from: line.from, serial: 7, frames },
      refusal: null,
    })
  })

  test.each([
    { why: 'a newer secret has come', codes: codesOf(older, newer), refusal: null },
    { why: 'only the older secret is known', codes: codesOf(older), refusal: 'its code is wrong' },
  ])('is judged by all secrets where $why', ({ codes, refusal }) => {
    expect(readMessage(text, line.to, nowMs, codes)?.refusal).toBe(refusal)
  })

  test.each([
    { why: 'it is for another member', self: line.from, at: nowMs, refusal: 'it is for another member' },
    { why: 'it is a minute old', self: line.to, at: nowMs + 60_001, refusal: 'it is too old' },
    { why: 'it is of the future', self: line.to, at: nowMs - 60_001, refusal: 'it is too old' },
    { why: 'it is nearly a minute old', self: line.to, at: nowMs + 60_000, refusal: null },
  ])('is judged where $why', ({ self, at, refusal }) => {
    expect(readMessage(text, self, at, codesOf(newer))?.refusal).toBe(refusal)
  })

  test('counts for nothing with any of its characters changed', () => {
    for (let at = 0; at < text.length; at++) {
      const changed = `${text.slice(0, at)}${text[at] === '7' ? '8' : '7'}${text.slice(at + 1)}`
      const read = readMessage(changed, line.to, nowMs, codesOf(newer))
      expect(read === null || read.refusal !== null).toBe(true)
    }
  })
})

describe('what a request comes with', () => {
  const common: Common = {
    principal: { id: 'token:ab', shown: 'token:ab', role: 'client' },
    peer: '10.0.0.1',
    client: null,
    base: 'https://gw.example',
    target: '/mcp-proxy/files/stream',
    headers: ['accept', 'text/event-stream', 'x-latin', 'é'],
  }

  test('is read once for all requests that have it in common', () => {
    const reader = new BroughtReader()
    const [first, second] = [1, 2].map((n) => reader.read(writeBrought(`request ${n}`, common)))
    expect([first?.requestId, second?.requestId]).toEqual(['request 1', 'request 2'])
    expect(first?.common !== undefined && second?.common === first?.common).toBe(true)
    expect(first?.common.headers.get('x-latin')).toBe('é')
    expect(first?.common.target.server).toBe('files')
    const other = reader.read(writeBrought('request 3', { ...common, client: '10.0.0.2' }))
    expect(other?.common.client).toBe('10.0.0.2')
  })

  test.each([
    {
      why: 'it is for no endpoint of a client',
      head: writeBrought('x', { ...common, target: '/admin/mcps' }),
    },
    {
      why: 'its path has two readings',
      head: writeBrought('x', { ...common, target: '/mcp-proxy/../admin' }),
    },
    { why: 'a header is none', head: writeBrought('x', { ...common, headers: ['a b', '1'] }) },
    {
      why: 'a header has a character of two bytes',
      head: writeBrought('x', { ...common, headers: ['a', '€'] }),
    },
    { why: 'a member is missing', head: 'x\n{"peer":null}' },
    { why: 'it is no JSON', head: 'x\nnoise' },
    { why: 'it has one line', head: JSON.stringify(common) },
  ])('is nothing where $why', ({ head }) => {
    expect(new BroughtReader().read(head)).toBeNull()
  })
})
