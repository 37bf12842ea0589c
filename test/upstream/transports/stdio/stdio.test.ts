import { afterEach, describe, expect, test } from 'bun:test'
import { readFileSync } from 'node:fs'
import { GatewayError } from '../../../../src/errors.ts'
import { childEnvironment } from '../../../../src/upstream/transports/stdio/child-environment.ts'
import { createStdioTransport, type StdioOptions } from '../../../../src/upstream/transports/stdio/stdio.ts'
import type { UpstreamTransport } from '../../../../src/upstream/transports/transport.ts'
import {
  createRecorder,
  isKind,
  type TransportEvent,
  type TransportRecorder,
} from '../../../support/transport-recorder.ts'

const faultServer = new URL('../../../support/fault-stdio.ts', import.meta.url).pathname
const outOfDescriptors = new URL('../../../support/out-of-descriptors.ts', import.meta.url).pathname
const open: UpstreamTransport[] = []

afterEach(async () => {
  await Promise.all(open.splice(0).map((transport) => transport.close()))
})

function transportOf(options: Partial<StdioOptions>): UpstreamTransport {
  const transport = createStdioTransport({
    command: process.execPath,
    args: [],
    env: childEnvironment(process.env, {}),
    cwd: null,
    lineBytesMax: 64 << 20,
    inputQueueCharsMax: 16 << 20,
    stopGraceMs: 300,
    secrets: [],
    groupWatch: null,
    ...options,
  })
  open.push(transport)
  return transport
}

async function start(mode: string, options: Partial<StdioOptions> = {}) {
  const transport = transportOf({ args: [faultServer, mode], ...options })
  const recorder = createRecorder()
  await transport.open(recorder, new AbortController().signal)
  return { transport, recorder }
}

function request(id: number, params: object = {}) {
  return { text: JSON.stringify({ jsonrpc: '2.0', id, method: 'm', params }), requestId: id, method: 'm' }
}

/** A zombie that nobody has reaped yet does not live. */
function pidAlive(pid: number): boolean {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    return stat.slice(stat.lastIndexOf(')') + 2, stat.lastIndexOf(')') + 3) !== 'Z'
  } catch {
    return false
  }
}

async function grandchildPid(recorder: TransportRecorder): Promise<number> {
  const isReady = (event: TransportEvent): event is Extract<TransportEvent, { kind: 'message' }> =>
    event.kind === 'message' && event.text.includes('"grandchild"')
  const { text } = await recorder.until(isReady)
  return (JSON.parse(text) as { params: { pid: number } }).params.pid
}

