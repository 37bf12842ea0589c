/** The flags with which a key is written on the command line, and the body that they make. */
import type { ArgsDef } from 'citty'
import type { FlagTexts } from '../../config/load.ts'
import { UsageError } from '../../errors.ts'
import {
  instantMs,
  keyFault,
  keyOf,
  keyRoles,
  type NewKeyWire,
  newKeySchema,
} from '../../registry/access/key-schema.ts'
import { problemsOf } from '../../registry/problems.ts'

export const keyFlags: ArgsDef = {
  server: {
    type: 'string',
    valueHint: 'name',
    description: 'A server or a group that it opens; * stands for any text. May be repeated.',
  },
  tool: {
    type: 'string',
    valueHint: 'name',
    description: 'Of their tools only this one; * stands for any text. May be repeated.\ndefault all',
  },
  prompt: {
    type: 'string',
    valueHint: 'name',
    description: 'Of their prompts only this one. May be repeated.\ndefault all',
  },
  resource: {
    type: 'string',
    valueHint: 'uri',
    description: 'Of their resources only this one. May be repeated.\ndefault all',
  },
  'read-only': {
    type: 'boolean',
    description: 'Of their tools only those that say that they change nothing (readOnlyHint).',
  },
  access: {
    type: 'string',
    valueHint: 'json',
    description:
      'A whole rule, such as {"servers":["docs"],"tools":["search_*"]}. May be repeated; rules add up.',
  },
  user: {
    type: 'string',
    valueHint: 'text',
    description: 'On whose behalf it is used; rules name it under who.users.',
  },
  expires: {
    type: 'string',
    valueHint: '30d|date|never',
    description: 'When it ends: in so many days, on a date such as 2027-03-01, or never.\ndefault 90d',
  },
  rate: {
    type: 'string',
    valueHint: 'n[/burst]',
    description: 'Requests a second that may be sent with it, and how many at once.',
  },
  'in-flight': { type: 'string', valueHint: 'n', description: 'Calls that may be in flight with it.' },
  role: {
    type: 'enum',
    options: [...keyRoles],
    valueHint: keyRoles.join('|'),
    description: 'Makes it a key of the admin API, which opens no server.',
  },
}

/** Where the fields of a key stand on the command line. */
const places: Readonly<Record<string, string>> = {
  name: 'NAME',
  user: '--user',
  access: '--access',
  rate: '--rate',
  inFlight: '--in-flight',
  role: '--role',
  expires: '--expires',
}

const dayMs = 24 * 60 * 60_000

/** The key that these flags describe. Throws a UsageError that names the flag at fault. `nowMs` is the wall clock. */
export function keyBody(name: string, flags: FlagTexts, nowMs: number): NewKeyWire {
  const last = (flag: string): string | undefined => flags[flag]?.at(-1)
  const fields: Record<string, unknown> = {
    name,
    user: last('user'),
    role: last('role'),
    access: rulesOf(flags),
    rate: rateOf(last('rate')),
    inFlight: numberOf('--in-flight', last('in-flight')),
    expires: expiryOf(last('expires'), nowMs),
  }
  const body = Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined))
  const [problem] = problemsOf(newKeySchema, body)
  if (problem !== undefined) throw new UsageError(`${placeOf(problem.field)} ${problem.reason}`)
  const wire = body as NewKeyWire
  const fault = keyFault(keyOf('', wire, null))
  if (fault !== null) throw new UsageError(`${placeOf(fault.field)} ${fault.reason}`)
  if (wire.role === undefined && wire.access === undefined)
    throw new UsageError('name what the key opens with --server (* for all) or --access, or give it a --role')
  return wire
}

/** The rule that the flags make together, and those that stand there whole. */
function rulesOf(flags: FlagTexts): unknown[] | undefined {
  const whole = (flags['access'] ?? []).map((text) => {
    try {
      return JSON.parse(text) as unknown
    } catch {
      throw new UsageError('--access must be a rule in JSON, such as {"servers":["docs"]}')
    }
  })
  const readOnly = flags['read-only']?.at(-1) === 'true'
  const rule = {
    ...(flags['server'] && { servers: flags['server'] }),
    ...(flags['tool'] && { tools: flags['tool'] }),
    ...(flags['prompt'] && { prompts: flags['prompt'] }),
    ...(flags['resource'] && { resources: flags['resource'] }),
    ...(readOnly && { readOnly }),
  }
  const narrowed = Object.keys(rule).length > 0
  if (narrowed && rule.servers === undefined)
    throw new UsageError('--server is missing: name the servers whose tools, prompts and resources are meant')
  return narrowed ? [rule, ...whole] : whole.length > 0 ? whole : undefined
}

function rateOf(text: string | undefined): unknown {
  if (text === undefined) return undefined
  const [, perSecond, burst] = /^(\d{1,7})(?:\/(\d{1,7}))?$/.exec(text) ?? []
  if (perSecond === undefined)
    throw new UsageError(`--rate must be a number such as 10 or 10/50, got "${text}"`)
  return { perSecond: Number(perSecond), ...(burst === undefined ? {} : { burst: Number(burst) }) }
}

function numberOf(flag: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  if (!/^\d{1,7}$/.test(text)) throw new UsageError(`${flag} must be a whole number, got "${text}"`)
  return Number(text)
}

function expiryOf(text: string | undefined, nowMs: number): string | null | undefined {
  if (text === undefined) return undefined
  if (text === 'never') return null
  const [, days] = /^(\d{1,5})d$/.exec(text) ?? []
  if (days !== undefined) return new Date(nowMs + Number(days) * dayMs).toISOString()
  if (instantMs(text) === null)
    throw new UsageError(
      `--expires must be a number of days such as 30d, a date such as 2027-03-01, or never, got "${text}"`,
    )
  return text
}

function placeOf(field: string): string {
  const [, root = '', rest = ''] = /^(\w*)(.*)$/.exec(field) ?? []
  return `${places[root] ?? root}${rest}`
}
