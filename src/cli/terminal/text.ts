/** Texts in columns of a terminal, in which some characters take two and some none. Pure. */

/** How many columns a text takes; escape sequences take none. */
export function columnsOf(text: string): number {
  return Bun.stringWidth(text)
}

/** The text, or its beginning and an ellipsis where it takes more columns. */
export function cutTo(text: string, columns: number): string {
  if (columnsOf(text) <= columns) return text
  return columns <= 1 ? '…' : `${firstColumns(text, columns - 1).trimEnd()}…`
}

/** The lines of a text, each broken between words to fit; a longer word is broken where it must be. */
export function wrapTo(text: string, columns: number): string[] {
  return text.split('\n').flatMap((line) => wrapLine(line, Math.max(1, columns)))
}

function wrapLine(line: string, columns: number): string[] {
  if (columnsOf(line) <= columns) return [line]
  const indent = /^\s*/.exec(line)?.[0] ?? ''
  const lines: string[] = []
  let current = ''
  for (const word of line.trim().split(/\s+/)) {
    const longer = current === '' ? indent + word : `${current} ${word}`
    if (columnsOf(longer) <= columns) {
      current = longer
      continue
    }
    if (current !== '') lines.push(current)
    let rest = indent + word
    while (columnsOf(rest) > columns) {
      const piece = firstColumns(rest, columns)
      lines.push(piece)
      rest = rest.slice(piece.length)
    }
    current = rest
  }
  return [...lines, current]
}

/** Made when it is first needed: every command loads this file. */
let graphemes: Intl.Segmenter | null = null

/** At least one character, so that whoever goes on with the rest comes to an end. */
function firstColumns(text: string, columns: number): string {
  let taken = ''
  let width = 0
  graphemes ??= new Intl.Segmenter()
  for (const { segment } of graphemes.segment(text)) {
    width += columnsOf(segment)
    if (width > columns && taken !== '') break
    taken += segment
  }
  return taken
}
