/**
 * The settings in force. The parts of the gateway hold `bounds`, or this object, and read what they need where they
 * use it: that is how a configuration that is read again reaches them.
 */
import type { Origin } from '../config/layers.ts'
import type { Config } from '../config/schema.ts'
import type { ReloadReport } from './plan.ts'

/** Limits and time-outs; no two of them have one name. */
export type Bounds = Config['limits'] & Config['timeouts']

/** Where a configuration came from. */
export interface Provenance {
  /** By setting key. */
  readonly origins: ReadonlyMap<string, Origin>
  /** By name of a server that stands in a file: which one. */
  readonly serverOrigins: ReadonlyMap<string, string>
  /** The file that was read, as the person wrote it; null without one. */
  readonly file: string | null
  readonly warnings: readonly string[]
}

/** How the last reload ended. */
export interface LastReload {
  /** ISO 8601. */
  readonly at: string
  /** Who had it read again, as the log has it. */
  readonly cause: string
  /** Null for one that was not taken. */
  readonly report: ReloadReport | null
  /** Why it was not taken; null for one that was. */
  readonly reason: string | null
}

const nowhere: Provenance = { origins: new Map(), serverOrigins: new Map(), file: null, warnings: [] }

export class SettingsInForce {
  /** One object that stays the same, and whose members change. */
  readonly bounds: Bounds
  #config: Config
  #provenance: Provenance
  #needsRestart: readonly string[] = []
  #lastReload: LastReload | null = null

  /** @param read where the configuration came from; nowhere, as far as tests tell. */
  constructor(config: Config, read: Partial<Provenance> = {}) {
    this.#config = config
    this.#provenance = { ...nowhere, ...read }
    this.bounds = { ...config.limits, ...config.timeouts }
  }

  get config(): Config {
    return this.#config
  }

  /** Where what is in force came from. */
  get provenance(): Provenance {
    return this.#provenance
  }

  /** Keys of settings whose value was another when the configuration was read last, and waits for a restart. */
  get needsRestart(): readonly string[] {
    return this.#needsRestart
  }

  /** Null as long as nothing was read again. */
  get lastReload(): LastReload | null {
    return this.#lastReload
  }

  /** Goes on with these. */
  take(config: Config): void {
    this.#config = config
    Object.assign(this.bounds, config.limits, config.timeouts)
  }

  /** Notes that a configuration was read again and taken, and where it came from. */
  noteTaken(cause: string, report: ReloadReport, read: Partial<Provenance>): void {
    const { origins } = { ...nowhere, ...read }
    const before = this.#provenance.origins
    // What waits for a restart came from where it came from at the start.
    const kept = report.needsRestart.flatMap((key) => {
      const origin = before.get(key)
      return origin === undefined ? [] : ([[key, origin]] as const)
    })
    this.#provenance = { ...nowhere, ...read, origins: new Map([...origins, ...kept]) }
    this.#needsRestart = report.needsRestart
    this.#lastReload = { at: new Date().toISOString(), cause, report, reason: null }
  }

  /** Notes that a configuration could not be taken, and why. */
  noteRefused(cause: string, reason: string): void {
    this.#lastReload = { at: new Date().toISOString(), cause, report: null, reason }
  }
}
