/** Everything that a tool returned, as a person reads it: texts as they are, files as a line or kept on disk. */
import { isDeepStrictEqual } from 'node:util'
import { parseExact } from '../../protocol/exact-json.ts'
import { isObject, type JsonObject } from '../../protocol/json.ts'
import { printable } from '../../telemetry/printable.ts'
import { asJson } from '../admin/admin-api.ts'
import { cell } from '../admin/received.ts'
import { sizeText } from '../terminal/units.ts'
import type { SavedFiles } from './saved-files.ts'

/** The result of `tools/call`. `files` keeps what is no text; null shows it as a line. */
export function shownResult(result: JsonObject, files: SavedFiles | null): string {
  const contents = contentsOf(result)
  const parts = contents.map((content) => shownContent(content, files))
  const structured = result['structuredContent']
  // Servers repeat it as a text for older clients.
  if (structured !== undefined && !contents.some((content) => saysTheSame(content, structured)))
    parts.push(asJson(structured))
  if (parts.length > 0) return parts.join('\n')
  const { content: _, ...rest } = result
  return Object.keys(rest).length === 0 ? '(nothing)' : asJson(rest)
}

/** What a tool said went wrong: its texts. */
export function failureText(result: JsonObject): string {
  const texts = contentsOf(result).flatMap(({ type, text }) => (type === 'text' ? [cell(text)] : []))
  return texts.join('\n').trim() || 'it did not say why'
}

type Content = JsonObject & {
  readonly text?: unknown
  readonly data?: unknown
  readonly mimeType?: unknown
  readonly resource?: unknown
  readonly description?: unknown
}

function contentsOf({ content }: JsonObject & { readonly content?: unknown }): readonly Content[] {
  return Array.isArray(content) ? content.filter(isObject) : []
}

function shownContent(content: Content, files: SavedFiles | null): string {
  switch (content.type) {
    case 'text':
      return printable(cell(content.text))
    case 'image':
    case 'audio':
      return shownFile(cell(content.type), content.data, content.mimeType, files)
    case 'resource':
      return shownResource(isObject(content.resource) ? content.resource : {}, files)
    case 'resource_link': {
      const words = [cell(content.name), cell(content.description), cell(content.mimeType)]
      const about = words.filter((word) => word !== '').join(', ')
      return printable(`link: ${cell(content.uri)}${about === '' ? '' : ` (${about})`}`)
    }
    default:
      return asJson(content)
  }
}

function shownResource(resource: Content & { readonly blob?: unknown }, files: SavedFiles | null): string {
  const { uri, text, blob, mimeType } = resource
  const head = printable(`resource: ${cell(uri)}`)
  if (typeof text === 'string') return `${head}\n${printable(text)}`
  return `${head}\n${shownFile('file', blob, mimeType, files)}`
}

function shownFile(kind: string, data: unknown, mimeType: unknown, files: SavedFiles | null): string {
  const bytes = Buffer.from(cell(data), 'base64')
  const type = cell(mimeType)
  const about = printable(`${kind}: ${type === '' ? 'no type given' : type}, ${sizeText(bytes.byteLength)}`)
  return files === null ? `${about} (--save DIR keeps it)` : `${about}, saved as ${files.keep(bytes, type)}`
}

function saysTheSame({ type, text }: Content, structured: unknown): boolean {
  if (type !== 'text' || !/^\s*[[{]/.test(cell(text))) return false
  try {
    return isDeepStrictEqual(parseExact(cell(text)), structured)
  } catch {
    return false
  }
}
