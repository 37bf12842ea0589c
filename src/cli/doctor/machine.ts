/** What the doctor looks at on this machine: the configuration, the programs that it names, files, variables. */
import { accessSync, constants, existsSync, readFileSync, statfsSync } from 'node:fs'
import { resolve } from 'node:path'
import { gapLine } from '../../config/expand.ts'
import type { FoundConfig } from '../../config/load.ts'
import type { Config } from '../../config/schema.ts'
import { systemReason } from '../../errors.ts'
import { isLoopbackHost } from '../../net/host.ts'
import { maskText } from '../../registry/mask.ts'
import { stateFault } from '../../registry/storage/state-check.ts'
import { StateHeldError } from '../../registry/storage/state-lock.ts'
import { commandMissing, findCommand } from '../../upstream/transports/stdio/command-lookup.ts'
import { directoryMissing, isDirectory } from '../../upstream/transports/stdio/spawn-failure.ts'
import { sizeText } from '../terminal/units.ts'
import { type Finding, fault, note, ok, warning } from './finding.ts'

type Environment = Readonly<Record<string, string | undefined>>

/** Definitions need little; a log and what servers keep need more. */
const freeBytesMin = 64 * 1024 * 1024

/** Whether a gateway would start with what stands here. */
export function configurationFindings({ file, faults, gaps, warnings, config }: FoundConfig): Finding[] {
  const check = 'configuration'
  const source = file === null ? 'no file, defaults and variables' : file
  const lines = [...faults.lines, ...gaps.map(gapLine)]
  return [
    ...lines.map((line) =>
      fault(check, line, 'A gateway would not start with it; "compozy config check" looks at it alone.'),
    ),
    ...(config === null || lines.length > 0 ? [] : [ok(check, source)]),
    ...warnings.map((line) => warning(check, line)),
  ]
}

/**
 * Who could come in if a gateway ran with this. `openAddress` is where the running one listens all the same; null where
 * none runs, or it listens nowhere else.
 */
export function doorFindings({ host, auth }: Config, openAddress: string | null): Finding[] {
  const check = 'doors'
  const listens = `by the configuration it listens on ${host}`
  if (isLoopbackHost(host)) {
    if (openAddress === null) return [ok(check, `${listens}, which is this machine alone`)]
    return [
      fault(
        check,
        `${listens}, but the running gateway listens on ${openAddress} too, for other machines`,
        'Start it anew; if that does not help, look for --mcp-host or MCP_PROXY_HOST where it is started.',
      ),
    ]
  }
  const { clients, admins } = askedBy(auth)
  const open = [
    ...(!clients
      ? [
          warning(
            check,
            `${listens} and asks clients for no token`,
            'Set auth.global_tokens or auth.keys, or tokens for each server, unless the network itself keeps strangers out.',
          ),
        ]
      : []),
    ...(!admins
      ? [note(check, 'has no admin token: only this machine may administer it (auth.admin_tokens)')]
      : []),
  ]
  return open.length > 0 ? open : [ok(check, `${listens}, and asks clients and admins for tokens`)]
}

/** Whether clients, and admins, are asked who they are. */
function askedBy({ globalTokens, adminTokens, keys, oauth }: Config['auth']): {
  readonly clients: boolean
  readonly admins: boolean
} {
  return {
    clients: globalTokens.length > 0 || oauth.issuers.length > 0 || keys.some(({ role }) => role === null),
    admins: adminTokens.length > 0 || oauth.login.admin !== null || keys.some(({ role }) => role !== null),
  }
}

/**
 * Whether definitions can be kept. `openFiles` are those of a gateway that runs with this, as the system names them: only
 * they tell a directory that was deleted from one that the gateway, as another user, has elsewhere.
 */
