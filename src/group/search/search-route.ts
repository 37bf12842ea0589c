/** Where a call of one of the tools goes by which a group is searched: nowhere, or to the tool that it names. */
import {
  type MessageText,
  memberSpan,
  paramSpan,
  type Span,
  stringAt,
  withParam,
} from '../../protocol/jsonrpc.ts'
import { editObject, parsed } from '../../protocol/spans.ts'
import type { Missing } from '../client.ts'
import type { Composed } from '../lists/composed.ts'
import { metaOf } from '../lists/list-page.ts'
import type { SearchExposure } from './exposure.ts'
import { foundToolsDefault, readSearchArguments, searchRefusal } from './search-tools.ts'

/** A request that the group answers itself. */
export class AnsweredHere {
  /** The text of the result. */
  readonly result: () => Promise<string>

  constructor(result: () => Promise<string>) {
    this.result = result
  }
}

/** A call of another tool, as its client would have made it where the tool is listed. */
export interface Unwrapped {
  readonly message: MessageText
  readonly name: string
}

/** What the caller's whole list is, and who is missing from it. */
interface Whole {
  readonly composed: Composed
  readonly missing: readonly Missing[]
}

/** What one of these tools is called for. `all` gives the caller's whole list, `ownersOf` who may have a name. */
export function searchRoute(
  search: SearchExposure,
  tool: string,
  message: MessageText,
  all: () => Promise<Whole>,
  ownersOf: (name: string) => readonly string[],
): AnsweredHere | Unwrapped {
  const span = paramSpan(message, 'arguments')
  const args = span === null ? undefined : parsed(message.text.slice(span.start, span.end))
  const request = readSearchArguments(tool, args)
  // Whose tools are not among them is told as in a list.
  const among = async (resultOf: (whole: Whole) => string | Promise<string>): Promise<string> => {
    const whole = await all()
    const result = await resultOf(whole)
    return editObject(result, { set: metaOf(whole.missing) }) ?? result
  }
  if (typeof request === 'string') return new AnsweredHere(async () => searchRefusal(request))
  switch (request.tool) {
    case 'find_tools': {
      const { query, limit = foundToolsDefault } = request
      return new AnsweredHere(() => among(({ composed }) => search.find(composed, query, limit)))
    }
    case 'describe_tools':
      return new AnsweredHere(() =>
        among(({ composed, missing }) => {
          const away = new Set(missing.map(({ server }) => server))
          return search.describe(composed, request.names, (name) =>
            ownersOf(name).some((server) => away.has(server)),
          )
        }),
      )
    case 'call_tool':
      return (
        (span && unwrapped(message, span)) ??
        new AnsweredHere(async () => searchRefusal('call_tool names something twice.'))
      )
  }
}

/** The refusal of a call whose tool is not there, as a result that a model reads. */
export function unknownTool(name: string): AnsweredHere {
  return new AnsweredHere(async () => searchRefusal(`No such tool: ${name}. Ask find_tools.`))
}

/** The call that stands in the arguments; everything else of the parameters is its own already. Null for a doubled member. */
function unwrapped(message: MessageText, args: Span): Unwrapped | null {
  const { text, paramsStart, paramsEnd } = message
  const nameSpan = memberSpan(text, args.start, 'name')
  const name = nameSpan && stringAt(text, nameSpan.start, nameSpan.end)
  const inner = memberSpan(text, args.start, 'arguments')
  if (name === null) return null
  const params = editObject(text.slice(paramsStart, paramsEnd), {
    drop: (key) => key === 'arguments' && inner === null,
    set: {
      name: JSON.stringify(name),
      ...(inner !== null && { arguments: text.slice(inner.start, inner.end) }),
    },
  })
  if (params === null) return null
  return { name, message: withParam(message, { start: paramsStart, end: paramsEnd }, params) }
}
