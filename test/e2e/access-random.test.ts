/**
 * Random rules on the executable: what keys see and use of two servers and their group, in both eras, is what a plain
 * reading of the rules says. ACCESS_SEED repeats a run; `bun run test:long:access` has more keys.
 */
import { expect, test } from 'bun:test'
import fc from 'fast-check'
import { hashOfKey, makeKeyText } from '../../src/identity/keys/key-text.ts'
import { group, keyRule, Reading, type World, world } from '../access/reading.ts'
import { type Asker, NotLetIn, openAsker } from '../support/askers.ts'
import type { CallerWay } from '../support/callers.ts'
import { startGatewayProcess } from '../support/gateway.ts'
import { ListingServer, tool } from '../support/listing-server.ts'

const seed = Number(process.env['ACCESS_SEED'] ?? Math.floor(Math.random() * 2 ** 31))
const keysCount = Number(process.env['ACCESS_KEYS'] ?? 16)
const ways: readonly CallerWay[] = ['stream', 'modern']
const items = ['a', 'ab', 'b', 'ba'] as const
const reads: ReadonlySet<string> = new Set(['a', 'b'])
const kinds = ['tool', 'prompt', 'resource'] as const
type Kind = (typeof kinds)[number]

const form = {
  tool: ['tools/list', 'tools', 'name', 'tools/call', 'name'],
  prompt: ['prompts/list', 'prompts', 'name', 'prompts/get', 'name'],
  resource: ['resources/list', 'resources', 'uri', 'resources/read', 'uri'],
} as const

const [given] = fc.sample(world, { seed, numRuns: 1 })
if (given === undefined) throw new Error('no world')
const keys = fc
  .sample(fc.array(keyRule, { minLength: 1, maxLength: 3 }), { seed, numRuns: keysCount })
  .map((access, index) => {
    const named = ['keyone11', 'keytwo22'][index]
    const id = named ?? `gkey${String(index).padStart(4, '0')}`
    const user = index % 2 === 0 ? 'u1' : null
    return { id, name: index === 0 ? 'first' : `number-${index}`, user, access, text: makeKeyText(id) }
  })
type Key = (typeof keys)[number]

/** The shown names that a key may use at an endpoint, by the rules alone. */
function readFor(key: Key, at: string, kind: Kind): string[] {
  const at1 = at === group ? (['s1', 's2'] as const) : ([at as 's1' | 's2'] as const)
  return at1.flatMap((server) =>
    items
      .filter((name) => {
        const asked = { at: server, through: at === group, kind, name, readOnly: reads.has(name) }
        const one: World = {
          ...(given as World),
          keys: [key.access, []],
          asked: { ...asked, who: 'keyone11' },
        }
        return new Reading(one, key).allows()
      })
      .map((name) => (at === group ? `${server}__${name}` : name)),
  )
}

async function listedBy(asker: Asker, kind: Kind): Promise<string[]> {
  const [method, list, key] = form[kind]
  const { result } = await asker.ask(method, {})
  const found = (result?.[list] ?? []) as Record<string, string>[]
  return found.map((item) => String(item[key]))
}

async function usedBy(asker: Asker, at: string, kind: Kind): Promise<string[]> {
  const [, , , method, param] = form[kind]
  const all =
    at === group ? ['s1', 's2'].flatMap((server) => items.map((name) => `${server}__${name}`)) : items
  const used = await Promise.all(
    all.map(async (name) => ((await asker.ask(method, { [param]: name })).error === undefined ? [name] : [])),
  )
  return used.flat()
}

test(`${keysCount} keys with random rules see and use what these say (ACCESS_SEED=${seed})`, async () => {
  const lists = {
    tools: items.map((name) => tool(name, { annotations: { readOnlyHint: reads.has(name) } })),
    prompts: items.map((name) => ({ name })),
    resources: items.map((name) => ({ uri: name, name })),
  }
  using s1 = new ListingServer('s1', lists)
  using s2 = new ListingServer('s2', { ...lists, era: 'modern' })
  const [of1, of2, ofGroup] = (given as World).servers
  await using gateway = await startGatewayProcess({
    via: 'executable',
    config: {
      mcp_proxy: {
        auth: {
          keys: keys.map(({ text, user, ...key }) => ({
            ...{ ...key, hash: hashOfKey(text) },
            ...(user !== null && { user }),
          })),
        },
      },
      mcps: [
        { ...s1.definition, ...of1 },
        { ...s2.definition, ...of2 },
        { name: group, transport: 'group', members: [{ all: true }], ...ofGroup },
      ],
    },
  })
  const tryAt = async (key: Key, at: string, way: CallerWay): Promise<void> => {
    const asker = await openAsker(gateway.url, `/mcp-proxy/${at}`, way, key.text).catch((thrown: unknown) => {
      if (thrown instanceof NotLetIn) return null
      throw thrown
    })
    for (const kind of kinds) {
      // URIs without a scheme are those of both servers.
      if (at === group && kind === 'resource') continue
      const expected = readFor(key, at, kind).sort()
      const [listed, used] =
        asker === null ? [[], []] : await Promise.all([listedBy(asker, kind), usedBy(asker, at, kind)])
      const what = { seed, rules: key.access, at, way, kind, servers: (given as World).servers }
      expect({ ...what, listed: listed.sort(), used: used.sort() }).toEqual({
        ...what,
        listed: expected,
        used: expected,
      })
    }
    await asker?.[Symbol.asyncDispose]()
  }
  await Promise.all(
    keys.flatMap((key) => ['s1', 's2', group].flatMap((at) => ways.map((way) => tryAt(key, at, way)))),
  )
}, 120_000)
