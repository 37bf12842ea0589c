/** A secret from a person or a pipe: never from the command line, and never shown. */
import { CommandError, UsageError } from '../../errors.ts'

const charsMax = 64 * 1024
const enters: ReadonlySet<string> = new Set(['\r', '\n', '\u0004'])
const backspaces: ReadonlySet<string> = new Set(['\u007f', '\b'])
const interrupt = '\u0003'

/** What stands on standard input, without one line break at its end; at a terminal it is asked for, and not shown. */
export async function secretFromPerson(question: string): Promise<string> {
  const value = process.stdin.isTTY === true ? await typed(question) : await piped()
  if (value === '') throw new UsageError('the value is empty; it comes from standard input')
  return value
}

async function piped(): Promise<string> {
  let text = ''
  for await (const chunk of Bun.stdin.stream().pipeThrough(new TextDecoderStream())) {
    text += chunk
    if (text.length > charsMax) throw new CommandError(`the value has more than ${charsMax} characters`)
  }
  return text.replace(/\r?\n$/, '')
}

/** What is typed up to the end of the line. */
function typed(question: string): Promise<string> {
  const { stdin, stderr } = process
  const { promise, resolve, reject } = Promise.withResolvers<string>()
  let text = ''
  const finish = (end: () => void): void => {
    stdin.off('data', take)
    stdin.setRawMode(false)
    stdin.pause()
    stderr.write('\n')
    end()
  }
  const take = (chunk: string): void => {
    for (const sign of chunk) {
      const end = endOf(sign, text)
      if (end !== null) {
        finish(end === 'line' ? () => resolve(text) : () => reject(new CommandError(end)))
        return
      }
      text = backspaces.has(sign) ? [...text].slice(0, -1).join('') : text + sign
    }
  }
  stdin.setRawMode(true)
  stdin.setEncoding('utf8')
  stdin.on('data', take)
  // Only now: who answers faster would see it.
  stderr.write(question)
  return promise
}

/** Whether the line ends with this sign, or why nothing comes of it; null where it goes on. */
function endOf(sign: string, text: string): string | null {
  if (sign === interrupt) return 'nothing was stored'
  if (enters.has(sign)) return 'line'
  return text.length >= charsMax ? `the value has more than ${charsMax} characters` : null
}
