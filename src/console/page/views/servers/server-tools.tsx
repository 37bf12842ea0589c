/** The tools of one server. */
import { useEffect, useState } from 'preact/hooks'
import type { ServerView } from '../../../../http/api/answers.ts'
import { refreshTools, type Tool, tools, wantTools } from '../../live/tools.ts'
import { Badge } from '../../parts/badge.tsx'
import { Button } from '../../parts/button.tsx'
import { Failure, Note, Waiting } from '../../parts/failure.tsx'
import { Section } from '../../parts/page.tsx'
import { VirtualRows } from '../../parts/virtual-rows.tsx'
import { hrefTo } from '../../router.ts'
import { useStore } from '../../store.ts'

/** Shown at once; the others when somebody wants to see them. */
const shownMax = 25
const descriptionCharsMax = 240
const rowHeightPx = 76

export function ServerTools({
  name,
  status,
}: {
  readonly name: string
  readonly status: ServerView['status']
}) {
  const found = useStore(tools, (all) => all.get(name))
  const [all, setAll] = useState(false)
  const { since } = status
  const up = status.status === 'connected' && status.disabledAt === null
  useEffect(() => {
    if (up) wantTools(name, since)
  }, [name, up, since])
  const list = found?.tools ?? []
  return (
    <Section
      title={found === undefined ? 'Tools' : `Tools (${list.length})`}
      actions={
        up ? (
          <Button kind="quiet" onClick={() => refreshTools(name, since)}>
            Refresh
          </Button>
        ) : null
      }
    >
      {up ? null : <p class="hint">Its tools show here once it runs.</p>}
      {up && found === undefined ? <Waiting what="the tools" /> : null}
      {found?.error == null ? null : (
        <Failure
          failure={{ title: 'It did not list its tools', details: found.error }}
          again={() => refreshTools(name, since)}
        />
      )}
      {found === undefined || found.heldBack.length === 0 ? null : (
        <Note kind="warn">
          {found.heldBack.length} more wait for approval: clients see none of them.{' '}
          <a href={hrefTo('approvals', name)}>Look at what waits</a>
        </Note>
      )}
      {found !== undefined && found.error === null && list.length === 0 ? (
        <p class="hint">It lists no tools.</p>
      ) : null}
      {all ? (
        <VirtualRows
          label={`Tools of ${name}`}
          rows={list}
          rowHeightPx={rowHeightPx}
          keyOf={(tool) => tool.name}
          row={(tool) => <ToolRow server={name} tool={tool} />}
        />
      ) : (
        <ul class="tool-list">
          {list.slice(0, shownMax).map((tool) => (
            <li key={tool.name}>
              <ToolRow server={name} tool={tool} />
            </li>
          ))}
        </ul>
      )}
      {list.length <= shownMax || all ? null : (
        <Button onClick={() => setAll(true)}>Show all {list.length}</Button>
      )}
    </Section>
  )
}

function ToolRow({ server, tool }: { readonly server: string; readonly tool: Tool }) {
  const description = typeof tool.description === 'string' ? tool.description : ''
  const { readOnlyHint, destructiveHint } = ((tool as Readonly<Record<string, unknown>>)['annotations'] ??
    {}) as Readonly<Record<string, unknown>>
  return (
    <div class="listed-tool">
      <a href={hrefTo('playground', server, 'tools', tool.name)}>
        <code>{tool.name}</code>
      </a>
      {readOnlyHint === true ? <Badge kind="idle">says it only reads</Badge> : null}
      {destructiveHint === true ? <Badge kind="warn">says it may destroy</Badge> : null}
      <p>
        {description.slice(0, descriptionCharsMax)}
        {description.length > descriptionCharsMax ? ' …' : ''}
      </p>
    </div>
  )
}
