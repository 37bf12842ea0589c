/** Who has knocked is let in before a port closes, and who comes later is refused by the system. */
import { describe, expect, test } from 'bun:test'
import { connect } from 'node:net'
import { overlookNewcomers } from '../../src/runtime/closing-port.ts'
import { startProcess } from '../support/process.ts'

/** A client that makes a new connection for each of its requests, twelve at a time, until it is refused. */
const restless = `
const { connect } = require('node:net')
const port = Number(process.argv[1])
let answered = 0, reset = 0, going = true
const ask = () => new Promise((resolve) => {
  let got = ''
  const socket = connect(port, '127.0.0.1', () => socket.write('GET / HTTP/1.1\\r\\nhost: a\\r\\n\\r\\n'))
  socket.on('data', (data) => { got += data })
  socket.on('error', ({ code }) => {
    if (code === 'ECONNREFUSED') going = false
    else if (got === '') reset++
  })
  socket.on('close', () => { if (got !== '') answered++; resolve() })
})
const asking = Array.from({ length: 12 }, async () => { while (going) await ask() })
console.log('asking')
Promise.all(asking).then(() => console.log(JSON.stringify({ answered: answered > 0, reset })))
`

function listen() {
  return Bun.serve({
    hostname: '127.0.0.1',
    port: 0,
    development: false,
    fetch: () => new Response('ok', { headers: { connection: 'close' } }),
  })
}

/** Keeps this process from accepting anybody, so that they queue. */
function standStill(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms)
}

describe.if(process.platform === 'linux')('a port that closes', () => {
  test('lets everybody in who has knocked', async () => {
    const server = listen()
    await using client = startProcess({ command: [process.execPath, '-e', restless, String(server.port)] })
    await client.line((line) => line === 'asking')
    await Bun.sleep(50)
    standStill(50)
    await overlookNewcomers(server.port ?? 0)
    await server.stop(false)
    expect(await client.line((line) => line.startsWith('{'))).toBe('{"answered":true,"reset":0}')
  })

  test('has those refused who come later, and those served who are there', async () => {
    const server = listen()
    const there = connect(server.port ?? 0, '127.0.0.1')
    await new Promise((resolve) => there.once('connect', resolve))
    await overlookNewcomers(server.port ?? 0)
    const late = connect(server.port ?? 0, '127.0.0.1')
    const refused = new Promise<string>((resolve) =>
      late
        .once('error', (error) => resolve('code' in error ? String(error.code) : ''))
        .once('connect', () => resolve('in')),
    )
    there.write('GET / HTTP/1.1\r\nhost: a\r\n\r\n')
    const answer = await new Promise<string>((resolve) => there.once('data', (data) => resolve(String(data))))
    expect(answer).toStartWith('HTTP/1.1 200')
    await server.stop(false)
    expect(await refused).toBe('ECONNREFUSED')
  })

  test('is left as it is where nobody listens', async () => {
    await overlookNewcomers(1)
  })
})
