/** What the keys are called that the log has by their ids. Whoever may not list keys sees the ids. */
import { useEffect } from 'preact/hooks'
import { call } from '../api/api.ts'
import { createStore, useStore } from '../store.ts'

/** Names by principal. */
export type KeyNames = ReadonlyMap<string, string>

const keyNames = createStore<KeyNames>(new Map())

/** Asked for anew by each view that is opened with it; what was known is there at once. */
export function useKeyNames(): KeyNames {
  useEffect(() => {
    call('listKeys').then(
      ({ keys }) => keyNames.set(new Map(keys.map(({ principal, name }) => [principal, name]))),
      () => undefined,
    )
  }, [])
  return useStore(keyNames)
}
