/** Which key a person means: by its name, or by its id. */
import { CommandError } from '../../errors.ts'
import type { KeyList } from '../../http/api/key-answers.ts'
import { nearestName } from '../../registry/nearest-name.ts'
import type { AdminApi } from '../admin/admin-api.ts'
import { cell, type Received, receivedList } from '../admin/received.ts'

export type ReceivedKey = Received<KeyList['keys'][number]>

/** The key, and all there are. Throws a CommandError where there is none of this name or id. */
export async function knownKey(
  api: AdminApi,
  nameOrId: string,
): Promise<{ readonly id: string; readonly key: ReceivedKey; readonly keys: readonly ReceivedKey[] }> {
  const answer = await api.request<KeyList>('GET', '/keys')
  const keys = receivedList<KeyList['keys'][number]>(answer.keys)
  const key = keys.find(({ id }) => id === nameOrId) ?? keys.find(({ name }) => name === nameOrId)
  if (key !== undefined) return { id: cell(key.id), key, keys }
  const names = keys.flatMap(({ id, name }) => [cell(name), cell(id)])
  const near = nearestName(nameOrId, names)
  const hint = near === null ? '"compozy keys list" lists all of them' : `did you mean ${near}?`
  throw new CommandError(`no key has the name or id ${nameOrId}; ${hint}`)
}

/** The path of a key in the admin API. */
export function keyPath(id: string, action = ''): string {
  return `/keys/${encodeURIComponent(id)}${action}`
}
