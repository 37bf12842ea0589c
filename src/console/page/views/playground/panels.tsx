/** One tool, prompt or resource: what it says of itself, what it takes, and what it answers. */
import type { ComponentChildren } from 'preact'
import { useEffect, useMemo, useRef } from 'preact/hooks'
import { paramHeaders, paramMarks } from '../../../../protocol/headers.ts'
import { type McpClient, recordOf } from '../../mcp/wire.ts'
import { Badge } from '../../parts/badge.tsx'
import { bringTo } from '../../parts/bring-to.ts'
import { Button } from '../../parts/button.tsx'
import { Note } from '../../parts/failure.tsx'
import { toFirstFault } from '../../schema-form/form.tsx'
import { laidOut } from '../../schema-form/json-text.ts'
import { ArgumentsView, useArguments } from './arguments.tsx'
import { Fold, LongText, Uri } from './content.tsx'
import { type Item, textIn, titleOf } from './lists.ts'
import { RunView } from './outcome.tsx'
import type { Runner } from './run.ts'
import { expanded, variablesOf } from './templates.ts'

interface PanelProps {
  readonly client: McpClient
  readonly item: Item
  readonly runner: Runner
  /** False for somebody who may only look. */
  readonly mayRun: boolean
  /** Reads a resource that was linked. */
  readonly onRead: (uri: string) => void
}

function Frame({
  item,
  children,
  onSubmit,
  deed,
  runner,
  mayRun,
  onRead,
}: Omit<PanelProps, 'client'> & {
  readonly children: ComponentChildren
  readonly onSubmit: () => void
  readonly deed: string
}) {
  const { run } = runner
  const heading = useRef<HTMLHeadingElement>(null)
  // It may stand far from where it was chosen.
  useEffect(() => bringTo(heading.current), [])
  const description = textIn(item, 'description')
  const name = textIn(item, 'name')
  return (
    <div class="stack">
      <h2 tabIndex={-1} ref={heading}>
        {titleOf(item)}
      </h2>
      {name === null || name === titleOf(item) ? null : (
        <p>
          <code>{name}</code>
        </p>
      )}
      {description === null ? null : <p class="said">{description}</p>}
      <form
        class="stack"
        noValidate
        onSubmit={(event) => {
          event.preventDefault()
          onSubmit()
          toFirstFault(event.currentTarget)
        }}
      >
        {children}
        {mayRun ? null : <Note>Your role may look. Calling something takes an operator.</Note>}
        <div class="actions">
          <Button kind="main" type="submit" disabled={!mayRun} busy={run.running}>
            {deed}
          </Button>
          {run.running ? <Button onClick={runner.cancel}>Cancel</Button> : null}
        </div>
      </form>
      <RunView run={run} onRead={onRead} />
    </div>
  )
}

export function ToolPanel({ client, ...props }: PanelProps) {
  const { item, runner } = props
  const given = useArguments(item['inputSchema'])
  const call = (): void => {
    const json = given.take()
    if (json === null) return
    const marks = paramMarks(item['inputSchema'])
    const headers = Array.isArray(marks) ? paramHeaders(marks, JSON.parse(json)) : {}
    const params = { name: JSON.stringify(item['name']), arguments: json }
    runner.start((watch) => client.request('tools/call', params, watch, headers))
  }
  return (
    <Frame {...props} onSubmit={call} deed="Call the tool">
      <Hints item={item} />
      <ArgumentsView given={given} />
      <Fold summary="What the server says of it">
        {() => <LongText text={laidOut(JSON.stringify(item))} what="Definition of the tool" />}
      </Fold>
    </Frame>
  )
}

/** What a tool says of what it does. It is the server's word. */
function Hints({ item }: { readonly item: Item }) {
  const { readOnlyHint, destructiveHint, idempotentHint, openWorldHint } = recordOf(item['annotations'])
  const words = [
    readOnlyHint === true ? 'changes nothing' : null,
    readOnlyHint !== true && destructiveHint === true ? 'may destroy' : null,
    idempotentHint === true ? 'may be repeated' : null,
    openWorldHint === true ? 'reaches outside' : null,
  ].filter((word) => word !== null)
  if (words.length === 0) return null
  return (
    <p class="badges">
      {words.map((word) => (
        <Badge key={word} kind={word === 'may destroy' ? 'warn' : 'idle'}>
          {word}
        </Badge>
      ))}
      <span class="hint">says the server</span>
    </p>
  )
}

export function PromptPanel({ client, ...props }: PanelProps) {
  const { item, runner } = props
  const schema = useMemo(() => promptSchema(item), [item])
  const given = useArguments(schema)
  const get = (): void => {
    const json = given.take()
    if (json === null) return
    const params = { name: JSON.stringify(item['name']), arguments: json }
    runner.start((watch) => client.request('prompts/get', params, watch))
  }
  return (
    <Frame {...props} onSubmit={get} deed="Get the prompt">
      <ArgumentsView given={given} />
    </Frame>
  )
}

function promptSchema(item: Item): unknown {
  const listed = Array.isArray(item['arguments']) ? item['arguments'].map(recordOf) : []
  const named = listed.flatMap((argument) => {
    const name = textIn(argument, 'name')
    return name === null ? [] : [{ name, argument }]
  })
  return {
    type: 'object',
    properties: Object.fromEntries(
      named.map(({ name, argument }) => [
        name,
        { type: 'string', title: textIn(argument, 'title'), description: textIn(argument, 'description') },
      ]),
    ),
    required: named.filter(({ argument }) => argument['required'] === true).map(({ name }) => name),
  }
}

export function ResourcePanel({ client, ...props }: PanelProps) {
  const { item, runner } = props
  const uri = textIn(item, 'uri') ?? ''
  const read = (): void => {
    runner.start((watch) => client.request('resources/read', { uri: JSON.stringify(uri) }, watch))
  }
  return (
    <Frame {...props} onSubmit={read} deed="Read the resource">
      <p>
        <Uri uri={uri} />
      </p>
      {textIn(item, 'mimeType') === null ? null : <p class="hint">{textIn(item, 'mimeType')}</p>}
    </Frame>
  )
}

export function TemplatePanel({ client, ...props }: PanelProps) {
  const { item, runner } = props
  const template = textIn(item, 'uriTemplate') ?? ''
  const schema = useMemo(
    () => ({
      type: 'object',
      properties: Object.fromEntries(
        variablesOf(template).map((name) => [name, { type: 'string', maxLength: 200 }]),
      ),
    }),
    [template],
  )
  const given = useArguments(schema)
  const read = (): void => {
    const json = given.take()
    if (json === null) return
    const values = Object.fromEntries(
      Object.entries(recordOf(JSON.parse(json))).map(([name, value]) => [name, String(value)]),
    )
    const uri = expanded(template, values)
    runner.start((watch) => client.request('resources/read', { uri: JSON.stringify(uri) }, watch))
  }
  return (
    <Frame {...props} onSubmit={read} deed="Read the resource">
      <p>
        <code class="uri">{template}</code>
      </p>
      <ArgumentsView given={given} />
    </Frame>
  )
}
