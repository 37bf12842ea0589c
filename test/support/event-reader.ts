/** Reads an event stream (WHATWG HTML, 9.2) the way a browser does, independent of the gateway's code. */

export interface ServerSentEvent {
  /** `message` when the stream names none. */
  readonly type: string
  readonly data: string
  /** The last id seen on the stream so far; an event without one inherits it. */
  readonly id: string | null
  /** Set when a `retry` field came with this event. */
  readonly retryMs: number | null
}

/**
 * Yields each dispatched event. With `all`, also blocks without data (priming events) and comments,
 * the latter with the type `comment`.
 */
export async function* readEvents(
  body: ReadableStream<Uint8Array>,
  options: { all?: boolean } = {},
): AsyncGenerator<ServerSentEvent> {
  const decoder = new TextDecoder()
  let rest = ''
  let lastId: string | null = null
  for await (const chunk of body) {
    rest += decoder.decode(chunk, { stream: true })
    const blocks = rest.split(/\r\n\r\n|\n\n|\r\r/)
    rest = blocks.pop() ?? ''
    for (const block of blocks) {
      const event = parseBlock(block, lastId)
      lastId = event.id
      if (event.hasData || options.all) yield event
    }
  }
}

/** The first event that the predicate takes; rejects when the stream ends without one. */
export async function findEvent(
  events: AsyncGenerator<ServerSentEvent>,
  wanted: (event: ServerSentEvent) => boolean,
): Promise<ServerSentEvent> {
  for (;;) {
    const { value, done } = await events.next()
    if (done) throw new Error('the event stream ended without the expected event')
    if (wanted(value)) return value
  }
}

function parseBlock(block: string, lastId: string | null): ServerSentEvent & { hasData: boolean } {
  const data: string[] = []
  let type = block.startsWith(':') ? 'comment' : 'message'
  let id = lastId
  let retryMs: number | null = null
  for (const line of block.split(/\r\n|\n|\r/)) {
    const [, name = '', value = ''] = /^([^:]*)(?:: ?(.*))?$/.exec(line) ?? []
    if (name === 'data') data.push(value)
    else if (name === 'event') type = value
    else if (name === 'id') id = value
    else if (name === 'retry') retryMs = Number(value)
  }
  return { type, data: data.join('\n'), id, retryMs, hasData: data.some((line) => line !== '') }
}
