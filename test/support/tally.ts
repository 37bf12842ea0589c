/** What a server has written down of the messages that reached it, one a line. */
import { existsSync, readFileSync } from 'node:fs'
import { poll } from './gateway.ts'
import type { RpcMessage } from './raw-client.ts'

/** Every message so far. */
export function tallied(path: string): RpcMessage[] {
  if (!existsSync(path)) return []
  const lines = readFileSync(path, 'utf8').split('\n').slice(0, -1)
  return lines.map((line) => JSON.parse(line) as RpcMessage)
}

/** The first message that fits, past or future. */
export async function awaitTallied(
  path: string,
  fits: (message: RpcMessage) => boolean,
): Promise<RpcMessage> {
  let found: RpcMessage | undefined
  await poll('the message to reach the server', async () => {
    found = tallied(path).find(fits)
    return found !== undefined
  })
  if (found === undefined) throw new Error('unreachable')
  return found
}
