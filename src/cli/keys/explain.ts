import { type ArgsDef, defineCommand } from 'citty'
import { UsageError } from '../../errors.ts'
import type { AccessExplanation } from '../../http/api/access-answer.ts'
import { isObject } from '../../protocol/json.ts'
import { printable } from '../../telemetry/printable.ts'
import { adminApi, adminFlags, asJson, serverArgument, wantsJson } from '../admin/admin-api.ts'
import { cell, type Received, receivedList } from '../admin/received.ts'
import { type CommandArguments, parseArguments } from '../arguments.ts'
import { print } from '../terminal/output.ts'

/** What of a server can be asked about, one at a time. */
const kinds = ['tool', 'prompt', 'resource', 'template'] as const

const args: ArgsDef = {
  principal: {
    type: 'positional',
    description:
      'Who: key:ID or the name of a key, token: or admin: and digits as the log shows them, oauth: and the hash of a person, issuer and subject with a space between them, or anonymous.',
  },
  server: { ...serverArgument, description: 'Name of the server, or of a group; mcp is that of everything.' },
  tool: { type: 'string', valueHint: 'name', description: 'A tool of it; of a group by its shown name.' },
  prompt: { type: 'string', valueHint: 'name', description: 'A prompt of it.' },
  resource: { type: 'string', valueHint: 'uri', description: 'A resource of it.' },
  template: { type: 'string', valueHint: 'uri', description: 'A resource template of it.' },
  through: {
    type: 'string',
    valueHint: 'group',
    description: 'The group by which it is asked for. Names are then those of the server.',
  },
  claim: {
    type: 'string',
    valueHint: 'name=value',
    description: 'What the token of a person says, such as groups=eng; repeatable.',
  },
  address: { type: 'string', valueHint: 'ip', description: 'The address from which it is asked for.' },
  ...adminFlags,
}

export const explain = defineCommand({
  meta: {
    name: 'explain',
    description:
      'Says why somebody may use a server, or something of it, or may not: every rule on the way.\nThe exit code is 1 where a name is not known, and the nearest one is told.',
  },
  args,
  async run({ rawArgs }) {
    const given = parseArguments(rawArgs, args)
    const path = pathOf(given)
    const api = await adminApi(given.flags)
    const answer = await api.request<AccessExplanation>('GET', path)
    print(wantsJson(given.flags) ? asJson(answer) : asText(answer))
    return unknowns.has(answer.verdict) ? 1 : 0
  },
})

const unknowns: ReadonlySet<unknown> = new Set([
  'principal_unknown',
  'server_unknown',
  'not_in_group',
  'item_unknown',
])

function pathOf({ flags, positionals }: CommandArguments): string {
  const [principal = '', server = ''] = positionals
  const asked = kinds.filter((kind) => flags[kind] !== undefined)
  if (asked.length > 1) throw new UsageError(`--${asked.join(' and --')} cannot be asked about together`)
  const query = new URLSearchParams({ principal, server })
  for (const name of [...kinds, 'through', 'address'] as const) {
    const value = flags[name]?.at(-1)
    if (value !== undefined) query.set(name, value)
  }
  for (const claim of flags['claim'] ?? []) {
    if (!/^[A-Za-z][\w-]*=./.test(claim))
      throw new UsageError(`--claim is a name and a value, such as --claim groups=eng, got "${claim}"`)
    query.append('claim', claim)
  }
  return `/access?${query}`
}

type Step = AccessExplanation['steps'][number]

function asText(answer: Received<AccessExplanation>): string {
  const { kind, item, server, allowed, rule, nearest, unsure } = answer
  const what = kind === 'server' ? cell(server) : `the ${cell(kind)} ${cell(item)} of ${cell(server)}`
  const lines = [
    `${whoOf(answer)} ${allowed === true ? 'may use' : 'may not use'} ${what}: ${cell(rule)}`,
    ...(typeof nearest === 'string' ? [`Did you mean ${nearest}?`] : []),
    ...(typeof unsure === 'string' ? [unsure] : []),
    '',
    ...receivedList<Step>(answer.steps).map(
      (step) => `${step.allowed === true ? 'yes' : 'no '}  ${cell(step.asked)}: ${cell(step.rule)}`,
    ),
  ]
  return printable(lines.join('\n'))
}

function whoOf({ principal }: Received<AccessExplanation>): string {
  if (!isObject(principal)) return 'nobody'
  const { id, name } = principal as Received<AccessExplanation['principal']>
  return typeof name === 'string' ? `${cell(id)} (${name})` : cell(id)
}
