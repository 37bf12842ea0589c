/**
 * The official SDKs against each other through one gateway: every client, every server, every feature, and all of it
 * once more through a group of all servers. SDK_MATRIX_REPLICAS=3 has the same between three replicas, each request at
 * another one than the one that has its session (`bun run test:long:cluster`).
 *
 * Prints the whole table. What stands in the README is compared with it; `UPDATE_README=1` writes it there.
 */
import { afterAll, beforeAll, expect, test } from 'bun:test'
import { readFileSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { type RunningGateway, repository, startGatewayProcess } from '../support/gateway.ts'
import { type RunningProcess, startProcess } from '../support/process.ts'
import { startReplicas } from '../support/replicas.ts'
import { type MatrixClient, matrixClients, memberOf } from '../support/sdk-matrix/clients.ts'
import { features } from '../support/sdk-matrix/features.ts'
import {
  between,
  groupWord,
  type Impossible,
  markers,
  type Outcome,
  readmeTable,
  wholeTable,
} from '../support/sdk-matrix/table.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'

const serverFile = resolve(import.meta.dir, '../support/sdk-matrix/server.ts')
const servers: Readonly<Record<string, { name: string; transport: string; sdk?: string }>> = {
  '1.x stdio': { name: 'v1-stdio', transport: 'stdio', sdk: 'v1' },
  '1.x HTTP': { name: 'v1-http', transport: 'streamable-http' },
  '1.x SSE': { name: 'v1-sse', transport: 'sse' },
  '2.x legacy stdio': { name: 'v2-legacy-stdio', transport: 'stdio', sdk: 'v2-legacy' },
  '2.x legacy HTTP': { name: 'v2-legacy-http', transport: 'streamable-http' },
  '2.x modern stdio': { name: 'v2-modern-stdio', transport: 'stdio', sdk: 'v2-modern' },
  '2.x modern HTTP': { name: 'v2-modern-http', transport: 'streamable-http' },
}

/** Cells that no gateway could make work. */
const impossible: readonly Impossible[] = []

let upstreams: RunningProcess
let gateway: Faces
const directory = temporaryDirectory()
const marks = directory.path
const outcomes = new Map<string, Map<string, Map<string, Outcome>>>()

beforeAll(async () => {
  upstreams = startProcess({ command: [process.execPath, serverFile, 'http', marks] })
  const urls = JSON.parse(await upstreams.line((line) => line.startsWith('{'))) as Record<string, string>
  const mcps = Object.values(servers).map(({ name, transport, sdk }) =>
    sdk === undefined
      ? { name, transport, url: urls[name] }
      : { name, transport, command: process.execPath, args: [serverFile, 'stdio', sdk, marks] },
  )
  const group = { name: 'group', transport: 'group', members: [{ all: true }] }
  gateway = await start([...mcps, group])
  // Clients one after the other, servers side by side: what is measured is whether it works, not how fast.
  for (const [client, connect] of Object.entries(matrixClients)) {
    const rows = async (suffix: string, reach: (name: string) => Promise<MatrixClient>) =>
      Promise.all(
        Object.entries(servers).map(
          async ([server, { name }]) => [server + suffix, await tryEverything(() => reach(name))] as const,
        ),
      )
    const alone = await rows('', (name) => connect(gateway.face(name, 'stream')))
    // Not at the same time: a server on a pipe does not say which of two calls of one client a log message is of.
    const together = await rows(groupWord, async (name) =>
      memberOf(await connect(gateway.face('group', 'stream')), name),
    )
    outcomes.set(client, new Map([...alone, ...together]))
  }
  console.log(wholeTable(outcomes))
}, 60_000)

afterAll(async () => {
  await gateway[Symbol.asyncDispose]()
  await upstreams.kill()
  directory[Symbol.dispose]()
})

test('every cell works, or is named with its reason', () => {
  const named = new Set(impossible.map(({ client, server, feature }) => `${client} → ${server}: ${feature}`))
  const wrong: string[] = []
  let cells = 0
  for (const [client, rows] of outcomes)
    for (const [server, columns] of rows)
      for (const [feature, outcome] of columns) {
        cells++
        const name = `${client} → ${server}: ${feature}`
        if (outcome !== null && !named.has(name)) wrong.push(`${name}: ${outcome}`)
        if (outcome === null && named.has(name)) wrong.push(`${name} works, but is named as impossible`)
      }
  expect(wrong).toEqual([])
  expect(cells).toBe(4 * 2 * 7 * 11)
})

test('the README shows this matrix', () => {
  const path = join(repository, 'README.md')
  const table = readmeTable(outcomes, impossible)
  const document = readFileSync(path, 'utf8')
  const shown = between(document)
  if (process.env['UPDATE_README'] === '1' && shown !== null && shown !== table)
    writeFileSync(path, document.replace(`${markers.begin}\n${shown}`, `${markers.begin}\n${table}`))
  else expect(shown).toBe(table)
})

/** Where servers are reached: one gateway, or as many replicas as SDK_MATRIX_REPLICAS says, behind a splitter. */
type Faces = Pick<RunningGateway, 'face'> & AsyncDisposable

function start(mcps: readonly Readonly<Record<string, unknown>>[]): Promise<Faces> {
  const count = Number(process.env['SDK_MATRIX_REPLICAS'] ?? 1)
  return count > 1
    ? startReplicas({ count, mcps })
    : startGatewayProcess({ via: 'executable', config: { mcps } })
}

/** Each feature in turn with one client: the message of what went wrong, or null. */
async function tryEverything(connect: () => Promise<MatrixClient>): Promise<Map<string, Outcome>> {
  const cells = new Map<string, Outcome>()
  const client = await connect().catch(String)
  for (const [name, feature] of Object.entries(features)) {
    const outcome = typeof client === 'string' ? client : feature(client, marks).then(() => null, String)
    cells.set(name, await outcome)
  }
  if (typeof client !== 'string') await client.close()
  return cells
}
