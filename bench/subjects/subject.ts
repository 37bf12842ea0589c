/** Something that can be driven: a gateway, the bare relay, or the MCP server itself. */
import type { Endpoint } from '../load/mcp-request.ts'

export type SubjectName = 'direct' | 'bare relay' | 'compozy' | 'supergateway' | 'mcp-proxy'

/** The MCP server behind the subject, by how it is reached and which eras it speaks. */
export type Upstream = 'stdio' | 'http' | 'sse' | 'stdio-legacy' | 'stdio-modern'

export interface Place extends Endpoint {
  /** The process whose CPU time and memory count. */
  readonly pid: number
}

export interface Subject {
  readonly name: SubjectName
  /** Starts what is needed at the first call; null when it has no such place. */
  place(upstream: Upstream, face: Endpoint['face']): Promise<Place | null>
  stop(): Promise<void>
}

/** Starts each thing once, however often it is asked for. */
export class Once<T> {
  readonly #made = new Map<string, Promise<T>>()

  get(key: string, make: () => Promise<T>): Promise<T> {
    let made = this.#made.get(key)
    if (made === undefined) {
      made = make()
      this.#made.set(key, made)
    }
    return made
  }

  /** Everything that could be made. */
  async all(): Promise<T[]> {
    const settled = await Promise.allSettled(this.#made.values())
    return settled.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []))
  }
}
