/** Asks a command for a secret: `${exec:op read op://vault/item/field}` in a configuration file. */
import { reasonOf } from '../../errors.ts'
import { SecretFault } from './secret-file.ts'

const secretBytesMax = 64 * 1024
const commandMsMax = 10_000

/** Words that stand between blanks, or in quotes; there is no shell. */
const words = /"([^"]*)"|'([^']*)'|[^\s"']+/g

/**
 * What the command writes, without one line break at its end. Rejects with a SecretFault, which has nothing of what it
 * has written.
 */
export async function askCommand(command: string, environment: NodeJS.ProcessEnv): Promise<string> {
  const [program, ...args] = [...command.matchAll(words)].map(
    ([whole, double, single]) => double ?? single ?? whole,
  )
  if (program === undefined) throw new SecretFault('names no command; write ${exec:PROGRAM ARGUMENT …}')
  const child = started(program, args, environment)
  const output = await new Response(child.stdout).bytes()
  const code = await child.exited
  if (child.signalCode !== null)
    throw new SecretFault(
      `${program} has not ended within ${commandMsMax / 1000} s or has written more than ${secretBytesMax} bytes; run it by hand`,
    )
  if (code !== 0)
    throw new SecretFault(`${program} has ended with exit code ${code}; run it by hand to see why`)
  const text = output.length > secretBytesMax ? '' : new TextDecoder().decode(output).replace(/\r?\n$/, '')
  if (text === '' || text.includes('\0'))
    throw new SecretFault(`${program} has written no text; run it by hand to see what it does`)
  return text
}

function started(program: string, args: readonly string[], env: NodeJS.ProcessEnv) {
  try {
    return Bun.spawn([program, ...args], {
      env,
      stdin: 'ignore',
      stdout: 'pipe',
      // What it complains about may hold the secret.
      stderr: 'ignore',
      timeout: commandMsMax,
      maxBuffer: secretBytesMax,
      killSignal: 'SIGKILL',
    })
  } catch (thrown) {
    throw new SecretFault(`${program} could not be started: ${reasonOf(thrown)}`)
  }
}
