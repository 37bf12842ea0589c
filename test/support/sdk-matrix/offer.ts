/** What every matrix server offers, whichever SDK it is built on, and how it tells what happened to it. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'

/** A directory in which servers leave a file for what no answer can tell: a call that was cancelled has none. */
export class Marks {
  constructor(readonly directory: string) {}

  leave(name: string): void {
    writeFileSync(join(this.directory, name), '')
  }
}

/** Their schemas are open, because what is tested is the relay and not a validator. */
export const toolNames = [
  'echo',
  'ask_twice',
  'ask_model',
  'ask_roots',
  'count',
  'wait',
  'log',
  'touch',
  'grow',
] as const

export function toolList() {
  return toolNames.map((name) => ({ name, description: name, inputSchema: { type: 'object' as const } }))
}

export function promptList() {
  return [{ name: 'greet', arguments: [{ name: 'city', required: true }] }]
}

/** Five resources, two a page; the cursors are opaque. */
export const resourcesTotal = 5
const pageSize = 2

export function resourcePage(cursor: string | undefined) {
  const first = cursor === undefined ? 0 : Number(/^after (\d)==$/.exec(cursor)?.[1] ?? Number.NaN)
  if (Number.isNaN(first)) throw new Error(`not a cursor: ${cursor}`)
  const last = Math.min(first + pageSize, resourcesTotal)
  const resources = Array.from({ length: last - first }, (_, index) => ({
    uri: `matrix://${first + index}`,
    name: `${first + index}`,
  }))
  return { resources, ...(last < resourcesTotal && { nextCursor: `after ${last}==` }) }
}

export function citiesFrom(prefix: string) {
  const values = ['paris', 'parma', 'porto'].filter((city) => city.startsWith(prefix))
  return { completion: { values, total: values.length, hasMore: false } }
}

export function askFor(field: 'name' | 'color') {
  return {
    message: `Your ${field}?`,
    requestedSchema: {
      type: 'object' as const,
      properties: { [field]: { type: 'string' as const } },
      required: [field],
    },
  }
}

export function sampleOf(prompt: string) {
  return {
    messages: [{ role: 'user' as const, content: { type: 'text' as const, text: prompt } }],
    maxTokens: 10,
  }
}

/** Works until it is cancelled, and says when it begins and when it is. */
export function untilAborted(signal: AbortSignal, marks: Marks, key: string): Promise<string> {
  return new Promise((resolve) => {
    signal.addEventListener('abort', () => {
      marks.leave(`${key}.cancelled`)
      resolve('cancelled')
    })
    marks.leave(`${key}.begun`)
  })
}
