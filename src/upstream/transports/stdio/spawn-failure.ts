/** Why a program could not be started at all, and what to do about it: the system says a code, and often a wrong one. */
import { open, stat } from 'node:fs/promises'
import { errorCode, GatewayError, reasonOf } from '../../../errors.ts'
import type { Mask } from '../../../telemetry/redaction.ts'
import { commandMissing, findCommand } from './command-lookup.ts'

/** What was to be started. */
export interface Start {
  readonly command: string
  readonly env: Readonly<Record<string, string>>
  /** null takes the gateway's own. */
  readonly cwd: string | null
}

/** Enough for a first line (#!), of which the kernel reads 256 bytes. */
const headBytes = 256

export async function spawnFailure(start: Start, mask: Mask, thrown: unknown): Promise<GatewayError> {
  // People put variables in front of a command, where they do not belong: `API_KEY=… npx`.
  const command = mask(start.command)
  const code = errorCode(thrown)
  switch (code) {
    case 'ENOENT':
      return new GatewayError('COMMAND_NOT_FOUND', mask(await whatIsMissing(start, command)))
    case 'EACCES':
      return new GatewayError('COMMAND_NOT_FOUND', notExecutable(command))
    case 'ENOEXEC':
      return new GatewayError(
        'COMMAND_NOT_FOUND',
        `${command} cannot be run here: it was built for another processor or system, or is a script whose first line (#!) is missing.`,
      )
    case 'E2BIG':
      return new GatewayError(
        'SERVER_UNAVAILABLE',
        `args and env of ${command} are larger than the system takes.`,
      )
    case 'EAGAIN':
    case 'ENOMEM':
      return new GatewayError(
        'SERVER_UNAVAILABLE',
        `${command} could not be started (${code}): the system grants no further process or no memory. Raise its limits (ulimit -u, pids of a container).`,
      )
    case 'EMFILE':
    case 'ENFILE':
      return new GatewayError(
        'SERVER_UNAVAILABLE',
        `${command} could not be started (${code}): the gateway has too many files open. Raise its limit (ulimit -n).`,
      )
    default:
      return new GatewayError(
        'SERVER_UNAVAILABLE',
        `${command} could not be started: ${code ?? mask(reasonOf(thrown))}.`,
      )
  }
}

function notExecutable(command: string): string {
  return `${command} is not an executable file. Make it executable (chmod +x), or name its interpreter in command and the file in args.`
}

/** The kernel reports a missing directory, interpreter or loader as a missing command. */
async function whatIsMissing({ command, env, cwd }: Start, shown: string): Promise<string> {
  if (cwd !== null && !(await isDirectory(cwd))) return directoryMissing(cwd)
  const { PATH: path } = env
  const file = await findCommand(command, { path, cwd: cwd ?? process.cwd() })
  if (file === null) return commandMissing(shown, cwd ?? process.cwd(), process.env['COMPOZY_IMAGE'])
  const head = await headOf(file)
  if (!head.startsWith('#!'))
    return `${shown} is there, and the loader that it was built for is not: it was built for another system (another C library, perhaps).`
  const [line = ''] = head.slice(2).split('\n')
  if (line.endsWith('\r'))
    return `${shown} has the line ends of Windows, with which its interpreter is not found: convert them (dos2unix).`
  const [interpreter = ''] = line.trim().split(/\s/)
  return `${shown} is there, and its interpreter ${interpreter} is not: install it, or name another one in command and the file in args.`
}

/** What to tell a person whose `cwd` is not there. */
export function directoryMissing(cwd: string): string {
  return `The working directory ${cwd} does not exist. Make it, or change cwd.`
}

async function headOf(file: string): Promise<string> {
  try {
    await using handle = await open(file)
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(headBytes), 0, headBytes, 0)
    return buffer.toString('latin1', 0, bytesRead)
  } catch {
    return ''
  }
}

/** Whether there is a directory. */
export async function isDirectory(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isDirectory()
  } catch {
    return false
  }
}
