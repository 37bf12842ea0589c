/** Writes 40 MB of log to a standard output that nobody reads, and reports over IPC what that did to it. */
import { openSink } from '../../src/telemetry/sink.ts'

const sink = openSink(1)
const line = `{"text":"${'x'.repeat(1000)}"}\n`
const rssBefore = process.memoryUsage.rss()
let lagMs = 0
for (let round = 0; round < 40; round++) {
  const before = performance.now()
  for (let i = 0; i < 1000; i++) sink.write(line)
  await Bun.sleep(1)
  lagMs = Math.max(lagMs, performance.now() - before)
}
const flushed = await sink.flush(100)
const rssGrowthMb = (process.memoryUsage.rss() - rssBefore) / 1024 / 1024
const dropped = sink.linesDropped
process.on('message', async () => {
  await sink.flush(5000)
  sink.write('{"text":"last"}\n')
  await sink.flush(5000)
  process.exit(0)
})
process.send?.({ lagMs, dropped, rssGrowthMb, flushed })
