/**
 * A load generator in a process of its own, so that it can be given a processor. Run as a program it takes what it
 * shall do as its one argument, says `opened` once all its connections stand, begins when a line comes, and says what
 * it has measured.
 */
import type { LoadOptions, LoadResult } from './load.ts'
import { driveApart } from './socket-load.ts'

const opened = 'opened'

interface Order {
  readonly options: LoadOptions
  readonly tokens: readonly string[]
}

/** As `driveApart`, by a process that the launcher starts, such as `taskset -c 0`. */
export async function driveInOwnProcess(
  order: Order,
  allOpened: () => Promise<void>,
  launcher: readonly string[],
): Promise<LoadResult> {
  const child = Bun.spawn([...launcher, process.execPath, import.meta.path, JSON.stringify(order)], {
    stdin: 'pipe',
    stdout: 'pipe',
    stderr: 'inherit',
  })
  const decoder = new TextDecoder()
  let said = ''
  let begun = false
  for await (const chunk of child.stdout) {
    said += decoder.decode(chunk, { stream: true })
    if (begun || !said.includes(`${opened}\n`)) continue
    begun = true
    await allOpened()
    child.stdin.write('begin\n')
    await child.stdin.end()
  }
  const result = said.slice(said.indexOf('\n') + 1)
  if ((await child.exited) !== 0 || result === '') throw new Error('a load generator has failed')
  return JSON.parse(result) as LoadResult
}

if (import.meta.main) {
  const { options, tokens } = JSON.parse(process.argv[2] ?? '') as Order
  const result = await driveApart(options, tokens, async () => {
    process.stdout.write(`${opened}\n`)
    await Bun.stdin.text()
  })
  process.stdout.write(JSON.stringify(result))
}
