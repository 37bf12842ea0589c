/** The dual-era fixture on stdin and stdout. */
import type { Transport } from '@modelcontextprotocol/server'
import { StdioServerTransport, serveStdio } from '@modelcontextprotocol/server/stdio'
import type { Eras } from '../dual-era-server.ts'
import { labelled } from './labelled-transport.ts'
import { createOffer } from './offer.ts'

/**
 * How long `test_reconnection` works. A pipe has no stream to close, so the call must be silent for
 * longer than a gateway waits before it turns the response into an event stream.
 */
const reconnectionMs = 5_000

/** Serves until stdin ends. A legacy-only server knows no `server/discover` and says so. */
export function serveOverStdio(era: Eras): void {
  const pipe = new StdioServerTransport(process.stdin, process.stdout, { maxBufferSize: 64 * 1024 * 1024 })
  // The SDK types optional members without `undefined`, which this project's compiler settings tell apart.
  const transport: Transport = labelled(pipe)
  const offer = (served: 'legacy' | 'modern') =>
    createOffer({
      era: served,
      reconnectionMs,
      toolsChanged: (server) => server.sendToolListChanged(),
      promptsChanged: (server) => server.sendPromptListChanged(),
    })
  if (era === 'legacy') {
    void offer('legacy').connect(transport)
  } else {
    serveStdio((context) => offer(context.era), { transport, legacy: era === 'both' ? 'serve' : 'reject' })
  }
}
