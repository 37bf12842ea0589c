/**
 * What is approved of one server's tools, and what it has listed beside that.
 *
 * A tool is there while a definition of it is approved and none is held: one definition that nobody approved, listed
 * to whomever, closes the tool for everybody. So it does not matter to whom a server says what, and in which order
 * (docs/decisions/pinning.md).
 */
import type { Pins } from '../access/pins.ts'
import type { Decision } from '../access/reach.ts'
import { canonicalDefinition, definitionCharsMax, hashOf } from './definition-text.ts'

/** A definition of a tool. */
export interface Definition {
  readonly tool: string
  /** Of its text. */
  readonly hash: string
  /** Canonical; null where it is too large, or no definition at all: nobody can approve it. */
  readonly text: string | null
}

export interface ApprovedDefinition extends Definition {
  /** ISO 8601. */
  readonly at: string
  readonly by: string
}

export interface HeldDefinition extends Definition {
  /** When it was listed first, ISO 8601. */
  readonly at: string
  /** Counts up with each list: which of two came later. */
  readonly firstSeen: number
  lastSeen: number
}

interface Tool {
  /** The round in which an approved definition of it was listed last. */
  seenIn: number
  readonly approved: Map<string, ApprovedDefinition>
  readonly held: Map<string, HeldDefinition>
}

/** Tools without an approval that are remembered; further ones are held back all the same. */
const newToolsMax = 10_000
/** Definitions of one tool. */
const heldMax = 4
export const approvedMax = 16
const nameCharsMax = 512
/** Of all definitions that are held, and of all that are approved. */
const heldCharsMax = 16 * 1024 * 1024
export const approvedCharsMax = 16 * 1024 * 1024
/** Texts as they came whose hash is known. */
const knownTextsMax = 16_384

export interface PinsOwner {
  /** Something is held of a tool that has approvals; `closed` where it was open before. */
  changed(server: PinnedServer, tool: string, closed: boolean): void
  /** Something waits of a server, for the first time. */
  waiting(server: PinnedServer): void
  now(): string
}

export class PinnedServer implements Pins {
  readonly name: string
  readonly #owner: PinsOwner
  readonly #tools = new Map<string, Tool>()
  /** By the hash of a text as it came, that of the definition; null for one that is none. */
  readonly #hashes = new Map<string, string | null>()
  #newTools = 0
  #heldChars = 0
  #approvedChars = 0
  #lists = 0
  #round = 0
  #waiting = false
  /** True once a definition has found no room. */
  crowded = false

  constructor(name: string, owner: PinsOwner) {
    this.name = name
    this.#owner = owner
  }

  allows(name: string | null): boolean {
    const tool = name === null ? undefined : this.#tools.get(name)
    return tool !== undefined && isOpen(tool)
  }

  decide(name: string | null): Decision {
    const place = `pinning of ${this.name}`
    if (name === null) return { allowed: false, rule: `${place}: the name cannot be told` }
    const tool = this.#tools.get(name)
    if (tool === undefined || tool.approved.size === 0)
      return { allowed: false, rule: `${place}: held back until its definition is approved` }
    if (tool.held.size > 0)
      return { allowed: false, rule: `${place}: held back until what has changed in it is approved` }
    return { allowed: true, rule: `${place}: its definition is approved` }
  }

  knows(name: string): boolean {
    return this.#tools.has(name)
  }

  saw(name: string): boolean {
    return this.#tools.get(name)?.seenIn === this.#round
  }

  forget(): void {
    this.#round++
  }

  shows(name: string | null, text: string): boolean {
    if (name === null) return false
    const hash = text.length > definitionCharsMax ? null : this.#hashOf(text)
    const tool = this.#tools.get(name)
    if (tool && hash !== null && tool.approved.has(hash)) {
      tool.seenIn = this.#round
      return isOpen(tool)
    }
    this.#hold(name, hash, text)
    return false
  }

  /** Takes in what was approved, or held, before. */
  restore(definition: ApprovedDefinition | Omit<HeldDefinition, 'firstSeen' | 'lastSeen'>): void {
    if ('by' in definition) this.#addApproved(definition)
    else this.#addHeld(this.#toolOf(definition.tool), { ...definition, firstSeen: 0, lastSeen: 0 })
  }

