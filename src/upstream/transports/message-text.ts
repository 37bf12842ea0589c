/**
 * The little that a transport must know about the text that it carries, found without parsing it.
 *
 * Pure. A full parse belongs to the connection; here it would only be done twice.
 */

import { skipSpace, skipValue } from '../../protocol/jsonrpc.ts'

const objectStart = /^\s*\{\s*["}]/
const arrayStart = /^\s*\[\s*\{/

/**
 * True when a line can only be meant as a JSON object. `{ port: 3000 }`, which a server prints when it
 * logs an object to stdout, is not one.
 */
export function looksLikeObject(text: string): boolean {
  if (text.startsWith('{"') && text.endsWith('}')) return true
  return objectStart.test(text) && text.trimEnd().endsWith('}')
}

/**
 * The messages of a text: one object, or the elements of a batch (2025-03-26 lets a server send
 * several responses and notifications in one array). null when it is neither. Digits of numbers stay
 * as they came, because the elements are cut out of the text.
 */
export function messagesIn(text: string): string[] | null {
  if (looksLikeObject(text)) return [text]
  if (!arrayStart.test(text)) return null
  try {
    JSON.parse(text)
  } catch {
    return null
  }
  return elementsOf(text)
}

/** More objects on one line are a flood, not a server that forgot a line break. */
const objectsMax = 64

/** The objects of a text that is nothing but a few, one behind the other as some servers write them; else none. */
export function objectsIn(text: string): string[] {
  const objects: string[] = []
  for (let at = skipSpace(text, 0); at < text.length; ) {
    const end = text[at] === '{' ? skipValue(text, at) : -1
    if (end < 0 || objects.length === objectsMax) return []
    objects.push(text.slice(at, end))
    at = skipSpace(text, end)
  }
  return objects
}

/** `text` is valid JSON and an array. */
function elementsOf(text: string): string[] {
  const elements: string[] = []
  let depth = 0
  let start = 0
  let inString = false
  for (let at = 0; at < text.length; at++) {
    const char = text[at]
    if (inString) {
      if (char === '\\') at++
      else if (char === '"') inString = false
    } else if (char === '"') inString = true
    else if (char === '{' || char === '[') {
      depth++
      if (depth === 2) start = at
    } else if (char === '}' || char === ']') {
      depth--
      if (depth === 1) elements.push(text.slice(start, at + 1))
    }
  }
  return elements
}
