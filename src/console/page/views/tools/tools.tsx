/** The tools of all servers, to be found by any word of theirs. */
import { useEffect, useMemo, useState } from 'preact/hooks'
import type { ServerView } from '../../../../http/api/answers.ts'
import { servers } from '../../live/servers.ts'
import { type ServerTools, type Tool, tools, wantTools } from '../../live/tools.ts'
import { Badge } from '../../parts/badge.tsx'
import { Empty, Failure, Note, Waiting } from '../../parts/failure.tsx'
import { SelectField, TextField } from '../../parts/field.tsx'
import { Page } from '../../parts/page.tsx'
import { VirtualRows } from '../../parts/virtual-rows.tsx'
import { hrefTo, useRoute } from '../../router.ts'
import { useStore } from '../../store.ts'
import { holdsWords } from '../../words.ts'

const rowHeightPx = 64
const descriptionCharsMax = 300

interface Found {
  readonly key: string
  readonly tool: Tool
  readonly heldBack: boolean
}

export function Tools() {
  const { query } = useRoute()
  const { list, failure } = useStore(servers)
  const known = useStore(tools)
  const [words, setWords] = useState(query.get('find') ?? '')
  const [server, setServer] = useState(query.get('server') ?? '')
  const asked = useMemo(() => (list ?? []).filter(listsTools), [list])
  useEffect(() => {
    for (const { definition, status } of asked) wantTools(definition.name, status.since)
  }, [asked])
  const all = useMemo(() => foundTools(asked, known, server), [asked, known, server])
  const found = useMemo(() => filtered(all, words), [all, words])
  if (list === null)
    return (
      <Page title="Tools">{failure === null ? <Waiting what="tools" /> : <Failure failure={failure} />}</Page>
    )
  const silent = asked.flatMap(({ definition: { name } }) => {
    const error = known.get(name)?.error ?? null
    return error === null ? [] : [`${name}: ${error}`]
  })
  const open = asked.filter(({ definition }) => !known.has(definition.name)).length
  return (
    <Page
      title="Tools"
      lead="What all servers offer to a client that cannot be asked anything. Some offer more to clients that can be (elicitation, sampling, roots): the playground of a server shows those, and prompts and resources."
    >
      <div class="filters">
        <TextField type="search" label="Find a tool" value={words} onChange={setWords} />
        <SelectField
          label="Server"
          value={server}
          options={[
            { value: '', text: 'All servers' },
            ...asked.map(({ definition: { name } }) => ({ value: name, text: name })),
          ]}
          onChange={setServer}
        />
      </div>
      <p class="hint" role="status">
        {found.length} of {all.length} tools{open === 0 ? '' : `; ${open} servers are still asked`}.
      </p>
      {silent.length === 0 ? null : (
        <Note kind="warn">
          <p>These servers list no tools now:</p>
          <ul>
            {silent.slice(0, 20).map((line) => (
              <li key={line}>{line}</li>
            ))}
          </ul>
        </Note>
      )}
      {found.length === 0 && open === 0 ? (
        <Empty title={all.length === 0 ? 'No server offers a tool now' : 'No tool fits'}>
          {all.length === 0 ? (
            <a href={hrefTo('servers')}>See how the servers fare</a>
          ) : (
            'Other words above find more.'
          )}
        </Empty>
      ) : (
        <VirtualRows
          label="Tools"
          rows={found}
          rowHeightPx={rowHeightPx}
          keyOf={({ key }) => key}
          row={(each) => <ToolRow found={each} />}
        />
      )}
    </Page>
  )
}

/** Groups show tools of servers, and who is not up lists none. */
function listsTools({ definition, status }: ServerView): boolean {
  return definition.transport !== 'group' && status.status === 'connected'
}

function foundTools(
  asked: readonly ServerView[],
  known: ReadonlyMap<string, ServerTools>,
  server: string,
): readonly Found[] {
  return asked.flatMap(({ definition: { name } }) => {
    const listed = server === '' || server === name ? known.get(name) : undefined
    if (listed === undefined) return []
    const waiting = listed.heldBack.map((tool) => ({
      key: `${name} ${tool}`,
      tool: { mcpName: name, name: tool },
      heldBack: true,
    }))
    return [
      ...listed.tools.map((tool) => ({ key: `${name} ${tool.name}`, tool, heldBack: false })),
      ...waiting,
    ]
  })
}

function filtered(all: readonly Found[], words: string): readonly Found[] {
  return all.filter(({ tool }) => holdsWords(`${tool.mcpName} ${tool.name} ${descriptionOf(tool)}`, words))
}

function descriptionOf({ description }: Tool): string {
  return typeof description === 'string' ? description : ''
}

function ToolRow({ found: { tool, heldBack } }: { readonly found: Found }) {
  return (
    <a
      class="tool-row"
      href={
        heldBack ? hrefTo('approvals', tool.mcpName) : hrefTo('playground', tool.mcpName, 'tools', tool.name)
      }
    >
      <span>
        <strong>{tool.name}</strong> <small>{tool.mcpName}</small>{' '}
        {heldBack ? <Badge kind="warn">waits for approval</Badge> : null}
      </span>
      <small class="cut">{descriptionOf(tool).slice(0, descriptionCharsMax)}</small>
    </a>
  )
}
