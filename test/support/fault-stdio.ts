/**
 * A small MCP-shaped server on stdio that misbehaves in one chosen way: `bun fault-stdio.ts MODE`.
 * Unless the mode says otherwise, a request is answered with its own params as the result.
 */
import { spawn } from 'node:child_process'
import { closeSync, writeSync } from 'node:fs'
import { createInterface } from 'node:readline'

const mode = process.argv[2] ?? 'echo'

interface Request {
  id?: number
  method?: string
  params?: Record<string, unknown>
}

function reply(id: number, result: unknown): void {
  writeAll(`${JSON.stringify({ result, jsonrpc: '2.0', id })}\n`)
}

function writeAll(text: string): void {
  // Where the pipe is shared with a flood, only the stream knows whose turn it is.
  if (mode === 'flood-and-answer' || mode === 'garbage-flood') {
    process.stdout.write(text)
    return
  }
  const bytes = Buffer.from(text)
  for (let at = 0; at < bytes.length; ) at += writeSome(bytes, at)
}

function writeSome(bytes: Buffer, at: number): number {
  try {
    return writeSync(1, bytes, at)
  } catch (thrown) {
    if ((thrown as { code?: string }).code !== 'EAGAIN') throw thrown
    Bun.sleepSync(1)
    return 0
  }
}

/** A process that ignores TERM, keeps our stdout open and prints its own pid when it is ready. */
function spawnStubborn(): void {
  const script =
    "process.on('SIGTERM', () => {}); process.stdout.write(JSON.stringify({ jsonrpc: '2.0', method: 'grandchild', params: { pid: process.pid } }) + '\\n'); setInterval(() => {}, 1000)"
  spawn(process.execPath, ['-e', script], { stdio: ['ignore', 'inherit', 'inherit'] })
}

function answer(request: Request): void {
  const { id, params = {} } = request
  if (id === undefined) return
  switch (mode) {
    case 'garbage':
      writeAll(`Server listening…\n{ port: 3000 }\n\n`)
      reply(id, params)
      return
    case 'utf8-bytes':
      for (const byte of Buffer.from(`${JSON.stringify({ jsonrpc: '2.0', id, result: params })}\r\n`)) {
        writeSync(1, Uint8Array.of(byte))
      }
      return
    case 'batch':
      writeAll(
        `[{"jsonrpc":"2.0","method":"n","params":{"big":12345678901234567890,"s":"]},{"}}, {"jsonrpc":"2.0","id":${id},"result":{}}]\n`,
      )
      return
    case 'big-line':
      reply(id, { text: 'x'.repeat(Number(params['size'])) })
      return
    case 'answer-and-exit':
      reply(id, params)
      process.exit(0)
      break
    case 'answer-and-exit-unseen': {
      // Whoever started this process stands still until it is gone, and so finds its answer and its end at once.
      process.kill(process.ppid, 'SIGSTOP')
      spawn('sh', ['-c', `sleep 0.3; kill -CONT ${process.ppid}`], {
        stdio: 'ignore',
        detached: true,
      }).unref()
      reply(id, params)
      process.exit(0)
      break
    }
    case 'close-stdout':
      closeSync(1)
      setInterval(() => {}, 1000)
      return
    case 'secret-death':
      process.stderr.write(`cannot log in with ${process.env['API_TOKEN']}\n`)
      process.exit(9)
      break
    case 'exit-after-call':
      reply(id, params)
      if (request.method === 'tools/call') process.exit(0)
      return
    case 'one-version':
      if (request.method !== 'initialize' || params['protocolVersion'] === '2025-06-18') reply(id, params)
      else
        writeAll(
          `{"jsonrpc":"2.0","id":${id},"error":{"code":-32602,"message":"I speak 2024-11-05 and 2025-06-18"}}\n`,
        )
      return
    case 'refuse':
      writeAll(`{"jsonrpc":"2.0","id":${id},"error":{"code":-32600,"message":"no handshake here"}}\n`)
      return
    case 'environment':
      reply(id, process.env)
      return
    default:
      reply(id, params)
  }
}

switch (mode) {
  case 'exit-at-once':
    process.stderr.write('missing configuration\nset FILES_ROOT\n')
    process.exit(3)
    break
  case 'stderr-flood': {
    const chunk = Buffer.alloc(64 * 1024, 'all work and no play makes a dull server\n')
    const flood = (): void => {
      process.stderr.write(chunk, () => setImmediate(flood))
    }
    flood()
    break
  }
  case 'stdout-flood': {
    const line = `${JSON.stringify({ jsonrpc: '2.0', method: 'flood', params: { fill: 'x'.repeat(1000) } })}\n`
    const lines = line.repeat(64)
    for (;;) writeAll(lines)
  }
  case 'flood-and-answer':
  case 'garbage-flood':
  case 'endless-line': {
    const line =
      mode === 'garbage-flood'
        ? `${'all work and no play makes a dull server '.repeat(25)}\n`
        : `${JSON.stringify({ jsonrpc: '2.0', method: 'notifications/message', params: { level: 'info', data: 'x'.repeat(1000) } })}\n`
    const chunk = Buffer.from(mode === 'endless-line' ? 'x'.repeat(65_536) : line.repeat(64))
    const flood = (): void => {
      process.stdout.write(chunk, () => setImmediate(flood))
    }
    setTimeout(flood, 300)
    break
  }
  case 'deaf':
    process.stdout.write('{"jsonrpc":"2.0","method":"ready"}\n')
    setInterval(() => {}, 1000)
    break
  case 'stubborn-tree':
    process.on('SIGTERM', () => {})
    setInterval(() => {}, 1000)
    spawnStubborn()
    break
  case 'orphaning':
    spawnStubborn()
    break
  default:
}

if (mode !== 'deaf') {
  createInterface({ input: process.stdin }).on('line', (line) => answer(JSON.parse(line) as Request))
}
