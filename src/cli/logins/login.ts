import { createInterface } from 'node:readline'
import { type ArgsDef, defineCommand } from 'citty'
import { CommandError, UsageError } from '../../errors.ts'
import type { ServerView } from '../../http/api/answers.ts'
import type { AnswerOf } from '../../http/api/operation.ts'
import { printable } from '../../telemetry/printable.ts'
import {
  type AdminApi,
  adminApi,
  adminFlags,
  asJson,
  serverArgument,
  serverPath,
  wantsJson,
} from '../admin/admin-api.ts'
import { cell, type Received, received } from '../admin/received.ts'
import { statusOf } from '../admin/server-state.ts'
import { reportStart, waitFlag, waitMsOf } from '../admin/started.ts'
import { parseArguments } from '../arguments.ts'
import { print } from '../terminal/output.ts'
import { complain } from '../terminal/terminal.ts'

const args: ArgsDef = {
  name: serverArgument,
  paste: {
    type: 'boolean',
    description:
      'For a browser elsewhere: asks for the address at which the browser ends, on standard input.',
  },
  device: {
    type: 'boolean',
    description: 'Logs in at another device, with a code, where the authorization server knows that.',
  },
  wait: waitFlag,
  ...adminFlags,
}

type Begun = Received<AnswerOf<'login', 200>>

export const login = defineCommand({
  meta: {
    name: 'login',
    description: [
      'Logs in at a server that asks for OAuth, for everybody who uses it through the gateway.',
      '  compozy servers login github            opens by a link that counts once',
      '  compozy servers login github --paste    with a browser that does not reach the gateway',
      '  compozy servers login github --device   with a code, typed at another device',
      'The address stands alone on standard output. It goes on when the login is there.',
    ].join('\n'),
  },
  args,
  async run({ rawArgs }) {
    const { flags, positionals } = parseArguments(rawArgs, args)
    const [name = ''] = positionals
    const [paste, device] = [flags['paste']?.at(-1) === 'true', flags['device']?.at(-1) === 'true']
    if (paste && device) throw new UsageError('--paste and --device are two ways; give one of them')
    waitMsOf(flags)
    const api = await adminApi(flags)
    const before = await loginAt(api, name)
    const how = paste ? 'paste' : device ? 'device' : 'browser'
    const begun = await api.request<AnswerOf<'login', 200>>('POST', serverPath(name, '/login'), { how })
    if (wantsJson(flags)) {
      print(asJson(begun))
      return 0
    }
    tell(begun, how)
    if (paste) await bringAnswer(api, name)
    else await untilLoggedIn(api, name, before, Date.parse(cell(begun.expiresAt)))
    return await reportStart(api, flags, name, 'logged in at')
  },
})

function tell({ url, userCode }: Begun, how: 'browser' | 'paste' | 'device'): void {
  const once = how === 'browser' ? ', once and within ten minutes' : ''
  complain(`compozy: open this address in a browser${once}:`)
  print(printable(cell(url)))
  if (userCode !== null && userCode !== undefined)
    complain(`compozy: the code is ${printable(cell(userCode))}`)
}

/** Asks again and again while nothing can be finished with what was pasted: people copy the wrong address. */
async function bringAnswer(api: AdminApi, name: string): Promise<void> {
  complain(
    'compozy: log in there; the browser then ends at a page that may not load. Paste its whole address here:',
  )
  const lines = createInterface({ input: process.stdin })
  try {
    for await (const line of lines) {
      if (line.trim() === '') continue
      await api.request('POST', serverPath(name, '/login'), { answer: line.trim() })
      return
    }
  } finally {
    lines.close()
  }
  throw new CommandError('nothing was pasted; begin again')
}

type Login = NonNullable<ServerView['status']['login']>

async function loginAt(api: AdminApi, name: string): Promise<Received<Login>> {
  return received<Login>(statusOf(await api.request<ServerView>('GET', serverPath(name))).login)
}

const pollMs = 1_000

/** `untilMs` is the wall clock. */
async function untilLoggedIn(
  api: AdminApi,
  name: string,
  before: Received<Login>,
  untilMs: number,
): Promise<void> {
  while (Date.now() < untilMs) {
    await Bun.sleep(pollMs)
    const now = await loginAt(api, name)
    if (now.state === 'logged_in' && cell(now.since) !== cell(before.since)) return
  }
  throw new CommandError('nobody has logged in in time; begin again')
}
