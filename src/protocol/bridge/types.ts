/**
 * What the rooms that do input and output tell a bridge, and what a bridge asks them to do.
 *
 * A bridge is a step machine: `step(state, event) → [state, effects]`. It owns no timer, no key and no
 * connection. Messages are JSON texts without their id, because whoever owns the connection maps ids; all
 * numbers in them keep their digits. `params` and `result` are texts of whole JSON values.
 *
 * Pairs are named downstream first: `modern-legacy` is a modern client of a legacy server.
 */
import type { Era, LogLevel } from '../eras.ts'
import type { JsonObject } from '../json.ts'

export type Step<State, Effect> = readonly [State, readonly Effect[]]

/** What is kept of a server's answer to `initialize` or to `server/discover`. */
export interface ServerFacts {
  readonly era: Era
  /** The negotiated (legacy) or spoken (modern) version. */
  readonly version: string
  readonly capabilities: JsonObject
  /** JSON text of the server's name and version, or null when it did not say. */
  readonly identity: string | null
  /** JSON text of the whole result. */
  readonly resultText: string
}

/** A JSON-RPC error: its code, for the HTTP status, and the JSON text of the error object. */
export interface RpcFailure {
  readonly code: number
  readonly text: string
  /** Whose it is: the server's, or that of what broke on the way, by its name; absent where the bridge refuses. */
  readonly by?: string
}

/**
 * The outcome of a request. `lost`: the other end gave no answer (the connection is gone, time is up), and the
 * room words the failure.
 */
export type Outcome =
  | { readonly kind: 'result'; readonly result: string }
  | { readonly kind: 'failure'; readonly failure: RpcFailure; readonly lost?: true }

/** What happens to one downstream request after its start. */
export type CallEvent =
  | Outcome
  /** A notification that belongs to this call (progress already under the client's own token). */
  | { readonly kind: 'notification'; readonly method: string; readonly params: string | null }
  /**
   * Legacy server: it asks something of its client; `id` is the raw JSON text of its id. `guessed`: the wire named no
   * call, several were in flight, and this one was chosen to carry the question.
   */
  | {
      readonly kind: 'serverRequest'
      readonly id: string
      readonly method: string
      readonly params: string | null
      readonly guessed?: boolean
    }
  /** Legacy server: it withdrew a request of its own. */
  | { readonly kind: 'serverWithdrew'; readonly id: string }
  /** Legacy client: its answer to what was asked under this handle, or why there is none. */
  | { readonly kind: 'clientAnswer'; readonly handle: number; readonly outcome: Outcome }
  /** Modern client: the request again, with answers; its state was verified and was this call's. */
  | {
      readonly kind: 'retry'
      readonly params: string
      readonly logLevel: LogLevel | null
      readonly clientCapabilities: JsonObject
    }
  /** The client cancelled: in the modern era by closing the response, in the legacy era by a notification. */
  | { readonly kind: 'cancelled' }
  | { readonly kind: 'timer'; readonly timer: CallTimer }
  /** The tool list was read again; the headers of this call's tool are known anew. */
  | { readonly kind: 'toolsRefreshed'; readonly tool: ToolFacts | null }

/** `gather`: more questions may come at once. `expiry`: the client stays away. `round`: it does not answer. `pace`: a server that only wants time. */
export type CallTimer = 'gather' | 'expiry' | 'round' | 'pace'

