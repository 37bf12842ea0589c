/** Values that several parts of the page look at. */
import { useEffect, useState } from 'preact/hooks'

export interface Store<T> {
  get(): T
  set(next: T): void
  /** Told after each change, until the function that is returned is called. */
  subscribe(listener: () => void): () => void
}

export function createStore<T>(initial: T): Store<T> {
  let value = initial
  const listeners = new Set<() => void>()
  return {
    get: () => value,
    set(next) {
      if (Object.is(next, value)) return
      value = next
      for (const listener of listeners) listener()
    },
    subscribe(listener) {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
  }
}

/** The value of a store, and the component is drawn again when it changes. */
export function useStore<T>(store: Store<T>): T
/** What `select` makes of it; drawn again only when that is another. */
export function useStore<T, S>(store: Store<T>, select: (value: T) => S): S
export function useStore<T, S>(store: Store<T>, select?: (value: T) => S): T | S {
  const read = () => (select === undefined ? store.get() : select(store.get()))
  const [, drawAgain] = useState(0)
  const now = read()
  useEffect(() => {
    let seen = now
    const look = () => {
      const next = read()
      if (Object.is(next, seen)) return
      seen = next
      drawAgain((count) => count + 1)
    }
    // It may have changed between drawing and now.
    look()
    return store.subscribe(look)
  }, [store])
  return now
}
