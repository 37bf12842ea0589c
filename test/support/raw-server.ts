/**
 * An MCP server without an SDK, for what an SDK would hide: exact bytes, exact writes, exact ids.
 *
 *   bun test/support/raw-server.ts --transport stdio|http
 *
 * It speaks the revisions with a handshake. Over HTTP it prints `{"url":"http://127.0.0.1:PORT/mcp"}`.
 * What its tools do is described in `raw/tools.ts`.
 */
import { parseArgs } from 'node:util'
import { servePipe } from './raw/pipe.ts'
import { serveStreamableHttp } from './raw/streamable-http.ts'

const { values } = parseArgs({ options: { transport: { type: 'string', default: 'stdio' } } })
if (values.transport === 'http') console.log(JSON.stringify({ url: serveStreamableHttp() }))
else servePipe()
