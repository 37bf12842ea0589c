/** Reads the event streams of the admin API (WHATWG HTML, 9.2, as far as the gateway writes them). */

import { CommandError } from '../../errors.ts'

export interface StreamEvent {
  readonly event: string
  /** One line of JSON. */
  readonly data: string
}

/** Longest event: a whole result of a tool, `limits.line_bytes_max` at its highest. */
const eventCharsMax = 2 ** 29

/** The events of a body until it ends; an end in the middle of one is the end. */
export async function* readEvents(body: AsyncIterable<Uint8Array>): AsyncGenerator<StreamEvent> {
  const decoder = new TextDecoder()
  // In pieces: a string that grows with each chunk costs the square of a large result.
  let pieces: string[] = []
  let chars = 0
  for await (const chunk of body) {
    const text = decoder.decode(chunk, { stream: true })
    pieces.push(text)
    chars += text.length
    if (chars > eventCharsMax) throw new CommandError('an event of the gateway has no end')
    const before = pieces.at(-2)?.at(-1) ?? ''
    if (!`${before}${text}`.includes('\n\n')) continue
    const blocks = pieces.join('').split('\n\n')
    const rest = blocks.pop() ?? ''
    pieces = [rest]
    chars = rest.length
    for (const block of blocks) {
      const event = eventOf(block)
      if (event !== null) yield event
    }
  }
}

function eventOf(block: string): StreamEvent | null {
  const fields = block.split('\n').map((line) => /^(event|data): ?(.*)$/s.exec(line))
  const data = fields.find((field) => field?.[1] === 'data')?.[2]
  if (data === undefined) return null
  return { event: fields.find((field) => field?.[1] === 'event')?.[2] ?? 'message', data }
}
