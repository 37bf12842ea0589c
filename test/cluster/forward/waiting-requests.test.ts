/** Requests that wait, for other members or for room, while the rules become others. */
import { describe, expect, test } from 'bun:test'
import { awaitingRoom } from '../../../src/cluster/forward/open-forward.ts'
import { type GatewayError, revokedError } from '../../../src/errors.ts'
import type { RequestContext } from '../../../src/http/context.ts'
import type { Asked } from '../../../src/http/routes/elsewhere.ts'
import { type McpParts, type McpTarget, openSession } from '../../../src/http/routes/mcp.ts'
import { CallCounters } from '../../../src/upstream/server/counters.ts'

/** A request of somebody, and what takes away that they are let in. */
function asked() {
  let refusal: GatewayError | null = null
  const counters = new CallCounters('files', 8, { requestStarted() {}, requestEnded() {} })
  const room = Promise.withResolvers<void>()
  const context = {
    principal: { id: 'token:1', grants: null },
    admittedBy: { refusalNow: () => refusal },
  } as unknown as RequestContext
  const target = { name: 'files', owner: null, counters } as unknown as McpTarget
  const inbound = { message: { kind: 'request' } }
  return {
    asked: { context, target, inbound } as unknown as Asked,
    room,
    fill() {
      counters.sharedMax = 0
      counters.waitForRoom = () => room.promise
    },
    revoke() {
      refusal = revokedError()
    },
  }
}

const nobodyElse = { opened: async () => {} }

describe('a request that is to be served here', () => {
  test.each([
    { why: 'waits for nothing where nobody has to be asked and there is room', searched: false, full: false },
    { why: 'has waited until its owner was looked for', searched: true, full: false },
    { why: 'has waited for room', searched: false, full: true },
    { why: 'has waited for both', searched: true, full: true },
  ])('$why', async ({ searched, full }) => {
    for (const isRevoked of [false, true]) {
      const request = asked()
      const search = Promise.withResolvers<null>()
      if (full) request.fill()
      const waiting = awaitingRoom({ ...nobodyElse, answer: () => (searched ? search.promise : null) })
      const answer = waiting.answer(request.asked)
      expect(answer === null).toBe(!searched && !full)
      if (isRevoked) request.revoke()
      search.resolve(null)
      request.room.resolve()
      if (isRevoked && answer !== null)
        await expect(answer).rejects.toMatchObject({ code: 'UNAUTHENTICATED' })
      else expect(await answer).toBeNull()
    }
  })

  test('is not asked for again when another process has answered it', async () => {
    const request = asked()
    const response = new Response('there')
    const waiting = awaitingRoom({ ...nobodyElse, answer: async () => response })
    const answer = waiting.answer(request.asked)
    request.revoke()
    expect(await answer).toBe(response)
  })
})

test('a session that has waited for room is not opened for whoever is let in no more', async () => {
  const { asked: request, room, revoke } = asked()
  let [opened, left] = [0, 0]
  const parts = {
    sessions: {
      room: () => room.promise.then(() => () => left++),
      open: () => opened++,
    },
    servers: {},
  } as unknown as McpParts
  const opening = openSession(parts, request.context, request.target, 'stream')
  revoke()
  room.resolve()
  await expect(Promise.resolve(opening)).rejects.toMatchObject({ code: 'UNAUTHENTICATED' })
  expect([opened, left]).toEqual([0, 1])
})
