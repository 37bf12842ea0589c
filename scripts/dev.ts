/**
 * `bun run dev [flags]`: the gateway from its sources, with a log for people, started anew when a source or
 * `compozy.yaml` changes.
 *
 * Not `bun --watch`: it replaces the process without a word to it, so nothing is drained, and the processes of each
 * earlier gateway stay behind as zombies of the next one (three for two servers). Here the gateway is a child that
 * stops as it always does.
 */
import { watch } from 'node:fs'
import { join, resolve } from 'node:path'
import type { Subprocess } from 'bun'

const root = resolve(import.meta.dir, '..')
/** Editors write a file in several steps, and a branch is changed file by file. */
const settleMs = 150
/** Calls in flight may end this late; nobody wants to wait for them. */
const usualFlags = ['--mcp-log-format', 'pretty', '--debug', '--mcp-shutdown-timeout', '1s']

let gateway: Subprocess | null = null
let settled: ReturnType<typeof setTimeout> | undefined
let restarting = Promise.resolve()
let ending = false

function start(): void {
  const command = [process.execPath, join(root, 'src', 'main.ts'), 'mcp-proxy', ...usualFlags]
  const started = Bun.spawn([...command, ...process.argv.slice(2)], {
    stdin: 'inherit',
    stdout: 'inherit',
    stderr: 'inherit',
  })
  gateway = started
  void started.exited.then((code) => {
    if (gateway !== started) return
    gateway = null
    // A mistake in the sources or in the configuration: the next change may mend it.
    if (!ending) console.error(`The gateway has ended with ${code}; waiting for a change.`)
  })
}

async function stop(): Promise<void> {
  const running = gateway
  gateway = null
  running?.kill('SIGTERM')
  await running?.exited
}

async function restart(file: string): Promise<void> {
  if (ending) return
  console.error(`${file} has changed.`)
  await stop()
  if (!ending) start()
}

function changed(file: string): void {
  clearTimeout(settled)
  settled = setTimeout(() => {
    restarting = restarting.then(() => restart(file))
  }, settleMs)
}

for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.on(signal, () => {
    ending = true
    void restarting.then(stop).then(() => process.exit(0))
  })
}
watch(join(root, 'src'), { recursive: true }, (_event, file) => changed(`src/${file ?? ''}`))
watch(process.cwd(), (_event, file) => {
  if (file === 'compozy.yaml') changed(file)
})
start()
