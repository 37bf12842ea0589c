/** What of a tool is made to be overlooked: characters that nobody sees, and names that look like another. Pure. */

/** What a terminal and most pages show as nothing, or by which they change the direction of a text. */
const unseen =
  /[\u00ad\u061c\u115f\u1160\u17b4\u17b5\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164\ufeff\uffa0]|[\ufe00-\ufe0d]|[\u{e0000}-\u{e0fff}]/gu

/** Letters of other alphabets that look like Latin ones: those with which names are forged most. */
const lookalikes: ReadonlyMap<string, string> = new Map(
  [
    ['а', 'a'],
    ['с', 'c'],
    ['ԁ', 'd'],
    ['е', 'e'],
    ['һ', 'h'],
    ['і', 'i'],
    ['ј', 'j'],
    ['к', 'k'],
    ['ӏ', 'l'],
    ['м', 'm'],
    ['о', 'o'],
    ['р', 'p'],
    ['ѕ', 's'],
    ['т', 't'],
    ['у', 'y'],
    ['х', 'x'],
    ['ԝ', 'w'],
    ['α', 'a'],
    ['ε', 'e'],
    ['ι', 'i'],
    ['κ', 'k'],
    ['ν', 'v'],
    ['ο', 'o'],
    ['ρ', 'p'],
    ['τ', 't'],
    ['υ', 'u'],
    ['χ', 'x'],
    ['ı', 'i'],
    ['ɑ', 'a'],
    ['ɡ', 'g'],
    ['0', 'o'],
    ['1', 'l'],
    ['|', 'l'],
  ].map(([from = '', to = '']) => [from, to]),
)

/** How a name looks, however it is written: names of which this is equal are taken for each other. */
export function looksOf(name: string): string {
  const plain = name.normalize('NFKC').replace(unseen, '').toLowerCase()
  return [...plain]
    .map((letter) => lookalikes.get(letter) ?? letter)
    .join('')
    .replaceAll(/[-_.\s/]/g, '')
}

/** What an admin should know of a definition before approving it, a sentence each; `alike` is a tool that it looks like. */
export function doubtsAbout(definition: string, alike: string | null): string[] {
  const hidden = [...new Set([...definition.matchAll(unseen)].map(([character]) => codeOf(character)))]
  return [
    ...(alike === null ? [] : [`Its name looks like that of ${alike}, which is another tool.`]),
    ...(hidden.length === 0
      ? []
      : [`It has characters that nobody sees and a model reads: ${hidden.slice(0, codesMax).join(', ')}.`]),
  ]
}

const codesMax = 8

function codeOf(character: string): string {
  return `U+${(character.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, '0')}`
}
