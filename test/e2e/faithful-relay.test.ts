/** What passes the gateway arrives as it was sent: order, digits, bytes, pages, unknown things. */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import type { Exchange, RawClient } from '../support/raw-client.ts'
import { type RawFixture, type RawName, startRawFixture } from '../support/raw-fixture.ts'

const MIB = 1024 * 1024
const names: readonly RawName[] = ['raw-stdio', 'raw-http']
let fixture: RawFixture

beforeAll(async () => {
  fixture = await startRawFixture({ settings: { limits: { body_bytes_max: '16MiB' } } })
}, 30_000)
afterAll(() => fixture[Symbol.asyncDispose]())

describe.each(names)('%s', (name) => {
  let client: RawClient
  beforeAll(async () => {
    client = await fixture.open(name)
  }, 30_000)
  afterAll(() => client.close())

  test('twenty notifications come in order, before the result, in 1,000 of 1,000 runs', async () => {
    const count = 20
    const expected = Array.from({ length: count }, (_, index) => index + 1)
    for (let run = 0; run < 1_000; run++) {
      const { before, answer } = await client.callTool(run, 'burst', { count }, run)
      expect(steps({ before })).toEqual(expected)
      expect(answer.id).toBe(run)
    }
  }, 60_000)

  test('five pages, 250 tools, no repeats', async () => {
    const seen: string[] = []
    let cursor: unknown
    let pages = 0
    do {
      const { answer } = await client.request(
        `page-${pages++}`,
        'tools/list',
        cursor === undefined ? {} : { cursor },
      )
      const tools = (answer.result as { tools?: { name: string }[] } | undefined)?.tools ?? []
      expect(tools).toHaveLength(50)
      seen.push(...tools.map((tool) => tool.name))
      cursor = (answer.result as { nextCursor?: unknown } | undefined)?.nextCursor
    } while (cursor !== undefined)
    expect(pages).toBe(5)
    expect(new Set(seen).size).toBe(250)
  })

  test('fields of a tool that nobody has heard of are kept', async () => {
    const { text } = await client.request('fields', 'tools/list', {})
    expect(text).toContain('"x-unknown":{"kept":true}')
  })

  test('digits in arguments arrive as they were written', async () => {
    const args = '{"n":12345678901234567890,"f":1.10,"e":1E400,"z":-0.0}'
    const text = `{"jsonrpc":"2.0","id":"digits","method":"tools/call","params":{"name":"mirror","arguments":${args}}}`
    const { answer } = await client.requestText('digits', text)
    const mirrored = answer.result?.structuredContent as { text?: string } | undefined
    expect(mirrored?.text).toContain(args)
  })

  test('digits in results arrive as they were written', async () => {
    const json = '{"n":12345678901234567890,"f":1.10,"e":1E400,"z":-0.0}'
    const { text } = await client.callTool('literal', 'literal', { json })
    expect(text).toContain(`"structuredContent":${json}`)
  })

  test('a result of 10 MB passes', async () => {
    const { text } = await client.call<{ text: string }>('large', 'large', { bytes: 10 * MIB })
    expect(text.length).toBe(10 * MIB)
  }, 30_000)

  test('a result on an event stream may be larger than what may wait for a slow reader', async () => {
    const { before, answer } = await client.callTool('larger', 'large', { bytes: 20 * MIB }, 'token')
    expect(before).toHaveLength(1)
    const { text } = (answer.result?.structuredContent ?? {}) as { text?: string }
    expect(text?.length).toBe(20 * MIB)
  }, 30_000)

  test('an argument of 10 MB passes when the limit is raised', async () => {
    const text = 'ü'.repeat(5 * MIB)
    const measured = await client.call('measure', 'measure', { text })
    expect(measured).toEqual({ length: text.length, digest: Bun.hash(text).toString(16) })
  }, 30_000)

  test('a method that nobody has heard of reaches the server, and its answer comes back', async () => {
    const { answer } = await client.request('vendor', 'x-vendor/reverse', { a: [1, null, { b: 'ü' }] })
    expect(answer.result).toEqual({
      'x-heard': { a: [1, null, { b: 'ü' }] },
      'x-nested': { deep: [1, [2, [3]]] },
    })
  })

  test('a method that the server does not know gets the error of the server, data included', async () => {
    const { answer } = await client.request('unknown', 'x-vendor/none', {})
    expect(answer.error).toEqual({
      code: -32601,
      message: 'no method x-vendor/none',
      data: { heard: 'x-vendor/none' },
    })
  })

  test('a notification that nobody has heard of reaches the server', async () => {
    const marker = crypto.randomUUID()
    await client.notify('notifications/x-vendor/hint', { marker, n: [1, 2] })
    const { found } = await client.call<{ found: { text: string }[] }>('look', 'received', { part: marker })
    expect(found).toHaveLength(1)
    expect(JSON.parse(found[0]?.text ?? '')).toEqual({
      jsonrpc: '2.0',
      method: 'notifications/x-vendor/hint',
      params: { marker, n: [1, 2] },
    })
  })

  test.each([0, -1, 2 ** 53 - 1, '', '0', 'ü "quoted" \\ 世界', 'x'.repeat(200)])(
    'the id %p comes back as it is, in value and type',
    async (id) => {
      const { answer } = await client.request(id, 'ping')
      expect(answer.id).toBe(id)
    },
  )
})

describe('what only a pipe can do', () => {
  let client: RawClient
  beforeAll(async () => {
    client = await fixture.open('raw-stdio')
  }, 30_000)
  afterAll(() => client.close())

  test('characters stay whole when they arrive one byte at a time', async () => {
    const text = 'aü世🎉 '.repeat(50)
    expect(await client.call('trickle', 'trickle', { text })).toEqual({ text })
  }, 20_000)

  test('what is not JSON-RPC on stdout is skipped, and the call goes on', async () => {
    expect(await client.call('noise', 'noise', {})).toEqual({ survived: true })
  })
})

function steps({ before }: Pick<Exchange, 'before'>): unknown[] {
  return before.map((message) => message.params?.['progress'])
}
