/** The official inspector, as a person at a terminal uses it, against both faces. */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { join } from 'node:path'
import { type RunningGateway, repository, startGatewayProcess } from '../support/gateway.ts'

const packages = join(repository, 'node_modules', '@modelcontextprotocol')
const inspector = join(packages, 'inspector', 'clients', 'launcher', 'build', 'index.js')
const everything = join(packages, 'server-everything', 'dist', 'index.js')

describe('the inspector against the gateway', () => {
  let gateway: RunningGateway
  beforeAll(async () => {
    gateway = await startGatewayProcess({
      via: 'executable',
      config: {
        mcps: [
          { name: 'everything', transport: 'stdio', command: process.execPath, args: [everything, 'stdio'] },
        ],
      },
    })
  }, 60_000)
  afterAll(() => gateway.stop())

  const faces = [
    { face: 'stream', transport: 'http' },
    { face: 'sse', transport: 'sse' },
  ] as const

  test.concurrent.each([...faces])(
    'lists tools through /$face',
    async ({ face, transport }) => {
      const listed = (await inspect(gateway.face('everything', face), transport, ['tools/list'])) as {
        tools: { name: string }[]
      }
      expect(listed.tools.map(({ name }) => name)).toContain('get-sum')
    },
    30_000,
  )

  test.concurrent.each([...faces])(
    'calls a tool through /$face',
    async ({ face, transport }) => {
      const args = ['tools/call', '--tool-name', 'get-sum', '--tool-arg', 'a=2', '--tool-arg', 'b=3']
      expect(await inspect(gateway.face('everything', face), transport, args)).toEqual({
        content: [{ type: 'text', text: 'The sum of 2 and 3 is 5.' }],
      })
    },
    30_000,
  )
})

async function inspect(url: URL, transport: string, method: readonly string[]): Promise<unknown> {
  const command = [
    process.execPath,
    inspector,
    '--cli',
    url.href,
    '--transport',
    transport,
    '--method',
    ...method,
  ]
  const child = Bun.spawn(command, { stdin: 'ignore', stdout: 'pipe', stderr: 'pipe', timeout: 25_000 })
  const [output, complaints] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
  ])
  if ((await child.exited) !== 0) throw new Error(`the inspector failed: ${output}${complaints}`)
  return JSON.parse(output)
}
