/**
 * The tools that a group with `exposure: search` shows in place of those of its members, and what they answer. Pure,
 * and without the search itself, which is loaded when it is first asked.
 */
import { type Static, type TObject, Type } from '@sinclair/typebox'
import { Value } from '@sinclair/typebox/value'
import { isObject } from '../../protocol/json.ts'
import { parsed } from '../../protocol/spans.ts'
import type { SearchedTool } from './tool-search.ts'

const findArguments = Type.Object(
  {
    query: Type.String({
      minLength: 1,
      maxLength: 1_000,
      description:
        'What the tool should do: an action and a thing, in several wordings, such as "create calendar event, schedule meeting".',
    }),
    limit: Type.Optional(
      Type.Integer({ minimum: 1, maximum: 50, description: 'How many to name; 10 when left out.' }),
    ),
  },
  { additionalProperties: false },
)

const describeArguments = Type.Object(
  {
    names: Type.Array(Type.String({ maxLength: 256 }), {
      minItems: 1,
      maxItems: 20,
      description: 'Names of tools, as find_tools gave them.',
    }),
  },
  { additionalProperties: false },
)

const callArguments = Type.Object(
  {
    name: Type.String({ maxLength: 256, description: 'The name of the tool.' }),
    arguments: Type.Optional(
      Type.Object({}, { additionalProperties: true, description: 'Its arguments, as its inputSchema says.' }),
    ),
  },
  { additionalProperties: false },
)

/** What is asked of one of these tools. */
export type SearchRequest =
  | ({ readonly tool: 'find_tools' } & Static<typeof findArguments>)
  | ({ readonly tool: 'describe_tools' } & Static<typeof describeArguments>)
  | { readonly tool: 'call_tool'; readonly name: string }

interface SearchTool {
  readonly name: SearchRequest['tool']
  readonly description: string
  readonly inputSchema: TObject
  readonly annotations?: { readonly readOnlyHint: true }
  /** For whoever called it otherwise. */
  readonly takes: string
}

const tools: readonly SearchTool[] = [
  {
    name: 'find_tools',
    description:
      'Finds tools that are not listed here, and names those that fit best with one sentence each. Ask describe_tools for their arguments, then use call_tool. Try other words when nothing fits.',
    inputSchema: findArguments,
    annotations: { readOnlyHint: true },
    takes: '{ "query": "create calendar event" }, and a limit from 1 to 50',
  },
  {
    name: 'describe_tools',
    description: 'Gives the whole definitions of tools by their names, arguments included.',
    inputSchema: describeArguments,
    annotations: { readOnlyHint: true },
    takes: '{ "names": ["…"] }, 1 to 20 of them',
  },
  {
    name: 'call_tool',
    description: 'Calls a tool that find_tools has found, with arguments as describe_tools describes them.',
    inputSchema: callArguments,
    takes: '{ "name": "…", "arguments": { … } }',
  },
]

/** Their definitions as JSON texts, in the order in which a list shows them. */
export const searchTools: readonly string[] = tools.map(({ takes: _takes, ...definition }) =>
  JSON.stringify(definition),
)

/** Their names, which no tool of a member may have. */
export const searchToolNames: ReadonlySet<string> = new Set(tools.map(({ name }) => name))

/** How many tools `find_tools` names unless it is told. */
export const foundToolsDefault = 10

/**
 * What a call of one of these tools asks for, or in words what is wrong with it. The arguments that `call_tool` passes
 * on are not among it: they go on as the text that they came as.
 */
export function readSearchArguments(name: string, args: unknown): SearchRequest | string {
  const tool = tools.find((one) => one.name === name)
  if (tool === undefined) return `There is no tool ${name}.`
  const given = args ?? {}
  if (!Value.Check(tool.inputSchema, given)) return `${name} takes ${tool.takes}.`
  // The schema that was checked is the one that belongs to the name.
  return { ...(given as object), tool: tool.name } as SearchRequest
}

/** The result of `find_tools`: a line for each, best first. */
export function findResult(found: readonly SearchedTool[]): string {
  if (found.length === 0)
    return textResult('No tool fits. Try other words: an action and a thing, such as "create event".')
  return textResult(found.map(({ name, text }) => `${name}: ${summaryOf(text)}`).join('\n'))
}

/**
 * The result of `describe_tools`: their definitions as they stand in a list, and which names nobody has. Of those in
 * `untold` only servers could tell that cannot be asked now.
 */
export function describeResult(
  described: readonly SearchedTool[],
  unknown: readonly string[],
  untold: readonly string[] = [],
): string {
  const definitions = described.length === 0 ? [] : [`[${described.map(({ text }) => text).join(',\n')}]`]
  const missing = unknown.length === 0 ? [] : [`No such tool: ${unknown.join(', ')}. Ask find_tools.`]
  const later =
    untold.length === 0
      ? []
      : [`Not known now, as not all servers can be asked: ${untold.join(', ')}. Try again in a moment.`]
  return textResult([...definitions, ...missing, ...later].join('\n'), described.length === 0)
}

/** The result of a call that went wrong before it began, which a model may read and mend. */
export function searchRefusal(reason: string): string {
  return textResult(reason, true)
}

function textResult(text: string, isError = false): string {
  return JSON.stringify({ content: [{ type: 'text', text }], ...(isError ? { isError } : {}) })
}

function summaryOf(tool: string): string {
  const definition = parsed(tool)
  const said = isObject(definition) ? definition['description'] : undefined
  return typeof said === 'string' ? firstSentence(said) : ''
}

const sentenceCharsMax = 200

/** What a description says first, on one line. */
export function firstSentence(description: string): string {
  const line = /\S.*/.exec(description)?.[0].trim() ?? ''
  const sentence = /^.*?[.!?。](?=\s|$)/u.exec(line)?.[0] ?? line
  return sentence.length > sentenceCharsMax ? `${sentence.slice(0, sentenceCharsMax - 1)}…` : sentence
}
