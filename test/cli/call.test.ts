/** `compozy servers call`: everything that a tool returned, its progress, its failure, and Ctrl+C. */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { type FaultHttp, jsonAnswer, startFaultHttp, welcome } from '../support/fault-http.ts'
import { commandOf, poll, type RunningGateway, startGatewayProcess } from '../support/gateway.ts'
import { startInTerminal } from '../support/pseudo-terminal.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'
import { type Finished, runCommand } from './run-command.ts'

const via = 'executable'
const rawServer = resolve(import.meta.dir, '../support/raw-server.ts')
const png = Buffer.from('89504e470d0a1a0a', 'hex')

let gateway: RunningGateway
let http: FaultHttp
/** What the next call of a tool returns. */
let result: unknown

beforeAll(async () => {
  http = startFaultHttp((request) => {
    if (request.message.method === 'server/discover') return new Response(null, { status: 404 })
    if (request.message.method === 'tools/call') return jsonAnswer(request, result)
    return welcome(request)
  })
  gateway = await startGatewayProcess({
    via,
    config: {
      mcps: [
        { name: 'gives', transport: 'streamable-http', url: http.url },
        { name: 'raw', transport: 'stdio', command: process.execPath, args: [rawServer] },
      ],
    },
  })
})
afterAll(async () => {
  await gateway?.stop()
  await http?.[Symbol.asyncDispose]()
})

const words = (server: string, args: readonly string[]) => [
  'servers',
  'call',
  server,
  ...args,
  '--url',
  gateway.url,
]
const call = (...args: readonly string[]): Promise<Finished> =>
  runCommand(words('gives', ['tool', ...args]), { via, cwd: gateway.directory })

const everyKind = [
  { type: 'text', text: 'first' },
  { type: 'text', text: 'second' },
  { type: 'image', data: png.toString('base64'), mimeType: 'image/png' },
  { type: 'audio', data: 'AAAA', mimeType: 'audio/wav' },
  { type: 'resource', resource: { uri: 'file:///a.txt', mimeType: 'text/plain', text: 'inside' } },
  { type: 'resource', resource: { uri: 'file:///a.bin', blob: 'AAECAw==' } },
  {
    type: 'resource_link',
    uri: 'https://example.com/x',
    name: 'x',
    description: 'the rest',
    mimeType: 'text/html',
  },
  { type: 'novel', about: 'to come' },
]

describe('what a tool returned', () => {
  test('is shown whole: texts, structured content, links, and a line for each file', async () => {
    result = { content: everyKind, structuredContent: { total: 3 } }
    expect(await call()).toEqual({
      exitCode: 0,
      stderr: '',
      stdout: [
        'first',
        'second',
        'image: image/png, 8 bytes (--save DIR keeps it)',
        'audio: audio/wav, 3 bytes (--save DIR keeps it)',
        'resource: file:///a.txt',
        'inside',
        'resource: file:///a.bin',
        'file: no type given, 4 bytes (--save DIR keeps it)',
        'link: https://example.com/x (x, the rest, text/html)',
        JSON.stringify({ type: 'novel', about: 'to come' }, null, 2),
        JSON.stringify({ total: 3 }, null, 2),
        '',
      ].join('\n'),
    })
  })

  test('is kept with --save, under names that nobody else has and no server chooses', async () => {
    using folder = temporaryDirectory({ 'there/before-1.png': '' })
    result = { content: everyKind }
    const first = await call('--save', join(folder.path, 'new/folder'))
    const path = join(folder.path, 'new/folder')
    expect(first.stdout).toContain(`image: image/png, 8 bytes, saved as ${path}/tool-1.png\n`)
    await call('--save', path)
    expect(readdirSync(path).sort()).toEqual([
      ...['tool-1.bin', 'tool-1.png', 'tool-1.wav'],
      ...['tool-2.bin', 'tool-2.png', 'tool-2.wav'],
    ])
    expect(readFileSync(join(path, 'tool-2.png'))).toEqual(png)
    result = { content: [{ type: 'image', data: 'AAAA', mimeType: 'image/../../etc/pass.wd' }] }
    const evil = words('gives', ['../../../evil', '--save', path])
    expect((await runCommand(evil, { via, cwd: gateway.directory })).stdout).toEndWith(
      `${path}/_evil-1.bin\n`,
    )
    const refused = await call('--save', join(path, 'tool-1.png'))
    expect([refused.exitCode, refused.stderr]).toEqual([
      1,
      expect.stringContaining(`compozy: cannot save to ${path}/tool-1.png: `),
    ])
    expect(existsSync(join(folder.path, 'evil-1.bin'))).toBe(false)
  })

  test.each([
    {
      why: 'structured content that a text repeats is shown once',
      given: { content: [{ type: 'text', text: '{"a": [1, 2]}' }], structuredContent: { a: [1, 2] } },
      stdout: '{"a": [1, 2]}\n',
    },
    { why: 'nothing is said', given: { content: [] }, stdout: '(nothing)\n' },
    {
      why: 'members of a later revision are not lost',
      given: { later: true },
      stdout: '{\n  "later": true\n}\n',
    },
    {
      why: 'a text cannot move the cursor',
      given: { content: [{ type: 'text', text: 'a\u001b[2Jb' }] },
      stdout: 'a\\u001b[2Jb\n',
    },
  ])('$why', async ({ given, stdout }) => {
    result = given
    expect(await call()).toEqual({ exitCode: 0, stdout, stderr: '' })
  })

  test('--json is the whole result, and no digit of it is another', async () => {
    const json = '{"n":12345678901234567890,"e":1.10}'
    const finished = await runCommand(words('raw', ['literal', JSON.stringify({ json }), '--json']), {
      via,
      cwd: gateway.directory,
    })
    expect(finished.stdout.replaceAll(/\s+/g, '')).toBe(`{"content":[],"structuredContent":${json}}`)
    // Nor of what goes there.
    const mirrored = await runCommand(words('raw', ['mirror', '--arg', 'n=12345678901234567890', '--json']), {
      via,
      cwd: gateway.directory,
    })
    expect(mirrored.stdout).toContain('12345678901234567890')
  })
})

