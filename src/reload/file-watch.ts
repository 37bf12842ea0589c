/**
 * Looks whether files have changed, twice a second, by asking the system for what the paths lead to.
 *
 * Events of the system are not asked for: they come for a directory or for an inode, are lost where an editor puts a
 * new file in the place of the old one, where Kubernetes exchanges a link two directories further up, and on network
 * and container mounts. A path tells all of that by itself.
 */
import { stat } from 'node:fs/promises'

const lookEveryMs = 500
/** Whoever writes a file in pieces pauses between them, and a piece may read well. */
const quietMs = 2_000

export class FileWatch {
  readonly #paths: () => readonly string[]
  readonly #changed: () => void
  /** What each path led to when it was last taken for good. */
  #known = new Map<string, string>()
  /** What has changed since, as the last look found it: a file may still be in the middle of being written. */
  #pending = ''
  /** When the last of it was found. */
  #pendingSinceMs = 0
  #lookAtMs = 0
  /** True while the system is asked. */
  looking = false

  /** `paths` is asked at each look. `changed` is called once for each change, when it has stayed as it is for two seconds. */
  constructor(paths: () => readonly string[], changed: () => void) {
    this.#paths = paths
    this.#changed = changed
  }

  /** Takes the files for good as they are. To be called before they are read, so that no change is missed. */
  async note(): Promise<void> {
    this.#known = await this.#find()
    this.#pending = ''
  }

  /** Time's passing, in monotonic milliseconds. */
  sweep(nowMs: number): void {
    if (nowMs < this.#lookAtMs || this.looking) return
    this.#lookAtMs = nowMs + lookEveryMs
    this.looking = true
    void this.#look(nowMs).finally(() => {
      this.looking = false
    })
  }

  async #look(nowMs: number): Promise<void> {
    const found = await this.#find()
    for (const [path, identity] of found) if (!this.#known.has(path)) this.#known.set(path, identity)
    const changes = [...found].filter(([path, identity]) => this.#known.get(path) !== identity).join('\n')
    if (changes !== this.#pending) {
      this.#pending = changes
      this.#pendingSinceMs = nowMs
    }
    if (changes === '' || nowMs - this.#pendingSinceMs < quietMs) return
    this.#pending = ''
    this.#known = found
    this.#changed()
  }

  async #find(): Promise<Map<string, string>> {
    return new Map(
      await Promise.all(this.#paths().map(async (path) => [path, await identityOf(path)] as const)),
    )
  }
}

/** Changes with the content of the file, and with the file that the path leads to. */
async function identityOf(path: string): Promise<string> {
  try {
    const { dev, ino, size, mtimeNs, ctimeNs } = await stat(path, { bigint: true })
    return [dev, ino, size, mtimeNs, ctimeNs].join(' ')
  } catch {
    return 'none'
  }
}
