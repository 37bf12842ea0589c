/** `auth.keys`: keys of the file, of which the gateway knows the digest alone. Pure, like `values.ts`. */
import { Type } from '@sinclair/typebox'
import {
  type FileKey,
  fileKeySchema,
  instantMs,
  keyFault,
  keyOf,
  keysMax,
  keyToWire,
} from '../../registry/access/key-schema.ts'
import { structured } from '../structured.ts'
import { type Reading, setting } from '../values.ts'

const takes =
  'a list of keys, such as [{ id: a1b2c3d4, name: ci, hash: "sha256:…", access: [{ servers: [docs] }] }]'

function keyList() {
  return structured({
    // Spelled as over the API and in definitions: one shape for all.
    wire: Type.Array(
      { ...fileKeySchema, asWritten: true },
      { maxItems: keysMax, description: `a list of at most ${keysMax} keys` },
    ),
    takes,
    read(wire): Reading<readonly FileKey[]> {
      const keys: FileKey[] = []
      const names = new Map<string, number>()
      for (const [index, entry] of wire.entries()) {
        const place = `entry ${index + 1}`
        const expiresAtMs = entry.expires === undefined ? null : instantMs(entry.expires)
        if (entry.expires !== undefined && expiresAtMs === null)
          return { fault: `${place}: expires is no day of any calendar` }
        const key = { ...keyOf(entry.id, entry, expiresAtMs), hash: entry.hash }
        const fault = keyFault(key)
        if (fault !== null) return { fault: `${place}: ${fault.field} ${fault.reason}` }
        for (const name of new Set([key.id, key.name])) {
          const other = names.get(name)
          if (other !== undefined)
            return {
              fault: `${place}: entry ${other + 1} has the id or name ${name} already; rules could mean either`,
            }
          names.set(name, index)
        }
        keys.push(key)
      }
      return { value: keys }
    },
    shown: (keys) => keys.map(fileKeyToWire),
  })
}

/** An entry of the file again. */
export function fileKeyToWire(key: FileKey): Record<string, unknown> {
  const { name, ...granted } = keyToWire(key)
  const { id, hash, expiresAtMs } = key
  return {
    id,
    name,
    hash,
    ...(expiresAtMs === null ? {} : { expires: new Date(expiresAtMs).toISOString() }),
    ...granted,
  }
}

/** The setting `auth.keys`. */
export const keySettings = setting({
  kind: keyList(),
  initial: [],
  guards: true,
  doc: 'Keys that open what their `access` names, or with a `role` the admin API, each with `id`, `name`, `hash`, `user`, `expires`, `access`, `rate`, `inFlight` and `role`. None: only those count that were made over the admin API.',
})
