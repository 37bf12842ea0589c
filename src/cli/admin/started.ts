/** What `add`, `update`, `restart` and `enable` have in common: they wait for a start and say how it went. */

import { type ArgsDef, type CommandDef, defineCommand } from 'citty'
import type { FlagTexts } from '../../config/load.ts'
import { duration } from '../../config/values.ts'
import { UsageError } from '../../errors.ts'
import type { ServerView } from '../../http/api/answers.ts'
import { formatDuration } from '../../registry/duration.ts'
import { printable } from '../../telemetry/printable.ts'
import { parseArguments } from '../arguments.ts'
import { print } from '../terminal/output.ts'
import { complain, standardOutput, styled } from '../terminal/terminal.ts'
import {
  type AdminApi,
  adminApi,
  adminFlags,
  asJson,
  serverArgument,
  serverPath,
  wantsJson,
} from './admin-api.ts'
import type { Received } from './received.ts'
import { endpointsOf, reasonOf, stateCell, stateWord, statusOf } from './server-state.ts'

/** A download by npx may take minutes; the gateway goes on with it. */
const waitMsUsual = 3_000
/** The gateway waits no longer for one answer. */
const waitMsMax = 60_000

export const waitFlag: ArgsDef[string] = {
  type: 'string',
  valueHint: 'duration',
  description: 'Longest wait for it to start, 0s to 60s.\ndefault 3s',
}

/** The wait that was asked for, in milliseconds. */
export function waitMsOf(flags: FlagTexts): number {
  const given = flags['wait']?.at(-1)
  if (given === undefined) return waitMsUsual
  const read = duration(0).read(given)
  if ('fault' in read) throw new UsageError(`--wait ${read.fault}`)
  if (read.value > waitMsMax) throw new UsageError(`--wait must be at most ${formatDuration(waitMsMax)}`)
  return read.value
}

/**
 * Waits for the server to have started or failed, and says so. Resolves with the exit code: 1 where it is known to
 * fail. What was done stays done.
 */
export async function reportStart(
  api: AdminApi,
  flags: FlagTexts,
  name: string,
  done: string,
): Promise<number> {
  const view = await api.request<ServerView>('GET', serverPath(name, `?wait=${waitMsOf(flags)}ms`))
  const status = statusOf(view)
  if (wantsJson(flags)) print(asJson(view))
  else printStart(api, name, done, view)
  if (status.status === 'needs_login') complain(printable(`compozy: ${reasonOf(status)}`))
  if (status.status !== 'error' || stateWord(status) === 'disabled') return 0
  const reason = reasonOf(status)
  complain(printable(`compozy: ${name} is not connected: ${reason === '' ? 'no reason is known' : reason}`))
  complain(
    `compozy: it is kept and tried again; "compozy servers logs ${name}" shows what it wrote, "compozy servers remove ${name}" takes it away`,
  )
  return 1
}

function printStart(api: AdminApi, name: string, done: string, view: Received<ServerView>): void {
  const status = statusOf(view)
  const state = stateCell(status)
  const word = typeof state === 'string' ? state : styled(state.text, state.style, standardOutput())
  print(`${done} ${name}: ${word}`)
  for (const url of endpointsOf(api.clientBase, name)) print(`  ${url}`)
  if (stateWord(status) !== 'connecting') return
  print(printable(reasonOf(status) === '' ? 'It is still starting.' : reasonOf(status)))
  print(`"compozy servers get ${name}" shows how it goes.`)
}

const startingArgs: ArgsDef = { name: serverArgument, wait: waitFlag, ...adminFlags }

/** A command that asks for `/admin/mcps/{name}/ACTION` and follows the server until it runs; `done` is its last word. */
export function startingCommand(action: 'enable' | 'restart', description: string, done: string): CommandDef {
  return defineCommand({
    meta: { name: action, description },
    args: startingArgs,
    async run({ rawArgs }) {
      const { flags, positionals } = parseArguments(rawArgs, startingArgs)
      const [name = ''] = positionals
      waitMsOf(flags)
      const api = await adminApi(flags)
      await api.request('POST', serverPath(name, `/${action}`))
      return await reportStart(api, flags, name, done)
    },
  })
}
