/** The replicas that serve together, as the one sees them that answers. */
import { type AnswerTo, call } from '../../api/api.ts'
import { Badge } from '../../parts/badge.tsx'
import { Button } from '../../parts/button.tsx'
import { Empty, Failure, Note, Waiting } from '../../parts/failure.tsx'
import { Facts, Page, Section } from '../../parts/page.tsx'
import { type Column, Table } from '../../parts/table.tsx'
import { useLoad } from '../../parts/use-load.ts'

type Cluster = NonNullable<AnswerTo<'getCluster'>['cluster']>
type Member = Cluster['members'][number]

export function Replicas() {
  const { value, failure, busy, reload } = useLoad((signal) => call('getCluster', { signal }), [])
  const cluster = value?.cluster ?? null
  return (
    <Page
      title="Replicas"
      lead={
        cluster === null
          ? 'Gateways that serve together.'
          : `The cluster ${cluster.name}, as this replica sees it.`
      }
      actions={
        <Button busy={busy} onClick={reload}>
          Refresh
        </Button>
      }
    >
      {failure === null ? null : <Failure failure={failure} again={reload} />}
      {value === null && failure === null ? <Waiting what="the replicas" /> : null}
      {value !== null && cluster === null ? (
        <Empty title="This gateway serves alone">
          <p>
            With <code>cluster</code> in its settings several gateways behind one address share sessions,
            servers and limits.
          </p>
        </Empty>
      ) : null}
      {cluster === null ? null : <Members cluster={cluster} />}
    </Page>
  )
}

function Members({ cluster }: { readonly cluster: Cluster }) {
  const { members, directory, lapses, problems, credentialsKey } = cluster
  return (
    <>
      {directory.up ? null : (
        <Note kind="warn">
          Redis does not answer. What is open goes on where it is; sessions cannot be found from other
          replicas until it is back.
        </Note>
      )}
      {problems.map((problem) => (
        <Note key={problem} kind="warn">
          Something is wrong with the replica that answers: {problem}.
        </Note>
      ))}
      <Table caption="Replicas" columns={columns} rows={members} keyOf={({ instance }) => instance} />
      <Section title="Directory">
        <Facts
          facts={[
            ['Redis', directory.up ? 'answers' : 'does not answer'],
            [
              'Answers in',
              `${directory.roundTripMs.toFixed(1)} ms, the slowest in ${directory.slowestMs.toFixed(1)} ms`,
            ],
            ['Key of stored credentials', credentialsKey ?? 'none'],
            ['Renewals that were not answered', String(directory.missed)],
            ['Times that the lease of this replica was over', String(lapses)],
          ]}
        />
      </Section>
    </>
  )
}

const columns: readonly Column<Member>[] = [
  {
    title: 'Replica',
    main: true,
    cell: ({ instance, self }) => (
      <>
        <code>{instance}</code>
        {self ? <small>the one that answers</small> : null}
      </>
    ),
  },
  { title: 'State', cell: ({ state }) => <StateOf state={state} /> },
  { title: 'Address', cell: ({ address }) => <code>{address}</code> },
  { title: 'Version', cell: ({ version }) => version },
  { title: 'Key of credentials', cell: ({ key }) => keyWords[key] },
  {
    title: 'Lease',
    number: true,
    cell: ({ leaseMs }) => (leaseMs > 0 ? `${(leaseMs / 1_000).toFixed(0)} s more` : 'over'),
  },
]

const keyWords: Readonly<Record<Member['key'], string>> = {
  shared: 'the shared one',
  other: 'another one: it opens and stores none',
  none: 'none',
  unknown: 'not known',
}

function StateOf({ state }: { readonly state: Member['state'] }) {
  if (state === 'serving')
    return (
      <Badge kind="ok" glyph="ok">
        serving
      </Badge>
    )
  if (state === 'draining')
    return (
      <Badge kind="warn" glyph="wait">
        draining
      </Badge>
    )
  return (
    <Badge kind="bad" glyph="bad">
      gone
    </Badge>
  )
}
