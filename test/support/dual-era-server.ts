/**
 * A real MCP server that speaks both eras, started as a process of its own.
 *
 *   bun test/support/dual-era-server.ts --transport stdio|http|sse --era legacy|modern|both
 *
 * It offers what the official conformance suite asks of a server, through the official SDK, so that
 * a direct run of the suite is the yardstick for a run through the gateway. Over HTTP and
 * HTTP+SSE it picks a free port and prints one line on stdout: `{"url":"http://127.0.0.1:PORT/mcp"}`.
 */
import { parseArgs } from 'node:util'
import { serveOverHttp } from './dual-era/over-http.ts'
import { serveOverSse } from './dual-era/over-sse.ts'
import { serveOverStdio } from './dual-era/over-stdio.ts'

/** Which revisions the server admits: those with a handshake, 2026-07-28, or all of them. */
export type Eras = 'legacy' | 'modern' | 'both'

function main(): void {
  const { values } = parseArgs({
    options: {
      transport: { type: 'string', default: 'stdio' },
      era: { type: 'string', default: 'both' },
    },
  })
  const era = values.era
  if (era !== 'legacy' && era !== 'modern' && era !== 'both') {
    throw new Error(`--era takes legacy, modern or both, not ${era}`)
  }
  if (values.transport === 'http') {
    console.log(JSON.stringify(serveOverHttp(era)))
  } else if (values.transport === 'sse') {
    console.log(JSON.stringify(serveOverSse()))
  } else if (values.transport === 'stdio') {
    serveOverStdio(era)
  } else {
    throw new Error(`--transport takes stdio, http or sse, not ${values.transport}`)
  }
}

main()
