/**
 * Somebody at the address of a member, as whoever replays its record may be: it is sent nothing of a request before it
 * has proven, on that very connection, that it is the member that is meant.
 */
import { afterEach, describe, expect, test } from 'bun:test'
import { Forwarder, type Outgoing } from '../../../src/cluster/forward/wire/forwarder.ts'
import { challengeHeader, proofFor, proofHeader } from '../../../src/cluster/forward/wire/member-proof.ts'
import { PeerWire } from '../../../src/cluster/forward/wire/peer-wire.ts'
import { Signer } from '../../../src/cluster/forward/wire/signer.ts'
import { createSeal } from '../../../src/cluster/seal.ts'

const seal = createSeal(['s'.repeat(32)])
const [meant, other] = ['a'.repeat(16), 'b'.repeat(16)]

interface Asked {
  readonly address: string
  readonly path: string
  readonly challenge: string
  /** What the first question of all was answered with by somebody who can. */
  readonly first: string
}
/** The header of the answer; null for none, undefined for no answer at all. */
type Answerer = (asked: Asked) => string | null | undefined

interface Fake extends AsyncDisposable {
  readonly address: string
  /** Everything that has come. */
  text(): string
  /** Paths that were asked for, in order. */
  readonly paths: string[]
}

/** Somebody who listens and answers every request, also those of clients, as this function says. */
function listen(answer: Answerer): Fake {
  let text = ''
  const paths: string[] = []
  let first = ''
  const server = Bun.listen<{ rest: string }>({
    hostname: '127.0.0.1',
    port: 0,
    socket: {
      open: (socket) => {
        socket.data = { rest: '' }
      },
      data(socket, chunk) {
        const came = chunk.toString('latin1')
        text += came
        socket.data.rest += came
        const end = socket.data.rest.indexOf('\r\n\r\n')
        if (end < 0) return
        const head = socket.data.rest.slice(0, end)
        socket.data.rest = ''
        const [, path = ''] = /^\w+ (\S+) /.exec(head) ?? []
        const [, challenge = ''] = new RegExp(`\r\n${challengeHeader}: (\\S+)`).exec(head) ?? []
        paths.push(path)
        first ||= proofFor(challenge, seal, meant, { address, target: path }) ?? ''
        const proof = answer({ address, path, challenge, first })
        if (proof === undefined) return
        const line = proof === null ? '' : `${proofHeader}: ${proof}\r\n`
        const begin = path.startsWith('/channel')
          ? 'HTTP/1.1 101 Switching Protocols\r\n'
          : `HTTP/1.1 200 OK\r\ncontent-length: ${meant.length}\r\n`
        socket.write(`${begin}${line}\r\n${path.startsWith('/channel') ? '' : meant}`)
      },
    },
  })
  const address = `127.0.0.1:${server.port}`
  return {
    address,
    paths,
    text: () => text,
    async [Symbol.asyncDispose]() {
      server.stop(true)
    },
  }
}

const wires: PeerWire[] = []
afterEach(() => {
  for (const wire of wires.splice(0)) wire.close()
})

function front() {
  const wire = new PeerWire(seal)
  wires.push(wire)
  const self = { instance: 'f'.repeat(16), address: '127.0.0.1:1', version: '1' }
  return { wire, forwarder: new Forwarder(wire, new Signer({ self, nowMs: () => Date.now() }, seal)) }
}

/** A small request goes over a channel, a stream of GET over a connection of its own. */
function request(method: 'POST' | 'GET'): Outgoing {
  return {
    ...{ method, target: '/mcp-proxy/files/stream', sessionId: 'canary-session', idText: '1' },
    headers: new Headers({ authorization: 'Bearer canary-token' }),
    body: method === 'POST' ? '{"canary":"body"}' : null,
    client: { signal: new AbortController().signal },
    bearer: {
      principal: { id: 'canary-id', shown: 'canary-id', role: 'client' },
      ...{ peer: null, client: null, base: 'http://canary', requestId: 'canary-request' },
    },
  }
}

const proven =
  (instance = meant, by = seal): Answerer =>
  ({ address, path, challenge }) =>
    proofFor(challenge, by, instance, { address, target: path })

