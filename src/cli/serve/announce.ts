/** The few lines that the command itself says while the gateway runs, in the form of its log. */
import { writeSync } from 'node:fs'
import { version } from '../../../package.json'
import type { LoadedConfig } from '../../config/load.ts'
import type { Config } from '../../config/schema.ts'
import type { Gateway } from '../../gateway.ts'
import { levelRank } from '../../telemetry/log.ts'

/** A gateway that serves, in one process or in several. */
export type ServedGateway = Omit<Gateway, 'servers'> & {
  readonly servers: readonly { readonly name: string; readonly transport: string }[]
}

/** One line on stdout, unless the configured level is above it. */
function say(
  logging: Config['logging'],
  message: string,
  fields: Readonly<Record<string, string | number | readonly string[]>>,
): void {
  if (levelRank.info < levelRank[logging.level]) return
  const line = { level: 'info', time: new Date().toISOString(), msg: message, ...fields }
  const details = Object.entries(fields).map(([name, value]) => `${name}: ${value}`)
  const text = logging.format === 'json' ? JSON.stringify(line) : [message, ...details].join('\n  ')
  try {
    writeSync(1, `${text}\n`)
  } catch {
    // Nobody reads stdout: no reason to end a gateway.
  }
}

/** Where it listens, which servers it has, and how clients reach them. */
export function announce({ url, servers, log }: ServedGateway, { config, file }: LoadedConfig): void {
  const { logging, defaultGroup } = config
  const names = servers.map(({ name }) => name)
  if (logging.file !== null) {
    log.info({ url, servers: names.join(', '), config: file ?? '', version }, 'listening')
    // A person who looks at a terminal sees where to look.
    if (process.stdout.isTTY !== true) return
  } else if (logging.format === 'json') {
    say(logging, 'listening', { url, servers: names, config: file ?? '', version })
    return
  }
  const endpoints = servers.map(({ name, transport }) => [
    name,
    `${url}/mcp-proxy/${name}/stream (${transport})`,
  ])
  say({ ...logging, format: 'pretty' }, `compozy ${version} listening on ${url}`, {
    config: file ?? 'none',
    ...(logging.file === null ? {} : { log: logging.file }),
    ...(defaultGroup === false ? {} : { 'all servers': `${url}/mcp` }),
    ...(endpoints.length === 0
      ? { servers: 'none yet; see "compozy servers add --help"' }
      : Object.fromEntries(endpoints)),
  })
}
