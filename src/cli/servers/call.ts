import { type ArgsDef, defineCommand } from 'citty'
import { CommandError, UsageError } from '../../errors.ts'
import type { ToolResult } from '../../http/api/answers.ts'
import type { ToolCall } from '../../http/api/tool-call-schema.ts'
import { isObject } from '../../protocol/json.ts'
import { printable } from '../../telemetry/printable.ts'
import { parseArguments } from '../arguments.ts'
import { adminApi, adminFlags, asJson, wantsJson } from './admin-api.ts'

const args: ArgsDef = {
  server: { type: 'positional', description: 'Name of the server.' },
  tool: { type: 'positional', description: 'Name of the tool.' },
  arguments: { type: 'positional', required: false, description: 'Arguments as one JSON object.' },
  arg: {
    type: 'string',
    valueHint: 'NAME=VALUE',
    description: 'One argument; JSON where it parses, else text. May be repeated.',
  },
  ...adminFlags,
}

export const call = defineCommand({
  meta: {
    name: 'call',
    description:
      'Calls a tool and prints its result.\n  compozy servers call everything echo --arg message=hello',
  },
  args,
  async run({ rawArgs }) {
    const { flags, positionals } = parseArguments(rawArgs, args)
    const [mcpName = '', toolName = '', json] = positionals
    const toolCall: ToolCall = {
      mcpName,
      toolName,
      arguments: { ...objectIn(json), ...pairs(flags['arg'] ?? []) },
    }
    const api = await adminApi(flags)
    const answer = await api.request<ToolResult>('POST', '/tools/call', toolCall)
    if (wantsJson(flags)) console.log(asJson(answer))
    if (typeof answer.error === 'string') throw new CommandError(`${toolName} failed: ${answer.error}`)
    if (!wantsJson(flags)) console.log(shown(answer.result))
    return 0
  },
})

function objectIn(json: string | undefined): Record<string, unknown> {
  if (json === undefined) return {}
  const value = parsed(json)
  if (!isObject(value))
    throw new UsageError('ARGUMENTS must be one JSON object, such as \'{"message":"hello"}\'')
  return value
}

function pairs(texts: readonly string[]): Record<string, unknown> {
  const entries = texts.map((text) => {
    const equals = text.indexOf('=')
    if (equals < 1) throw new UsageError('--arg must have the form NAME=VALUE')
    const value = text.slice(equals + 1)
    return [text.slice(0, equals), parsed(value) ?? value] as const
  })
  return Object.fromEntries(entries)
}

/** undefined for a text that is not JSON. */
function parsed(text: string): unknown {
  try {
    return JSON.parse(text) ?? null
  } catch {
    return undefined
  }
}

function shown(result: unknown): string {
  return typeof result === 'string' ? printable(result) : asJson(result)
}
