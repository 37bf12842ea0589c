/** Calls whose answer takes a detour: one that is cut and resumed, and two of which one is cancelled. */
import { readEvents } from '../../test/support/event-reader.ts'
import { RawClient, type RpcMessage } from '../../test/support/raw-client.ts'

const STEPS = 6
const STEP_MS = 150

/** What is wrong with what came back; null when it is right. Rejects when the call failed, as it may under a fault. */
export type Detour = (url: URL) => Promise<string | null>

/** Cuts the response of a call after its first progress and takes the rest with `Last-Event-ID`. */
export const resumed: Detour = async (url) => {
  await using client = await RawClient.open(url)
  const token = crypto.randomUUID()
  const args = { count: STEPS, everyMs: STEP_MS }
  const params = { name: 'steps', arguments: args, _meta: { progressToken: token } }
  const body = JSON.stringify({ jsonrpc: '2.0', id: token, method: 'tools/call', params })
  const seen: RpcMessage[] = []
  const cut = new AbortController()
  const first = await client.post(body, { signal: cut.signal })
  const lastId = await readUntil(first, seen, ({ method }) => method === 'notifications/progress')
  cut.abort()
  const isAnswer = ({ id, method }: RpcMessage) => method === undefined && id === token
  if (!seen.some(isAnswer) && lastId !== null) await readUntil(await client.get(lastId), seen, isAnswer)
  const answer = seen.find(isAnswer)
  if (answer === undefined || answer.error) throw new Error(`failed: ${JSON.stringify(answer)}`)
  const progress = seen.filter(({ method }) => method === 'notifications/progress')
  const mine = progress.every(({ params: told }) => told?.['progressToken'] === token)
  const order = progress.map(({ params: told }) => told?.['progress']).join(' ')
  const whole = Array.from({ length: STEPS }, (_, n) => n + 1).join(' ')
  return mine && order === whole ? null : `resumed: progress ${order}, ${mine ? 'its own' : "another's"}`
}

/** Cancels one of two calls: that one has no result, the other one has its own. */
export const cancelled: Detour = async (url) => {
  await using client = await RawClient.open(url)
  const doomed = client.callTool('doomed', 'slow', { ms: 20_000 }).then(
    ({ answer }) => answer,
    () => null,
  )
  const kept = client.callTool('kept', 'slow', { ms: 300 })
  await Bun.sleep(50)
  await client.notify('notifications/cancelled', { requestId: 'doomed' })
  const { answer } = await kept
  if (answer.error) throw new Error(`failed: ${JSON.stringify(answer)}`)
  const ended = await doomed
  if (ended?.result) return `a cancelled call was answered: ${JSON.stringify(ended)}`
  return answer.id === 'kept' ? null : `${JSON.stringify(answer)} for "kept"`
}

/** Collects messages until the wanted one; answers the id of the last event. */
async function readUntil(
  response: Response,
  seen: RpcMessage[],
  wanted: (message: RpcMessage) => boolean,
): Promise<string | null> {
  if (!response.headers.get('content-type')?.startsWith('text/event-stream') || response.body === null) {
    seen.push((await response.json()) as RpcMessage)
    return null
  }
  let lastId: string | null = null
  for await (const event of readEvents(response.body, { all: true })) {
    lastId = event.id
    if (event.type !== 'message' || event.data.trim() === '') continue
    const message = JSON.parse(event.data) as RpcMessage
    seen.push(message)
    if (wanted(message)) break
  }
  return lastId
}
