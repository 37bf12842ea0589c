/** Tables for people: columns two spaces apart, within the width of a terminal where the output is one. */
import { printable } from '../telemetry/printable.ts'
import { type Style, standardOutput, styled, type Terminal } from './terminal/terminal.ts'
import { columnsOf, cutTo, wrapTo } from './terminal/text.ts'

/** A text, and the style in which a terminal shows it. */
export type Cell = string | { readonly text: string; readonly style: Style | null }

export interface TableOptions {
  /** The last column is a sentence, which is never cut: it goes on below, in its column or, without room for that, below the row. */
  readonly sentence?: boolean
  readonly terminal?: Terminal
}

const gap = '  '
/** What a column keeps when all of them do not fit. */
const columnsMin = 6
const indent = '    '
/** A sentence in fewer columns is hard to read. */
const sentenceMin = 40

/** Rows under headings, nothing behind the last column. Cells may come from a server. */
export function table(
  headings: readonly string[],
  rows: readonly (readonly Cell[])[],
  { sentence = false, terminal = standardOutput() }: TableOptions = {},
): string {
  const cells = rows.map((row) => row.map(shownCell))
  const widths = headings.map((heading, column) =>
    Math.max(columnsOf(heading), ...cells.map((row) => columnsOf(row[column]?.text ?? ''))),
  )
  const { columns } = terminal
  const head = headings.map((text) => ({ text, style: 'bold' as const }))
  if (columns === null || widthOf(widths) <= columns) return lines([head, ...cells], widths, terminal)
  const fitted = (least: readonly number[]) => fit(least, headings.map(columnsOf), columns)
  if (!sentence) return lines([head, ...cells], fitted(widths), terminal)
  const natural = widthOf(widths.slice(0, -1)) + gap.length
  if (columns - natural >= sentenceMin) {
    const room = columns - natural
    const rows = [head, ...cells].flatMap((row) => hangingRows(row, room))
    return lines(rows, [...widths.slice(0, -1), room], terminal)
  }
  const besides = fitted(widths.slice(0, -1))
  return [head, ...cells]
    .map((row, index) => {
      const line = lines([row.slice(0, -1)], besides, terminal)
      const below = index === 0 ? '' : (row.at(-1)?.text ?? '')
      const wrapped = below === '' ? [] : wrapTo(below, Math.max(1, columns - indent.length))
      return [line, ...wrapped.map((part) => indent + part)].join('\n')
    })
    .join('\n')
}

interface ShownCell {
  readonly text: string
  readonly style: Style | null
}

/** The row, and one for each further line of its sentence. */
function hangingRows(row: readonly ShownCell[], room: number): ShownCell[][] {
  const sentence = row.at(-1)
  const besides = row.slice(0, -1)
  const nothing = besides.map(() => ({ text: '', style: null }))
  return wrapTo(sentence?.text ?? '', room).map((text, index) => [
    ...(index === 0 ? besides : nothing),
    { text, style: sentence?.style ?? null },
  ])
}

/** One line, whatever a server has put into it. */
function shownCell(cell: Cell): ShownCell {
  const { text, style } = typeof cell === 'string' ? { text: cell, style: null } : cell
  return { text: printable(text.replaceAll(/\s+/g, ' ')), style }
}

function widthOf(widths: readonly number[]): number {
  return widths.reduce((sum, width) => sum + width, 0) + gap.length * (widths.length - 1)
}

/** Takes from the widest columns until all of them fit, as far as their headings let it. */
function fit(widths: readonly number[], headings: readonly number[], columns: number): number[] {
  const least = widths.map((width, column) => Math.min(width, Math.max(headings[column] ?? 0, columnsMin)))
  let cap = Math.max(...widths)
  const capped = () => widths.map((width, column) => Math.max(least[column] ?? 0, Math.min(width, cap)))
  while (cap > 1 && widthOf(capped()) > columns) cap--
  return capped()
}

function lines(
  rows: readonly (readonly ShownCell[])[],
  widths: readonly number[],
  terminal: Terminal,
): string {
  return rows
    .map((row) => {
      const last = row.findLastIndex(({ text }) => text !== '')
      return row
        .slice(0, last + 1)
        .map(({ text, style }, column) => {
          const width = widths[column] ?? 0
          const cut = cutTo(text, width)
          return styled(cut, style, terminal) + (column === last ? '' : ' '.repeat(width - columnsOf(cut)))
        })
        .join(gap)
    })
    .join('\n')
}
