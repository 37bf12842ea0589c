/**
 * The inside of the watchdog process (see watchdog.ts): reads `+GROUP` and `-GROUP` lines until the pipe
 * closes, then ends every group that was not taken back.
 */
import { createLineSplitter } from '../../../protocol/line-frames.ts'
import { processGroup } from './process-group.ts'

/** For children that honour the end of their stdin, and again after TERM. */
const graceMs = 2_000
const lineBytesMax = 64

/** Resolves when the gateway is gone and so is everything it left behind. */
export async function endOrphans(pipe: AsyncIterable<Uint8Array>): Promise<void> {
  // A service manager that signals every process of the service must not end this one before the gateway.
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.on(signal, () => {})
  const groupIds = new Set<number>()
  const splitter = createLineSplitter(lineBytesMax, {
    line(text) {
      const groupId = Number(text.slice(1))
      // 0 and 1 would mean this very group and everybody.
      if (!Number.isInteger(groupId) || groupId <= 1) return
      if (text.startsWith('+')) groupIds.add(groupId)
      else groupIds.delete(groupId)
    },
    overflow() {},
    skipped() {},
  })
  for await (const chunk of pipe) splitter.push(chunk)
  await Promise.all([...groupIds].map((groupId) => processGroup(groupId).stop(graceMs)))
}
