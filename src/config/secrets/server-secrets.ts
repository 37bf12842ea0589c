/** Servers of files, with the secrets that their definitions refer to. */
import { dirname, resolve as resolvePath } from 'node:path'
import type { ServerDefinition } from '../../registry/definition.ts'
import {
  asWritten,
  hasReference,
  placesOf,
  type Reference,
  referencesIn,
  rewritten,
  substitute,
} from '../../registry/secrets/references.ts'
import { readReferred, resolve } from '../../registry/secrets/resolve.ts'
import { SecretFault } from '../../registry/secrets/secret-file.ts'
import type { Environment, Gap } from '../expand.ts'
import { isMap } from '../file/file.ts'
import { mapTexts, textsIn } from './texts.ts'

/** A server as it was found in a file. */
interface Found {
  readonly place: string
  readonly definition: ServerDefinition | null
  readonly gaps: readonly Gap[]
}

/** Whether commands are run: `on` by the setting, `never` for whoever only looks. */
export type Execution = 'on' | 'off' | 'never'

/** Where references may stand. */
const referringFields: ReadonlySet<string> = new Set(['env', 'headers', 'args', 'authTokens', 'url', 'oauth'])

/** The server with the values of its references; what cannot be had is a gap. */
export async function withSecrets<S extends Found>(
  servers: readonly S[],
  environment: Environment,
  execution: Execution,
): Promise<S[]> {
  const commands = new Set(
    servers.flatMap(({ definition }) => (definition === null ? [] : commandsOf(definition))),
  )
  const answers =
    execution === 'on' ? await askAll(commands, environment) : new Map<string, string | SecretFault>()
  return servers.map((server) => {
    const { definition } = server
    if (definition === null) return server
    const read = (reference: Reference) => secretOf(reference, answers, execution)
    const { definition: resolved, problems } = resolve(definition, read, () => '')
    if (problems.length === 0) return resolved === definition ? server : { ...server, definition: resolved }
    const gaps = problems.map(
      ({ field, reason }): Gap => ({
        place: `${server.place}.${field}`,
        variable: nameOf(definition, field),
        why: reason,
      }),
    )
    return { ...server, definition: null, gaps: [...server.gaps, ...gaps] }
  })
}

/** The first reference there, which names what is missing. */
function nameOf(definition: ServerDefinition, field: string): string {
  const text = placesOf(asWritten(definition)).find(([place]) => place === field)?.[1] ?? ''
  const [first] = referencesIn(text)
  return first === undefined ? field : `${first.kind}:${first.target}`
}

function secretOf(
  reference: Reference,
  answers: ReadonlyMap<string, string | SecretFault>,
  execution: Execution,
): string {
  const { kind, target } = reference
  if (kind === 'file') return readReferred(reference, null)
  if (execution === 'off')
    throw new SecretFault('holds ${exec:…}, and secrets.exec is off; set it to on, or use ${file:…}')
  // Whoever only looks at a configuration starts nothing.
  const answer = answers.get(target) ?? `\${exec:${target}}`
  if (answer instanceof SecretFault) throw answer
  return answer
}

function commandsOf(definition: ServerDefinition): string[] {
  return placesOf(asWritten(definition)).flatMap(([, text]) =>
    referencesIn(text).flatMap(({ kind, target }) => (kind === 'exec' ? [target] : [])),
  )
}

async function askAll(
  commands: ReadonlySet<string>,
  environment: Environment,
): Promise<Map<string, string | SecretFault>> {
  if (commands.size === 0) return new Map()
  const { askCommand } = await import('../../registry/secrets/secret-command.ts')
  const ask = async (command: string): Promise<[string, string | SecretFault]> => {
    try {
      return [command, await askCommand(command, environment)]
    } catch (thrown) {
      if (thrown instanceof SecretFault) return [command, thrown]
      throw thrown
    }
  }
  return new Map(await Promise.all([...commands].map(ask)))
}

/** The entry of a file with the paths of its references made absolute: relative ones are those beside the file. */
export function withAbsolutePaths(entry: unknown, file: string): unknown {
  const beside = (path: string): string => (path === '' ? path : resolvePath(dirname(file), path))
  const input =
    isMap(entry) && isMap(entry['tls']) ? { ...entry, tls: mapTexts(entry['tls'], beside) } : entry
  const absolute = ({ kind, target }: Reference): string =>
    kind === 'file' ? resolvePath(dirname(file), target) : target
  return mapFields(input, true, (text) => rewritten(text, absolute))
}

/** The entry with what is escaped in its other fields as it is meant. */
export function withoutEscapes(input: unknown): unknown {
  return mapFields(input, false, (text) => substitute(text, ({ kind, target }) => `\${${kind}:${target}}`))
}

/** The fields in which a reference stands that would not be replaced there. */
export function strayReferences(input: unknown): string[] {
  if (!isMap(input)) return []
  return Object.entries(input).flatMap(([field, value]) =>
    !referringFields.has(field) && textsIn(value).some((text) => referencesIn(text).length > 0)
      ? [field]
      : [],
  )
}

function mapFields(input: unknown, referring: boolean, change: (text: string) => string): unknown {
  if (!isMap(input) || !textsIn(input).some(hasReference)) return input
  return Object.fromEntries(
    Object.entries(input).map(([field, value]) => [
      field,
      referringFields.has(field) === referring ? mapTexts(value, change) : value,
    ]),
  )
}
