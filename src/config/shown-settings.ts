/** Settings as people are shown them: as a file would write them, secrets masked. The one place that decides it. */
import { secretMask } from '../registry/mask.ts'
import type { NamedSetting } from './shape.ts'

/** The value as JSON. How many secrets there are is no secret, and helps a person who rotates them. */
export function shownValue({ setting }: NamedSetting, value: unknown): unknown {
  if (value === undefined) return null
  const { kind, secret } = setting
  // A bare number would not say whether it counts seconds or milliseconds.
  if (kind.hint === 'duration' || kind.hint === 'size') return kind.show(value)
  if (kind.shown !== undefined) return kind.shown(value)
  if (secret !== true || value === null) return value
  return Array.isArray(value) ? value.map(() => secretMask) : secretMask
}

/** The value as one line of text; `-` for none. */
export function shownLine({ setting }: NamedSetting, value: unknown): string {
  if (setting.secret === true) {
    const secrets = Array.isArray(value) ? value : value === null ? [] : [value]
    return secrets.map(() => secretMask).join(',') || '-'
  }
  return setting.kind.show(value) || '-'
}
