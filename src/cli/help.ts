/** Help pages in plain text, from the same definitions that the strict parser reads, within the width of a terminal. */
import type { ArgDef, CommandDef, Resolvable } from 'citty'
import { shortFlagOf } from './arguments.ts'
import { wrapTo } from './terminal/text.ts'

/** citty lets every part of a command be lazy. */
export async function resolved<T>(part: Resolvable<T> | undefined): Promise<T | undefined> {
  return typeof part === 'function' ? await (part as () => T | Promise<T>)() : await part
}

const everyCommand = [['-h, --help', 'Shows this page.']] as const
const rootOnly = [['-v, --version', 'Shows version, commit and build time.']] as const

/** Longer lines are hard to read, shorter ones do not hold a flag and its text. */
const columnsMax = 100
const columnsMin = 40
/** Where the output is no terminal. */
const columnsUsual = 80

/**
 * @param path the words that lead to the command, `['compozy', 'servers']`.
 * @param terminalColumns null where the output is no terminal.
 */
export async function helpPage(
  command: CommandDef,
  path: readonly string[],
  terminalColumns: number | null,
): Promise<string> {
  const columns = Math.max(columnsMin, Math.min(columnsMax, terminalColumns ?? columnsUsual))
  const meta = await resolved(command.meta)
  const args = Object.entries((await resolved(command.args)) ?? {})
  const subCommands = await resolved(command.subCommands)
  const positionals = args.filter(([, arg]) => arg.type === 'positional')
  const flags = args.filter(([, arg]) => arg.type !== 'positional')
  const usage = [
    path.join(' '),
    ...(subCommands === undefined ? [] : ['COMMAND']),
    ...positionals.map(([name, arg]) => (arg.required === false ? `[${name}]` : name).toUpperCase()),
    '[flags]',
  ].join(' ')
  const sections = [hanging('', usage, 4, columns), wrapTo(meta?.description ?? '', columns).join('\n')]
  const add = (title: string, rows: readonly Row[]) => sections.push(section(title, rows, columns))
  if (subCommands !== undefined) add('Commands', await commandRows(subCommands))
  if (positionals.length > 0) add('Arguments', positionals.map(positionalRow))
  add('Flags', [...flags.map(flagRow), ...everyCommand, ...(path.length === 1 ? rootOnly : [])])
  if (subCommands !== undefined)
    sections.push(
      wrapTo(`"${path.join(' ')} COMMAND --help" says more about one command.`, columns).join('\n'),
    )
  return sections.join('\n\n')
}

type Row = readonly [string, string]

/** Short names leave room beside them; long ones get their text on the next line. */
function section(title: string, rows: readonly Row[], columns: number): string {
  const widthMax = 22
  const width = Math.min(widthMax, Math.max(...rows.map(([name]) => name.length)))
  const lines = rows.map(([name, text]) =>
    name.length > widthMax
      ? `  ${name}\n${hanging(' '.repeat(6), text, 6, columns)}`
      : hanging(`  ${name.padEnd(width)}  `, text, width + 4, columns),
  )
  return `${title}:\n${lines.join('\n')}`
}

/** A text behind `first`, its further lines indented by so many blanks. */
function hanging(first: string, text: string, indent: number, columns: number): string {
  return first + wrapTo(text, columns - indent).join(`\n${' '.repeat(indent)}`)
}

/** Two names of one command stand in one row. */
async function commandRows(subCommands: Record<string, Resolvable<CommandDef>>): Promise<Row[]> {
  const rows: Row[] = []
  const names = Map.groupBy(Object.entries(subCommands), ([, lazy]) => lazy)
  for (const [lazy, entries] of names) {
    const meta = await resolved((await resolved(lazy))?.meta)
    rows.push([entries.map(([name]) => name).join(', '), meta?.description?.split('\n')[0] ?? ''])
  }
  return rows
}

function positionalRow([name, arg]: readonly [string, ArgDef]): Row {
  return [name.toUpperCase(), arg.description ?? '']
}

function flagRow([name, arg]: readonly [string, ArgDef]): Row {
  const hint = arg.type === 'boolean' ? '' : ` <${arg.valueHint ?? 'text'}>`
  const short = shortFlagOf(arg)
  return [`${short === null ? '' : `-${short}, `}--${name}${hint}`, arg.description ?? '']
}
