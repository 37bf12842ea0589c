/** Help pages in plain text, from the same definitions that the strict parser reads. */
import type { ArgDef, CommandDef, Resolvable } from 'citty'

/** citty lets every part of a command be lazy. */
export async function resolved<T>(part: Resolvable<T> | undefined): Promise<T | undefined> {
  return typeof part === 'function' ? await (part as () => T | Promise<T>)() : await part
}

const everyCommand = [['-h, --help', 'Shows this page.']] as const
const rootOnly = [['-v, --version', 'Shows version, commit and build time.']] as const

/** @param path the words that lead to the command, `['compozy', 'servers']`. */
export async function helpPage(command: CommandDef, path: readonly string[]): Promise<string> {
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
  const sections = [`${usage}\n\n${meta?.description ?? ''}`]
  if (subCommands !== undefined) sections.push(section('Commands', await commandRows(subCommands)))
  if (positionals.length > 0) sections.push(section('Arguments', positionals.map(positionalRow)))
  sections.push(
    section('Flags', [...flags.map(flagRow), ...everyCommand, ...(path.length === 1 ? rootOnly : [])]),
  )
  if (subCommands !== undefined)
    sections.push(`"${path.join(' ')} COMMAND --help" says more about one command.`)
  return sections.join('\n\n')
}

type Row = readonly [string, string]

/** Short names leave room beside them; long ones get their text on the next line. */
function section(title: string, rows: readonly Row[]): string {
  const widthMax = 22
  const width = Math.min(widthMax, Math.max(...rows.map(([name]) => name.length)))
  const lines = rows.map(([name, text]) =>
    name.length > widthMax
      ? `  ${name}\n      ${text.replaceAll('\n', '\n      ')}`
      : `  ${name.padEnd(width)}  ${text.replaceAll('\n', `\n${' '.repeat(width + 4)}`)}`,
  )
  return `${title}:\n${lines.join('\n')}`
}

async function commandRows(subCommands: Record<string, Resolvable<CommandDef>>): Promise<Row[]> {
  const rows: Row[] = []
  for (const [name, lazy] of Object.entries(subCommands)) {
    const meta = await resolved((await resolved(lazy))?.meta)
    rows.push([name, meta?.description?.split('\n')[0] ?? ''])
  }
  return rows
}

function positionalRow([name, arg]: readonly [string, ArgDef]): Row {
  return [name.toUpperCase(), arg.description ?? '']
}

function flagRow([name, arg]: readonly [string, ArgDef]): Row {
  const hint = arg.type === 'boolean' ? '' : ` <${arg.valueHint ?? 'text'}>`
  return [`--${name}${hint}`, arg.description ?? '']
}
