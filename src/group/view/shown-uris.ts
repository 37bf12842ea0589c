/**
 * The URIs in what members answer, as one client of a group sees them. What holds no URI is not looked into; where
 * at most one member has resources nothing changes; and only where the lists of the others are not known yet does an
 * answer wait for them.
 */
import type { MessagePieces } from '../../protocol/large-answer.ts'
import { mayHoldUri, shownAnswer } from '../shown.ts'
import type { UriOwner, UriTable } from '../uri-table.ts'
import { qualifyUri } from '../uris.ts'

/** A table is good for this long for what it knows: what it does not know is asked for anew. */
const tableMsMax = 5_000

/** Answers to these methods may name resources of the member. */
const showingMethods: ReadonlySet<string> = new Set([
  'tools/call',
  'prompts/get',
  'resources/read',
  'tasks/result',
])

/** Whoever can ask the members for their resources. */
export interface UriSource {
  /** False where every URI is shown as it is. */
  readonly qualifiesUris: boolean
  /** At once where all lists are kept. */
  uris(): UriTable | Promise<UriTable>
}

/** What is known of the URIs of one client: it outlives the requests of one that has no session. */
export class UriMemory {
  #table: UriTable | null = null
  #atMs = 0

  /** Whatever is known, however old. */
  get last(): UriTable | null {
    return this.#table
  }

  /** What is known and young enough to be used. */
  get recent(): UriTable | null {
    return performance.now() - this.#atMs > tableMsMax ? null : this.#table
  }

  keep(table: UriTable): void {
    this.#table = table
    this.#atMs = performance.now()
  }

  /** The lists of resources may be others. */
  forget(): void {
    this.#table = null
  }
}

export class UriShowing {
  readonly #source: UriSource
  readonly #memoryOf: () => UriMemory
  #known: UriMemory | null = null

  /** `memory` is asked for when it is first needed, which few answers come to. */
  constructor(source: UriSource, memory: () => UriMemory) {
    this.#source = source
    this.#memoryOf = memory
  }

  get #memory(): UriMemory {
    this.#known ??= this.#memoryOf()
    return this.#known
  }

  /** The lists of resources may be others. */
  forget(): void {
    this.#memory.forget()
  }

  /** Whose a URI is that the client sends. */
  owner(uri: string): UriOwner | Promise<UriOwner> {
    const known = this.#memory.recent?.owner(uri)
    if (known?.kind === 'known') return known
    const uris = this.#fresh()
    return uris instanceof Promise ? uris.then((table) => table.owner(uri)) : uris.owner(uri)
  }

  /** Whose a template is that the client names. */
  templateOwner(template: string): UriOwner | Promise<UriOwner> {
    const uris = this.#fresh()
    return uris instanceof Promise
      ? uris.then((table) => table.templateOwner(template))
      : uris.templateOwner(template)
  }

  /** A URI of a member's by what is known by now; qualified is always right. */
  known(server: string, uri: string): string {
    if (!this.#source.qualifiesUris) return uri
    return this.#memory.last?.shown(server, uri) ?? qualifyUri(server, uri)
  }

  /** A whole response of a member's. */
  answer(server: string, method: string, text: string): string | Promise<string> {
    if (!mayName(method, text) || !this.#source.qualifiesUris) return text
    const uris = this.#memory.recent ?? this.#fresh()
    const shown = (table: UriTable) => shownAnswer(method, text, (uri) => table.shown(server, uri))
    return uris instanceof Promise ? uris.then(shown) : shown(uris)
  }

  mayChange(pieces: MessagePieces): boolean {
    return this.#source.qualifiesUris && mayHoldUri(pieces)
  }

  #fresh(): UriTable | Promise<UriTable> {
    const uris = this.#source.uris()
    const keep = (table: UriTable) => {
      this.#memory.keep(table)
      return table
    }
    return uris instanceof Promise ? uris.then(keep) : keep(uris)
  }
}

/** Whether an answer to this method may name a resource in a form that has to be changed. */
export function mayName(method: string, text: string): boolean {
  return showingMethods.has(method) && (text.includes('"uri"') || text.includes('resourceUri'))
}
