/** An admin who asks why somebody may use something, or may not, is told; a client is told nothing of it. */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test'
import { runCommand } from '../cli/run-command.ts'
import { type RunningGateway, startGatewayProcess } from '../support/gateway.ts'
import { ListingServer, tool } from '../support/listing-server.ts'
import { askModern, callModern } from '../support/modern-client.ts'

setDefaultTimeout(20_000)

const teamToken = 'the-token-of-team'
const shownTeam = `token:${new Bun.CryptoHasher('sha256').update(teamToken).digest('hex').slice(0, 8)}`
const shownGlobal = `token:${new Bun.CryptoHasher('sha256').update('the-global').digest('hex').slice(0, 8)}`
const admin = { authorization: 'Bearer the-admin' }

let docs: ListingServer
let guarded: ListingServer
let gateway: RunningGateway

beforeAll(async () => {
  docs = new ListingServer('docs', { tools: [tool('search'), tool('write')], prompts: [{ name: 'greet' }] })
  guarded = new ListingServer('guarded', { tools: [tool('search')] })
  gateway = await startGatewayProcess({
    via: 'executable',
    config: {
      mcp_proxy: { auth: { global_tokens: ['the-global'], admin_tokens: ['the-admin'] } },
      mcps: [
        { ...docs.definition, toolFilter: { mode: 'block', list: ['write'] }, allowedIPs: ['127.0.0.0/8'] },
        { ...guarded.definition, authTokens: ['its-own'] },
        { ...docs.definition, name: 'pinned', pin: true },
        { name: 'found', transport: 'group', members: [{ server: 'docs' }], exposure: 'search' },
        {
          name: 'team',
          transport: 'group',
          authTokens: [teamToken],
          members: [{ server: 'docs' }, { server: 'guarded' }],
        },
      ],
    },
  })
})

afterAll(async () => {
  docs[Symbol.dispose]()
  guarded[Symbol.dispose]()
  await gateway.stop()
})

const ask = async (query: Readonly<Record<string, string>>) =>
  (await (await gateway.admin(`/access?${new URLSearchParams(query)}`, { headers: admin })).json()) as Record<
    string,
    unknown
  >

const principal = shownTeam

describe('what a client cannot tell apart an admin can', () => {
  const questions = [
    {
      why: 'a server that is not there',
      asks: { server: 'dosc', tool: 'search' },
      is: { verdict: 'server_unknown', nearest: 'docs', rule: 'no server is registered as dosc' },
    },
    {
      why: 'a server that the caller may not use',
      asks: { server: 'guarded', tool: 'search', through: 'team' },
      is: {
        verdict: 'server_hidden',
        nearest: null,
        rule: 'no token of auth.global_tokens, nor of authTokens of the server',
      },
    },
    {
      why: 'a slip in the name of a tool',
      asks: { server: 'team', tool: 'docs__serach' },
      is: { verdict: 'item_unknown', nearest: 'docs__search', rule: 'docs lists no tool of this name' },
    },
    {
      why: 'a tool that a filter hides',
      asks: { server: 'team', tool: 'docs__write' },
      is: {
        verdict: 'item_hidden',
        nearest: null,
        rule: 'toolFilter of docs (block) lists it',
        server: 'docs',
        item: 'write',
      },
    },
    {
      why: 'a tool that nobody has approved yet',
      asks: { principal: 'token:GLOBAL', server: 'pinned', tool: 'search' },
      is: {
        verdict: 'item_held_back',
        rule: 'pinning of pinned: held back until its definition is approved',
        principal: expect.anything(),
      },
    },
    {
      why: 'a slip in the name of a group',
      asks: { server: 'docs', tool: 'search', through: 'taem' },
      is: { verdict: 'server_unknown', nearest: 'team' },
    },
    {
      why: 'an address that is kept out',
      asks: { server: 'team', tool: 'docs__search', address: '192.0.2.7' },
      is: { verdict: 'address_refused', rule: 'allowedIPs of docs does not have 192.0.2.7' },
    },
    {
      why: 'nothing at all',
      asks: { server: 'team', tool: 'docs__search', address: '127.0.0.1' },
      is: { verdict: 'allowed', allowed: true, nearest: null },
    },
    {
      why: 'a slip in a prompt',
      asks: { server: 'docs', prompt: 'gret', through: 'team' },
      is: { verdict: 'item_unknown', nearest: 'greet' },
    },
  ]
  test.each(questions)('$why', async ({ asks, is }) => {
    const asked = { principal, ...asks }
    expect(
      await ask({ ...asked, principal: asked.principal.replace('token:GLOBAL', shownGlobal) }),
    ).toMatchObject({
      principal: { id: shownTeam, role: 'client' },
      ...is,
    })
  })

  test('and the client is answered alike', async () => {
    const url = gateway.face('team', 'stream')
    const names = ['docs__serach', 'docs__write', 'guarded__search', 'nobody__search']
    const answers = await Promise.all(
      names.map(async (name) => {
        const { answer, status } = await callModern(url, name, {}, { token: teamToken })
        return JSON.stringify({ status, error: answer.error }).replaceAll(name, 'NAME')
      }),
    )
    expect(new Set(answers).size).toBe(1)
    const servers = await Promise.all(
      ['guarded', 'dosc'].map(async (name) => {
        const { answer, status } = await askModern(gateway.face(name, 'stream'), 'tools/list', {
          token: teamToken,
        })
        return JSON.stringify({ status, error: answer.error }).replaceAll(name, 'NAME')
      }),
    )
    expect(new Set(servers).size).toBe(1)
  })
})

