/** Takes an event stream apart. Pure. */

/** An event is the lines up to an empty one (HTML, 9.2.6); what has no data is a sign of life. */
export class Frames {
  readonly #onEvent: (name: string, data: string) => void
  /** What has come of a frame that has not ended, in pieces: a large one comes in many. */
  #rest: string[] = []

  constructor(onEvent: (name: string, data: string) => void) {
    this.#onEvent = onEvent
  }

  take(text: string): void {
    const last = this.#rest.at(-1) ?? ''
    const before = this.#rest.length
    this.#rest.push(text)
    // Only with the end of a frame is it worth to look at all of it.
    if (!text.includes('\n\n') && !(before > 0 && last.endsWith('\n') && text.startsWith('\n'))) return
    const frames = this.#rest.join('').split('\n\n')
    this.#rest = [frames.pop() ?? '']
    for (const frame of frames) this.#frame(frame)
  }

  #frame(frame: string): void {
    let name = 'message'
    const data: string[] = []
    for (const line of frame.split('\n')) {
      if (line.startsWith('data:')) data.push(line.slice(line[5] === ' ' ? 6 : 5))
      else if (line.startsWith('event:')) name = line.slice(6).trim()
    }
    if (data.length > 0) this.#onEvent(name, data.join('\n'))
  }
}
