import { type ArgsDef, defineCommand } from 'citty'
import { findConfig } from '../../config/load.ts'
import { CommandError, ConfigError } from '../../errors.ts'
import { adminFlags, asJson, wantsJson } from '../admin/admin-api.ts'
import { parseArguments } from '../arguments.ts'
import { sourcesOf } from '../configuration.ts'
import { filesOfListener } from '../serve/port-holder.ts'
import { type Cell, table } from '../table.ts'
import { print } from '../terminal/output.ts'
import { complain, type Style } from '../terminal/terminal.ts'
import { counted } from '../terminal/units.ts'
import { type Finding, fault } from './finding.ts'
import { gatewayFindings, openAddress } from './gateway.ts'
import {
  commandFindings,
  configurationFindings,
  doorFindings,
  environmentFindings,
  stateFindings,
} from './machine.ts'

const args: ArgsDef = { ...adminFlags }

export const doctor = defineCommand({
  meta: {
    name: 'doctor',
    description:
      'Looks at the configuration, the gateway, its servers and this machine, and says what to mend.\nExits with 1 when something is at fault.',
  },
  args,
  async run({ rawArgs }) {
    const { flags } = parseArguments(rawArgs, args)
    const found = await findConfig(sourcesOf(flags))
    const { config } = found
    const gateway = await gatewayFindings(flags).catch(unfound)
    // One that was named with --url need not be the one of this configuration.
    const runs =
      flags['url'] === undefined &&
      gateway.some(({ check, result }) => check === 'gateway' && result === 'ok')
    const findings: Finding[] = [
      ...configurationFindings(found),
      ...(config === null
        ? []
        : [
            ...doorFindings(config, runs ? await openAddress(config) : null),
            ...stateFindings(config, runs ? filesOfListener(config.port) : []),
            ...(await commandFindings(config, process.env, process.cwd())),
          ]),
      ...environmentFindings(process.env),
      ...gateway,
    ]
    const faults = findings.filter(({ result }) => result === 'fault').length
    if (wantsJson(flags)) print(asJson({ ok: faults === 0, checks: findings }))
    else print(asTable(findings))
    if (faults > 0) complain(`compozy: ${counted(faults, 'fault')} to mend`)
    return faults === 0 ? 0 : 1
  },
})

/** A configuration that cannot be read does not say where the gateway is. */
function unfound(thrown: unknown): Finding[] {
  if (!(thrown instanceof CommandError || thrown instanceof ConfigError)) throw thrown
  return [fault('gateway', thrown.message)]
}

const styles: Readonly<Record<Finding['result'], Style | null>> = {
  ok: 'green',
  note: 'dim',
  warning: 'yellow',
  fault: 'red',
}

function asTable(findings: readonly Finding[]): string {
  const rows = findings.map(({ check, result, finding, cure }): Cell[] => [
    { text: result, style: styles[result] },
    check,
    cure === null ? finding : `${finding.replace(/\.$/, '')}. ${cure}`,
  ])
  return table(['RESULT', 'CHECK', 'FINDING'], rows, { sentence: true })
}