describe('messages', () => {
  test('skips what is not JSON on stdout and says it as noise', async () => {
    const { transport, recorder } = await start('garbage')
    transport.send(request(1, { a: 1 }))
    expect(await recorder.answerTo(1)).toEqual({ jsonrpc: '2.0', id: 1, result: { a: 1 } })
    expect(recorder.of('noise').map((event) => event.line)).toEqual(['Server listening…', '{ port: 3000 }'])
  })

  test('keeps a multi-byte character whole when the pipe splits it', async () => {
    const { transport, recorder } = await start('utf8-bytes')
    transport.send(request(1, { text: 'é→😀' }))
    expect(await recorder.answerTo(1)).toMatchObject({ result: { text: 'é→😀' } })
    expect(recorder.of('message')[0]?.text.endsWith('}')).toBe(true)
  })

  test('passes a line of ten megabytes in both directions', async () => {
    const { transport, recorder } = await start('echo')
    const text = 'y'.repeat(10 << 20)
    transport.send(request(1, { text }))
    const answer = (await recorder.answerTo(1)) as { result: { text: string } }
    expect(answer.result.text === text).toBe(true)
  })

  test('keeps the order of many messages sent at once', async () => {
    const { transport, recorder } = await start('echo')
    for (let id = 1; id <= 5000; id++) transport.send(request(id, { id }))
    await recorder.answerTo(5000)
    expect(recorder.of('message').map((event) => JSON.parse(event.text).id)).toEqual(
      Array.from({ length: 5000 }, (_, index) => index + 1),
    )
  })

  test('takes a batch apart without touching the digits in it', async () => {
    const { transport, recorder } = await start('batch')
    transport.send(request(1))
    await recorder.answerTo(1)
    expect(recorder.of('message').map((event) => event.text)).toEqual([
      '{"jsonrpc":"2.0","method":"n","params":{"big":12345678901234567890,"s":"]},{"}}',
      '{"jsonrpc":"2.0","id":1,"result":{}}',
    ])
  })

  test('fails the call whose answer is over the cap and goes on with the next', async () => {
    const { transport, recorder } = await start('big-line', { lineBytesMax: 100_000 })
    transport.send(request(1, { size: 300_000 }))
    transport.send(request(2, { size: 10 }))
    await recorder.answerTo(2)
    const failed = recorder.of('requestFailed')
    expect(failed.map((event) => [event.requestId, event.error.code])).toEqual([[1, 'RESULT_TOO_LARGE']])
    expect(recorder.of('noise').length).toBe(1)
  })

  test('reads the answer of a server that exits right after it', async () => {
    const { transport, recorder } = await start('answer-and-exit')
    transport.send(request(1, { last: 'words' }))
    const { error } = await recorder.until(isKind('closed'))
    expect(error.details).toContain('exited with code 0')
    expect(await recorder.answerTo(1)).toMatchObject({ result: { last: 'words' } })
    expect(recorder.events.at(-1)?.kind).toBe('closed')
  })
})

describe('bounds', () => {
  test('a flooding server blocks while the reader pauses, and memory stays bounded', async () => {
    const { transport, recorder } = await start('stdout-flood')
    await recorder.until(isKind('message'))
    transport.pause()
    await Bun.sleep(200)
    const seen = recorder.events.length
    const rss = process.memoryUsage().rss
    await Bun.sleep(500)
    expect(recorder.events.length).toBe(seen)
    expect(process.memoryUsage().rss - rss).toBeLessThan(16 << 20)
    transport.resume()
    const isNew = (event: TransportEvent): event is TransportEvent => recorder.events.indexOf(event) > seen
    await recorder.until(isNew)
    transport.pause()
  })

  test('refuses calls, with their id, once a server has stopped reading its input', async () => {
    const { transport, recorder } = await start('deaf', { inputQueueCharsMax: 300_000 })
    await recorder.until(isKind('message'))
    const sent = 20
    for (let id = 1; id <= sent; id++) {
      transport.send(request(id, { fill: 'x'.repeat(100_000) }))
      await Bun.sleep(1)
    }
    const refused = recorder.of('requestFailed')
    expect(refused.length).toBeGreaterThan(10)
    expect(refused.at(-1)?.requestId).toBe(sent)
    expect(refused.every((event) => event.error.code === 'IN_FLIGHT_EXHAUSTED')).toBe(true)
  })

  test('drains a flooded stderr, passes on a bounded part of it, and answers meanwhile', async () => {
    const { transport, recorder } = await start('stderr-flood')
    for (let id = 1; id <= 20; id++) {
      transport.send(request(id, { id }))
      await recorder.answerTo(id)
    }
    const noiseChars = recorder.of('noise').reduce((sum, event) => sum + event.line.length, 0)
    expect(noiseChars).toBeGreaterThan(0)
    expect(noiseChars).toBeLessThan(1 << 20)
  })
})

