/** Starts children until the system gives no more descriptors; prints the error and that it is still alive. */
import type { GatewayError } from '../../src/errors.ts'
import { childEnvironment } from '../../src/upstream/transports/stdio/child-environment.ts'
import { createStdioTransport } from '../../src/upstream/transports/stdio/stdio.ts'
import type { UpstreamTransport } from '../../src/upstream/transports/transport.ts'
import { createRecorder } from './transport-recorder.ts'

const opened: UpstreamTransport[] = []
for (let n = 0; n < 64; n++) {
  const transport = createStdioTransport({
    command: 'cat',
    args: [],
    env: childEnvironment(process.env, {}),
    cwd: null,
    lineBytesMax: 1 << 20,
    inputQueueCharsMax: 1 << 20,
    stopGraceMs: 300,
    secrets: [],
    groupWatch: null,
  })
  try {
    await transport.open(createRecorder(), AbortSignal.timeout(5_000))
    opened.push(transport)
  } catch (thrown) {
    const { code, details } = thrown as GatewayError
    console.log(`${code}: ${details}`)
    break
  }
}
await Promise.all(opened.map((transport) => transport.close()))
console.log('still here')
