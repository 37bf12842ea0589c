/** A tool that a definition hides is not called, however its name is written. */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { type RunningGateway, startGatewayProcess } from '../support/gateway.ts'
import { modernHeaders, modernText } from '../support/modern-client.ts'
import { RawClient } from '../support/raw-client.ts'
import { commandOfRawServer } from '../support/raw-fixture.ts'

let gateway: RunningGateway

beforeAll(async () => {
  const server = (mode: string, tool: string) => ({
    name: mode,
    transport: 'stdio',
    ...commandOfRawServer(),
    toolFilter: { mode, list: [tool] },
  })
  gateway = await startGatewayProcess({
    via: 'executable',
    config: { mcps: [server('block', 'mirror'), server('allow', 'echo')] },
  })
})

afterAll(() => gateway?.stop())

/** `mirror` is hidden and gives its request back; `echo` is not. */
const params = [
  { why: 'plainly', text: '{"name":"mirror"}' },
  { why: 'with an escape in it', text: '{"name":"mirr\\u006fr"}' },
  { why: 'under an escaped key', text: '{"n\\u0061me":"mirror"}' },
  { why: 'behind another one', text: '{"name":"echo","name":"mirror"}' },
  { why: 'before another one', text: '{"name":"mirror","name":"echo"}' },
  { why: 'behind another one, under an escaped key', text: '{"name":"echo","n\\u0061me":"mirror"}' },
  { why: 'beside another one, in other letters', text: '{"name":"echo","Name":"mirror"}' },
  { why: 'in other letters alone', text: '{"NAME":"mirror"}' },
  { why: 'in other letters with an escape', text: '{"name":"echo","N\\u0041me":"mirror"}' },
  { why: 'in a list, which some servers take for its text', text: '{"name":["mirror"]}' },
  { why: 'with a prototype in front', text: '{"__proto__":{"name":"echo"},"name":"mirror"}' },
]

describe.each(['block', 'allow'])('a filter that is to %s', (name) => {
  test.each(params)('hides the tool that is named $why', async ({ text }) => {
    const call = (id: number) => `{"jsonrpc":"2.0","id":${id},"method":"tools/call","params":${text}}`
    await using client = await RawClient.open(gateway.face(name, 'stream'))
    const { answer } = await client.requestText(7, call(7))
    expect(answer).toMatchObject({ id: 7, error: { code: -32602 } })
    await using batching = await RawClient.open(gateway.face(name, 'stream'), { version: '2025-03-26' })
    const batch = await batching.post(`[${call(8)}]`)
    expect(await batch.text()).toContain('"code":-32602')
  })

  test.each(params)('hides it from stateless clients, too: $why', async ({ text }) => {
    const whole = modernText('tools/call').replace('"params":{', `"params":${text.slice(0, -1)},`)
    for (const claimed of ['mirror', 'echo']) {
      const response = await fetch(gateway.face(name, 'stream'), {
        method: 'POST',
        headers: modernHeaders('tools/call', { params: { name: claimed } }),
        body: whole,
      })
      expect(await response.json()).toMatchObject({ error: { code: expect.any(Number) } })
    }
  })

  test('leaves the others alone', async () => {
    await using client = await RawClient.open(gateway.face(name, 'stream'))
    expect(await client.call<{ secret: string }>(1, 'echo', { secret: 's' })).toEqual({ secret: 's' })
    const tools = await gateway.admin('/tools/call', {
      method: 'POST',
      body: { mcpName: name, toolName: 'mirror' },
    })
    expect(tools.status).toBe(404)
  })
})
