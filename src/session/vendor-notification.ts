/**
 * Notifications of a client's that no revision defines: vendors' own. Only the two ends know them, so they cross
 * between the eras as they are; what one era defines for its clients, the other has no use for.
 */
import { legacyParams } from '../protocol/bridge/results.ts'
import { clientNotifications } from '../protocol/eras.ts'
import { type MessageText, rpcNotification } from '../protocol/jsonrpc.ts'
import type { Lane } from '../upstream/lane/lane.ts'

/** Whether a method is none that a revision gives to clients. */
export function isVendorNotification(method: string | null): method is string {
  return method !== null && !clientNotifications.has(method)
}

/** Sends it to the server of this lane, if it is there. */
export function passVendorNotification(
  lane: Lane,
  method: string,
  { text, paramsStart, paramsEnd }: MessageText,
): void {
  if (lane.era === 'modern') {
    const version = lane.handshake?.facts.version ?? ''
    lane.ready?.send(text, method, { 'MCP-Protocol-Version': version, 'Mcp-Method': method })
    return
  }
  const params = paramsStart < 0 ? null : legacyParams(text.slice(paramsStart, paramsEnd))
  lane.ready?.send(rpcNotification(method, params), method)
}
