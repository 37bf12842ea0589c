/** A channel between two members, over a real socket; what is asked is answered by each test. */
import { afterEach, beforeEach, describe, expect, test } from 'bun:test'
import { BroughtRequest } from '../../../../src/cluster/forward/wire/channel/brought-request.ts'
import { windowBytes } from '../../../../src/cluster/forward/wire/channel/frames.ts'
import { FrontChannel } from '../../../../src/cluster/forward/wire/channel/front-channel.ts'
import { FrontChannels } from '../../../../src/cluster/forward/wire/channel/front-channels.ts'
import {
  type ChannelData,
  channelHandler,
} from '../../../../src/cluster/forward/wire/channel/owner-channels.ts'
import type { ChannelSent, SentRequest } from '../../../../src/cluster/forward/wire/channel/sent-request.ts'
import { replyRpcBytes, replyRpcText } from '../../../../src/http/reply.ts'
import { Cancellation } from '../../../../src/upstream/transports/http/client/answer/cancellation.ts'

type Answerer = (request: BroughtRequest, body: string) => Promise<Response>

let answer: Answerer
let server: Bun.Server<ChannelData>
let channel: FrontChannel
const nobody = { heard() {}, gone() {} }

/** What is proven is another test. */
const challenge = { nonce: 'n', provenBy: () => 'm' }
const signing = { opening: () => 'signed', message: (_to: string, frames: string) => `signed ${frames}` }
const brought = (head: string, body: string) => {
  const request = new BroughtRequest('http://x/', new Headers({ 'x-head': head }), body)
  return { request, answer: () => answer(request, body) }
}

beforeEach(async () => {
  server = Bun.serve<ChannelData>({
    port: 0,
    hostname: '127.0.0.1',
    fetch: (request, self) => (self.upgrade(request, { data: { end: null } }) ? undefined : new Response()),
    websocket: channelHandler({
      opened: (text) => (text.startsWith('signed ') ? { frames: text.slice(7), brought } : null),
    }),
  })
  const opened = await FrontChannel.open('m', address(), signing, nobody, challenge)
  if (opened === null) throw new Error('no channel')
  channel = opened
})
afterEach(async () => {
  channel.close()
  await server.stop(true)
})

function address(): { hostname: string; port: number } {
  return { hostname: '127.0.0.1', port: server.port ?? 0 }
}

function send(body: string, cancellation = new Cancellation()): Promise<ChannelSent> {
  return channel.send('head', body, cancellation)
}

async function piecesOf(body: string, cancellation = new Cancellation()): Promise<SentRequest> {
  const sent = await send(body, cancellation)
  if (sent.kind !== 'pieces') throw new Error(sent.kind)
  return sent.pieces
}

/** A body of one piece after the other, and what was taken of it and became of it. */
function source(pieceBytes: number, count: number) {
  const seen = { taken: 0, cancelled: Promise.withResolvers<void>() }
  const body = new ReadableStream<Uint8Array>(
    {
      pull(controller) {
        if (seen.taken++ < count) controller.enqueue(new Uint8Array(pieceBytes).fill(seen.taken % 256))
        else controller.close()
      },
      cancel: () => seen.cancelled.resolve(),
    },
    { highWaterMark: 0 },
  )
  return { body, seen }
}

