/**
 * Who may use what: each row of access-cases.ts is tried in every way in which a client can come, on the executable.
 * What is visible is what can be used, what is hidden is answered like what is not there, and an admin who asks why
 * is told the rule that decides.
 */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test'
import { personId } from '../../src/access/person.ts'
import { type Asker, NotLetIn, openAsker } from '../support/askers.ts'
import { type CallerWay, callerWays } from '../support/callers.ts'
import type { RpcMessage } from '../support/raw-client.ts'
import { type AccessCase, cases, openWorld, type World } from './access-cases.ts'

setDefaultTimeout(30_000)

/** All of them at once keep a server waiting for so long that its list is not waited for any more. */
const casesAtOnce = 16

let world: World
const askers = new Map<string, Promise<Asker | NotLetIn>>()
const lists = new Map<string, Promise<string>>()

beforeAll(async () => {
  world = await openWorld()
  // Many at once, and then each test only looks.
  const left = cases.values()
  const tryAll = async () => {
    for (const one of left) await Promise.all([...callerWays.map((way) => triedIn(one, way)), explained(one)])
  }
  await Promise.all(Array.from({ length: casesAtOnce }, tryAll))
})

afterAll(async () => {
  for (const asker of askers.values()) {
    const open = await asker
    if (!(open instanceof NotLetIn)) await open[Symbol.asyncDispose]()
  }
  await world[Symbol.asyncDispose]()
})

const pathOf = ({ at }: AccessCase) => (at === 'mcp' ? '/mcp' : `/mcp-proxy/${at}`)

async function askerFor(one: AccessCase, way: CallerWay): Promise<Asker | NotLetIn> {
  const key = `${one.who} ${one.at} ${way}`
  const token = await world.tokenOf(one.who)
  const open = () =>
    openAsker(world.gateway.url, pathOf(one), way, token).catch((thrown: unknown) => {
      if (thrown instanceof NotLetIn) return thrown
      throw thrown
    })
  const asker = askers.get(key) ?? open()
  askers.set(key, asker)
  return asker
}

/** The answer once every server could be asked: before, neither what is there nor what is hidden can be told. */
async function askWhole(asker: Asker, method: string, params: Readonly<Record<string, unknown>>) {
  for (;;) {
    const answer = await asker.ask(method, params)
    const text = JSON.stringify(answer)
    if (!text.includes('com.compozy/unavailable') && !text.includes('SERVER_UNAVAILABLE')) return answer
    await Bun.sleep(100)
  }
}

/** What came of one case in one way. */
interface Tried {
  /** The status where the caller was not let in at all. */
  readonly status: number | null
  readonly visible: boolean
  /** Each method by which it can be used. */
  readonly usable: Readonly<Record<string, boolean>>
  /** How the use of it was refused, and of what is not there. */
  readonly refusals: readonly [hidden: unknown, absent: unknown]
}

const tried = new Map<string, Promise<Tried>>()
const explanations = new Map<AccessCase, Promise<unknown>>()

function triedIn(one: AccessCase, way: CallerWay): Promise<Tried> {
  const key = `${cases.indexOf(one)} ${way}`
  const known = tried.get(key) ?? tryIn(one, way)
  tried.set(key, known)
  return known
}

async function tryIn(one: AccessCase, way: CallerWay): Promise<Tried> {
  const asker = await askerFor(one, way)
  if (asker instanceof NotLetIn)
    return { status: asker.status, visible: false, usable: { everything: false }, refusals: [null, null] }
  const key = `${one.who} ${one.at} ${way}`
  const [visible, used, absent] = await Promise.all([
    one.at === 'found' && one.kind === 'tool' ? isFound(asker, one.name) : isListed(asker, key, one),
    use(asker, one, one.name),
    use(asker, one, absentName(one)),
  ])
  const [hiddenAnswer] = Object.values(used.answers)
  const [absentAnswer] = Object.values(absent.answers)
  return {
    status: null,
    visible,
    usable: used.allowed,
    refusals: [refusalIn(hiddenAnswer, one.name), refusalIn(absentAnswer, absentName(one))],
  }
}

/** The same kind of name, that nobody has. */
function absentName({ name, kind, at }: AccessCase): string {
  if (kind === 'resource' || kind === 'template') return name.replace(/:\/\/.*/, '://of-nobody')
  const grouped = name.includes('__') && at !== 'docs'
  return grouped ? `${name.split('__')[0]}__of-nobody` : 'of-nobody'
}

function refusalIn(answer: RpcMessage | undefined, name: string): unknown {
  const text = JSON.stringify(answer?.error ?? answer?.result ?? null)
  return text.replaceAll(name, 'NAME')
}

const listed = {
  tool: ['tools/list', 'tools', 'name'],
  prompt: ['prompts/list', 'prompts', 'name'],
  resource: ['resources/list', 'resources', 'uri'],
  template: ['resources/templates/list', 'resourceTemplates', 'uriTemplate'],
} as const

async function isListed(asker: Asker, key: string, { kind, name }: AccessCase): Promise<boolean> {
  const [method, list, id] = listed[kind]
  const known =
    lists.get(`${key} ${kind}`) ?? askWhole(asker, method, {}).then((answer) => JSON.stringify(answer))
  lists.set(`${key} ${kind}`, known)
  const { result = {} } = JSON.parse(await known) as RpcMessage
  const items = (result as Record<string, unknown>)[list]
  return Array.isArray(items) && items.some((item: Record<string, unknown>) => item[id] === name)
}

