/**
 * Finds the program that a stdio server would run, before anything is started.
 *
 * The same search as the operating system's: a name with a slash is a path, any other is looked for
 * in PATH. Looking first gives the person who registers a server an answer at once, in words.
 */
import { constants } from 'node:fs'
import { access, stat } from 'node:fs/promises'
import { delimiter, isAbsolute, join, resolve } from 'node:path'

/** Where to look: the child's PATH (undefined when it has none) and its working directory. */
export interface CommandPlace {
  readonly path: string | undefined
  readonly cwd: string
}

/** What the C library searches when there is no PATH at all. */
const pathDefault = '/usr/local/bin:/bin:/usr/bin'

/** The full path of the executable file, or null when there is none. */
export async function findCommand(command: string, place: CommandPlace): Promise<string | null> {
  if (command.includes('/')) {
    const file = isAbsolute(command) ? command : resolve(place.cwd, command)
    return (await isExecutable(file)) ? file : null
  }
  for (const directory of (place.path ?? pathDefault).split(delimiter)) {
    const file = join(directory === '' ? place.cwd : resolve(place.cwd, directory), command)
    if (await isExecutable(file)) return file
  }
  return null
}

/** Whether a program of the small image is one in name only: its health checks find these two. */
export function isStandIn(file: string): boolean {
  return /\/(?:sh|wget)$/.test(file)
}

async function isExecutable(file: string): Promise<boolean> {
  try {
    await access(file, constants.X_OK)
    return (await stat(file)).isFile()
  } catch {
    return false
  }
}

/**
 * What to tell a person whose command is missing. `shown` is the command as it may be repeated, `cwd` where
 * a relative one begins, `image` the value of `COMPOZY_IMAGE`: the small image has no launchers, and the cure
 * is the other one.
 */
export function commandMissing(shown: string, cwd: string, image: string | undefined): string {
  if (image === 'distroless') {
    return `${shown} is not in this image, which carries no launchers. Use the full image (tag "full"), which has node, npx, uv, python and git, or register the server over HTTP.`
  }
  if (/\s/.test(shown))
    return `${shown} is not a program. Put the program in "command" and the rest in "args".`
  if (shown.includes('/')) {
    return `${shown} is no executable file on the gateway's machine${isAbsolute(shown) ? '' : `, seen from ${cwd}`}.`
  }
  const source = comesWith[shown]
  return `${shown} is not installed on the gateway's machine, or not in its PATH. Install it${source === undefined ? '' : ` (${source})`}, or give its full path.`
}

/** What to install for a command that has another name than what it comes with. */
const comesWith: Readonly<Record<string, string | undefined>> = {
  npx: 'it comes with Node.js',
  npm: 'it comes with Node.js',
  node: 'Node.js',
  bunx: 'it comes with Bun',
  uvx: 'it comes with uv',
  python: 'many systems have python3 alone',
  docker: 'Docker, or write podman',
}
