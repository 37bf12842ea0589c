/** A real browser without a window, driven over its debugging protocol: it has the rules for cookies that no client of ours has. */
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { poll } from './gateway.ts'
import { startProcess } from './process.ts'
import { temporaryDirectory } from './temporary-directory.ts'

/** Where Debian puts it. */
export const chromiumPath = '/usr/bin/chromium'

export interface Page {
  /** Goes there, as somebody does who types the address. */
  open(url: string): Promise<void>
  /** What an expression is in the page; promises are awaited. */
  evaluate<T>(expression: string): Promise<T>
  /** Until an expression holds, on whatever page that is by then. */
  until(expression: string): Promise<void>
}

export interface Chromium extends AsyncDisposable {
  readonly page: Page
}

export async function startChromium(): Promise<Chromium> {
  const profile = temporaryDirectory({})
  const flags = [
    '--headless=new',
    '--no-sandbox',
    '--disable-gpu',
    '--no-first-run',
    '--disable-background-networking',
  ]
  const running = startProcess({
    command: [
      chromiumPath,
      ...flags,
      '--remote-debugging-port=0',
      `--user-data-dir=${profile.path}`,
      'about:blank',
    ],
    env: { HOME: profile.path },
  })
  const portFile = join(profile.path, 'DevToolsActivePort')
  await poll('the browser', async () => existsSync(portFile) && readFileSync(portFile, 'utf8').includes('\n'))
  const port = readFileSync(portFile, 'utf8').split('\n')[0]
  const targets = (await (await fetch(`http://127.0.0.1:${port}/json/list`)).json()) as {
    type: string
    webSocketDebuggerUrl: string
  }[]
  const target = targets.find(({ type }) => type === 'page')
  if (target === undefined) throw new Error('the browser has no page')
  const send = await connect(target.webSocketDebuggerUrl)
  // Answers of the gateway forbid scripts to ask anything; the console, whose place the test takes, will not.
  await send('Page.setBypassCSP', { enabled: true })
  return {
    page: pageOf(send),
    [Symbol.asyncDispose]: async () => {
      await running.kill()
      profile[Symbol.dispose]()
    },
  }
}

type Send = (
  method: string,
  params: object,
) => Promise<{ result?: { value?: unknown }; exceptionDetails?: unknown }>

async function connect(url: string): Promise<Send> {
  const socket = new WebSocket(url)
  await new Promise((resolve) => socket.addEventListener('open', resolve, { once: true }))
  const waiting = new Map<number, (result: never) => void>()
  let last = 0
  socket.addEventListener('message', ({ data }) => {
    const { id, result } = JSON.parse(String(data)) as { id?: number; result?: never }
    if (id !== undefined) waiting.get(id)?.((result ?? {}) as never)
  })
  return (method, params) =>
    new Promise((resolve) => {
      const id = ++last
      waiting.set(id, resolve as never)
      socket.send(JSON.stringify({ id, method, params }))
    })
}

function pageOf(send: Send): Page {
  const evaluate = async <T>(expression: string): Promise<T> => {
    const answer = await send('Runtime.evaluate', { expression, awaitPromise: true, returnByValue: true })
    if (answer.exceptionDetails !== undefined) throw new Error(JSON.stringify(answer.exceptionDetails))
    return answer.result?.value as T
  }
  return {
    open: async (url) => {
      await send('Page.navigate', { url })
    },
    evaluate,
    until: (expression) =>
      poll(expression, () => evaluate<boolean>(`Boolean(${expression})`).catch(() => false)),
  }
}
