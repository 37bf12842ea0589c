/** The columns of the matrix: what is done with a client, and what must come of it. */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { poll } from '../gateway.ts'
import { answers, type MatrixClient } from './clients.ts'
import { resourcesTotal, toolNames } from './offer.ts'

/** One cell: throws with the reason when the feature does not work. */
export type Feature = (client: MatrixClient, marksDirectory: string) => Promise<void>

const patienceMs = 5_000

/** In the order in which one client tries them. */
export const features: Readonly<Record<string, Feature>> = {
  tools: async (client) => {
    equal(await client.toolNames(), [...toolNames])
    equal(await client.call('echo', { text: 'héllo' }), 'héllo')
  },
  'two-round elicitation': async (client) => {
    equal(await client.call('ask_twice'), `${answers.name} likes ${answers.color}`)
    equal(
      client.asked.filter((what) => what === 'elicit'),
      ['elicit', 'elicit'],
    )
  },
  sampling: async (client) => {
    equal(await client.call('ask_model'), answers.model)
  },
  roots: async (client) => {
    equal(await client.call('ask_roots'), answers.root)
  },
  progress: async (client) => {
    const seen: number[] = []
    equal(await client.call('count', {}, { onProgress: (progress) => seen.push(progress) }), 'counted')
    equal(seen, [1, 2, 3])
  },
  cancel: async (client, marksDirectory) => {
    const key = crypto.randomUUID()
    const aborted = new AbortController()
    const call = client.call('wait', { key }, { signal: aborted.signal }).then(
      () => 'answered',
      () => 'gave up',
    )
    await mark(marksDirectory, `${key}.begun`)
    aborted.abort()
    equal(await call, 'gave up')
    await mark(marksDirectory, `${key}.cancelled`)
  },
  logging: async (client) => {
    const text = crypto.randomUUID()
    await client.callLogged('log', { text })
    await poll('the log message', async () => client.logs.includes(text), patienceMs)
  },
  subscribe: async (client) => {
    const uri = `matrix://${client.updates.length}`
    await client.watch(uri)
    await client.call('touch', { uri: 'matrix://unwatched' })
    await repeated(client, 'touch', { uri }, () => client.updates.includes(uri))
    equal(client.updates.includes('matrix://unwatched'), false)
  },
  list_changed: async (client) => {
    await repeated(client, 'grow', {}, () => client.listChanges.length > 0)
  },
  completion: async (client) => {
    equal(await client.complete('par'), ['paris', 'parma'])
  },
  pagination: async (client) => {
    const uris = await client.resourceUris()
    equal([...new Set(uris)].length, resourcesTotal)
    equal(uris.length, resourcesTotal)
  },
}

/**
 * Does it until it is heard of. A notification that belongs to no request may be lost while the client's own
 * stream is still being opened, which no SDK tells when it is done.
 */
async function repeated(
  client: MatrixClient,
  tool: string,
  args: Record<string, unknown>,
  heard: () => boolean,
): Promise<void> {
  await poll(
    `the notification of ${tool}`,
    async () => {
      if (!heard()) await client.call(tool, args)
      return heard()
    },
    patienceMs,
  )
}

async function mark(directory: string, name: string): Promise<void> {
  await poll(name, async () => existsSync(join(directory, name)), patienceMs)
}

function equal(actual: unknown, expected: unknown): void {
  if (!Bun.deepEquals(actual, expected))
    throw new Error(`${JSON.stringify(actual)} instead of ${JSON.stringify(expected)}`)
}
