/**
 * `compozy config check`: everything that would keep a gateway with this configuration from starting, or its servers from
 * running, without starting anything. No server is contacted.
 */

import { type ArgsDef, defineCommand } from 'citty'
import { closedReason, ServerDoors } from '../../access/server-door.ts'
import { sameFileFault } from '../../audit/audit.ts'
import { unknownNames } from '../../config/doubts.ts'
import { gapLine } from '../../config/expand.ts'
import { type FoundConfig, findConfig } from '../../config/load.ts'
import type { FoundServer } from '../../config/servers.ts'
import { errorCode, reasonOf } from '../../errors.ts'
import { tryListening } from '../../http/binding.ts'
import { compileRules } from '../../http/hooks/rules.ts'
import { maskText } from '../../registry/mask.ts'
import { stateFault } from '../../registry/storage/state-check.ts'
import { StateHeldError } from '../../registry/storage/state-lock.ts'
import { logFileFault } from '../../telemetry/log-file.ts'
import { printable, printableJson } from '../../telemetry/printable.ts'
import { commandMissing, findCommand, isStandIn } from '../../upstream/transports/stdio/command-lookup.ts'
import { directoryMissing, isDirectory } from '../../upstream/transports/stdio/spawn-failure.ts'
import { parseArguments } from '../arguments.ts'
import { gatewayFlags } from '../config-flags.ts'
import { sourcesOf } from '../configuration.ts'
import { listenFault } from '../serve/listen-fault.ts'
import { table } from '../table.ts'
import { print } from '../terminal/output.ts'
import { settingRows } from './print.ts'

const args: ArgsDef = {
  origins: { type: 'boolean', description: 'Shows each setting too, its value and where that came from.' },
  json: { type: 'boolean', description: 'Prints JSON.' },
  ...gatewayFlags,
}

export const configCheck = defineCommand({
  meta: {
    name: 'check',
    description: [
      'Says what is wrong with a configuration, all of it at once, and starts nothing.',
      'Looks for the commands of servers, and whether the port and the state directory can be had. Exits with 1 when there is an error.',
    ].join('\n'),
  },
  args,
  async run({ rawArgs }) {
    const { flags } = parseArguments(rawArgs, args)
    const found = await findConfig(sourcesOf(flags))
    const findings = await findingsOf(found)
    const rows = flags['origins']?.at(-1) === 'true' ? settingRows(found) : null
    const asJson = flags['json']?.at(-1) === 'true'
    print(asJson ? jsonOf(found, findings, rows) : textOf(findings, rows))
    return findings.some(({ level }) => level === 'error') ? 1 : 0
  },
})

interface Finding {
  /** An error keeps the gateway from starting, or a server of the file from running. */
  readonly level: 'error' | 'warning' | 'ok'
  readonly message: string
}

async function findingsOf(found: FoundConfig): Promise<Finding[]> {
  const { faults, gaps, warnings, servers, file } = found
  const error = (message: string): Finding => ({ level: 'error', message })
  const warning = (message: string): Finding => ({ level: 'warning', message })
  const read = servers.filter(({ definition }) => definition !== null).length
  return [
    { level: 'ok', message: `${file ?? 'no file'}, ${read} ${read === 1 ? 'server' : 'servers'}` },
    ...faults.lines.map(error),
    ...gaps.map(gapLine).map(error),
    ...warnings.map(warning),
    ...ruleFindings(found),
    ...(await Promise.all(servers.map(commandFinding))).flat(),
    ...logFileFindings(found),
    ...(await tlsFinding(found)),
    ...(await placeFindings(found)),
  ]
}

/** What the access rules say, which the gateway says at its start; nothing while there are other faults. */
function ruleFindings({ config, servers }: FoundConfig): Finding[] {
  if (config === null) return []
  const compiled = compileRules(config)
  if (!compiled.ok) return compiled.errors.map((message) => ({ level: 'error', message }))
  const doors = new ServerDoors()
  const otherwise = config.auth.oauth.issuers.length > 0 || config.auth.keys.some(({ role }) => role === null)
  const closed = servers.flatMap(({ name, definition }): string[] => {
    const door = definition === null ? null : doors.of(definition)
    if (door === null || (otherwise && !door.ownOnly) || !door.isClosed(compiled.rules.global)) return []
    return [`${name}: nobody can come in: ${closedReason}`]
  })
  const unknown = unknownNames(config, config.servers).map(
    (line) => `${line} (as far as the file tells; what is registered over the admin API is not looked at)`,
  )
  const exposure = compiled.exposure === null ? [] : [compiled.exposure]
  return [...compiled.warnings, ...exposure, ...closed, ...unknown].map((message) => ({
    level: 'warning',
    message,
  }))
}

async function commandFinding({ name, definition }: FoundServer): Promise<Finding[]> {
  if (definition === null || definition.transport !== 'stdio') return []
  const { PATH: ownPath } = definition.env
  const { PATH: gatewayPath, COMPOZY_IMAGE: image } = process.env
  if (definition.cwd !== null && !(await isDirectory(definition.cwd)))
    return [{ level: 'error', message: `${name}: ${directoryMissing(definition.cwd)}` }]
  const cwd = definition.cwd ?? process.cwd()
  const file = await findCommand(definition.command, { path: ownPath ?? gatewayPath, cwd })
  const shown = maskText(definition.command)
  if (file === null || (image === 'distroless' && isStandIn(file))) {
    return [{ level: 'error', message: `${name}: ${commandMissing(shown, cwd, image)}` }]
  }
  return [{ level: 'ok', message: `${name}: ${shown === file ? shown : `${shown} is ${file}`}` }]
}