describe('a tool that fails', () => {
  test.each([
    {
      why: 'with isError',
      given: { isError: true, content: [{ type: 'text', text: 'no such\nuser' }] },
      stderr: 'compozy: tool failed: no such user\n',
    },
    {
      why: 'without a word',
      given: { isError: true, content: [] },
      stderr: 'compozy: tool failed: it did not say why\n',
    },
  ])('$why has exit code 3', async ({ given, stderr }) => {
    result = given
    expect(await call()).toEqual({ exitCode: 3, stdout: '', stderr })
    const { exitCode, stdout } = await call('--json')
    expect([exitCode, JSON.parse(stdout)]).toEqual([3, given])
  })
})

describe('a long call', () => {
  test('tells its progress on standard error, line by line where nothing can be drawn over', async () => {
    const args = words('raw', ['steps', '{"count":3,"everyMs":5}'])
    const { exitCode, stdout, stderr } = await runCommand(args, { via, cwd: gateway.directory })
    // Not more often than once a second.
    expect([exitCode, stdout, stderr]).toEqual([0, '{\n  "done": true\n}\n', '1\n'])
  })

  test('draws it over itself in a terminal, and takes it away', async () => {
    const child = startInTerminal(
      [...commandOf(via), ...words('raw', ['steps', '{"count":3,"everyMs":30}'])],
      {
        cwd: gateway.directory,
        columns: 80,
      },
    )
    const { exitCode, output } = await child.exited
    expect(exitCode).toBe(0)
    expect(output).toBe('\r1\u001b[K\r2\u001b[K\r3\u001b[K\r\u001b[K{\n  "done": true\n}\n')
  })

  test('is cancelled at its server by Ctrl+C', async () => {
    const marker = crypto.randomUUID()
    const received = async (part: string) => {
      const args = words('raw', ['received', JSON.stringify({ part }), '--json'])
      const { stdout } = await runCommand(args, { via, cwd: gateway.directory })
      return JSON.parse(stdout).structuredContent.found as { text: string }[]
    }
    const args = words('raw', ['slow', JSON.stringify({ ms: 60_000, marker })])
    const child = startInTerminal([...commandOf(via), ...args], { cwd: gateway.directory, columns: 80 })
    await poll('the call', async () => (await received(marker)).length > 0)
    child.type('\u0003')
    const { exitCode, output } = await child.exited
    expect([exitCode, output]).toEqual([130, '^Ccompozy: slow is cancelled\n'])
    const [arrived] = await received(marker)
    const { id } = JSON.parse(arrived?.text ?? '') as { id: number }
    await poll('the cancel', async () => (await received(`"requestId":${id}`)).length > 0)
  })
})