describe('the end of the server', () => {
  test('says the exit code and the last line of one that exits at once', async () => {
    const { recorder } = await start('exit-at-once')
    const { error } = await recorder.until(isKind('closed'))
    expect(error).toBeInstanceOf(GatewayError)
    expect(error.code).toBe('UPSTREAM_CLOSED')
    expect(error.details).toBe('The server process exited with code 3: set FILES_ROOT')
  })

  test('says the signal that ended it, within a second', async () => {
    const { transport, recorder } = await start('echo')
    transport.send(request(1))
    await recorder.answerTo(1)
    process.kill(transport.pid ?? 0, 'SIGKILL')
    const { error } = await recorder.until(isKind('closed'), 1_000)
    expect(error.details).toBe(
      'The server process was ended by SIGKILL. Something outside ended it, mostly the kernel for lack of memory: give it more.',
    )
  })

  test('is silent after closed, whatever is sent to it', async () => {
    const { transport, recorder } = await start('exit-at-once')
    await recorder.until(isKind('closed'))
    const seen = recorder.events.length
    transport.send(request(1))
    transport.pause()
    transport.resume()
    await transport.close()
    expect(recorder.events.length).toBe(seen)
  })

  test('survives a megabyte written to a server that is dying', async () => {
    const { transport, recorder } = await start('echo')
    transport.send(request(1))
    await recorder.answerTo(1)
    process.kill(transport.pid ?? 0, 'SIGKILL')
    for (let id = 2; id < 10; id++) transport.send(request(id, { fill: 'x'.repeat(1 << 20) }))
    await recorder.until(isKind('closed'))
  })

  test('counts a server that closes its stdout but stays as gone', async () => {
    const { transport, recorder } = await start('close-stdout')
    transport.send(request(1))
    const { error } = await recorder.until(isKind('closed'))
    expect(error.details).toContain('closed its output')
    await transport.close()
    expect(pidAlive(transport.pid ?? 0)).toBe(false)
  })

  test('masks a secret of the definition in its last words', async () => {
    const { transport, recorder } = await start('secret-death', {
      env: childEnvironment(process.env, { API_TOKEN: 'canary-12345' }),
      secrets: ['canary-12345'],
    })
    transport.send(request(1))
    const { error } = await recorder.until(isKind('closed'))
    expect(error.details).toBe('The server process exited with code 9: cannot log in with ***')
    expect(JSON.stringify(recorder.events)).not.toContain('canary')
  })
})

describe('failing to start', () => {
  const rows: { why: string; options: Partial<StdioOptions>; details: string }[] = [
    {
      why: 'no such command',
      options: { command: 'no-such-command' },
      details: 'no-such-command is not installed',
    },
    {
      why: 'no such path',
      options: { command: '/no/such/command' },
      details: '/no/such/command is no executable file',
    },
    { why: 'a directory', options: { command: '/tmp' }, details: '/tmp is not an executable file' },
    {
      why: 'no such working directory',
      options: { cwd: '/no/such/place' },
      details: '/no/such/place does not exist',
    },
  ]
  for (const { why, options, details } of rows) {
    test(`rejects with what is missing: ${why}`, async () => {
      const recorder = createRecorder()
      const opening = transportOf(options).open(recorder, new AbortController().signal)
      const error = await opening.then(
        () => null,
        (thrown: unknown) => thrown as GatewayError,
      )
      expect(error?.code).toBe('COMMAND_NOT_FOUND')
      expect(error?.details).toContain(details)
      await Bun.sleep(20)
      expect(recorder.events).toEqual([])
    })
  }

  test('names the image that has the command, inside the one that has none', async () => {
    process.env['COMPOZY_IMAGE'] = 'distroless'
    try {
      const transport = transportOf({ command: 'no-such-command' })
      const opening = transport.open(createRecorder(), new AbortController().signal)
      expect(await opening.then(String, (thrown: unknown) => (thrown as GatewayError).details)).toContain(
        'full image',
      )
    } finally {
      delete process.env['COMPOZY_IMAGE']
    }
  })

  test('rejects, and nothing worse, when the system has no descriptors left', async () => {
    const starved = Bun.spawn(
      ['/bin/sh', '-c', 'ulimit -n 40; exec "$0" "$1"', process.execPath, outOfDescriptors],
      { stdout: 'pipe', stderr: 'pipe' },
    )
    expect(await starved.stdout.text()).toBe(
      'SERVER_UNAVAILABLE: cat could not be started (EMFILE): the gateway has too many files open. Raise its limit (ulimit -n).\nstill here\n',
    )
    expect(await starved.stderr.text()).toBe('')
    expect(await starved.exited).toBe(0)
  })

  test('rejects as data what no process can be given', async () => {
    const recorder = createRecorder()
    const opening = transportOf({ args: ['a\0b'] }).open(recorder, new AbortController().signal)
    await expect(opening).rejects.toMatchObject({ code: 'SERVER_UNAVAILABLE' })
  })
})

