/** One server: how it fares and why, what it offers, what it writes. */
import { useState } from 'preact/hooks'
import type { ServerView } from '../../../../http/api/answers.ts'
import { call, gatewayUrl } from '../../api/api.ts'
import { may } from '../../api/session.ts'
import { refreshServers, servers } from '../../live/servers.ts'
import { StateBadge } from '../../parts/badge.tsx'
import { Button } from '../../parts/button.tsx'
import { CodeBlock, CopyButton } from '../../parts/copy.tsx'
import { Confirm } from '../../parts/dialog.tsx'
import { Empty, Failure, Note, Waiting } from '../../parts/failure.tsx'
import { Facts, Page, Section } from '../../parts/page.tsx'
import { Sparkline } from '../../parts/sparkline.tsx'
import { Ago } from '../../parts/time.tsx'
import { useLoad } from '../../parts/use-load.ts'
import { hrefTo, navigate, useRoute } from '../../router.ts'
import { useStore } from '../../store.ts'
import { durationWords, retryWords } from '../../words.ts'
import { ServerDeeds } from './server-deeds.tsx'
import { whereOf } from './server-list.tsx'
import { ServerOutput } from './server-output.tsx'
import { ServerTools } from './server-tools.tsx'

const back = { href: hrefTo('servers'), text: 'Servers' }

export function ServerPage() {
  const name = useRoute().parts[1] ?? ''
  const { list, failure } = useStore(servers)
  const server = list?.find(({ definition }) => definition.name === name)
  if (server !== undefined) return <Known server={server} />
  return (
    <Page title={name} back={back}>
      {failure === null ? null : <Failure failure={failure} again={() => void refreshServers()} />}
      {list === null && failure === null ? <Waiting what="the server" lines={6} /> : null}
      {list === null ? null : (
        <Empty title="There is no server of this name">
          <p>It may have been removed, or renamed in the configuration file.</p>
        </Empty>
      )}
    </Page>
  )
}

function Known({ server }: { readonly server: ServerView }) {
  const { definition, status } = server
  const { name, description } = definition
  return (
    <Page
      title={name}
      back={back}
      lead={description == null || description === '' ? undefined : description}
      actions={<Deeds server={server} />}
    >
      <div class="state-line">
        <StateBadge state={status} />
        <span>
          since <Ago at={status.disabledAt ?? status.since} />
        </span>
        <Sparkline name={name} />
      </div>
      <Trouble server={server} />
      <Section title="Connect">
        <Endpoints name={name} />
      </Section>
      <ServerTools name={name} status={status} />
      <ServerOutput name={name} />
      <Section title="Figures">
        <Facts facts={factsOf(server)} />
      </Section>
      <DefinitionSection server={server} />
    </Page>
  )
}

function Deeds({ server }: { readonly server: ServerView }) {
  const { name } = server.definition
  const [removing, setRemoving] = useState(false)
  const changes = may('admin') && server.origin === 'store'
  return (
    <>
      <ServerDeeds server={server} />
      {changes ? (
        <div class="actions">
          <a class="button plain" href={hrefTo('edit-server', name)}>
            Edit
          </a>
          <Button kind="danger" onClick={() => setRemoving(true)}>
            Remove
          </Button>
        </div>
      ) : null}
      {removing ? (
        <Confirm
          title={`Remove ${name}?`}
          deed="Remove it"
          onClose={() => setRemoving(false)}
          act={async () => {
            await call('removeServer', { name })
            await refreshServers()
            navigate('servers')
          }}
        >
          <p>Calls in flight get an error, its sessions end, and its definition is gone.</p>
        </Confirm>
      ) : null}
    </>
  )
}

/** What is wrong, in one place, with what the server said last. */
function Trouble({ server: { definition, origin, status } }: { readonly server: ServerView }) {
  const { reason, disabledAt, closed, lastExit } = status
  const fails = reason !== null && disabledAt === null
  const retry = fails && status.status === 'error' ? retryWords(definition, status.reconnectAttempts) : null
  return (
    <>
      {disabledAt === null ? null : (
        <Note>An admin has switched it off. Turn it on to let clients use it again.</Note>
      )}
      {!fails ? null : (
        <Failure
          failure={{
            title: status.status === 'connecting' ? 'It is not there yet' : 'It does not work',
            details: reason,
          }}
        />
      )}
      {retry === null ? null : <p class="hint">{retry}</p>}
      {fails && origin === 'file' ? <FilePlace name={definition.name} /> : null}
      {closed === null ? null : <Note kind="warn">Nobody can come in: {closed}.</Note>}
      {lastExit === null || status.status === 'connected' ? null : (
        <p class="hint">
          Its last process ended{' '}
          {lastExit.signal === null ? `with code ${lastExit.code}` : `by ${lastExit.signal}`}{' '}
          <Ago at={lastExit.at} />.
        </p>
      )}
    </>
  )
}

/** Where a server of the configuration stands, for whoever has to change it. */
function FilePlace({ name }: { readonly name: string }) {
  const { value } = useLoad((signal) => call('getConfig', { signal }), [])
  const place = value?.servers.find((each) => each.name === name)?.origin
  return (
    <p class="hint">
      It stands in {place === undefined ? 'the configuration file' : <code>{place}</code>}. Change it there,
      and have the file read again in <a href={hrefTo('config')}>Configuration</a>.
    </p>
  )
}

function Endpoints({ name }: { readonly name: string }) {
  const url = `${gatewayUrl()}/mcp-proxy/${encodeURIComponent(name)}/stream`
  return (
    <div class="endpoint">
      <code>{url}</code>
      <div class="actions">
        <CopyButton text={url} what="the URL" />
        <a class="button plain" href={hrefTo('connect', name)}>
          Connect a client
        </a>
      </div>
    </div>
  )
}

function factsOf({ definition, origin, status }: ServerView): (readonly [string, string])[] {
  const { serverInfo, protocolVersion, era } = status
  return [
    ['Reached by', definition.transport],
    ['At', whereOf(definition)],
    ['Calls itself', nameIn(serverInfo)],
    ['Speaks', protocolVersion === null ? '–' : `MCP ${protocolVersion} (${era})`],
    ['Defined in', origin === 'file' ? 'the configuration file' : 'the registry'],
    ['Processes', String(status.processes)],
    ['Sessions', String(status.sessions)],
    ['Restarts', String(status.restarts)],
    ['Requests', String(status.totalRequests)],
    ['Errors', `${status.totalErrors} of the protocol, ${status.toolErrors} of tools`],
    [
      'Answers in',
      status.totalRequests === 0 ? '–' : `${durationWords(status.avgResponseTime / 1e6)} on average`,
    ],
  ]
}

function nameIn(info: unknown): string {
  if (typeof info !== 'object' || info === null) return '–'
  const { name, version } = info as { readonly name?: unknown; readonly version?: unknown }
  return [name, version].filter((part) => typeof part === 'string').join(' ') || '–'
}

function DefinitionSection({ server }: { readonly server: ServerView }) {
  const { definition, origin } = server
  const said = Object.fromEntries(Object.entries(definition).filter(([, value]) => !isEmpty(value)))
  return (
    <Section title="Definition">
      {origin === 'file' ? <FilePlace name={definition.name} /> : null}
      <CodeBlock text={JSON.stringify(said, null, 2)} what="the definition" />
    </Section>
  )
}

function isEmpty(value: unknown): boolean {
  if (value === null || value === '' || value === undefined) return true
  return typeof value === 'object' && Object.keys(value).length === 0
}