/** What a call asks the rooms to do, in this order. After `answer`, `fail` or `end` the call is over. */
export type CallEffect =
  /** Send this request upstream under a new upstream id; a progress token in it is still the client's. */
  | {
      readonly kind: 'send'
      readonly method: string
      readonly params: string
      /** For modern HTTP; empty otherwise. */
      readonly headers: Readonly<Record<string, string>>
    }
  /** The upstream request that runs is of no more use: `notifications/cancelled`, or close its response. */
  | { readonly kind: 'cancelUpstream' }
  /** Answer a request of the legacy server's. */
  | { readonly kind: 'respondUpstream'; readonly id: string; readonly outcome: Outcome }
  /** The call ends, and this request of the legacy server's has no answer: another call carries it, or it is refused. */
  | { readonly kind: 'handBack'; readonly id: string }
  /** The legacy server must log from this level up before the request is sent. */
  | { readonly kind: 'raiseLogLevel'; readonly level: LogLevel }
  /** Read the modern server's tool list again, then tell `toolsRefreshed`. */
  | { readonly kind: 'refreshTools'; readonly tool: string }
  /** Keep these facts of the modern server's tools; log those that were left out of the list. */
  | {
      readonly kind: 'learnTools'
      readonly tools: readonly ToolFacts[]
      readonly rejected: readonly RejectedTool[]
    }
  /** Ask the legacy client, on this request's stream. */
  | { readonly kind: 'ask'; readonly handle: number; readonly method: string; readonly params: string }
  /** Tell the legacy client that the question is moot. */
  | { readonly kind: 'withdraw'; readonly handle: number }
  | { readonly kind: 'notify'; readonly method: string; readonly params: string | null }
  /**
   * Answer `input_required` with these input requests and a state sealed for this call, which stays
   * parked under it: `inputRequiredResult(requests, state)`. No answer of this response follows.
   */
  | { readonly kind: 'park'; readonly requests: string }
  | { readonly kind: 'answer'; readonly result: string }
  | { readonly kind: 'fail'; readonly failure: RpcFailure }
  /** Over without an answer. */
  | { readonly kind: 'end' }
  /** Starts the timer anew. */
  | { readonly kind: 'timer'; readonly timer: CallTimer; readonly ms: number }
  | { readonly kind: 'stopTimer'; readonly timer: CallTimer }

/** What a bridge must know of one tool of a modern server. */
export interface ToolFacts {
  readonly name: string
  readonly marks: readonly import('../headers.ts').ParamMark[]
  /** Its output schema has no object at its root, so legacy clients see it wrapped. */
  readonly wrapsOutput: boolean
  /** It says of itself that it changes nothing. */
  readonly readOnly: boolean
}

/** A tool that was left out because its header marks are invalid. */
export interface RejectedTool {
  readonly name: string
  readonly reason: string
}

// A modern client's subscription to a legacy server.

export type ListenEvent =
  /** Any notification of the server's that belongs to no call. */
  | { readonly kind: 'notification'; readonly method: string; readonly params: string | null }
  /** The server was lost and is back: what changed meanwhile went unheard. */
  | { readonly kind: 'restarted' }
  /** The server goes for good, or the gateway stops. */
  | { readonly kind: 'ended' }
  /** The client closed the stream. */
  | { readonly kind: 'closed' }

export type ListenEffect =
  | { readonly kind: 'notify'; readonly method: string; readonly params: string }
  /** Counted per lane: only the first subscriber of a URI is told upstream. */
  | { readonly kind: 'subscribe'; readonly uri: string }
  | { readonly kind: 'unsubscribe'; readonly uri: string }
  /** The last message; the stream is closed after it. */
  | { readonly kind: 'answer'; readonly result: string }
  | { readonly kind: 'fail'; readonly failure: RpcFailure }
  | { readonly kind: 'end' }

// A legacy client's session with a modern server.

export type SessionTimer = 'overlap' | 'acknowledge' | 'reopen'

export type SessionEvent =
  /** A request that `isSessionRequest` is true for; `handle` names it in the answer. */
  | {
      readonly kind: 'request'
      readonly handle: number
      readonly method: string
      readonly params: string | null
    }
  /** Whether there is a stream for what belongs to no request (GET, or HTTP+SSE). */
  | { readonly kind: 'standing'; readonly open: boolean }
  | { readonly kind: 'acknowledged'; readonly listen: number; readonly params: string | null }
  | {
      readonly kind: 'notification'
      readonly listen: number
      readonly method: string
      readonly params: string | null
    }
  /** A listen is over: refused, answered or cut off. */
  | { readonly kind: 'listenEnded'; readonly listen: number }
  | { readonly kind: 'timer'; readonly timer: SessionTimer }
  | { readonly kind: 'closed' }

export type SessionEffect =
  | { readonly kind: 'answer'; readonly handle: number; readonly result: string }
  | { readonly kind: 'fail'; readonly handle: number; readonly failure: RpcFailure }
  /** For the standing stream. */
  | { readonly kind: 'notify'; readonly method: string; readonly params: string | null }
  /** Send `subscriptions/listen` upstream with this filter; the caller adds the envelope and headers. */
  | { readonly kind: 'openListen'; readonly listen: number; readonly filter: string }
  | { readonly kind: 'closeListen'; readonly listen: number }
  | { readonly kind: 'timer'; readonly timer: SessionTimer; readonly ms: number }
  | { readonly kind: 'stopTimer'; readonly timer: SessionTimer }
