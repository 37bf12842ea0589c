/**
 * Runs one command line: finds the command, answers `--help` and `--version`, and turns whatever goes
 * wrong into one line on stderr and an exit code. A stack is shown only to those who ask with `--debug`.
 */

import type { CommandDef, ParsedArgs } from 'citty'
import { version } from '../../package.json'
import { ConfigError, reasonOf, UsageError } from '../errors.ts'
import { nearestName } from '../registry/nearest-name.ts'
import { printable } from '../telemetry/printable.ts'
import { helpPage, resolved } from './help.ts'
import { complain, standardOutput } from './terminal/terminal.ts'

/** Set by scripts/build.ts; absent when running from source. */
declare const BUILD_COMMIT: string
declare const BUILD_TIME: string

interface Found {
  readonly command: CommandDef
  /** `compozy servers list`. */
  readonly path: readonly string[]
  readonly args: readonly string[]
}

/** Resolves with the exit code; never rejects. */
export async function runCli(root: CommandDef, argv: readonly string[]): Promise<number> {
  try {
    const { command, path, args } = await find(root, ['compozy'], asFlag(argv))
    const flags = args.includes('--') ? args.slice(0, args.indexOf('--')) : args
    if (flags.some((arg) => arg === '--version' || (arg === '-v' && path.length === 1))) {
      await show(versionLine())
      return 0
    }
    if (command.run === undefined || flags.some((arg) => arg === '--help' || arg === '-h')) {
      await show(await helpPage(command, path, standardOutput().columns))
      return 0
    }
    // citty's own way to run a command parses the line again, by laxer rules than ours.
    const result: unknown = await command.run({ rawArgs: [...args], args: {} as ParsedArgs, cmd: command })
    return typeof result === 'number' ? result : 0
  } catch (thrown) {
    return report(thrown, argv.includes('--debug'))
  }
}

/** Loaded here: a gateway prints nothing. */
async function show(text: string): Promise<void> {
  const { print } = await import('./terminal/output.ts')
  print(text)
}

async function find(command: CommandDef, path: readonly string[], args: readonly string[]): Promise<Found> {
  const subCommands = await resolved(command.subCommands)
  const [name, ...rest] = args
  if (subCommands === undefined || name === undefined || isQuestion(name)) return { command, path, args }
  if (name === 'help' && path.length > 1) return find(command, path, [...rest, '--help'])
  const known = Object.keys(subCommands)
  const sub = known.includes(name) ? await resolved(subCommands[name]) : undefined
  if (sub !== undefined) return find(sub, [...path, name], rest)
  if (name.startsWith('-')) {
    throw new UsageError(
      `unknown flag ${name}; flags stand behind the command: ${path.join(' ')} COMMAND [flags]`,
    )
  }
  const nearest = nearestName(name, known)
  throw new UsageError(
    `unknown command "${name}"; ${nearest === null ? `known: ${known.join(', ')}` : `did you mean ${nearest}?`}`,
  )
}

/** `compozy help servers add` is `compozy servers add --help`, as other programs have taught people. */
function asFlag(argv: readonly string[]): readonly string[] {
  const [first, ...rest] = argv
  if (first === 'help') return [...rest, '--help']
  return first === 'version' && rest.length === 0 ? ['--version'] : argv
}

function isQuestion(arg: string): boolean {
  return ['--help', '-h', '--version', '-v'].includes(arg)
}

function report(thrown: unknown, debug: boolean): number {
  for (const fault of thrown instanceof ConfigError ? thrown.faults : [reasonOf(thrown)])
    complain(`compozy: ${printable(fault.replaceAll(/\s*\n\s*/g, ' '))}`)
  if (debug && thrown instanceof Error) complain(thrown.stack ?? '')
  if (!(thrown instanceof Error)) return 1
  const exitCode: unknown = Reflect.get(thrown, 'exitCode')
  return typeof exitCode === 'number' ? exitCode : 1
}

/** `compozy 0.1.0 (commit abc1234, built 2026-01-31T12:00:00Z, bun 1.4.5)`; from source only the last. */
function versionLine(): string {
  const facts = [
    ...(typeof BUILD_COMMIT === 'undefined' ? [] : [`commit ${BUILD_COMMIT}`]),
    ...(typeof BUILD_TIME === 'undefined' ? [] : [`built ${BUILD_TIME}`]),
    `bun ${Bun.version}`,
  ]
  return `compozy ${version} (${facts.join(', ')})`
}
