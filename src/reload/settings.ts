/**
 * The settings in force. The parts of the gateway hold `bounds`, or this object, and read what they need where they
 * use it: that is how a configuration that is read again reaches them.
 */
import type { Config } from '../config/schema.ts'

/** Limits and time-outs; no two of them have one name. */
export type Bounds = Config['limits'] & Config['timeouts']

export class SettingsInForce {
  /** One object that stays the same, and whose members change. */
  readonly bounds: Bounds
  #config: Config

  constructor(config: Config) {
    this.#config = config
    this.bounds = { ...config.limits, ...config.timeouts }
  }

  get config(): Config {
    return this.#config
  }

  /** Goes on with these. */
  take(config: Config): void {
    this.#config = config
    Object.assign(this.bounds, config.limits, config.timeouts)
  }
}
