/**
 * What is most likely not meant in the definitions of a gateway that runs, in its log: what only it can tell, which
 * knows what was registered. The file is judged where it is read (config/doubts.ts).
 */
import { adminTokenDoubt, unknownNames } from '../config/doubts.ts'
import type { Config } from '../config/schema.ts'
import type { KeyRing } from '../identity/keys/key-ring.ts'
import type { Log } from '../telemetry/log.ts'
import type { ServerDirectory } from '../upstream/server/directory.ts'
import type { Access } from './hooks/access.ts'

/** A server that nobody can reach looks healthy otherwise, and so does a group without its members. */
export function warnOfDefinitions(
  config: Config,
  directory: Pick<ServerDirectory, 'list'>,
  access: Pick<Access, 'closedReason'>,
  keys: Pick<KeyRing, 'list'> | null,
  log: Log,
): void {
  const entries = directory.list()
  for (const { definition, origin } of entries) {
    const { name } = definition
    const reason = access.closedReason(name)
    if (reason !== null) log.warn({ mcp: name, reason }, 'nobody can come in at this server')
    const doubt = origin === 'store' ? adminTokenDoubt(definition, config.auth.adminTokens) : null
    if (doubt !== null) log.warn({ mcp: name }, doubt)
  }
  const definitions = entries.map(({ definition }) => definition)
  const known = (keys?.list() ?? []).map(({ key }) => key)
  for (const doubt of unknownNames(config, definitions, known)) log.warn({}, doubt)
}
