/**
 * `bun run clients`: clients of other languages against the executable, direct and through it, feature by feature.
 *
 *   bun run clients                      all of them; writes docs/CLIENTS.md
 *   bun run clients --only Go --only sse those whose name and endpoint contain all the given words; writes nothing
 *   bun run clients --verbose            every failed feature with its reason, also of direct runs
 *   bun run clients --cache FOLDER       where to install what they need
 *
 * What a machine has no language for is left out with a word. Exits 1 when something works direct and not through
 * the gateway.
 */
import { writeFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { type Endpoint, type OfficialClient, officialClients } from '../test/clients/clients.ts'
import { type Column, losses, matrix } from '../test/clients/compare.ts'
import type { Outcomes } from '../test/clients/features.ts'
import { runPair } from '../test/clients/run.ts'
import { missingFor } from '../test/clients/toolchain.ts'
import { build } from './build.ts'

const document = resolve(import.meta.dir, '../docs/CLIENTS.md')

/** Each way is four processes, which mostly wait. */
const waysAtOnce = 2

interface Way {
  readonly client: OfficialClient
  readonly endpoint: Endpoint
}

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      only: { type: 'string', multiple: true, default: [] },
      verbose: { type: 'boolean', default: false },
      cache: { type: 'string' },
    },
  })
  if (values.cache !== undefined) process.env['COMPOZY_CLIENTS_CACHE'] = resolve(values.cache)
  const ways = officialClients
    .flatMap((client) => client.endpoints.map((endpoint): Way => ({ client, endpoint })))
    .filter((way) => values.only.every((word) => nameOf(way).includes(word)))
  if (ways.length === 0) throw new Error(`no client is named ${values.only.join(' ')}`)
  await build()
  const { columns, lost, missing } = await runAll(ways, values.verbose)
  console.log(`\n${matrix(columns)}\n`)
  for (const words of missing) console.log(words)
  for (const words of lost) console.log(`lost: ${words}`)
  if (values.only.length === 0 && missing.length === 0) writeFileSync(document, documentOf(columns, lost))
  const failed = new Set(lost.map((words) => words.split(':')[0])).size
  console.log(`${columns.length - failed} passed, ${failed} failed, ${missing.length} skipped`)
  return failed === 0 && columns.length > 0 ? 0 : 1
}

async function runAll(ways: readonly Way[], verbose: boolean) {
  const columns = new Map<Way, Column>()
  const missing: string[] = []
  const waiting = [...ways]
  const work = async () => {
    for (let way = waiting.shift(); way !== undefined; way = waiting.shift()) {
      const lacking = missingFor(way.client.language)
      if (lacking === null) columns.set(way, await runOne(way, verbose))
      else missing.push(`skipped: ${nameOf(way)}: ${lacking}`)
    }
  }
  await Promise.all(Array.from({ length: waysAtOnce }, work))
  const inOrder = ways.flatMap((way) => columns.get(way) ?? [])
  const lost = inOrder.flatMap(({ client, endpoint, direct, proxied }) =>
    losses(direct, proxied).map(({ feature, detail }) => `${client} /${endpoint}: ${feature}: ${detail}`),
  )
  return { columns: inOrder, lost, missing }
}

async function runOne(way: Way, verbose: boolean): Promise<Column> {
  const { client, endpoint } = way
  const startedAtMs = performance.now()
  const { direct, proxied } = await runPair(client, endpoint)
  process.stderr.write(`${nameOf(way)}: ${Math.round(performance.now() - startedAtMs)} ms\n`)
  if (verbose) printFailed(nameOf(way), { direct, proxied })
  return { client: client.name, version: client.version, endpoint, direct, proxied }
}

function nameOf({ client, endpoint }: Way): string {
  return `${client.name} /${endpoint}`
}

function printFailed(name: string, runs: Readonly<Record<string, Outcomes>>): void {
  for (const [way, outcomes] of Object.entries(runs)) {
    for (const [feature, { ok, detail }] of outcomes) {
      if (!ok) console.log(`${name}: ${way}: ${feature}: ${detail}`)
    }
  }
}

function documentOf(columns: readonly Column[], lost: readonly string[]): string {
  const date = new Date().toISOString().slice(0, 10)
  return `# Clients

Official and common clients of other languages against one server with every feature, built on SDK 1.x: direct over HTTP, and through the executable, behind which the same server runs on a pipe. \`bun run clients\` makes this page.

In each cell the first sign is the direct run, the second the one through the gateway: ✓ works, ✗ does not, – is not asked for (the client has no way to it, or, for \`crash\`, nothing stands between it and the server). A crash is a server that dies in the middle of one call: the client must show the message, and its next call must work in the same session. What a client speaks is what it agreed on with the gateway; direct it is always a revision with a handshake.

${date}

${matrix(columns)}

${lost.length === 0 ? 'Nothing works direct that does not work through the gateway.' : `Lost through the gateway:\n\n${lost.map((words) => `- ${words}`).join('\n')}`}
`
}

// What was started ends with this process, however that ends.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1))
process.exitCode = await main()
