import { type ArgsDef, defineCommand } from 'citty'
import { CommandError, UsageError } from '../../errors.ts'
import type { ServerLogs } from '../../http/api/answers.ts'
import { isObject } from '../../protocol/json.ts'
import { printable, printableJson } from '../../telemetry/printable.ts'
import {
  type AdminApi,
  adminApi,
  adminFlags,
  asJson,
  serverArgument,
  serverPath,
  wantsJson,
} from '../admin/admin-api.ts'
import { cell, type Received, received, receivedList } from '../admin/received.ts'
import { parseArguments } from '../arguments.ts'
import { endWithReader, print, readerHasLeft } from '../terminal/output.ts'
import { complain } from '../terminal/terminal.ts'

const args: ArgsDef = {
  name: serverArgument,
  follow: { type: 'boolean', alias: 'f', description: 'Goes on with what it writes. Ctrl+C ends it.' },
  tail: {
    type: 'string',
    alias: 'n',
    valueHint: 'number',
    description: 'Only that many lines of what is there.\ndefault: all that is kept, 200 at most',
  },
  timestamps: { type: 'boolean', alias: 't', description: 'Shows when each line was written.' },
  ...adminFlags,
}

type Line = ServerLogs['lines'][number]

export const logs = defineCommand({
  meta: {
    name: 'logs',
    description:
      'Shows what a server wrote to its standard error, and what else it wrote that is no message.',
  },
  args,
  async run({ rawArgs }) {
    const { flags, positionals } = parseArguments(rawArgs, args)
    const tail = flags['tail']?.at(-1)
    if (tail !== undefined && !/^\d{1,6}$/.test(tail)) throw new UsageError('--tail must be a whole number')
    const lastCount = tail === undefined ? Number.POSITIVE_INFINITY : Number(tail)
    const api = await adminApi(flags)
    const path = serverPath(positionals[0] ?? '', '/logs')
    const json = wantsJson(flags)
    const times = flags['timestamps']?.at(-1) === 'true'
    const printLine = (line: Received<Line>) =>
      print(json ? printableJson(JSON.stringify(line)) : shown(line, times))
    const answer = await api.request<ServerLogs>('GET', path)
    const kept = receivedList<Line>(answer.lines)
    const last = lastCount === 0 ? [] : kept.slice(-Math.min(lastCount, kept.length))
    if (flags['follow']?.at(-1) === 'true')
      return await follow(api, path, kept.length - last.length, printLine)
    if (json) print(asJson({ ...answer, lines: last }))
    else for (const line of last) printLine(line)
    return 0
  },
})

/** From the line of that number on. What came since the lines were counted only moves some of them out of sight. */
async function follow(
  api: AdminApi,
  path: string,
  skipped: number,
  printLine: (line: Received<Line>) => void,
): Promise<number> {
  await endWithReader()
  let left = skipped
  for await (const { event, data } of api.events('GET', `${path}?follow`, {})) {
    if (event === 'end') return 0
    if (event === 'missed') {
      const { count } = received<{ count: number }>(JSON.parse(data))
      complain(`compozy: ${cell(count)} lines are left out: they came faster than they were read`)
    }
    if (event !== 'line' || left-- > 0) continue
    const line: unknown = JSON.parse(data)
    if (isObject(line)) printLine(line as Received<Line>)
    if (readerHasLeft()) return 0
  }
  throw new CommandError('the gateway ended the log: it has stopped', 4)
}

function shown({ time, text }: Received<Line>, times: boolean): string {
  return printable(times ? `${cell(time)} ${cell(text)}` : cell(text))
}
