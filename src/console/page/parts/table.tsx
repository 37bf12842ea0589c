/**
 * A table that becomes a list of cards where it is narrow. The roles stand there in words, because a browser takes
 * them away from a table that is shown as something else.
 */
import type { ComponentChildren } from 'preact'

export interface Column<Row> {
  readonly title: string
  readonly cell: (row: Row) => ComponentChildren
  /** A number, to be compared with those above and below. */
  readonly number?: boolean
  /** Names the row. */
  readonly main?: boolean
  /** Takes the whole width of a card. */
  readonly wide?: boolean
  /** What can be done with the row; it has no heading to be seen. */
  readonly deeds?: boolean
}

interface TableProps<Row> {
  readonly caption: string
  readonly columns: readonly Column<Row>[]
  readonly rows: readonly Row[]
  readonly keyOf: (row: Row) => string
}

export function Table<Row>({ caption, columns, rows, keyOf }: TableProps<Row>) {
  return (
    <table class="table" role="table">
      <caption class="unseen">{caption}</caption>
      <thead role="rowgroup">
        <tr role="row">
          {columns.map(({ title, number, deeds }) => (
            <th key={title} role="columnheader" scope="col" class={number === true ? 'number' : ''}>
              {deeds === true ? <span class="unseen">{title}</span> : title}
            </th>
          ))}
        </tr>
      </thead>
      <tbody role="rowgroup">
        {rows.map((row) => (
          <tr key={keyOf(row)} role="row">
            {columns.map((column) => (
              <Cell key={column.title} column={column} row={row} />
            ))}
          </tr>
        ))}
      </tbody>
    </table>
  )
}

function Cell<Row>({ column, row }: { readonly column: Column<Row>; readonly row: Row }) {
  const { title, cell, number = false, main = false, wide = false, deeds = false } = column
  const kinds = { number, main, wide, deeds }
  const kind = Object.entries(kinds)
    .flatMap(([name, holds]) => (holds ? [name] : []))
    .join(' ')
  const content = cell(row)
  return main ? (
    <th role="rowheader" scope="row" class={kind}>
      {content}
    </th>
  ) : (
    <td role="cell" class={kind}>
      <span class="cell-name" aria-hidden="true">
        {title}
      </span>
      {content}
    </td>
  )
}
