/**
 * Text from elsewhere, made safe to print.
 *
 * The attack: a server, a client or a tool list says something with terminal sequences in it, and whoever
 * reads the log or a table in a terminal has lines rewritten, hidden or typed for them. What has no
 * business in a text is shown as `\u001b`, which is also how JSON writes it.
 */

/** What JSON leaves as it is and a terminal does not: DEL, C1 controls, line separators, changes of direction. */
const unescapedByJson = /[\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]/g
// biome-ignore lint/suspicious/noControlCharactersInRegex: these are the characters to be found.
const anywhere = /[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]/g

/** JSON text that stays the same value and cannot move a cursor. */
export function printableJson(json: string): string {
  return json.replace(unescapedByJson, escaped)
}

/** Any text for a terminal; tabs and line feeds stay. */
export function printable(text: string): string {
  return text.replace(anywhere, escaped)
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: these are the characters to be found.
const controls = /[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]+/g

/** Any text on one line: what moves a cursor, or breaks the line, becomes a blank. */
export function oneLine(text: string): string {
  return text.replace(controls, ' ').trim()
}

function escaped(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`
}
