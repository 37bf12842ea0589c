/** What the raw server's tools do. They exist to be caught losing, mixing or changing something. */
import { closeSync, readdirSync, readlinkSync } from 'node:fs'
import type { Peer, RpcId, RpcMessage } from './peer.ts'

interface Call {
  readonly peer: Peer
  readonly id: RpcId
  readonly args: Readonly<Record<string, unknown>>
  readonly progressToken: RpcId | undefined
  /** The request as it came. */
  readonly text: string
}

type Tool = (call: Call) => Promise<void>

const tools: Readonly<Record<string, Tool>> = {
  /** Sends the secret back, first as progress when a token came, then as the result. */
  echo: async (call) => {
    const secret = String(call.args['secret'])
    if (call.progressToken !== undefined) await call.peer.send([progress(call, 1, secret)], call.id)
    await finish(call, { secret })
  },

  /** `count` notifications without a pause; the last one leaves in the same write as the result. */
  burst: async (call) => {
    const count = Number(call.args['count'])
    for (let step = 1; step < count; step++) void call.peer.send([progress(call, step)], call.id)
    await call.peer.send([progress(call, count), resultText(call, { count })], call.id)
  },

  /** One notification every `everyMs`, `count` times, then the result. */
  steps: async (call) => {
    for (let step = 1; step <= Number(call.args['count']); step++) {
      await Bun.sleep(Number(call.args['everyMs']))
      await call.peer.send([progress(call, step)], call.id)
    }
    await finish(call, { done: true })
  },

  /** Sends messages as they are given: on this call's stream, or where what belongs to no call goes. */
  emit: async (call) => {
    const texts = (call.args['messages'] as unknown[]).map((message) => JSON.stringify(message))
    await call.peer.send(texts, call.args['apart'] === true ? null : call.id)
    await finish(call, { sent: texts.length })
  },

  /** Asks the client and reports the answer, result or error, with the time that it took. */
  ask: async (call) => {
    const startedAtMs = performance.now()
    const answer = await call.peer.ask(String(call.args['method']), call.args['params'], call.id)
    await finish(call, {
      result: answer.result ?? null,
      error: answer.error ?? null,
      tookMs: performance.now() - startedAtMs,
    })
  },

  /** Works until it is cancelled, or for `ms`. A cancelled call gets no answer. */
  slow: async (call) => {
    const woken = new Promise<'cancelled'>((resolve) => {
      call.peer.cancelled.set(call.id, { wake: () => resolve('cancelled') })
    })
    const end = await Promise.race([woken, Bun.sleep(Number(call.args['ms']))])
    call.peer.cancelled.delete(call.id)
    if (end !== 'cancelled') await finish(call, { slept: call.args['ms'] })
  },

  /** Every message received so far whose text contains `part`, with the time of its arrival; no such look itself. */
  received: async (call) => {
    const part = String(call.args['part'])
    const looks = '"name":"received"'
    const found = call.peer.received.filter(({ text }) => text.includes(part) && !text.includes(looks))
    await finish(call, { found })
  },

  /** The request as it came, so that the digits of its arguments can be looked at. */
  mirror: async (call) => {
    await finish(call, { text: call.text })
  },

  /** A result whose text is given, bytes and all: numbers that no parser keeps. */
  literal: async (call) => {
    const text = `{"jsonrpc":"2.0","id":${JSON.stringify(call.id)},"result":{"content":[],"structuredContent":${String(call.args['json'])}}}`
    await call.peer.send([text], call.id)
  },

  /** `bytes` of text; a progress notification first when a token came. */
  large: async (call) => {
    if (call.progressToken !== undefined) await call.peer.send([progress(call, 1)], call.id)
    await finish(call, { text: 'x'.repeat(Number(call.args['bytes'])) })
  },

  /** How much arrived, and its digest. */
  measure: async (call) => {
    const text = String(call.args['text'])
    await finish(call, { length: text.length, digest: Bun.hash(text).toString(16) })
  },

  /** Delivers the result one byte at a time. Only a pipe can. */
  trickle: async (call) => {
    const bytes = new TextEncoder().encode(`${resultText(call, { text: call.args['text'] })}\n`)
    for (const byte of bytes) await call.peer.writeBytes?.(Uint8Array.of(byte))
  },

  /** `count` notifications with `bytes` of text each, as fast as they are taken, then the result. */
  torrent: async (call) => {
    const text = 'x'.repeat(Number(call.args['bytes']))
    for (let step = 1; step <= Number(call.args['count']); step++)
      await call.peer.send([progress(call, step, text)], call.id)
    await finish(call, { done: true })
  },

  /** Which process this is, and the nonce that it was given, if any. */
  pid: async (call) => {
    const { nonce } = call.args
    await finish(call, { pid: process.pid, ...(nonce !== undefined && { nonce }) })
  },

  /** Exits in the middle of the call, as a server does that thinks it is done. */
  exit: async (call) => {
    process.exit(Number(call.args['code']))
  },

  /** Closes its output and lives on. Only a pipe can. */
  hush: async () => {
    const output = readlinkSync('/proc/self/fd/1')
    // The runtime holds a copy of the descriptor.
    const same = (fd: string): boolean => {
      try {
        return readlinkSync(`/proc/self/fd/${fd}`) === output
      } catch {
        return false
      }
    }
    for (const fd of readdirSync('/proc/self/fd').filter(same)) closeSync(Number(fd))
    setInterval(() => {}, 60_000)
  },

  /** Prints what is no JSON, what is no JSON-RPC and an empty line, then answers. Only a pipe can. */
  noise: async (call) => {
    const noise = 'starting up…\n{"not":"a message"}\n[]\n\n{"broken\n'
    await call.peer.writeBytes?.(new TextEncoder().encode(noise))
    await finish(call, { survived: true })
  },
}

/** Runs the tool that the request names. */
export async function runTool(peer: Peer, id: RpcId, message: RpcMessage, text: string): Promise<void> {
  const args = message.params?.arguments ?? {}
  const call: Call = { peer, id, args, text, progressToken: message.params?._meta?.progressToken }
  const tool = tools[message.params?.name ?? '']
  if (tool) await tool(call)
  else await finish(call, { unknownTool: message.params?.name ?? null })
}

async function finish(call: Call, value: unknown): Promise<void> {
  await call.peer.send([resultText(call, value)], call.id)
}

function resultText(call: Call, value: unknown): string {
  return JSON.stringify({ jsonrpc: '2.0', id: call.id, result: { content: [], structuredContent: value } })
}

function progress(call: Call, step: number, message?: string): string {
  return JSON.stringify({
    jsonrpc: '2.0',
    method: 'notifications/progress',
    params: { progressToken: call.progressToken, progress: step, ...(message !== undefined && { message }) },
  })
}
