/** A definition is tried before it is saved: what is said of it, and that nothing of it stays. */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { resolve } from 'node:path'
import { poll, type RunningGateway, startGatewayProcess } from '../support/gateway.ts'
import { descendants, processesOf } from '../support/process-facts.ts'

const rawServer = resolve(import.meta.dir, '../support/raw-server.ts')
const secret = 'sk-4f8a1c5e9b2d7f60'
const raw = { transport: 'stdio', command: process.execPath, args: [rawServer], env: { API_KEY: secret } }
/** Greets nobody. One process, so that those of several can be counted. */
const silent = { transport: 'stdio', command: 'sleep', args: ['601'] }

interface Found {
  readonly works: boolean
  readonly message: string
  readonly toolCount: number | null
  readonly tools: { readonly name: string }[]
  readonly status: { readonly status: string; readonly stderrTail: string[]; readonly era: string | null }
}

let gateway: RunningGateway
beforeAll(async () => {
  gateway = await startGatewayProcess({ config: { mcps: [{ name: 'ofFile', ...raw }] } })
})
afterAll(() => gateway?.stop())

const tried = (definition: object, query = '', signal: AbortSignal | null = null) =>
  fetch(`${gateway.url}/admin/try${query}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(definition),
    signal,
  })
const found = async (definition: object, query = '') =>
  (await (await tried(definition, query)).json()) as Found
/** Of the servers that are registered, and of the watchdog. */
const childrenNow = () => descendants(gateway.pid).length

/** Of trials that greet nobody. */
const silentNow = () => {
  const all = new Set(processesOf('sleep', '601'))
  return descendants(gateway.pid).filter((pid) => all.has(pid)).length
}

describe('POST /admin/try', () => {
  test('says that a definition works and what it lists, and leaves no server, no figure and no process', async () => {
    const before = childrenNow()
    const answer = await gateway.admin('/try', { method: 'POST', body: { name: 'tried', ...raw } })
    expect(answer.status).toBe(200)
    const { works, toolCount, tools, status } = (await answer.json()) as Found
    expect({ works, state: status.status, era: status.era }).toEqual({
      works: true,
      state: 'connected',
      era: 'legacy',
    })
    expect(toolCount).toBe(tools.length)
    expect(tools[0]?.name).toBe('tool-0')
    expect((await gateway.admin('/mcps/tried')).status).toBe(404)
    const page = await (await fetch(`${gateway.url}/metrics`)).text()
    expect(page).not.toContain('tried')
    await poll('its process to be gone', async () => childrenNow() === before)
  })

  test('says why one does not work, with what it wrote and without its secrets', async () => {
    const { works, message, status } = await found({
      name: 'tried',
      ...raw,
      args: ['-e', 'console.error("no database at " + process.env.API_KEY); process.exit(3)'],
    })
    expect(works).toBe(false)
    expect(message).toContain('no database at')
    expect(status.stderrTail.join()).toContain('no database at')
    expect(JSON.stringify([message, status])).not.toContain(secret)
  })

  test('waits as long as it is told for a start, and ends what has not begun by then', async () => {
    const before = childrenNow()
    const { works, message } = await found({ name: 'tried', ...silent }, '?wait=300ms')
    expect(works).toBe(false)
    expect(message).toMatch(/^It has been starting for 3\d\d ms/)
    await poll('its process to be gone', async () => childrenNow() === before)
  })

  test('ends what it has started when its caller leaves', async () => {
    const before = childrenNow()
    const left = new AbortController()
    const asked = tried({ name: 'tried', ...silent }, '', left.signal).catch(() => null)
    await poll('its process to be there', async () => childrenNow() > before)
    left.abort()
    await asked
    await poll('its process to be gone', async () => childrenNow() === before)
  })

  test('tries three at once, and no fourth', async () => {
    const left = new AbortController()
    const three: Promise<Response | null>[] = []
    // The place of one that has just ended comes free a moment after its process is gone.
    await poll('three processes', async () => {
      const asked = tried({ name: 'busy', ...silent }, '', left.signal).catch(() => null)
      const refused = asked.then((answer) => answer?.status === 429)
      if (!(await Promise.race([refused, Bun.sleep(200).then(() => false)]))) three.push(asked)
      return three.length === 3
    })
    await poll('all of them', async () => silentNow() === 3)
    const fourth = await gateway.admin('/try', { method: 'POST', body: { name: 't4', ...silent } })
    expect([fourth.status, await fourth.json()]).toMatchObject([429, { code: 'IN_FLIGHT_EXHAUSTED' }])
    left.abort()
    await Promise.all(three)
    await poll('their processes to be gone', async () => silentNow() === 0)
    await poll('room for another', async () => (await found({ name: 'again', ...raw })).works === true)
  })

  test.each([
    {
      why: 'a field is wrong',
      body: { name: 'x', transport: 'stdio' },
      status: 400,
      code: 'DEFINITION_INVALID',
    },
    {
      why: 'the program is not there',
      body: { name: 'x', transport: 'stdio', command: 'no-such-program' },
      status: 422,
      code: 'COMMAND_NOT_FOUND',
    },
    {
      why: 'the address may not be reached',
      body: { name: 'x', transport: 'streamable-http', url: 'http://169.254.169.254/mcp' },
      status: 422,
      code: 'URL_FORBIDDEN',
    },
    {
      why: 'a group starts nothing',
      body: { name: 'x', transport: 'group', members: [{ all: true }] },
      status: 400,
      code: 'DEFINITION_INVALID',
    },
    {
      why: 'secrets of the file go nowhere else',
      body: { name: 'ofFile', ...raw, env: { API_KEY: '***' } },
      status: 400,
      code: 'DEFINITION_INVALID',
    },
  ])('refuses what may not be registered: $why', async ({ body, status, code }) => {
    const answer = await gateway.admin('/try', { method: 'POST', body })
    expect([answer.status, await answer.json()]).toMatchObject([status, { code }])
  })

  test('takes the stored secrets of a registered server for what is shown as ***', async () => {
    await gateway.register({ name: 'stored', ...raw })
    const body = { name: 'stored', ...raw, env: { API_KEY: '***' }, description: 'edited' }
    expect((await found(body)).works).toBe(true)
  })
})