/** In a group that is searched. */
async function isFound(asker: Asker, name: string): Promise<boolean> {
  const params = { name: 'describe_tools', arguments: { names: [name] } }
  const described = JSON.stringify((await askWhole(asker, 'tools/call', params)).result)
  const query = { name: 'find_tools', arguments: { query: name.replace('__', ' '), limit: 50 } }
  const found = JSON.stringify((await askWhole(asker, 'tools/call', query)).result)
  const both = [described.includes(`\\"name\\":\\"${name}\\"`), found.includes(`${name}: `)]
  expect(both[0]).toBe(both[1] as boolean)
  return both[0] as boolean
}

interface Used {
  readonly allowed: Record<string, boolean>
  readonly answers: Record<string, RpcMessage>
}

async function use(asker: Asker, { kind, at }: AccessCase, name: string): Promise<Used> {
  const argument = { name: 'a', value: '' }
  const asks: Readonly<Record<AccessCase['kind'], readonly [string, object][]>> = {
    tool: [
      at === 'found'
        ? ['tools/call', { name: 'call_tool', arguments: { name, arguments: {} } }]
        : ['tools/call', { name, arguments: {} }],
    ],
    prompt: [
      ['prompts/get', { name }],
      ['completion/complete', { ref: { type: 'ref/prompt', name }, argument }],
    ],
    resource: [['resources/read', { uri: name }]],
    template: [['completion/complete', { ref: { type: 'ref/resource', uri: name }, argument }]],
  }
  const used: Used = { allowed: {}, answers: {} }
  for (const [method, params] of asks[kind]) {
    const answer = await askWhole(asker, method, { ...params })
    used.answers[method] = answer
    used.allowed[method] = answer.error === undefined && answer.result?.['isError'] !== true
  }
  if (kind === 'resource') used.allowed['subscription'] = await asker.subscribes(name)
  return used
}

function explained(one: AccessCase): Promise<unknown> {
  const known = explanations.get(one) ?? explainWhole(one)
  explanations.set(one, known)
  return known
}

async function explainWhole(one: AccessCase): Promise<unknown> {
  for (;;) {
    const explanation = await world.explain(one)
    if (!JSON.stringify(explanation).includes(' is not known: ')) return explanation
    await Bun.sleep(100)
  }
}

const titleOf = ({ who, at, kind, name }: AccessCase) => `${who}: ${kind} ${name} at ${at}`

test('there are enough of them', () => {
  expect(cases.length * callerWays.length).toBeGreaterThanOrEqual(120)
  expect(new Set(cases.map(titleOf)).size).toBe(cases.length)
})

describe.each(
  cases.map((one) => [`${titleOf(one)} is ${one.allowed ? 'there' : 'hidden'}: ${one.why}`, one] as const),
)('%s', (_title, one) => {
  test.each([...callerWays])('over %s', async (way) => {
    const { status, visible, usable, refusals } = await triedIn(one, way)
    expect({ status, visible, usable }).toEqual({
      status: one.status ?? null,
      visible: one.listed !== false && one.allowed,
      usable: Object.fromEntries(Object.keys(usable).map((method) => [method, one.allowed])),
    })
    if (!one.allowed) expect(refusals[0]).toEqual(refusals[1])
  })

  test('and an admin is told the rule', async () => {
    expect(await explained(one)).toMatchObject({
      allowed: one.allowed,
      verdict: one.verdict ?? (one.allowed ? 'allowed' : 'item_hidden'),
      rule: one.rule,
    })
  })
})

test('a person is known by the hash that stands in the log, and a key by its name', async () => {
  const { issuer } = world
  const headers = { authorization: 'Bearer the-admin' }
  const ask = async (query: Record<string, string>) =>
    (await world.gateway.admin(`/access?${new URLSearchParams(query)}`, { headers })).json()
  const question = { server: 'docs', tool: 'write' }
  expect(await ask({ ...question, principal: personId(issuer, 'olga'), claim: 'groups=ops' })).toMatchObject({
    allowed: true,
    rule: 'auth.oauth.access[1]',
    principal: { id: personId(issuer, 'olga'), name: null },
    unsure: expect.stringContaining('a hash alone'),
  })
  expect(await ask({ ...question, principal: 'key-of-docs' })).toMatchObject({
    ...{ allowed: true, principal: { id: 'key:gdocs111', name: 'key-of-docs' } },
  })
  expect(await ask({ ...question, principal: 'key-of-dosc' })).toMatchObject({
    ...{ verdict: 'principal_unknown', nearest: 'key-of-docs' },
  })
  expect(await ask({ ...question, principal: `${issuer}/ alice` })).toMatchObject({
    ...{ verdict: 'principal_unknown', nearest: issuer },
  })
})

test('two keys in one request are none', async () => {
  const [docs, files] = [await world.tokenOf('key of docs'), await world.tokenOf('key of files')]
  for (const authorization of [
    `Bearer ${docs}, Bearer ${files}`,
    `Bearer ${docs} ${files}`,
    `Bearer ${docs},${files}`,
  ]) {
    const headers = { authorization, 'content-type': 'application/json' }
    const answer = await fetch(`${world.gateway.url}/mcp`, { method: 'POST', headers, body: '{}' })
    await answer.arrayBuffer()
    expect(answer.status).toBe(401)
  }
})

test('admins see and call what the servers have, but for what a filter hides', async () => {
  const headers = { authorization: 'Bearer the-admin' }
  const text = await (await world.gateway.admin('/tools?name=filtered', { headers })).text()
  expect([text.includes('"search"'), text.includes('"write"')]).toEqual([true, false])
  const call = async (mcpName: string, toolName: string) => {
    const body = { mcpName, toolName, arguments: {} }
    return (await world.gateway.admin('/tools/call', { method: 'POST', headers, body })).status
  }
  expect([await call('filtered', 'search'), await call('filtered', 'write')]).toEqual([200, 404])
  expect([await call('owned', 'wipe'), await call('closed', 'wipe')]).toEqual([200, 200])
})
