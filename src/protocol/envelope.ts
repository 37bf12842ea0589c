/**
 * The envelope: what a modern request says about its client in `_meta`, since there is no handshake.
 *
 * Pure, never throws. Spec: 2026-07-28, basic/index (`_meta`, per-request protocol fields).
 */
import { isLogLevel, type LogLevel, metaKeys } from './eras.ts'
import { isObject, isRequestId, type JsonObject } from './json.ts'

/** The per-request metadata of a modern request, checked for shape. */
export interface Envelope {
  readonly version: string
  readonly clientCapabilities: JsonObject
  readonly clientInfo: JsonObject | null
  /** Null: this request wants no `notifications/message`. */
  readonly logLevel: LogLevel | null
}

/** The envelope inside a request's `_meta`, or what is wrong with it. */
export function readEnvelope(meta: JsonObject, version: string): Envelope | string {
  const clientCapabilities = meta[metaKeys.clientCapabilities]
  if (clientCapabilities === undefined) return `_meta lacks "${metaKeys.clientCapabilities}"`
  if (!isObject(clientCapabilities)) return `_meta["${metaKeys.clientCapabilities}"] must be an object`
  for (const name in clientCapabilities) {
    if (!isObject(clientCapabilities[name]))
      return `_meta["${metaKeys.clientCapabilities}"].${name} must be an object`
  }
  const clientInfo = meta[metaKeys.clientInfo]
  if (clientInfo !== undefined && !isImplementation(clientInfo)) {
    return `_meta["${metaKeys.clientInfo}"] must have a name and a version`
  }
  const logLevel = meta[metaKeys.logLevel]
  if (logLevel !== undefined && !isLogLevel(logLevel))
    return `_meta["${metaKeys.logLevel}"] is not a log level`
  const progressToken = meta.progressToken
  if (progressToken !== undefined && !isRequestId(progressToken)) {
    return '_meta.progressToken must be a string or an integer'
  }
  return { version, clientCapabilities, clientInfo: clientInfo ?? null, logLevel: logLevel ?? null }
}

function isImplementation(value: unknown): value is JsonObject {
  return isObject(value) && typeof value.name === 'string' && typeof value.version === 'string'
}
