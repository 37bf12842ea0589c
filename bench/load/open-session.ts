/** Opens a legacy session, as every client does before its first call. */
import { baseHeaders, callHeaders, type Endpoint, INITIALIZE, INITIALIZED } from './mcp-request.ts'

/** The session id, or null from a server that issues none. Rejects with the server's words. */
export async function openSession(endpoint: Endpoint): Promise<string | null> {
  const answer = await postTo(endpoint.url, baseHeaders(endpoint), INITIALIZE)
  if (answer.status !== 200) throw new Error(`initialize: ${answer.status} ${answer.text.slice(0, 300)}`)
  const told = await postTo(endpoint.url, callHeaders(endpoint, 'legacy', answer.sessionId), INITIALIZED)
  if (told.status >= 300) throw new Error(`initialized: ${told.status} ${told.text.slice(0, 300)}`)
  return answer.sessionId
}

/** Some servers keep a process for every session that nobody ends. */
export async function endSession(endpoint: Endpoint, sessionId: string): Promise<void> {
  const headers = callHeaders(endpoint, 'legacy', sessionId)
  const answer = await fetch(endpoint.url, { method: 'DELETE', headers: { ...headers } })
  await answer.body?.cancel()
}

/** One POST. */
export async function postTo(
  url: string,
  headers: Readonly<Record<string, string>>,
  body: string,
): Promise<{ readonly status: number; readonly text: string; readonly sessionId: string | null }> {
  const answer = await fetch(url, { method: 'POST', headers: { ...headers }, body })
  return {
    status: answer.status,
    text: await answer.text(),
    sessionId: answer.headers.get('mcp-session-id'),
  }
}
