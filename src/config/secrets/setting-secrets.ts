/** Settings whose values live elsewhere: `global_tokens: ["${file:/run/secrets/token}"]`. */
import { dirname, resolve as resolvePath } from 'node:path'
import { type Reference, referencesIn, substitute } from '../../registry/secrets/references.ts'
import { readSecretFile, SecretFault } from '../../registry/secrets/secret-file.ts'
import type { Gap } from '../expand.ts'
import type { Config } from '../schema.ts'
import { buildConfig, type NamedSetting, valueAt } from '../shape.ts'
import { mapTexts, textsIn } from './texts.ts'

/** A value of a file, its variables replaced. */
export interface SettingText {
  readonly named: NamedSetting
  readonly raw: unknown
  /** How an error about it begins. */
  readonly name: string
  /** Absolute path of the file that it stands in. */
  readonly file: string
}

/** What the value of such a setting is now. */
export type Referred =
  | { readonly raw: unknown; readonly files: readonly string[] }
  | { readonly gap: Gap }
  | { readonly fault: string }

/** The value with its references replaced. Where there are none, `files` is empty. */
export function referred({ named, raw, name, file }: SettingText): Referred {
  const files: string[] = []
  const references = textsIn(raw).flatMap(referencesIn)
  if (references.length > 0 && named.setting.secret !== true)
    return {
      fault: `${name} cannot hold \${${references[0]?.kind}:…}, which works in tokens and other secrets; name the file in ${named.env}_FILE instead`,
    }
  const secretOf = ({ kind, target }: Reference): string => {
    if (kind === 'exec')
      throw new SecretFault('holds ${exec:…}, which works in servers only; use ${file:…} here')
    const path = resolvePath(dirname(file), target)
    files.push(path)
    return readSecretFile(path, null)
  }
  try {
    return { raw: mapTexts(raw, (text) => substitute(text, secretOf)), files }
  } catch (thrown) {
    if (!(thrown instanceof SecretFault)) throw thrown
    return {
      gap: { place: name, variable: `${references[0]?.kind}:${references[0]?.target}`, why: thrown.message },
    }
  }
}

/** Settings that hold references, for whoever reads their files again. */
export interface SettingSecrets {
  /** Absolute paths. */
  readonly files: readonly string[]
  /** The configuration with what the files hold now; one that cannot be used leaves its setting as it is. */
  again(config: Config): { readonly config: Config; readonly faults: readonly string[] }
}

/** Null where no setting holds any. */
export function settingSecrets(
  texts: readonly (SettingText & { readonly files: readonly string[] })[],
): SettingSecrets | null {
  if (texts.length === 0) return null
  return {
    files: texts.flatMap(({ files }) => files),
    again(config) {
      const faults: string[] = []
      const values = new Map<string, unknown>()
      for (const text of texts) {
        const found = readAgain(text)
        if (typeof found === 'string') faults.push(found)
        else values.set(text.named.key, found.value)
      }
      const valueFor = ({ key, path }: NamedSetting): unknown =>
        values.has(key) ? values.get(key) : valueAt(config, path)
      return { config: buildConfig(valueFor, config.servers), faults }
    },
  }
}

/** A text says why there is none. */
function readAgain(text: SettingText): { readonly value: unknown } | string {
  const found = referred(text)
  if ('gap' in found) return `${found.gap.place} ${found.gap.why}`
  if ('fault' in found) return found.fault
  const reading = text.named.setting.kind.read(found.raw)
  return 'fault' in reading ? `${text.name} ${reading.fault}` : reading
}
