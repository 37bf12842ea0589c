/**
 * The part of the gateway that starts children, in a process that a test can kill: for every mode in its
 * arguments one fault server, watched over. Prints one JSON line of process ids; ends on a line of stdin.
 */
import { childEnvironment } from '../../src/upstream/transports/stdio/child-environment.ts'
import { createStdioTransport } from '../../src/upstream/transports/stdio/stdio.ts'
import { Watchdog } from '../../src/upstream/transports/stdio/watchdog.ts'
import { createRecorder, isKind } from './transport-recorder.ts'

const faultServer = new URL('./fault-stdio.ts', import.meta.url).pathname
const silent = { debug() {}, info() {}, warn() {}, error() {} }
const watchdog = new Watchdog(silent)

const children = await Promise.all(
  process.argv.slice(2).map(async (mode) => {
    const transport = createStdioTransport({
      command: process.execPath,
      args: [faultServer, mode],
      env: childEnvironment(process.env, {}),
      cwd: null,
      lineBytesMax: 1 << 20,
      inputQueueCharsMax: 1 << 20,
      stopGraceMs: 200,
      secrets: [],
      groupWatch: watchdog,
    })
    const recorder = createRecorder()
    await transport.open(recorder, AbortSignal.timeout(10_000))
    const { text } = await recorder.until(isKind('message'))
    const grandchild = (JSON.parse(text) as { params?: { pid?: number } }).params?.pid ?? null
    return { transport, pids: { child: transport.pid, grandchild } }
  }),
)

console.log(JSON.stringify({ watchdog: watchdog.pid, children: children.map(({ pids }) => pids) }))

process.stdin.once('data', async () => {
  await Promise.all(children.map(({ transport }) => transport.close()))
  watchdog.close()
  process.exit(0)
})
