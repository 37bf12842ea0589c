/** JSON whose numbers keep every digit that they came with: 12345678901234567890 and 1.10 stay what they are. */

type Reviver = (key: string, value: unknown, context: { readonly source?: string }) => unknown

/** What both ends of "JSON.parse source text access" add to the language, which its types do not have yet. */
interface ExactJson {
  parse(text: string, reviver: Reviver): unknown
  rawJSON(text: string): unknown
}
const exactJson = JSON as unknown as ExactJson

const keepDigits: Reviver = (_key, value, { source }) =>
  typeof value === 'number' && source !== undefined && String(value) !== source
    ? exactJson.rawJSON(source)
    : value

/** As `JSON.parse`, but `JSON.stringify` writes each number as it was. */
export function parseExact(text: string): unknown {
  return exactJson.parse(text, keepDigits)
}
