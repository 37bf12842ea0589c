/**
 * Paths as the person at the terminal means them. A gateway starts processes in a directory of its own, where `.`
 * and `./server.js` are something else, or nothing.
 */
import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import { isLoopbackHost } from '../../net/host.ts'

export interface CommandLine {
  readonly command: string
  readonly args: readonly string[]
}

/** Whether paths of this machine mean anything to the gateway at this URL. */
export function isOnThisMachine(base: string): boolean {
  return isLoopbackHost(new URL(base).hostname.replace(/^\[(.*)\]$/, '$1'))
}

/**
 * The command line with its relative paths made absolute: what begins with `./` or `../`, `.` and `..` themselves,
 * and what names a file that is there and looks like a path (`server.js`, `dist/server`). So too behind the `=` of
 * a flag. Everything else may be anything, and stays.
 */
export function withAbsolutePaths({ command, args }: CommandLine, directory: string): CommandLine {
  return {
    command:
      /^\.{1,2}\//.test(command) || (command.includes('/') && isThere(command, directory))
        ? resolve(directory, command)
        : command,
    args: args.map((arg) => absoluteArg(arg, directory)),
  }
}

/** The first argument that is relative whatever it means to the command, or null. */
export function relativePathIn({ command, args }: CommandLine): string | null {
  return [command, ...args].find((word) => isRelative(valueBehindFlag(word))) ?? null
}

function absoluteArg(arg: string, directory: string): string {
  const value = valueBehindFlag(arg)
  const head = arg.slice(0, arg.length - value.length)
  if (isRelative(value)) return head + resolve(directory, value)
  // A package such as @scope/name is no path, even beside a folder of that name.
  const looksLikeAPath = /^[^-@:][^:]*$/.test(value) && /[/.]/.test(value)
  return looksLikeAPath && isThere(value, directory) ? head + resolve(directory, value) : arg
}

/** What stands behind `--flag=`, or the whole of any other argument. */
function valueBehindFlag(arg: string): string {
  return /^--?[A-Za-z][\w-]*=(.*)$/s.exec(arg)?.[1] ?? arg
}

function isRelative(text: string): boolean {
  return text === '.' || text === '..' || /^\.{1,2}\//.test(text)
}

function isThere(text: string, directory: string): boolean {
  return !text.startsWith('/') && existsSync(resolve(directory, text))
}
