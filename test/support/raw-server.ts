/**
 * An MCP server without an SDK, for what an SDK would hide: exact bytes, exact writes, exact ids.
 *
 *   bun test/support/raw-server.ts --transport stdio|http [--port PORT] [--tally FILE] [--strict]
 *
 * It speaks the revisions with a handshake. Over HTTP it prints `{"url":"http://127.0.0.1:PORT/mcp"}`. With a
 * tally it appends every request to that file as it comes, so that a test can count what was delivered to a
 * process that is dead.
 * What its tools do is described in `raw/tools.ts`. A strict one exits on any message before `initialize`.
 */
import { appendFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { servePipe } from './raw/pipe.ts'
import { serveStreamableHttp } from './raw/streamable-http.ts'

const { values } = parseArgs({
  options: {
    transport: { type: 'string', default: 'stdio' },
    port: { type: 'string', default: '0' },
    tally: { type: 'string' },
    strict: { type: 'boolean' },
  },
})
const { tally } = values
let strict = values.strict === true
const heard = (text: string): void => {
  // As some servers do: anything before `initialize` is the end.
  if (strict && !text.includes('"initialize"')) process.exit(7)
  strict = false
  if (tally !== undefined) appendFileSync(tally, `${text}\n`)
}
if (values.transport === 'http')
  console.log(JSON.stringify({ url: serveStreamableHttp(Number(values.port), heard) }))
else servePipe(heard)
