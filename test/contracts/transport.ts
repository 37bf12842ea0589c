/**
 * What a connection may rely on, whatever the wire: one suite, run on every transport against the official
 * reference server.
 */
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'bun:test'
import type { UpstreamTransport } from '../../src/upstream/transports/transport.ts'
import { openSession, type TransportSession } from '../support/transport-session.ts'

export interface TransportUnderTest {
  /** A new transport to the running reference server. */
  create(): UpstreamTransport
  stop(): Promise<void>
}

interface ToolResult {
  result: { content: { type: string; text: string }[] }
}

export function transportContract(name: string, start: () => Promise<TransportUnderTest>): void {
  describe(`${name} keeps the contract of a transport`, () => {
    let underTest: TransportUnderTest
    const sessions: TransportSession[] = []

    beforeAll(async () => {
      underTest = await start()
    }, 20_000)

    afterEach(async () => {
      await Promise.all(sessions.splice(0).map(({ transport }) => transport.close()))
    })

    afterAll(() => underTest.stop())

    async function open(capabilities?: object): Promise<TransportSession> {
      const session = await openSession(underTest.create(), capabilities)
      sessions.push(session)
      return session
    }

    test('carries a call and its answer', async () => {
      const session = await open()
      const answer = await session.call('tools/call', { name: 'echo', arguments: { message: 'é→😀' } })
      expect((answer as unknown as ToolResult).result.content[0]?.text).toBe('Echo: é→😀')
      expect(session.recorder.of('requestFailed')).toEqual([])
      expect(session.recorder.of('closed')).toEqual([])
    })

    test('carries a megabyte in both directions', async () => {
      const session = await open()
      const message = 'x'.repeat(1 << 20)
      const answer = await session.call('tools/call', { name: 'echo', arguments: { message } })
      expect((answer as unknown as ToolResult).result.content[0]?.text.length).toBe(message.length + 6)
    })

    test('gives each of two hundred calls at once its own answer', async () => {
      const session = await open()
      const texts = Array.from({ length: 200 }, (_, index) => `call ${index}`)
      const answers = await Promise.all(
        texts.map((message) => session.call('tools/call', { name: 'echo', arguments: { message } })),
      )
      expect(answers.map((answer) => (answer as unknown as ToolResult).result.content[0]?.text)).toEqual(
        texts.map((text) => `Echo: ${text}`),
      )
    })

    test('brings every progress notification, in order, before the answer', async () => {
      const session = await open()
      await session.call('tools/call', {
        name: 'trigger-long-running-operation',
        arguments: { duration: 0.3, steps: 6 },
        _meta: { progressToken: 77 },
      })
      const messages = session.recorder.of('message').map((event) => JSON.parse(event.text))
      const progress = messages.filter((message) => message.method === 'notifications/progress')
      expect(progress.map((message) => message.params.progress)).toEqual([1, 2, 3, 4, 5, 6])
      const answerAt = messages.findIndex((message) => message.id === 2)
      expect(messages.indexOf(progress.at(-1))).toBeLessThan(answerAt)
    })

    test('brings a request of the server and takes the answer back', async () => {
      const session = await open({ sampling: {} })
      const id = session.start('tools/call', {
        name: 'trigger-sampling-request',
        arguments: { prompt: 'say hello', maxTokens: 10 },
      })
      const asked = await session.recorder.until(
        (event): event is Extract<typeof event, { kind: 'message' }> =>
          event.kind === 'message' && event.text.includes('sampling/createMessage'),
      )
      const request = JSON.parse(asked.text) as { id: number }
      const result = { role: 'assistant', model: 'none', content: { type: 'text', text: 'hello there' } }
      session.transport.send({
        text: JSON.stringify({ jsonrpc: '2.0', id: request.id, result }),
        requestId: null,
        method: null,
      })
      expect(JSON.stringify(await session.recorder.answerTo(id))).toContain('hello there')
    })

    test('passes on an error of the server as it is', async () => {
      const session = await open()
      const answer = await session.call('no/such/method')
      expect(answer['error']).toMatchObject({ code: -32601 })
    })

    test('brings nothing while it is paused, and everything afterwards', async () => {
      const session = await open()
      const id = session.start('tools/call', {
        name: 'trigger-long-running-operation',
        arguments: { duration: 0.4, steps: 4 },
        _meta: { progressToken: 5 },
      })
      await session.recorder.until(
        (event): event is Extract<typeof event, { kind: 'message' }> =>
          event.kind === 'message' && event.text.includes('notifications/progress'),
      )
      session.transport.pause()
      // What had been read before the pause may still be on its way.
      await Bun.sleep(20)
      const seen = session.recorder.events.length
      await Bun.sleep(300)
      expect(session.recorder.events.length).toBeLessThanOrEqual(seen + 1)
      session.transport.resume()
      await session.recorder.answerTo(id)
      const progress = session.recorder
        .of('message')
        .filter((event) => event.text.includes('notifications/progress'))
      expect(progress.length).toBe(4)
    })

    test('is silent from close on, with a call in flight', async () => {
      const session = await open()
      session.start('tools/call', {
        name: 'trigger-long-running-operation',
        arguments: { duration: 0.2, steps: 2 },
        _meta: { progressToken: 5 },
      })
      await Bun.sleep(20)
      const closing = session.transport.close()
      const seen = session.recorder.events.length
      await closing
      session.start('tools/list')
      session.transport.pause()
      session.transport.resume()
      session.transport.abort(3)
      session.transport.resetSession()
      await session.transport.close()
      await Bun.sleep(300)
      expect(session.recorder.events.length).toBe(seen)
    })
  })
}
