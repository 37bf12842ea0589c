/**
 * A legacy server on a pipe that writes byte order marks, as runtimes of Windows do.
 *
 *   bun test/support/marking-server.ts first|all
 *
 * `first` marks its first line, `all` every line. Its tool answers with as many characters as it is told.
 */
import { createInterface } from 'node:readline'

const marks = process.argv[2]
let lines = 0

function write(message: object): void {
  const mark = marks === 'all' || lines++ === 0 ? '\ufeff' : ''
  process.stdout.write(`${mark}${JSON.stringify(message)}\n`)
}

createInterface({ input: process.stdin })
  .on('line', (text) => {
    const { id, method, params } = JSON.parse(text)
    if (id === undefined) return
    const answers: Record<string, object> = {
      initialize: {
        protocolVersion: '2025-11-25',
        capabilities: { tools: {} },
        serverInfo: { name: 'marking', version: '1' },
      },
      'tools/call': { content: [], structuredContent: { text: 'x'.repeat(params?.arguments?.size ?? 1) } },
      ping: {},
    }
    const result = answers[method]
    if (result !== undefined) write({ jsonrpc: '2.0', id, result })
    else write({ jsonrpc: '2.0', id, error: { code: -32601, message: `no method ${method}` } })
  })
  .on('close', () => process.exit(0))
