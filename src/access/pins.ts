/**
 * How decisions about tools ask whether one is held back until an admin approves its definition. Whoever holds tools
 * back is src/approvals, which is loaded only where something is pinned; until then this is a comparison with null.
 */
import type { Decision } from './reach.ts'

/** What holds tools of one server back. */
export interface Pins {
  /** Whether a tool of this name may be used, by all that is known of it. Null is a name that cannot be told. */
  decide(name: string | null): Decision
  /** The same without words. */
  allows(name: string | null): boolean
  /** Whether something of this name is approved, or waits. */
  knows(name: string): boolean
  /** Whether an approved definition of this tool has been listed, to anybody, since `forget` was called last. */
  saw(name: string): boolean
  /** What the server has listed may be another by now. */
  forget(): void
  /** Takes note of a definition as the server has just listed it, and whether it may be shown. */
  shows(name: string | null, text: string): boolean
}

/** Null until something is pinned for the first time. */
let pinned: WeakMap<object, Pins> | null = null
/** Definitions with something of one user in them, and those that they are copies of. */
let copies: WeakMap<object, object> | null = null

/** From now on tools of a server with this definition are held back by `pins`, or with null not at all. */
export function setPins(definition: object, pins: Pins | null): void {
  if (pins === null) pinned?.delete(definition)
  else {
    pinned ??= new WeakMap()
    pinned.set(definition, pins)
  }
}

/** From now on whatever holds back tools of servers with the one definition holds back those of its copy. */
export function pinAs(copy: object, original: object): void {
  copies ??= new WeakMap()
  copies.set(copy, original)
}

/** What holds tools of a server with this definition back; null for nothing. */
export function pinsOf(definition: object): Pins | null {
  return pinned === null ? null : (pinned.get(copies?.get(definition) ?? definition) ?? null)
}