describe('close', () => {
  test('lets a server that honours the end of its input exit by itself', async () => {
    const { transport, recorder } = await start('echo')
    transport.send(request(1))
    await recorder.answerTo(1)
    const startedMs = performance.now()
    await transport.close()
    expect(performance.now() - startedMs).toBeLessThan(290)
    expect(pidAlive(transport.pid ?? 0)).toBe(false)
    expect(recorder.of('closed')).toEqual([])
  })

  test('kills a server and its grandchild that both ignore the end of input and TERM', async () => {
    const { transport, recorder } = await start('stubborn-tree')
    const grandchild = await grandchildPid(recorder)
    await Promise.all([transport.close(), transport.close()])
    expect(pidAlive(transport.pid ?? 0)).toBe(false)
    expect(pidAlive(grandchild)).toBe(false)
  })

  test('kills a grandchild whose parent is gone already', async () => {
    const { transport, recorder } = await start('stubborn-tree')
    const grandchild = await grandchildPid(recorder)
    process.kill(transport.pid ?? 0, 'SIGKILL')
    // The grandchild holds stdout open: the end is told all the same.
    await recorder.until(isKind('closed'), 1_000)
    await transport.close()
    expect(pidAlive(grandchild)).toBe(false)
  })

  test('ends a server that was stopped by a signal', async () => {
    const { transport, recorder } = await start('echo')
    transport.send(request(1))
    await recorder.answerTo(1)
    process.kill(transport.pid ?? 0, 'SIGSTOP')
    await transport.close()
    expect(pidAlive(transport.pid ?? 0)).toBe(false)
  })

  test('before open, or after a failed open, has nothing to do', async () => {
    await transportOf({}).close()
    const failed = transportOf({ command: 'no-such-command' })
    await failed.open(createRecorder(), new AbortController().signal).catch(() => {})
    await failed.close()
  })
})

