/** What a view asks the gateway for when it is opened and again when it has changed something, and what it changes. */
import { useCallback, useEffect, useRef, useState } from 'preact/hooks'
import { type ApiFailure, asFailure } from '../api/api.ts'

export interface Loaded<T> {
  /** Null until it is known; what was known stays while it is asked for again. */
  readonly value: T | null
  readonly failure: ApiFailure | null
  readonly busy: boolean
  reload(): void
}

/** Asks whenever one of `inputs` is another; an answer that comes too late is passed over. */
export function useLoad<T>(ask: (signal: AbortSignal) => Promise<T>, inputs: readonly unknown[]): Loaded<T> {
  const [state, setState] = useState<Omit<Loaded<T>, 'reload'>>({ value: null, failure: null, busy: true })
  const [times, setTimes] = useState(0)
  const before = useRef<readonly unknown[]>(inputs)
  useEffect(() => {
    const left = new AbortController()
    const other = before.current.some((input, at) => !Object.is(input, inputs[at]))
    before.current = inputs
    setState((now) => ({ value: other ? null : now.value, failure: null, busy: true }))
    ask(left.signal).then(
      (value) => {
        if (!left.signal.aborted) setState({ value, failure: null, busy: false })
      },
      (thrown: unknown) => {
        if (!left.signal.aborted) setState((now) => ({ ...now, failure: asFailure(thrown), busy: false }))
      },
    )
    return () => left.abort()
  }, [...inputs, times])
  const reload = useCallback(() => setTimes((count) => count + 1), [])
  return { ...state, reload }
}

export interface Deed {
  readonly busy: boolean
  readonly failure: ApiFailure | null
  /** Does it, unless it is under way already; `work` rejects with why not. */
  run(work: () => Promise<unknown>): void
  /** Lets go of what was said of the last try. */
  forget(): void
}

/** Something that is done when somebody asks for it: whether it is under way, and why it has failed. */
export function useDeed(): Deed {
  const [busy, setBusy] = useState(false)
  const [failure, setFailure] = useState<ApiFailure | null>(null)
  const tried = async (work: () => Promise<unknown>) => {
    setBusy(true)
    setFailure(null)
    try {
      await work()
    } catch (thrown) {
      setFailure(asFailure(thrown))
    } finally {
      setBusy(false)
    }
  }
  return {
    busy,
    failure,
    run(work) {
      if (!busy) void tried(work)
    },
    forget: () => setFailure(null),
  }
}
