import { createSseTransport } from '../../src/upstream/transports/http/sse.ts'
import { createStreamableHttpTransport } from '../../src/upstream/transports/http/streamable-http.ts'
import { childEnvironment } from '../../src/upstream/transports/stdio/child-environment.ts'
import { createStdioTransport } from '../../src/upstream/transports/stdio/stdio.ts'
import { everythingStdio, startEverything } from '../support/everything-server.ts'
import { transportContract } from './transport.ts'

const lineBytesMax = 16 << 20

transportContract('stdio', async () => ({
  create: () =>
    createStdioTransport({
      command: everythingStdio[0] ?? '',
      args: everythingStdio.slice(1),
      env: childEnvironment(process.env, {}),
      cwd: null,
      lineBytesMax,
      inputQueueCharsMax: 16 << 20,
      stopGraceMs: 1_000,
      secrets: [],
      groupWatch: null,
    }),
  stop: async () => {},
}))

transportContract('Streamable HTTP', async () => {
  const server = await startEverything('streamableHttp')
  return {
    create: () => createStreamableHttpTransport({ url: server.url, headers: {}, lineBytesMax }),
    stop: () => server.process.kill(),
  }
})

transportContract('HTTP+SSE', async () => {
  const server = await startEverything('sse')
  return {
    create: () => createSseTransport({ url: server.url, headers: {}, lineBytesMax }),
    stop: () => server.process.kill(),
  }
})
