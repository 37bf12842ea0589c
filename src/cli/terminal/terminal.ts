/** What may be written to where the output goes: how wide, in colour, over itself. */

export interface Terminal {
  /** Columns of the terminal; null where the output is none: nothing is cut there. */
  readonly columns: number | null
  readonly colours: boolean
  /** Whether what stands there can be drawn over. */
  readonly redraws: boolean
}

/** The part of a stream that matters here. */
interface OutputStream {
  readonly isTTY?: boolean
  readonly columns?: number
}

/** Where a terminal does not know its width, as behind some remote shells. */
const columnsUsual = 80

/** What a terminal is, and what its person wants: `NO_COLOR` (no-color.org), `TERM`, `COLUMNS`. */
export function terminalOf(
  stream: OutputStream,
  environment: Readonly<Record<string, string | undefined>>,
): Terminal {
  if (stream.isTTY !== true) return { columns: null, colours: false, redraws: false }
  const { TERM: kind = '', NO_COLOR: noColour = '', COLUMNS: told = '' } = environment
  const able = kind !== '' && kind !== 'dumb'
  const columns = [stream.columns ?? 0, Number(told)].find((count) => Number.isInteger(count) && count > 0)
  return { columns: columns ?? columnsUsual, colours: able && noColour === '', redraws: able }
}

/** Standard output, as it is now: a window may have been resized. */
export function standardOutput(): Terminal {
  return terminalOf(process.stdout, process.env)
}

const codes = { red: 31, green: 32, yellow: 33, bold: 1, dim: 2 } as const

export type Style = keyof typeof codes

/** The text in a style, where colours are shown. */
export function styled(text: string, style: Style | null, { colours }: Pick<Terminal, 'colours'>): string {
  return colours && style !== null && text !== '' ? `\u001b[${codes[style]}m${text}\u001b[0m` : text
}

/** A line on standard error, plain: the runtime paints what `console.error` writes red in every terminal, `dumb` ones too. */
export function complain(line: string): void {
  console.warn(line)
}
