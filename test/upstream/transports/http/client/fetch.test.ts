/** An answer that fetch carries is given up when nobody wants the rest of it. */
import { expect, test } from 'bun:test'
import { Cancellation } from '../../../../../src/upstream/transports/http/client/answer/cancellation.ts'
import { fetchAnswer } from '../../../../../src/upstream/transports/http/client/fetch.ts'

const rows = [
  {
    why: 'its beginning was read',
    giveUp: async (answer: Answer) => {
      await answer.next()
      answer.discard()
    },
  },
  { why: 'it is over the bound', giveUp: async (answer: Answer) => void (await answer.pieces(100_000)) },
  { why: 'nothing of it was read', giveUp: async (answer: Answer) => answer.discard() },
]
type Answer = Awaited<ReturnType<typeof fetchAnswer>>

test.each(rows)('an endless body ends at its server when $why', async ({ giveUp }) => {
  const given = Promise.withResolvers<string>()
  await using server = Bun.serve({
    port: 0,
    fetch: () =>
      new Response(
        new ReadableStream({
          async pull(controller) {
            controller.enqueue(new Uint8Array(16_384))
            await Bun.sleep(1)
          },
          cancel: () => given.resolve('given up'),
        }),
      ),
  })
  const answer = await fetchAnswer(server.url, server.url.href, {
    method: 'GET',
    headers: new Headers(),
    body: null,
    cancellation: new Cancellation(),
    proxy: null,
    tls: null,
    fresh: true,
  })
  await giveUp(answer)
  // Much later a collection of garbage would end it.
  expect(await Promise.race([given.promise, Bun.sleep(500).then(() => 'still sent')])).toBe('given up')
})
