/** Tools of pinned servers that wait for an admin, with what differs from what was approved. */
import { useState } from 'preact/hooks'
import type { ApprovalList } from '../../../../http/api/approval-answers.ts'
import { call } from '../../api/api.ts'
import { may } from '../../api/session.ts'
import { Badge } from '../../parts/badge.tsx'
import { ActionButton, Button } from '../../parts/button.tsx'
import { Confirm } from '../../parts/dialog.tsx'
import { Empty, Failure, Note, Waiting } from '../../parts/failure.tsx'
import { Page, Section } from '../../parts/page.tsx'
import { Ago } from '../../parts/time.tsx'
import { useLoad } from '../../parts/use-load.ts'
import { hrefTo, useRoute } from '../../router.ts'
import { Pending } from './pending.tsx'

type ServerApprovals = ApprovalList['servers'][number]
type Approved = ServerApprovals['approved'][number]

export function Approvals() {
  const name = useRoute().parts[1]
  const { value, failure, busy, reload } = useLoad(
    (signal) => call('listApprovals', { signal, ...(name === undefined ? {} : { query: { name } }) }),
    [name],
  )
  return (
    <Page
      title={name === undefined ? 'Approvals' : `Approvals of ${name}`}
      lead="Tools of pinned servers are shown to nobody until an admin has approved their definitions."
      {...(name === undefined ? {} : { back: { href: hrefTo('approvals'), text: 'All approvals' } })}
      actions={
        <Button busy={busy} onClick={reload}>
          Refresh
        </Button>
      }
    >
      {failure === null ? null : <Failure failure={failure} again={reload} />}
      {value === null && failure === null ? <Waiting what="what waits" lines={4} /> : null}
      {value?.servers.length === 0 ? <NothingPinned /> : null}
      {value?.errors.map(({ mcpName, error }) => (
        <Failure key={mcpName} failure={{ title: `${mcpName} did not list its tools`, details: error }} />
      ))}
      {value?.servers.map((server) => (
        <OfServer key={server.server} of={server} reload={reload} />
      ))}
    </Page>
  )
}

function NothingPinned() {
  return (
    <Empty title="No server is pinned">
      <p>
        Pin a server to hold its tools back until you have seen them, and whenever they change. Set it where
        the server is edited, or for all with <code>mcp_proxy.pinning: on</code>.
      </p>
      <a class="button plain" href={hrefTo('servers')}>
        Go to the servers
      </a>
    </Empty>
  )
}

function OfServer({ of, reload }: { readonly of: ServerApprovals; readonly reload: () => void }) {
  const { server, pinned, pending, pendingHash, more, approved } = of
  const sound = pending.every(({ approvable, doubts }) => approvable && doubts.length === 0)
  const approve = (body: unknown) => async () => {
    await call('approveTools', { name: server, body })
    reload()
  }
  return (
    <Section
      title={server}
      actions={
        pending.length > 0 && may('admin') ? (
          <ActionButton
            kind={sound ? 'main' : 'plain'}
            label={`Approve all ${pending.length} of ${server}`}
            act={approve({ all: pendingHash })}
            done={`${pending.length} approved at ${server}.`}
          >
            Approve all {pending.length}
          </ActionButton>
        ) : null
      }
    >
      {pinned ? null : (
        <Note>It is not pinned: its tools are shown as they come. This is what would wait if it were.</Note>
      )}
      {pending.length === 0 ? <p class="hint">Nothing waits.</p> : null}
      {more ? <Note kind="warn">More waits than is shown. Approve these first.</Note> : null}
      <ul class="pending">
        {pending.map((tool) => (
          <Pending key={tool.hash} tool={tool} act={may('admin') ? approve({ hashes: [tool.hash] }) : null} />
        ))}
      </ul>
      {approved.length === 0 ? null : (
        <details>
          <summary>{approved.length} approved</summary>
          <ul class="tool-list">
            {approved.map((tool) => (
              <ApprovedTool key={tool.hash} server={server} tool={tool} reload={reload} />
            ))}
          </ul>
        </details>
      )}
    </Section>
  )
}

function ApprovedTool({
  server,
  tool: { tool, hash, approvedAt, approvedBy, heldBack },
  reload,
}: {
  readonly server: string
  readonly tool: Approved
  readonly reload: () => void
}) {
  const [revoking, setRevoking] = useState(false)
  return (
    <li>
      <code>{tool}</code>
      {heldBack ? <Badge kind="warn">another definition waits</Badge> : null}
      <span class="hint">
        <Ago at={approvedAt} /> by {approvedBy}
      </span>
      {may('admin') ? (
        <Button kind="quiet" label={`Revoke ${tool}`} onClick={() => setRevoking(true)}>
          Revoke
        </Button>
      ) : null}
      {revoking ? (
        <Confirm
          title={`Revoke ${tool}?`}
          deed="Revoke it"
          onClose={() => setRevoking(false)}
          act={async () => {
            await call('revokeApprovals', { name: server, query: { hash } })
            reload()
          }}
        >
          <p>It is held back from now on, until somebody approves it again.</p>
        </Confirm>
      ) : null}
    </li>
  )
}
