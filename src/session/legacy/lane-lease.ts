/** How a session gets its lane, and a new one when it has lost it. */
import { GatewayError } from '../../errors.ts'
import type { Lane } from '../../upstream/lane/lane.ts'
import type { Servers } from '../../upstream/server/servers.ts'
import { retryMs } from '../lane-losses.ts'
import type { Session } from './session.ts'

/** Gives a session a lane of the server as it is registered now; `initializes` for the request that opens the session. */
export async function leaseLane(servers: Servers, session: Session, initializes = false): Promise<Lane> {
  const server = servers.require(session.serverName).as(session.owner)
  const before = session.lane
  const lane = await server.lease(session, initializes)
  if (before && before !== lane) {
    lane.subscriptions.carryOver(session, before.subscriptions)
    before.leave(session)
  }
  session.lane = lane
  if (session.state === 'closed') {
    lane.leave(session)
    throw new GatewayError('SESSION_UNKNOWN', 'The session has ended.')
  }
  return lane
}

/** Finds a lane again for a session whose client listens, until it is found or nobody listens any more. */
export async function keepLane(servers: Servers, session: Session): Promise<void> {
  const { laneLosses, streams } = session
  if (laneLosses.seeking) return
  laneLosses.seeking = true
  let waitMs = laneLosses.pauseMs(performance.now())
  for (;;) {
    await Bun.sleep(waitMs)
    if (session.state !== 'open' || !streams.standing || session.lane?.ready) break
    try {
      await leaseLane(servers, session)
      if (session.lane?.ready) break
      waitMs = laneLosses.pauseMs(performance.now())
    } catch (thrown) {
      if (!servers.get(session.serverName)) break
      waitMs = retryMs(thrown)
    }
  }
  laneLosses.seeking = false
}
