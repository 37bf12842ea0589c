/** Resident memory: idle, with idle sessions, and after many sessions have come and gone. */
import { join } from 'node:path'
import { rssMib } from '../child-process.ts'
import type { HttpSocket } from '../load/http-socket.ts'
import { startGateway, stdioServer, tokens } from '../subjects/gateway.ts'
import { churn, openIdleSessions } from './sessions.ts'

export interface MemoryFigures {
  readonly idleMib: number | null
  /** Sessions with an open stream each, to resident memory. */
  readonly idleSessions: readonly { readonly sessions: number; readonly mib: number | null }[]
}

export interface ChurnFigures {
  /** After a warm-up of a hundredth of the sessions. */
  readonly beforeMib: number | null
  readonly afterMib: number | null
  readonly sessions: number
  readonly sessionsPerSecond: number
  readonly errors: number
}

/** The collector gives memory back some time after the work is over. */
const settleMs = 5_000

export async function measureIdleMemory(
  executable: string,
  directory: string,
  counts: readonly number[],
): Promise<MemoryFigures> {
  const gateway = await startGateway({
    executable,
    directory: join(directory, 'memory'),
    servers: [stdioServer('stdio', 'both')],
  })
  const held: HttpSocket[] = []
  try {
    await Bun.sleep(settleMs)
    const idleMib = rssMib(gateway.process.pid)
    const idleSessions: { sessions: number; mib: number | null }[] = []
    const endpoints = tokens.map((token) => gateway.place('stdio', 'stream', token))
    for (const sessions of counts) {
      // A client may have a thousand sessions; those that have theirs already open no more.
      const clients = endpoints.slice(Math.floor(held.length / 1000), Math.ceil(sessions / 1000))
      await openIdleSessions(clients, sessions - held.length, held)
      await Bun.sleep(settleMs)
      idleSessions.push({ sessions, mib: rssMib(gateway.process.pid) })
    }
    return { idleMib, idleSessions }
  } finally {
    for (const socket of held) socket.close()
    await gateway.process.stop()
  }
}

export async function measureChurnMemory(
  executable: string,
  directory: string,
  sessions: number,
): Promise<ChurnFigures> {
  const gateway = await startGateway({
    executable,
    directory: join(directory, 'churn'),
    servers: [stdioServer('stdio', 'both')],
  })
  try {
    const place = gateway.place('stdio', 'stream')
    await churn(place, { sessionsMax: sessions / 100, secondsMax: 600 })
    await Bun.sleep(settleMs)
    const beforeMib = rssMib(gateway.process.pid)
    const done = await churn(place, { sessionsMax: sessions, secondsMax: 600 })
    await Bun.sleep(settleMs)
    const afterMib = rssMib(gateway.process.pid)
    const { sessionsPerSecond, errors } = done
    return { beforeMib, afterMib, sessions: done.sessions, sessionsPerSecond, errors }
  } finally {
    await gateway.process.stop()
  }
}