describe('who is asked about', () => {
  test.each([
    { text: 'token:00000000', rule: 'no token that is configured has this digest' },
    { text: 'nobody', rule: 'there is no such key' },
    {
      text: 'oauth:0123456789abcdef0123456789abcdef',
      rule: expect.stringContaining('auth.oauth.issuers has none'),
    },
    { text: 'https://id.example alice', rule: 'https://id.example is no issuer of auth.oauth.issuers' },
  ])('$text is nobody', async ({ text, rule }) => {
    const answer = await ask({ principal: text, server: 'docs' })
    expect(answer).toMatchObject({
      verdict: 'principal_unknown',
      allowed: false,
      rule,
      principal: { role: null },
    } as never)
  })

  test('an admin token opens no server', async () => {
    const digest = new Bun.CryptoHasher('sha256').update('the-admin').digest('hex')
    const answer = await ask({ principal: `admin:${digest.slice(0, 8)}`, server: 'docs' })
    expect(answer).toMatchObject({ verdict: 'server_hidden', rule: 'no token of auth.global_tokens' })
  })
})

test('a tool by which others are found is one of the group itself', async () => {
  const answer = await ask({ principal: shownGlobal, server: 'found', tool: 'find_tools' })
  expect(answer).toMatchObject({ verdict: 'allowed', rule: 'a tool of the group itself', server: 'found' })
})

test('a server that is switched off can be used by nobody, which is said', async () => {
  await gateway.admin('/mcps/guarded/disable', { method: 'POST', headers: admin })
  const answer = await ask({ principal: shownGlobal, server: 'guarded' })
  expect(answer).toMatchObject({
    verdict: 'allowed',
    unsure: expect.stringContaining('guarded is switched off'),
  })
  const slip = await ask({ principal: shownGlobal, server: 'guarded', tool: 'serach' })
  expect(slip).toMatchObject({
    verdict: 'allowed',
    unsure: 'Whether guarded has it is not known: guarded is not connected.',
  })
  await gateway.admin('/mcps/guarded/enable', { method: 'POST', headers: admin })
})

test.each([
  { query: 'server=docs', says: 'principal: is required' },
  { query: 'principal=anonymous', says: 'server: is required' },
  { query: 'principal=anonymous&server=docs&tool=a&prompt=b', says: 'at a time' },
  { query: 'principal=anonymous&server=docs&claim=groups', says: 'a name and a value' },
  { query: 'principal=anonymous&server=docs&address=nowhere', says: 'an IP address' },
  { query: `principal=${'x'.repeat(3_000)}&server=docs`, says: 'at most 2048' },
])('a question that makes no sense is 400: $says', async ({ query, says }) => {
  const answer = await gateway.admin(`/access?${query}`, { headers: admin })
  expect(answer.status).toBe(400)
  expect(await answer.text()).toContain(says)
})

test('compozy keys explain says it for people', async () => {
  const run = (...words: string[]) =>
    runCommand(['keys', 'explain', ...words, '--url', gateway.url, '--token', 'the-admin'], {
      via: 'executable',
      cwd: gateway.directory,
    })
  const yes = await run(shownTeam, 'team', '--tool', 'docs__search')
  expect(yes).toMatchObject({ exitCode: 0, stderr: '' })
  expect(yes.stdout).toContain(`${shownTeam} may use the tool search of docs: `)
  const slip = await run(shownTeam, 'team', '--tool', 'docs__serach')
  expect(slip.exitCode).toBe(1)
  expect(slip.stdout).toContain(
    'may not use the tool serach of docs: docs lists no tool of this name\nDid you mean docs__search?',
  )
  const twice = await run(shownTeam, 'team', '--tool', 'a', '--prompt', 'b')
  expect(twice).toMatchObject({ exitCode: 2, stdout: '' })
  const claim = await run(shownTeam, 'team', '--claim', 'groups')
  expect(claim).toMatchObject({ exitCode: 2, stdout: '' })
  expect(claim.stderr).toContain('--claim groups=eng')
})
