/** The lines of docs/DEBUGGING.md that look into a log, run as they stand there on the log of tools that failed. */
import { expect, test } from 'bun:test'
import { readFileSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { poll, repository, startGatewayProcess } from '../support/gateway.ts'
import { askModern, callModern } from '../support/modern-client.ts'
import { RawClient } from '../support/raw-client.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'

const server = resolve(import.meta.dir, '../support/failing-server.ts')
const tokens = { agent: 'secret-of-the-agent', person: 'secret-of-a-person' }
const shown = (token: string) =>
  `token:${new Bun.CryptoHasher('sha256').update(token).digest('hex').slice(0, 8)}`

/** The commands of the section, by the comment in front of each. */
function commands(): ReadonlyMap<string, string> {
  const text = readFileSync(join(repository, 'docs/DEBUGGING.md'), 'utf8')
  const section = text.slice(text.indexOf('## What failed, for whom, how often, and why'))
  const block = /```sh\n(.*?)```/s.exec(section)?.[1] ?? ''
  const paragraphs = block.trim().split('\n\n')
  return new Map(
    paragraphs.map((paragraph) => {
      const [comment = '', ...lines] = paragraph.split('\n')
      return [comment.replace(/^# /, ''), lines.join('\n')]
    }),
  )
}

/** The log of a gateway on which tools have failed in every way. */
async function logOfFailures(): Promise<string> {
  const command = process.execPath
  const toolFilter = { mode: 'block', list: ['hidden'] }
  await using gateway = await startGatewayProcess({
    config: {
      mcp_proxy: { auth: { global_tokens: Object.values(tokens) } },
      mcps: [
        { name: 'files', transport: 'stdio', command, args: [server], toolFilter },
        { name: 'ill', transport: 'stdio', command, args: ['-e', 'process.exit(3)'], reconnectDelay: '1m' },
      ],
    },
  })
  const url = gateway.face('files', 'stream')
  {
    await using agent = await RawClient.open(url, { token: tokens.agent, version: '2025-03-26' })
    for (let id = 0; id < 4; id++) await agent.callTool(id, 'fail', {})
    // With progress the answer is a stream, and the call has a line of its own.
    const reported = agent.callTool(4, 'report', {}, 'token')
    await poll('its progress', async () => gateway.lines().some((line) => line.includes('"report"')))
    await agent.callTool(10, 'release', {})
    await reported
    const batch = [5, 6, 7].map((id) => ({
      jsonrpc: '2.0',
      id,
      method: 'tools/call',
      params: { name: id === 5 ? 'fail' : 'error', arguments: {} },
    }))
    await (await agent.post(JSON.stringify(batch))).text()
    await agent.callTool(8, 'work', {})
    await agent.request(9, 'resources/read', { uri: 'file:///none' })
  }
  const person = { token: tokens.person }
  await callModern(url, 'hidden', {}, person)
  await askModern(url, 'prompts/get', { ...person, params: { name: 'none' } })
  await callModern(url, 'die', {}, person)
  await (await fetch(url, { method: 'POST', body: '{}' })).text()
  const told = (part: string) => gateway.lines().some((line) => line.includes(part))
  await poll('the last lines', async () => told('"code":"UPSTREAM_CLOSED"') && told('"status":401'))
  return `${gateway.lines().join('\n')}\n`
}

test('each line that looks into a log shows who called what, how often it failed, and why', async () => {
  using directory = temporaryDirectory()
  writeFileSync(join(directory.path, 'mcp-proxy.log'), await logOfFailures())
  const output = (comment: string): string[] => {
    const command = commands().get(comment)
    const { stdout, stderr, exitCode } = Bun.spawnSync(
      ['bash', '-o', 'pipefail', '-c', command ?? 'exit 9'],
      {
        cwd: directory.path,
      },
    )
    expect([exitCode, stderr.toString()]).toEqual([0, ''])
    return stdout
      .toString()
      .split('\n')
      .map((line) => line.replace(/^ +/, ''))
      .filter((line) => line !== '')
  }
  const agent = `${shown(tokens.agent)}\traw-client/1.0.0\tfiles`
  const person = `${shown(tokens.person)}\traw-modern/1.0.0\tfiles`
  expect(
    output(
      'Which caller, with which client, called which tool, what became of it, why, and how often',
    ).sort(),
  ).toEqual(
    [
      `1 ${agent}\treport\ttool_error\t`,
      `1 ${person}\tdie\tfailed\tUPSTREAM_CLOSED`,
      `1 ${person}\thidden\trefused\tPARAMS_REFUSED`,
      `2 ${agent}\terror\trpc_error\t-32602`,
      `5 ${agent}\tfail\ttool_error\t`,
    ].sort(),
  )
  expect(output('How each tool fares').sort()).toEqual([
    'files die {"failed":1}',
    'files error {"rpc_error":2}',
    'files fail {"tool_error":5}',
    'files hidden {"refused":1}',
    'files release {"ok":1}',
    'files report {"tool_error":1}',
    'files work {"ok":1}',
  ])
  expect(output('What failed, by the hour')).toEqual([
    expect.stringMatching(/^1 \d{4}-\d\d-\d\dT\d\d\tfiles\tUPSTREAM_CLOSED$/),
  ])
  expect(output('Why servers went down, or a connection to one of them').sort()).toEqual([
    expect.stringMatching(/^1 files\tThe server process exited with code 3/),
    expect.stringMatching(/^1 ill\tThe server process exited with code 3/),
  ])
  const all = new Map(
    output('What became of all calls').map((line) => line.split(' ').reverse() as [string, string]),
  )
  // The last two: a resource and a prompt that are not there.
  expect(all.get('tool_error')).toBe('6')
  expect(all.get('rpc_error')).toBe('4')
  expect(all.get('refused')).toBe('2')
  expect(all.get('failed')).toBe('1')
  // On a busy machine there may be some.
  output('Calls that took longer than a second')
  expect([...commands().keys()]).toHaveLength(6)
}, 30_000)
