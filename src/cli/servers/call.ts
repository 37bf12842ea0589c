import { type ArgsDef, defineCommand } from 'citty'
import { CommandError, UsageError } from '../../errors.ts'
import type { ErrorAnswer } from '../../http/api/answers.ts'
import type { ToolCall } from '../../http/api/tool-call-schema.ts'
import { parseExact } from '../../protocol/exact-json.ts'
import { isObject, type JsonObject } from '../../protocol/json.ts'
import { type AdminApi, adminApi, adminFlags, asJson, serverArgument, wantsJson } from '../admin/admin-api.ts'
import { cell, received } from '../admin/received.ts'
import { parseArguments } from '../arguments.ts'
import { ProgressLine } from '../results/progress-line.ts'
import { SavedFiles } from '../results/saved-files.ts'
import { failureText, shownResult } from '../results/shown-result.ts'
import { print } from '../terminal/output.ts'
import { complain } from '../terminal/terminal.ts'

/** As shells have it for a command that Ctrl+C has ended: 128 and the number of the signal. */
const interruptedExitCode = 130

const args: ArgsDef = {
  server: serverArgument,
  tool: { type: 'positional', valueHint: 'tool', description: 'Name of the tool.' },
  arguments: { type: 'positional', required: false, description: 'Arguments as one JSON object.' },
  arg: {
    type: 'string',
    valueHint: 'NAME=VALUE',
    description: 'One argument; JSON where it parses, else text. May be repeated.',
  },
  save: {
    type: 'string',
    valueHint: 'folder',
    description: 'Keeps images, audio and files that the tool returns there.',
  },
  ...adminFlags,
}

export const call = defineCommand({
  meta: {
    name: 'call',
    description: [
      'Calls a tool and shows everything that it returns.',
      '  compozy servers call everything echo --arg message=hello',
      'Progress goes to standard error. Ctrl+C cancels the call. Exits with 3 when the tool answers with an error.',
    ].join('\n'),
  },
  args,
  async run({ rawArgs }) {
    const { flags, positionals } = parseArguments(rawArgs, args)
    const [mcpName = '', toolName = '', json] = positionals
    const save = flags['save']?.at(-1)
    if (save === '') throw new UsageError('--save needs the path of a folder')
    const toolCall: ToolCall = {
      mcpName,
      toolName,
      arguments: { ...objectIn(json), ...pairs(flags['arg'] ?? []) },
    }
    const api = await adminApi(flags)
    const ending = await interruptible((signal) => resultOf(api, toolCall, signal))
    if (ending === null) {
      complain(`compozy: ${toolName} is cancelled`)
      return interruptedExitCode
    }
    if (wantsJson(flags)) print(asJson(ending))
    if (ending['isError'] === true) throw new CommandError(`${toolName} failed: ${failureText(ending)}`, 3)
    const files = save === undefined ? null : new SavedFiles(save, toolName)
    if (!wantsJson(flags)) print(shownResult(ending, files))
    else if (files !== null) shownResult(ending, files)
    return 0
  },
})

/** The result of the call, every digit kept. Throws a CommandError where there is none. */
async function resultOf(api: AdminApi, body: ToolCall, signal: AbortSignal): Promise<JsonObject> {
  const line = new ProgressLine()
  try {
    for await (const { event, data } of api.events('POST', '/tools/call', { body, signal })) {
      const value: unknown = event === 'result' ? parseExact(data) : JSON.parse(data)
      if (event === 'progress') line.step(received(value))
      if (event === 'result') return isObject(value) ? value : {}
      if (event === 'error') throw failureOf(body.toolName, received<ErrorAnswer>(value))
    }
  } finally {
    line.end()
  }
  throw new CommandError('the gateway ended the call without an answer: it has stopped', 4)
}

/** A tool that the server knows nothing of, or arguments that it refuses, are an answer of the server. */
function failureOf(toolName: string, { error, details, code }: ReturnType<typeof received<ErrorAnswer>>) {
  if (code === 'UPSTREAM_ERROR') return new CommandError(`${toolName} failed: ${cell(details)}`, 3)
  return new CommandError(`${cell(error)}: ${cell(details)}`)
}

/** What `work` resolves with; null when Ctrl+C came first. */
async function interruptible<T>(work: (signal: AbortSignal) => Promise<T>): Promise<T | null> {
  const interrupted = new AbortController()
  const abort = () => interrupted.abort()
  process.once('SIGINT', abort)
  try {
    return await work(interrupted.signal)
  } catch (thrown) {
    if (interrupted.signal.aborted) return null
    throw thrown
  } finally {
    process.off('SIGINT', abort)
  }
}

function objectIn(json: string | undefined): Record<string, unknown> {
  if (json === undefined) return {}
  const value = parsed(json)
  if (!isObject(value))
    throw new UsageError('ARGUMENTS must be one JSON object, such as \'{"message":"hello"}\'')
  return { ...value }
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

/** undefined for a text that is not JSON; numbers keep their digits. */
function parsed(text: string): unknown {
  try {
    return parseExact(text) ?? null
  } catch {
    return undefined
  }
}
