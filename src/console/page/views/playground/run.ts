/** One request that a person makes: how far it is, what the server asks meanwhile, what came of it. */
import { useEffect, useRef, useState } from 'preact/hooks'
import { type ApiFailure, asFailure } from '../../api/api.ts'
import { CancelledFailure, type Question, type Reply, RpcFailure, type Watch } from '../../mcp/wire.ts'

export interface Progress {
  readonly done: number
  readonly total: number | null
  readonly message: string | null
}

export interface Asked {
  readonly id: number
  readonly question: Question
  readonly reply: (reply: Reply) => void
}

export type Outcome =
  /** JSON text of the result. */
  | { readonly kind: 'result'; readonly text: string }
  | { readonly kind: 'refused'; readonly failure: ApiFailure }
  | { readonly kind: 'error'; readonly failure: RpcFailure }
  | { readonly kind: 'cancelled'; readonly why: string }

export interface Run {
  readonly running: boolean
  readonly progress: Progress | null
  /** What the server has told meanwhile. */
  readonly lines: readonly string[]
  readonly asked: readonly Asked[]
  readonly outcome: Outcome | null
  /** Milliseconds, once it is over. */
  readonly tookMs: number | null
}

const idle: Run = { running: false, progress: null, lines: [], asked: [], outcome: null, tookMs: null }
const linesMax = 200
const drawMs = 100
const askedMax = 20
/** Of one line. */
const lineCharsMax = 2_000

export interface Runner {
  readonly run: Run
  start(work: (watch: Watch) => Promise<string>): void
  cancel(): void
  clear(): void
}

/** Runs one thing at a time; leaving the view gives it up. */
export function useRun(): Runner {
  const [run, setRun] = useState<Run>(idle)
  const current = useRef<AbortController | null>(null)
  useEffect(() => () => current.current?.abort(), [])
  return {
    run,
    start(work) {
      current.current?.abort()
      const left = new AbortController()
      current.current = left
      const update = (change: (now: Run) => Partial<Run>): void =>
        setRun((now) => (current.current === left ? { ...now, ...change(now) } : now))
      setRun({ ...idle, running: true })
      const startedMs = performance.now()
      void work(watchOf(left.signal, update)).then(
        (text) => over({ kind: 'result', text }),
        (thrown: unknown) => over(outcomeOf(thrown)),
      )
      function over(outcome: Outcome): void {
        update(() => ({ running: false, asked: [], outcome, tookMs: performance.now() - startedMs }))
      }
    },
    cancel: () => current.current?.abort(),
    clear: () => {
      current.current?.abort()
      current.current = null
      setRun(idle)
    },
  }
}

let lastQuestion = 0

function watchOf(signal: AbortSignal, update: (change: (now: Run) => Partial<Run>) => void): Watch {
  // A server may tell more than a screen shows: what comes is drawn a few times a second, and the rest of it passed over.
  let progress: Progress | null = null
  let lines: string[] = []
  let timer: ReturnType<typeof setTimeout> | null = null
  let open = 0
  const draw = (): void => {
    timer = null
    const told = lines
    lines = []
    update((now) => ({
      progress: progress ?? now.progress,
      lines: told.length === 0 ? now.lines : [...now.lines, ...told].slice(-linesMax),
    }))
  }
  return {
    signal,
    onNotification(method, params) {
      if (method === 'notifications/progress') progress = progressOf(params)
      else {
        lines.push(lineOf(method, params))
        if (lines.length > linesMax) lines.shift()
      }
      timer ??= setTimeout(draw, drawMs)
    },
    ask(question) {
      // A server that asks without end must not fill the page.
      if (open >= askedMax) return Promise.resolve({ refused: 'Too many questions are open.' })
      open++
      return new Promise<Reply>((resolve) => {
        const id = ++lastQuestion
        let replied = false
        const reply = (given: Reply): void => {
          if (replied) return
          replied = true
          open--
          update(({ asked }) => ({ asked: asked.filter((each) => each.id !== id) }))
          resolve(given)
        }
        signal.addEventListener('abort', () => reply({ refused: 'The call was given up.' }), { once: true })
        update(({ asked }) => ({ asked: [...asked, { id, question, reply }] }))
      })
    },
  }
}

function progressOf({ progress, total, message }: Readonly<Record<string, unknown>>): Progress {
  return {
    done: typeof progress === 'number' ? progress : 0,
    total: typeof total === 'number' && total > 0 ? total : null,
    message: typeof message === 'string' ? message : null,
  }
}

function lineOf(method: string, { level, data, logger }: Readonly<Record<string, unknown>>): string {
  if (method !== 'notifications/message') return method
  const said = typeof data === 'string' ? data : JSON.stringify(data)
  return [level, logger, said]
    .filter((part) => typeof part === 'string')
    .join(' · ')
    .slice(0, lineCharsMax)
}

function outcomeOf(thrown: unknown): Outcome {
  if (thrown instanceof CancelledFailure) return { kind: 'cancelled', why: thrown.message }
  if (thrown instanceof RpcFailure) return { kind: 'error', failure: thrown }
  return { kind: 'refused', failure: asFailure(thrown) }
}
