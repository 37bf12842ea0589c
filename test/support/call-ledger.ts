/** How often each call reached a server, by the `nonce` among its arguments. Reads on where it stopped. */
import { closeSync, existsSync, openSync, readSync } from 'node:fs'
import type { RpcMessage } from './raw-client.ts'

const chunkBytes = 1024 * 1024

export class CallLedger {
  readonly #path: string
  readonly #counts = new Map<string, number>()
  readonly #bytes = Buffer.alloc(chunkBytes)
  #offset = 0
  #rest = ''

  /** `path` is the tally of a server. */
  constructor(path: string) {
    this.#path = path
  }

  /** Calls so far. */
  counts(): ReadonlyMap<string, number> {
    this.#readOn()
    return this.#counts
  }

  /** Whether all of these have reached the server. */
  hasAll(nonces: readonly string[]): boolean {
    const counts = this.counts()
    return nonces.every((nonce) => counts.has(nonce))
  }

  /** Those that came more than once. */
  repeated(): string[] {
    return [...this.counts()].filter(([, count]) => count > 1).map(([nonce]) => nonce)
  }

  #readOn(): void {
    if (!existsSync(this.#path)) return
    const file = openSync(this.#path, 'r')
    try {
      for (;;) {
        const count = readSync(file, this.#bytes, 0, chunkBytes, this.#offset)
        if (count === 0) return
        this.#offset += count
        // Whatever a nonce is, it is ASCII.
        const lines = (this.#rest + this.#bytes.toString('latin1', 0, count)).split('\n')
        this.#rest = lines.pop() ?? ''
        for (const line of lines) this.#note(JSON.parse(line) as RpcMessage)
      }
    } finally {
      closeSync(file)
    }
  }

  #note({ method, params }: RpcMessage): void {
    const nonce = (params?.['arguments'] as { nonce?: unknown } | undefined)?.nonce
    if (method !== 'tools/call' || typeof nonce !== 'string') return
    this.#counts.set(nonce, (this.#counts.get(nonce) ?? 0) + 1)
  }
}
