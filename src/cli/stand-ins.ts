/**
 * What the distroless image has under the names of two programs that it does not have: `wget`, and `sh`,
 * which container runtimes give a `HEALTHCHECK CMD …` line to. Each answers the one use that health
 * checks make of it. Everything else is refused with a sentence, so that nobody takes it for the real one.
 */
import { directWhenLocal, unreachableReason } from './gateway-fetch.ts'

/** Exit codes of wget: a command line it does not know, no answer, an answer that is an error. */
const usage = 2
const noAnswer = 4
const badAnswer = 8
/** Of a shell whose command is not there. */
const noCommand = 127

/** When the command line names no other: longer than a health check usually waits. */
const timeoutSeconds = 10

/** A single try is made whatever `--tries` says: whoever checks health asks again by itself. */
const knownFlag = /^(?:--spider|-q|--quiet|-nv|--no-verbose|(?:-t|--tries=)\d+|(?:-T|--timeout=)\d{1,5})$/

/** `wget ARGS`. Resolves with the exit code; never rejects. */
export async function runWget(args: readonly string[]): Promise<number> {
  const urls = args.filter((arg) => /^https?:\/\//.test(arg) && URL.canParse(arg))
  const unknown = args.find((arg) => !urls.includes(arg) && !knownFlag.test(arg))
  const [url] = urls
  if (unknown !== undefined || url === undefined || urls.length > 1 || !args.includes('--spider')) {
    const reason = unknown === undefined ? '' : `${unknown} is not known here; `
    console.error(
      `wget: ${reason}this is compozy, which knows of wget only --spider URL with -q, -nv, --tries=N, --timeout=SECONDS`,
    )
    return usage
  }
  const seconds = args.map((arg) => /^(?:-T|--timeout=)(\d+)$/.exec(arg)?.[1]).findLast(Number)
  return ask(url, Number(seconds ?? timeoutSeconds) * 1000)
}

async function ask(url: string, timeoutMs: number): Promise<number> {
  try {
    const signal = AbortSignal.timeout(timeoutMs)
    const { status } = await fetch(url, { method: 'HEAD', signal, ...directWhenLocal(url) })
    if (status < 400) return 0
    console.error(`wget: ${url} answered ${status}`)
    return badAnswer
  } catch (thrown) {
    console.error(`wget: ${url} does not answer: ${unreachableReason(thrown)}`)
    return noAnswer
  }
}

/**
 * `sh -c LINE`: runs `wget …` or `compozy …`, with or without `|| exit N`. Resolves with the exit code;
 * never rejects.
 */
export async function runShell(
  [flag, line = '', ...rest]: readonly string[],
  compozy: (args: readonly string[]) => Promise<number>,
): Promise<number> {
  // No quotes, expansions, redirections or second commands: nothing that would need a real shell.
  const [, command, args = '', exit] =
    /^\s*(wget|compozy)((?:\s+[\w./:@%=+,-]+)*)\s*(?:\|\|\s*exit\s+(\d{1,3})\s*)?$/.exec(line) ?? []
  if (flag !== '-c' || rest.length > 0 || command === undefined) {
    console.error(
      'sh: this image has no shell; in its place only "compozy ..." and "wget --spider ..." are known, each with or without "|| exit N". The full image has one.',
    )
    return noCommand
  }
  const words = args.trim().split(/\s+/).filter(Boolean)
  const code = command === 'wget' ? await runWget(words) : await compozy(words)
  return code === 0 ? 0 : Number(exit ?? code)
}