describe('the environment of a child', () => {
  test('is exactly what is allowed from the gateway, and the definition on top', () => {
    const gateway = {
      PATH: '/bin',
      HOME: '/home/me',
      LANG: 'C.UTF-8',
      LC_ALL: 'C',
      TMPDIR: '/tmp',
      TZ: 'UTC',
      USER: 'me',
      LOGNAME: 'me',
      SHELL: '/bin/sh',
      TERM: 'xterm',
      XDG_CACHE_HOME: '/cache',
      XDG_CONFIG_HOME: '/config',
      XDG_DATA_HOME: '/data',
      XDG_RUNTIME_DIR: '/run/user/1',
      SSL_CERT_FILE: '/ca.pem',
      SSL_CERT_DIR: '/certs',
      NODE_EXTRA_CA_CERTS: '/ca.pem',
      NODE_USE_SYSTEM_CA: '1',
      REQUESTS_CA_BUNDLE: '/ca.pem',
      CURL_CA_BUNDLE: '/ca.pem',
      GIT_SSL_CAINFO: '/ca.pem',
      PIP_CERT: '/ca.pem',
      UV_NATIVE_TLS: '1',
      UV_SYSTEM_CERTS: '1',
      UV_PUBLISH_TOKEN: 'secret',
      NPM_CONFIG_CAFILE: '/ca.pem',
      npm_config_cafile: '/ca.pem',
      HTTP_PROXY: 'http://user:password@proxy',
      ALL_PROXY: 'http://user:password@proxy',
      NO_PROXY: 'localhost',
      http_proxy: 'http://lower',
      https_proxy: 'http://lower',
      all_proxy: 'http://lower',
      no_proxy: 'localhost',
      NODE_USE_ENV_PROXY: '1',
      NPM_CONFIG_REGISTRY: 'https://npm.example',
      npm_config_registry: 'https://npm.example',
      PIP_INDEX_URL: 'https://pip.example',
      PIP_EXTRA_INDEX_URL: 'https://pip.example',
      UV_DEFAULT_INDEX: 'https://uv.example',
      UV_INDEX: 'own=https://uv.example',
      UV_INDEX_URL: 'https://uv.example',
      UV_EXTRA_INDEX_URL: 'https://uv.example',
      BUN_OPTIONS: '--preload=x',
      BUN_BE_BUN: '1',
      BUN_CONFIG_MAX_HTTP_REQUESTS: '20000',
      MCP_PROXY_ADMIN_TOKENS: 'secret',
      HTTPS_PROXY: 'http://user:password@proxy',
      NODE_OPTIONS: '--require x',
      AWS_SECRET_ACCESS_KEY: 'secret',
    }
    expect(childEnvironment(gateway, { TZ: 'Europe/Paris', TOKEN: 'own' })).toEqual({
      PATH: '/bin',
      HOME: '/home/me',
      LANG: 'C.UTF-8',
      LC_ALL: 'C',
      TMPDIR: '/tmp',
      TZ: 'Europe/Paris',
      TOKEN: 'own',
      USER: 'me',
      LOGNAME: 'me',
      SHELL: '/bin/sh',
      TERM: 'xterm',
      XDG_CACHE_HOME: '/cache',
      XDG_CONFIG_HOME: '/config',
      XDG_DATA_HOME: '/data',
      SSL_CERT_FILE: '/ca.pem',
      SSL_CERT_DIR: '/certs',
      NODE_EXTRA_CA_CERTS: '/ca.pem',
      NODE_USE_SYSTEM_CA: '1',
      REQUESTS_CA_BUNDLE: '/ca.pem',
      CURL_CA_BUNDLE: '/ca.pem',
      GIT_SSL_CAINFO: '/ca.pem',
      PIP_CERT: '/ca.pem',
      UV_NATIVE_TLS: '1',
      UV_SYSTEM_CERTS: '1',
      NPM_CONFIG_CAFILE: '/ca.pem',
      npm_config_cafile: '/ca.pem',
      HTTP_PROXY: 'http://user:password@proxy',
      HTTPS_PROXY: 'http://user:password@proxy',
      ALL_PROXY: 'http://user:password@proxy',
      NO_PROXY: 'localhost',
      http_proxy: 'http://lower',
      https_proxy: 'http://lower',
      all_proxy: 'http://lower',
      no_proxy: 'localhost',
      NODE_USE_ENV_PROXY: '1',
      NPM_CONFIG_REGISTRY: 'https://npm.example',
      npm_config_registry: 'https://npm.example',
      PIP_INDEX_URL: 'https://pip.example',
      PIP_EXTRA_INDEX_URL: 'https://pip.example',
      UV_DEFAULT_INDEX: 'https://uv.example',
      UV_INDEX: 'own=https://uv.example',
      UV_INDEX_URL: 'https://uv.example',
      UV_EXTRA_INDEX_URL: 'https://uv.example',
    })
  })

  test('has the names of the setting besides, and of a name in two cases the one that the definition means', () => {
    const gateway = { A_KEY: 'a', B_KEY: 'b', http_proxy: 'http://outside', no_proxy: 'x' }
    expect(childEnvironment(gateway, { HTTP_PROXY: '' }, ['A_KEY', 'C_KEY'])).toEqual({
      A_KEY: 'a',
      HTTP_PROXY: '',
      no_proxy: 'x',
    })
  })

  test('reaches the child as it is', async () => {
    const env = childEnvironment({ PATH: process.env['PATH'], MCP_PROXY_HOST: 'x' }, { A: 'b' })
    const { transport, recorder } = await start('environment', { env })
    transport.send(request(1))
    expect(await recorder.answerTo(1)).toMatchObject({ result: env })
    expect(Object.keys((await recorder.answerTo(1))['result'] as object)).not.toContain('MCP_PROXY_HOST')
  })
})