export function stateFindings({ storage }: Config, openFiles: readonly string[]): Finding[] {
  const check = 'state directory'
  if (storage.type === 'memory')
    return [note(check, 'storage.type is memory: servers that are added are gone when the gateway stops')]
  const { path } = storage
  const refused = stateFault(path)
  // Whoever asks a doctor has a gateway that runs, as a rule.
  if (refused !== null && !(refused instanceof StateHeldError))
    return [fault(check, refused.message, 'Give it to the user that runs the gateway, or set storage.path.')]
  if (!existsSync(path) && openFiles.some((file) => file.startsWith(`${resolve(path)}/`)))
    return [
      fault(
        check,
        `${path} was deleted under the running gateway: what is added now is gone when that stops`,
        'Keep its servers with "compozy servers export", then start it anew.',
      ),
    ]
  if (!existsSync(path)) return [note(check, `${path} is not there yet; the gateway makes it when it starts`)]
  try {
    accessSync(path, constants.R_OK | constants.W_OK | constants.X_OK)
    const { bavail, bsize } = statfsSync(path)
    const freeBytes = bavail * bsize
    if (freeBytes < freeBytesMin)
      return [warning(check, `${path} has ${sizeText(freeBytes)} left`, 'Make room, or set storage.path.')]
    return [ok(check, path)]
  } catch (thrown) {
    const cure = 'Give it to the user that runs the gateway, or set storage.path.'
    return [fault(check, `${path} cannot be used: ${systemReason(thrown)}`, cure)]
  }
}

/** Whether the programs of the file's servers are there, for whoever starts a gateway in this shell. */
export async function commandFindings(
  { servers }: Config,
  environment: Environment,
  directory: string,
): Promise<Finding[]> {
  const checked = servers
    .filter(({ transport }) => transport === 'stdio')
    .map(async ({ name, command, cwd, env }): Promise<Finding> => {
      if (cwd !== null && !(await isDirectory(cwd))) return fault(`command of ${name}`, directoryMissing(cwd))
      const place = { path: env['PATH'] ?? environment['PATH'], cwd: cwd ?? directory }
      const path = await findCommand(command, place)
      const check = `command of ${name}`
      if (path !== null) return ok(check, maskText(path))
      return fault(check, commandMissing(maskText(command), place.cwd, environment['COMPOZY_IMAGE']))
    })
  return await Promise.all(checked)
}

/** Variables that name files with certificates, or proxies: wrong ones fail every connection, in words of others. */
export function environmentFindings(environment: Environment): Finding[] {
  const files = ['NODE_EXTRA_CA_CERTS', 'SSL_CERT_FILE', 'REQUESTS_CA_BUNDLE', 'CURL_CA_BUNDLE']
  const proxies = ['HTTP_PROXY', 'HTTPS_PROXY', 'ALL_PROXY'].flatMap((name) => [name, name.toLowerCase()])
  return [
    ...files.flatMap((name) => certificateFinding(name, environment[name] ?? '')),
    ...proxies.flatMap((name) => proxyFinding(name, environment[name] ?? '')),
  ]
}

function certificateFinding(name: string, path: string): Finding[] {
  if (path === '') return []
  try {
    const holds = readFileSync(path, 'latin1').includes('-----BEGIN CERTIFICATE-----')
    if (holds) return [ok(name, path)]
    return [
      fault(name, `${path} holds no certificate in PEM form`, 'Name a file of certificates, or unset it.'),
    ]
  } catch (thrown) {
    return [
      fault(
        name,
        `${path} cannot be read: ${systemReason(thrown)}`,
        'Name a file that is there, or unset it.',
      ),
    ]
  }
}

/** Its value may hold a password. */
function proxyFinding(name: string, value: string): Finding[] {
  if (value === '') return []
  const url = URL.parse(value.includes('://') ? value : `http://${value}`)
  if (url === null) return [fault(name, 'is no URL', 'Write http://host:port, or unset it.')]
  return [note(name, `connections to servers go through ${url.host}, but for those in NO_PROXY`)]
}