describe('a channel', () => {
  test('brings many answers back, each to its own request, in whatever order they are ready', async () => {
    const release = Promise.withResolvers<void>()
    answer = async (request, body) => {
      if (body === 'first') await release.promise
      return replyRpcText(`${request.headers.get('x-head')} ${body} ${await request.text()}`)
    }
    const first = send('first')
    const others = await Promise.all(Array.from({ length: 300 }, (_, n) => send(`ü ${n}\n`)))
    expect(others.map((sent) => sent.kind === 'whole' && sent.text)).toEqual(
      Array.from({ length: 300 }, (_, n) => `head ü ${n}\n ü ${n}\n`),
    )
    release.resolve()
    expect(await first).toMatchObject({ kind: 'whole', status: 200, text: 'head first first' })
  })

  test('brings a large request and a large text whole', async () => {
    answer = async (_request, body) => replyRpcText(body)
    const body = 'ü'.repeat(64 * 1024)
    const sent = await Promise.all(Array.from({ length: 20 }, () => send(body)))
    for (const one of sent) expect(one.kind === 'whole' && one.text === body).toBe(true)
  })

  test('has no more of a stream on its way than its reader has asked for', async () => {
    const pieceBytes = 16 * 1024
    const { body, seen } = source(pieceBytes, 1_000)
    answer = async () => replyRpcBytes(200, body)
    const pieces = await piecesOf('x')
    // Other requests go on meanwhile, and by their answers what was sent before has come.
    answer = async () => replyRpcText('done')
    for (let n = 0; n < 50; n++) await send('y')
    expect(seen.taken).toBeLessThanOrEqual(windowBytes / pieceBytes + 2)
    let bytes = 0
    for (let piece = await pieces.next(); piece !== null; piece = await pieces.next()) bytes += piece.length
    expect(bytes).toBe(1_000 * pieceBytes)
  })

  test('cuts a piece that is larger than the window, and loses nothing of it', async () => {
    const { body } = source(windowBytes * 3 + 7, 2)
    answer = async () => replyRpcBytes(200, body)
    const pieces = await piecesOf('x')
    const got: Uint8Array[] = []
    for (let piece = await pieces.next(); piece !== null; piece = await pieces.next()) got.push(piece)
    const all = Buffer.concat(got)
    expect(all.length).toBe(2 * (windowBytes * 3 + 7))
    expect([all[0], all.at(-1)]).toEqual([1, 2])
  })

  test('tells an owner that nobody waits any more, before and after the answer has begun', async () => {
    const gone = Promise.withResolvers<void>()
    const come = Promise.withResolvers<void>()
    answer = async (request) => {
      request.signal.addEventListener('abort', () => gone.resolve())
      come.resolve()
      await gone.promise
      return replyRpcText('late')
    }
    const cancellation = new Cancellation()
    const sent = send('x', cancellation)
    await come.promise
    cancellation.cancel()
    expect(await sent).toEqual({ kind: 'lost' })
    await gone.promise

    const { body, seen } = source(1_000, 1_000_000)
    answer = async () => replyRpcBytes(200, body)
    const second = new Cancellation()
    const pieces = await piecesOf('x', second)
    await pieces.next()
    second.cancel()
    await seen.cancelled.promise
  })

  test('does not send what was given up before it was written', async () => {
    let asked = 0
    answer = async () => {
      asked++
      return replyRpcText('x')
    }
    const cancellation = new Cancellation()
    const sent = send('x', cancellation)
    cancellation.cancel()
    expect(await sent).toEqual({ kind: 'unsent' })
    await send('y')
    expect(asked).toBe(1)
  })

  test('that breaks leaves what was written in doubt, and says of the rest that it was not sent', async () => {
    const come = Promise.withResolvers<void>()
    answer = () => {
      come.resolve()
      return new Promise(() => {})
    }
    const written = send('x')
    await come.promise
    const waiting = send('y')
    channel.close()
    expect(await written).toEqual({ kind: 'lost' })
    expect(await waiting).toEqual({ kind: 'unsent' })
    expect(await send('z')).toEqual({ kind: 'unsent' })
  })

  test('that breaks within a stream breaks the stream, and ends what its owner runs', async () => {
    const { body, seen } = source(1_000, 1_000_000)
    answer = async () => replyRpcBytes(200, body)
    const pieces = await piecesOf('x')
    expect(await pieces.next()).not.toBeNull()
    channel.close()
    await seen.cancelled.promise
    const rest = async (): Promise<void> => {
      while ((await pieces.next()) !== null);
    }
    await expect(rest()).rejects.toThrow('broke off')
  })

  test('says that a stream broke off which failed at its owner', async () => {
    answer = async () =>
      replyRpcBytes(
        200,
        new ReadableStream<Uint8Array>({ pull: (controller) => controller.error(new Error('it failed')) }),
      )
    const pieces = await piecesOf('x')
    await expect(Promise.resolve(pieces.next())).rejects.toThrow('broke off')
  })

  test('whose other end takes nothing is full, so that others go another way', async () => {
    using silent = Bun.listen({
      hostname: '127.0.0.1',
      port: 0,
      socket: {
        data(socket) {
          socket.write('HTTP/1.1 101 Switching Protocols\r\n\r\n')
          socket.pause()
        },
      },
    })
    const stuck = await FrontChannel.open(
      'm',
      { hostname: '127.0.0.1', port: silent.port },
      signing,
      nobody,
      challenge,
    )
    const cancellation = new Cancellation()
    const body = 'x'.repeat(64 * 1024)
    const sent: Promise<ChannelSent>[] = []
    while (stuck?.full === false && sent.length < 1_000) {
      sent.push(stuck.send('head', body, cancellation))
      if (sent.length % 10 === 0) await new Promise(setImmediate)
    }
    expect(stuck?.full).toBe(true)
    expect(sent.length).toBeLessThan(1_000)
    stuck?.close()
    expect((await Promise.all(sent)).every(({ kind }) => kind === 'lost' || kind === 'unsent')).toBe(true)
  })

  test.each([
    { why: 'a text that is no message', text: 'noise' },
    { why: 'a message without frames', text: 'signed noise' },
    { why: 'a message that is too long', text: 'x'.repeat(2 * 1024 * 1024) },
  ])('is closed by an owner to whom comes $why', async ({ text }) => {
    const socket = new WebSocket(`ws://127.0.0.1:${server.port}/channel`)
    const closed = new Promise((resolve) => {
      socket.onclose = resolve
    })
    socket.onopen = () => socket.send(text)
    await closed
    answer = async () => replyRpcText('others go on')
    expect((await send('x')).kind).toBe('whole')
  })
})

describe('the channels of a member', () => {
  const opening = { signing, heard() {}, challenge: () => challenge }

  test('are one for each other member, however many ask for it at once', async () => {
    const channels = new FrontChannels()
    const asked = await Promise.all(Array.from({ length: 5 }, () => channels.to('m', address(), opening)))
    expect(new Set(asked).size).toBe(1)
    expect(asked[0]).not.toBeNull()
    expect(channels.to('m', address(), opening)).toBe(asked[0] ?? null)
    channels.gone('m')
    expect(asked[0]?.closed).toBe(true)
    channels.close()
  })

  test('are none to a member of an older version, which is not asked again and again', async () => {
    let asked = 0
    using older = Bun.serve({
      port: 0,
      hostname: '127.0.0.1',
      fetch() {
        asked++
        return new Response(null, { status: 403 })
      },
    })
    const channels = new FrontChannels()
    const at = { hostname: '127.0.0.1', port: older.port ?? 0 }
    for (let n = 0; n < 3; n++) expect(await channels.to('older', at, opening)).toBeNull()
    expect(asked).toBe(1)
    channels.close()
  })

  test('are none where nobody listens, or nobody answers', async () => {
    const channels = new FrontChannels()
    using silent = Bun.listen({ hostname: '127.0.0.1', port: 0, socket: { data() {} } })
    expect(await channels.to('silent', { hostname: '127.0.0.1', port: silent.port }, opening)).toBeNull()
    const { port } = silent
    silent.stop(true)
    expect(await channels.to('nobody', { hostname: '127.0.0.1', port }, opening)).toBeNull()
    channels.close()
  })
})
