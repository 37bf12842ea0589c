/** One definition that waits: what is new or other about it, member by member. */
import type { ApprovalList } from '../../../../http/api/approval-answers.ts'
import { Badge } from '../../parts/badge.tsx'
import { ActionButton } from '../../parts/button.tsx'
import { Note } from '../../parts/failure.tsx'
import { Ago } from '../../parts/time.tsx'

type PendingTool = ApprovalList['servers'][number]['pending'][number]

export function Pending({
  tool: of,
  act,
}: {
  readonly tool: PendingTool
  readonly act: (() => Promise<unknown>) | null
}) {
  const { tool, change, listedAt, approvable, doubts, differences } = of
  return (
    <li>
      <header>
        <h3>
          <code>{tool}</code>
        </h3>
        <Badge kind={change === 'new' ? 'idle' : 'warn'}>{change}</Badge>
        <span class="hint">
          listed <Ago at={listedAt} />
        </span>
        {act === null || !approvable ? null : (
          <ActionButton label={`Approve ${tool}`} act={act} done={`${tool} is approved.`}>
            Approve
          </ActionButton>
        )}
      </header>
      {approvable ? null : (
        <Note kind="warn">It cannot be approved: it is too large, or no definition at all.</Note>
      )}
      {doubts.length === 0 ? null : (
        <Note kind="warn">
          <strong>Look twice:</strong>
          <ul>
            {doubts.map((doubt) => (
              <li key={doubt}>{doubt}</li>
            ))}
          </ul>
        </Note>
      )}
      {change === 'new' ? <NewDefinition differences={differences} /> : <Differences of={differences} />}
    </li>
  )
}

/** What a person reads first, and behind it all that an agent reads. */
const readFirst: ReadonlySet<string> = new Set(['title', 'description'])

function NewDefinition({ differences }: { readonly differences: PendingTool['differences'] }) {
  const first = differences.filter(({ field }) => readFirst.has(field))
  const others = differences.filter(({ field }) => !readFirst.has(field) && field !== 'name')
  return (
    <>
      <Differences of={first} />
      {others.length === 0 ? null : (
        <details>
          <summary>The rest of its definition: {others.map(({ field }) => field).join(', ')}</summary>
          <Differences of={others} />
        </details>
      )}
    </>
  )
}

function Differences({ of }: { readonly of: PendingTool['differences'] }) {
  return (
    <dl class="differences">
      {of.map(({ field, before, after }) => (
        <div key={field}>
          <dt>
            <code>{field}</code>
          </dt>
          {before === null ? null : (
            <dd class="before">
              <span class="unseen">Before: </span>
              {before}
            </dd>
          )}
          {after === null ? (
            <dd class="before">
              <em>removed</em>
            </dd>
          ) : (
            <dd class="after">
              <span class="unseen">Now: </span>
              {after}
            </dd>
          )}
        </div>
      ))}
    </dl>
  )
}