function settingOf({ settings }: FoundConfig, key: string): unknown {
  return settings.find(({ named }) => named.key === key)?.value
}

function logFileFindings(found: FoundConfig): Finding[] {
  const [log, audit] = [settingOf(found, 'logging.file'), settingOf(found, 'audit.file')]
  const ofAudit = typeof audit === 'string' && audit !== '-' ? audit : null
  const faults = [
    typeof log === 'string' ? logFileFault(log) : null,
    ofAudit === null ? null : logFileFault(ofAudit, 'audit'),
    ofAudit !== null && typeof log === 'string' ? sameFileFault(ofAudit, log) : null,
  ]
  return faults.flatMap((message) => (message === null ? [] : [{ level: 'error', message }]))
}

/** What keeps the port from showing its certificate. */
async function tlsFinding({ config }: FoundConfig): Promise<Finding[]> {
  if (config === null || Object.values(config.tls).every((path) => path === null)) return []
  const { readListenerTls } = await import('../../http/listener-tls.ts')
  try {
    readListenerTls(config.tls)
    return [{ level: 'ok', message: `https with the certificate in ${config.tls.certFile}` }]
  } catch (thrown) {
    return [{ level: 'error', message: reasonOf(thrown) }]
  }
}

/** The state directory and the port: what a gateway has to itself. */
async function placeFindings(found: FoundConfig): Promise<Finding[]> {
  const [host, port] = [settingOf(found, 'host'), settingOf(found, 'port')]
  const [type, path] = [settingOf(found, 'storage.type'), settingOf(found, 'storage.path')]
  const state = type === 'sqlite' && typeof path === 'string' ? { path, fault: stateFault(path) } : null
  if (typeof host !== 'string' || typeof port !== 'number') return stateFinding(state, null)
  return [...stateFinding(state, port), await portFinding(host, port, state)]
}

interface FoundState {
  readonly path: string
  readonly fault: Error | null
}

/** A gateway that runs already is most likely the one whose configuration is checked before it is read again. */
const readAgain = 'that is right where it is the one to read this again'

function stateFinding(state: FoundState | null, port: number | null): Finding[] {
  const fault = state?.fault ?? null
  if (fault === null) return []
  return isHeldBy(fault, port)
    ? [{ level: 'warning', message: `${fault.message}; ${readAgain}` }]
    : [{ level: 'error', message: fault.message }]
}

/** Whether the gateway on this port has the state directory; any may have been given a free port. */
function isHeldBy(fault: Error | null, port: number | null): boolean {
  if (!(fault instanceof StateHeldError)) return false
  const { holder } = fault
  return port === 0 || (holder !== null && holder.url !== null && new URL(holder.url).port === String(port))
}

async function portFinding(host: string, port: number, state: FoundState | null): Promise<Finding> {
  if (port === 0) return { level: 'ok', message: 'port 0: a free one will be picked' }
  try {
    await tryListening(host, port)
    return { level: 'ok', message: `port ${port} is free on ${host}` }
  } catch (thrown) {
    const code = errorCode(thrown)
    if (code === 'EADDRINUSE') return takenFinding(host, port, state)
    return { level: 'error', message: listenFault(host, port, code) ?? reasonOf(thrown) }
  }
}

async function takenFinding(host: string, port: number, state: FoundState | null): Promise<Finding> {
  const { portHolder } = await import('../serve/port-holder.ts')
  const holder = await portHolder(host, port)
  const taken = `port ${port} is taken on ${host}`
  if (holder === '') return { level: 'error', message: `${taken} by another program` }
  if (state === null || isHeldBy(state.fault, port))
    return { level: 'warning', message: `${taken}${holder}; ${readAgain}` }
  return {
    level: 'error',
    message: `${taken}${holder}, which runs another configuration: it does not use the state directory ${state.path}`,
  }
}

function textOf(findings: readonly Finding[], rows: readonly string[][] | null): string {
  const lines = findings.map(({ level, message }) => `${level.padEnd(7)}  ${printable(message)}`)
  const count = (level: Finding['level'], word: string): string => {
    const many = findings.filter((finding) => finding.level === level).length
    return `${many} ${word}${many === 1 ? '' : 's'}`
  }
  const settings = rows === null ? [] : ['', table(['KEY', 'VALUE', 'ORIGIN'], rows)]
  return [...lines, `${count('error', 'error')}, ${count('warning', 'warning')}`, ...settings].join('\n')
}

function jsonOf(
  { file }: FoundConfig,
  findings: readonly Finding[],
  rows: readonly string[][] | null,
): string {
  const settings = rows?.map(([key = '', value, origin]) => [key, { value, origin }] as const)
  const report = {
    ok: !findings.some(({ level }) => level === 'error'),
    file,
    findings,
    ...(settings === undefined ? {} : { settings: Object.fromEntries(settings) }),
  }
  return printableJson(JSON.stringify(report, null, 2))
}