describe('nothing of a request is sent to whoever is at the address of a member', () => {
  test.each<{ why: string; answer: Answerer; there: string | null }>([
    { why: 'and says its name alone', answer: () => null, there: 'stranger' },
    {
      why: 'and makes up a proof',
      answer: () => `${meant} ${'n'.repeat(32)} ${'c'.repeat(43)}`,
      there: 'stranger',
    },
    { why: 'and says nothing', answer: () => undefined, there: null },
    {
      why: 'and knows another secret',
      answer: proven(meant, createSeal(['t'.repeat(32)])),
      there: 'stranger',
    },
    { why: 'and is another member', answer: proven(other), there: other },
    {
      why: 'and passes the answer of another member off as that of the one that is meant',
      answer: (asked) => proven(other)(asked)?.replace(other, meant),
      there: 'stranger',
    },
    {
      why: 'and is the one that asks: its question came back',
      answer: proven('f'.repeat(16)),
      there: 'f'.repeat(16),
    },
    {
      why: 'and has the proof of a member at another address',
      answer: ({ path, challenge }) =>
        proofFor(challenge, seal, meant, { address: '127.0.0.1:9', target: path }),
      there: 'stranger',
    },
    {
      why: 'and has the proof for another question',
      answer: ({ address, challenge }) => proofFor(challenge, seal, meant, { address, target: '/other' }),
      there: 'stranger',
    },
  ])('$why', async ({ answer, there }) => {
    await using fake = listen(answer)
    const { wire, forwarder } = front()
    const peer = { instance: meant, address: fake.address }
    const beganMs = performance.now()
    const [found, ...sent] = await Promise.all([
      wire.ping(fake.address),
      forwarder.send(peer, request('POST')),
      forwarder.send(peer, request('GET')),
    ])
    expect(found).toBe(there)
    expect(sent.map(({ kind }) => kind)).toEqual(['unsent', 'unsent'])
    expect(performance.now() - beganMs).toBeLessThan(5_000)
    expect(fake.text()).not.toContain('canary')
  })

  test('and shows the answer again that the member gave before it was gone', async () => {
    // It has proven itself once, and whoever comes then has seen how.
    await using fake = listen(({ first }) => first)
    const { wire, forwarder } = front()
    expect(await wire.ping(fake.address)).toBe(meant)
    // A connection of before idles, and whoever has the address by now may see what comes on it.
    for (let n = 0; n < 3; n++) expect(await wire.ping(fake.address)).toBe('stranger')
    const { forwarder: later } = front()
    for (const forward of [forwarder, later])
      for (const method of ['POST', 'GET'] as const)
        expect((await forward.send({ instance: meant, address: fake.address }, request(method))).kind).toBe(
          'unsent',
        )
    expect(fake.text()).not.toContain('canary')
  })

  test('and says a great deal, or has come there while a connection of before idles', async () => {
    let isThere = true
    await using fake = listen((asked) => (isThere ? proven()(asked) : `${meant} ${'x'.repeat(100_000)}`))
    const { wire, forwarder } = front()
    expect(await wire.ping(fake.address)).toBe(meant)
    isThere = false
    // Another process there is asked anew, though the address has just been heard.
    expect((await forwarder.send({ instance: other, address: fake.address }, request('GET'))).kind).toBe(
      'unsent',
    )
    expect((await forwarder.send({ instance: meant, address: fake.address }, request('POST'))).kind).not.toBe(
      'answered',
    )
    expect(fake.text()).not.toContain('canary')
  })
})

describe('a member that has proven who it is', () => {
  test('is asked once for each connection, and not for each request', async () => {
    await using fake = listen(proven())
    const { forwarder } = front()
    for (let n = 0; n < 5; n++)
      expect((await forwarder.send({ instance: meant, address: fake.address }, request('GET'))).kind).toBe(
        'answered',
      )
    expect(fake.paths).toEqual(['/ping', ...Array.from({ length: 5 }, () => '/mcp-proxy/files/stream')])
  })

  test('gets many requests at once, each on a connection that was asked', async () => {
    await using fake = listen(proven())
    const { forwarder } = front()
    const sent = await Promise.all(
      Array.from({ length: 20 }, () =>
        forwarder.send({ instance: meant, address: fake.address }, request('GET')),
      ),
    )
    expect(new Set(sent.map(({ kind }) => kind))).toEqual(new Set(['answered']))
    expect(fake.paths.filter((path) => path === '/ping').length).toBeWithin(1, 22)
  })

  test.each([
    { why: 'the newer one proves, the older one is still known', by: ['n', 'o'], asks: ['o', 'n'] },
    { why: 'the older one proves', by: ['o'], asks: ['n', 'o'] },
  ])('is believed while the secret is replaced: $why', async ({ by, asks }) => {
    const sealOf = (letters: readonly string[]) => createSeal(letters.map((letter) => letter.repeat(32)))
    await using fake = listen(proven(meant, sealOf(by)))
    const wire = new PeerWire(sealOf(asks))
    wires.push(wire)
    expect(await wire.ping(fake.address)).toBe(meant)
  })

  test.each([
    { why: 'none', challenge: null },
    { why: 'one that is too short', challenge: 'short' },
    { why: 'one of other characters', challenge: `${'n'.repeat(31)}"` },
    { why: 'a great one', challenge: 'n'.repeat(1_000) },
  ])('answers no challenge that is none: $why', ({ challenge }) => {
    expect(proofFor(challenge, seal, meant, { address: 'x:1', target: '/ping' })).toBeNull()
  })
})