  get approved(): ApprovedDefinition[] {
    return [...this.#tools.values()].flatMap(({ approved }) => [...approved.values()])
  }

  get held(): HeldDefinition[] {
    return [...this.#tools.values()].flatMap(({ held }) => [...held.values()])
  }

  get approvedChars(): number {
    return this.#approvedChars
  }

  /** The definition that was approved last of this tool; null for none. */
  latestApproved(tool: string): ApprovedDefinition | null {
    return [...(this.#tools.get(tool)?.approved.values() ?? [])].at(-1) ?? null
  }

  /** How many definitions of a tool are approved. */
  approvedCount(tool: string): number {
    return this.#tools.get(tool)?.approved.size ?? 0
  }

  /** Held definitions of its tool that this one has taken the place of: none was listed since. */
  obsoleteWith({ tool, firstSeen }: HeldDefinition): HeldDefinition[] {
    return [...(this.#tools.get(tool)?.held.values() ?? [])].filter(({ lastSeen }) => lastSeen < firstSeen)
  }

  /** Takes a held definition for an approved one. */
  approve(definition: HeldDefinition, at: string, by: string): void {
    const { tool, hash, text } = definition
    this.remove(definition)
    this.#addApproved({ tool, hash, text, at, by })
  }

  /** Forgets a definition, approved or held. */
  remove({ tool: name, hash }: Definition): void {
    const tool = this.#tools.get(name)
    if (tool === undefined) return
    this.#approvedChars -= charsOf(tool.approved.get(hash))
    this.#heldChars -= charsOf(tool.held.get(hash))
    const wasNew = tool.approved.size === 0
    tool.approved.delete(hash)
    tool.held.delete(hash)
    if (!wasNew && tool.approved.size === 0) this.#newTools++
    if (tool.approved.size > 0 || tool.held.size > 0) return
    this.#tools.delete(name)
    this.#newTools--
  }

  #hashOf(text: string): string | null {
    const key = hashOf(text)
    const known = this.#hashes.get(key)
    if (known !== undefined) return known
    const canonical = canonicalDefinition(text)
    const hash = canonical === null ? null : hashOf(canonical)
    if (this.#hashes.size >= knownTextsMax) this.#hashes.clear()
    this.#hashes.set(key, hash)
    return hash
  }

  #hold(name: string, readHash: string | null, listed: string): void {
    this.#lists++
    const hash = readHash ?? hashOf(`${listed.length} ${listed.slice(0, nameCharsMax)}`)
    const known = this.#tools.get(name)
    const before = known?.held.get(hash)
    const room = definitionCharsMax + this.#heldChars <= heldCharsMax
    if (before !== undefined) {
      before.lastSeen = this.#lists
      // There was no room for its text when it was listed first.
      if (before.text === null && readHash !== null && room)
        this.#addHeld(this.#toolOf(name), { ...before, text: canonicalDefinition(listed) })
      return
    }
    const isNew = known === undefined || known.approved.size === 0
    if (isNew && (!room || name.length > nameCharsMax || (!known && this.#newTools >= newToolsMax))) {
      this.crowded = true
      return
    }
    const text = readHash === null || !room ? null : canonicalDefinition(listed)
    const seen = { firstSeen: this.#lists, lastSeen: this.#lists }
    const wasOpen = known !== undefined && isOpen(known)
    const tool = copyOf(name)
    this.#addHeld(this.#toolOf(tool), { tool, hash, text, at: this.#owner.now(), ...seen })
    if (!isNew) this.#owner.changed(this, tool, wasOpen)
    if (!this.#waiting) this.#owner.waiting(this)
    this.#waiting = true
  }

  #toolOf(name: string): Tool {
    let tool = this.#tools.get(name)
    if (tool === undefined) {
      tool = { approved: new Map(), held: new Map(), seenIn: -1 }
      this.#tools.set(name, tool)
      this.#newTools++
    }
    return tool
  }

  #addHeld({ held }: Tool, definition: HeldDefinition): void {
    const [oldest] = held.values()
    if (oldest && held.size >= heldMax && !held.has(definition.hash)) {
      held.delete(oldest.hash)
      this.#heldChars -= charsOf(oldest)
    }
    held.set(definition.hash, definition)
    this.#heldChars += charsOf(definition)
  }

  #addApproved(definition: ApprovedDefinition): void {
    const { approved } = this.#toolOf(definition.tool)
    if (approved.size === 0) this.#newTools--
    this.#approvedChars += charsOf(definition) - charsOf(approved.get(definition.hash))
    approved.set(definition.hash, definition)
  }
}

/** A part of a text keeps the whole of it, which may be a list of many megabytes. */
function copyOf(part: string): string {
  return Buffer.from(part).toString()
}

function isOpen({ approved, held }: Tool): boolean {
  return held.size === 0 && approved.size > 0
}

function charsOf(definition: Definition | undefined): number {
  return definition?.text?.length ?? 0
}
