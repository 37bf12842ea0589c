/** Groups: several servers under one URL. */
import type { GroupList as Groups } from '../../../../http/api/answers.ts'
import { call } from '../../api/api.ts'
import { may } from '../../api/session.ts'
import { Badge } from '../../parts/badge.tsx'
import { Empty, Failure, Waiting } from '../../parts/failure.tsx'
import { Glyph } from '../../parts/glyph.tsx'
import { Page } from '../../parts/page.tsx'
import { type Column, Table } from '../../parts/table.tsx'
import { useLoad } from '../../parts/use-load.ts'
import { hrefTo } from '../../router.ts'

type Group = Groups['groups'][number]

/** The path of Streamable HTTP at a group: below its own path, and at that of everything as it is. */
export function streamPath([path = '']: readonly string[]): string {
  return path.startsWith('/mcp-proxy/') ? `${path}/stream` : path
}

/** What stands at `/mcp` is no entry of the registry. */
export const nameOfAll = 'mcp'

export function GroupList() {
  const { value, failure, reload } = useLoad((signal) => call('listGroups', { signal }), [])
  return (
    <Page title="Groups" lead="A group shows several servers to its clients as one." actions={<AddLink />}>
      {failure === null ? null : <Failure failure={failure} again={reload} />}
      {value === null && failure === null ? <Waiting what="the groups" /> : null}
      {value?.count === 0 ? (
        <Empty title="No groups">
          <p>Put servers together that belong together, so that a client needs one URL for all of them.</p>
          <AddLink />
        </Empty>
      ) : null}
      {value === null || value.count === 0 ? null : (
        <Table caption="Groups" columns={columns} rows={value.groups} keyOf={({ name }) => name} />
      )}
    </Page>
  )
}

function AddLink() {
  if (!may('admin')) return null
  return (
    <a class="button main" href={hrefTo('add-group')}>
      <Glyph name="plus" />
      Add a group
    </a>
  )
}

const columns: readonly Column<Group>[] = [
  {
    title: 'Group',
    main: true,
    cell: ({ name, description }) => (
      <>
        <a href={hrefTo('groups', name)}>{name}</a>
        <small>{description}</small>
      </>
    ),
  },
  { title: 'URL', wide: true, cell: ({ endpoints }) => <code>{streamPath(endpoints)}</code> },
  {
    title: 'Servers',
    cell: ({ members }) => {
      const missing = members.filter(({ reason }) => reason !== null).length
      return (
        <>
          {members.length}
          {missing === 0 ? null : (
            <>
              {' '}
              <Badge kind="warn" glyph="bad">
                {missing} missing
              </Badge>
            </>
          )}
        </>
      )
    },
  },
  { title: 'Tools', cell: ({ exposure }) => (exposure === 'all' ? 'all listed' : 'found by searching') },
  { title: 'Sessions', number: true, cell: ({ sessions }) => sessions },
]
