/**
 * Starts a server that is registered nowhere, looks what it is and offers, and ends it again: whether a definition works
 * is known before it is saved. Nothing of it stays: no entry, no series of figures, no process.
 */
import { GatewayError, reasonOf } from '../../errors.ts'
import type { ServerDefinition } from '../../registry/definition.ts'
import { within } from '../../runtime/patience.ts'
import { logWith } from '../../telemetry/log.ts'
import type { Metrics } from '../../telemetry/metrics.ts'
import type { Trial, TrialPatience } from './directory.ts'
import { OutputTail } from './output-tail.ts'
import type { ServerParts } from './parts.ts'
import { Server } from './server.ts'

/** Each may be a process; so many are no load. */
const trialsMax = 3
const nothing = (): void => {}
const noMetrics: Metrics = {
  requestStarted: nothing,
  requestEnded: nothing,
  serverAdded: nothing,
  serverRemoved: nothing,
}

export class Trials {
  #count = 0

  /** `holds` has the server while it lasts, so that time passes for it and a stop of the gateway ends it. */
  async run(
    definition: ServerDefinition,
    parts: ServerParts,
    holds: Set<Server>,
    patience: TrialPatience,
  ): Promise<Trial> {
    if (this.#count >= trialsMax)
      throw new GatewayError(
        'IN_FLIGHT_EXHAUSTED',
        `${trialsMax} definitions are tried already; try again when one is done.`,
        5,
      )
    const startedAtMs = performance.now()
    const server = serverOf(definition, parts)
    this.#count++
    holds.add(server)
    try {
      server.start(null)
      await untilLeft(server.untilSettled(patience.startMs), patience.signal)
      const listed = await listedBy(server, patience)
      return { status: server.status(), ...listed, tookMs: performance.now() - startedAtMs }
    } finally {
      await server.stop(new GatewayError('UPSTREAM_CLOSED', `The trial of ${definition.name} is over.`))
      server.output.close()
      holds.delete(server)
      this.#count--
    }
  }
}

function serverOf(definition: ServerDefinition, parts: ServerParts): Server {
  // Lines that nobody takes for those of a registered server of that name.
  const log = logWith(parts.log, { trial: true })
  const own: ServerParts = {
    ...parts,
    log,
    metrics: noMetrics,
    stateChanged: nothing,
    goesOnAs: () => false,
    // Whoever tries it wants to see all of it.
    pin: nothing,
    sessionCount: () => 0,
  }
  return new Server(definition, 'store', own, {
    disabledAt: null,
    output: new OutputTail(log),
    settledBefore: true,
  })
}

async function listedBy(
  server: Server,
  { listMs, signal }: TrialPatience,
): Promise<Pick<Trial, 'tools' | 'toolsError'>> {
  if (server.firstLane === null || signal.aborted) return { tools: null, toolsError: null }
  const tooSlow = () =>
    new GatewayError('UPSTREAM_TIMEOUT', `The server did not list its tools within ${listMs} ms.`)
  try {
    const tools = await untilLeft(within(server.listTools(), listMs, tooSlow), signal)
    return { tools: tools ?? null, toolsError: null }
  } catch (thrown) {
    return { tools: null, toolsError: reasonOf(thrown) }
  }
}

/** What comes first: this, or that nobody waits for it any more. */
async function untilLeft<T>(work: Promise<T>, signal: AbortSignal): Promise<T | undefined> {
  const left = Promise.withResolvers<undefined>()
  const leave = () => left.resolve(undefined)
  signal.addEventListener('abort', leave, { once: true })
  if (signal.aborted) leave()
  try {
    return await Promise.race([work, left.promise])
  } finally {
    signal.removeEventListener('abort', leave)
  }
}
