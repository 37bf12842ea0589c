/**
 * A legacy server on stdio that nests what it says very deep: `bun deep-server.ts PLACE DEPTH`. Places: `info` (its
 * serverInfo), `tools` (the schema of its one tool), `result` (what the tool gives).
 */
import { createInterface } from 'node:readline'

const [, , place, depth = '0'] = process.argv
const nested = `${'{"a":'.repeat(Number(depth))}1${'}'.repeat(Number(depth))}`
const at = (wanted: string): string => (place === wanted ? nested : '{}')

for await (const line of createInterface({ input: process.stdin })) {
  const { id, method } = JSON.parse(line) as { id?: number; method: string }
  if (id === undefined) continue
  const results: Readonly<Record<string, string>> = {
    initialize: `{"protocolVersion":"2025-11-25","capabilities":{"tools":{}},"serverInfo":{"name":"deep","version":"1","extra":${at('info')}}}`,
    'tools/list': `{"tools":[{"name":"dig","inputSchema":{"type":"object","properties":{"a":${at('tools')}}}}]}`,
    'tools/call': `{"content":[],"structuredContent":${at('result')}}`,
  }
  process.stdout.write(`{"jsonrpc":"2.0","id":${id},"result":${results[method] ?? '{}'}}\n`)
}
