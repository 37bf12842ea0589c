/** The settings in force, where each came from, and how the last reload ended. */
import { useState } from 'preact/hooks'
import { type AnswerTo, call } from '../../api/api.ts'
import { may } from '../../api/session.ts'
import { announce } from '../../parts/announce.tsx'
import { Badge } from '../../parts/badge.tsx'
import { ActionButton } from '../../parts/button.tsx'
import { Failure, Note, Waiting } from '../../parts/failure.tsx'
import { Check, TextField } from '../../parts/field.tsx'
import { Page, Section } from '../../parts/page.tsx'
import { type Column, Table } from '../../parts/table.tsx'
import { Ago } from '../../parts/time.tsx'
import { useLoad } from '../../parts/use-load.ts'
import { hrefTo } from '../../router.ts'

type Report = AnswerTo<'getConfig'>
type Setting = Report['settings'][number]
type Reload = NonNullable<Report['reload']>

export function Configuration() {
  const { value, failure, reload } = useLoad((signal) => call('getConfig', { signal }), [])
  const readAgain = async () => {
    const { applied } = await call('reload')
    const changed = applied.settings.length + Object.values(applied.servers).flat().length
    announce(
      changed === 0 ? 'Read again: nothing has changed.' : `Read again: ${changed} changes are in force.`,
    )
    reload()
  }
  return (
    <Page
      title="Configuration"
      lead={value === null ? 'What is in force, and where it came from.' : leadOf(value)}
      actions={
        may('admin') ? (
          <ActionButton kind="main" act={readAgain} done={null}>
            Read it again
          </ActionButton>
        ) : null
      }
    >
      {failure === null ? null : <Failure failure={failure} again={reload} />}
      {value === null && failure === null ? <Waiting what="the configuration" lines={8} /> : null}
      {value === null ? null : <Everything report={value} />}
    </Page>
  )
}

function leadOf({ file }: Report): string {
  return file === null ? 'No file was read: flags, variables and defaults.' : `Read from ${file}.`
}

function Everything({ report }: { readonly report: Report }) {
  const { settings, servers, warnings, reload } = report
  const waiting = settings.filter(({ waits }) => waits)
  return (
    <>
      {warnings.map((warning) => (
        <Note key={warning} kind="warn">
          {warning}
        </Note>
      ))}
      {waiting.length === 0 ? null : (
        <Note kind="warn">
          Changed, and in force from the next start on: {waiting.map(({ key }) => key).join(', ')}.
        </Note>
      )}
      {reload === null ? null : <LastReload reload={reload} />}
      <Settings settings={settings} />
      {servers.length === 0 ? null : (
        <Section title={`Servers of files (${servers.length})`}>
          <ul class="tool-list">
            {servers.map(({ name, origin }) => (
              <li key={name}>
                <a href={hrefTo('servers', name)}>{name}</a>
                <span class="hint">{origin}</span>
              </li>
            ))}
          </ul>
        </Section>
      )}
    </>
  )
}

function LastReload({ reload: { at, cause, report, reason } }: { readonly reload: Reload }) {
  return (
    <Section title="Last reload">
      {reason === null ? null : (
        <Failure
          failure={{ title: 'It was not taken; what was read before stays in force', details: reason }}
        />
      )}
      <p class="hint">
        <Ago at={at} />, by {cause}
      </p>
      {report === null ? null : <Changes report={report} />}
    </Section>
  )
}

function Changes({ report }: { readonly report: NonNullable<Reload['report']> }) {
  const { settings, servers } = report.applied
  const rows: readonly (readonly [string, readonly string[]])[] = [
    ['Settings that changed', settings],
    ['Servers that came', servers.added],
    ['Servers that changed', servers.changed],
    ['Servers that went', servers.removed],
    ['In force from the next start on', report.needsRestart],
  ]
  const told = rows.filter(([, names]) => names.length > 0)
  if (told.length === 0) return <p>Nothing had changed.</p>
  return (
    <dl class="facts">
      {told.map(([what, names]) => (
        <div key={what}>
          <dt>{what}</dt>
          <dd>{names.join(', ')}</dd>
        </div>
      ))}
    </dl>
  )
}

function Settings({ settings }: { readonly settings: readonly Setting[] }) {
  const [wanted, setWanted] = useState('')
  const [chosen, setChosen] = useState(true)
  const word = wanted.trim().toLowerCase()
  const shown = settings.filter(
    ({ key, description, layer }) =>
      (!chosen || layer !== 'default') && `${key} ${description}`.toLowerCase().includes(word),
  )
  return (
    <>
      <div class="fields-two filters">
        <TextField label="Find a setting" type="search" value={wanted} onChange={setWanted} />
        <Check label="Only those that somebody has set" checked={chosen} onChange={setChosen} />
      </div>
      {shown.length === 0 ? (
        <p class="hint">
          No setting fits.{' '}
          {chosen ? (
            <button type="button" class="link" onClick={() => setChosen(false)}>
              Look in the defaults too
            </button>
          ) : null}
        </p>
      ) : (
        <Table caption="Settings" columns={columns} rows={shown} keyOf={({ key }) => key} />
      )}
    </>
  )
}

const columns: readonly Column<Setting>[] = [
  {
    title: 'Setting',
    main: true,
    cell: ({ key, description }) => (
      <>
        <code>{key}</code>
        <small>{description}</small>
      </>
    ),
  },
  {
    title: 'Value',
    cell: ({ key, value }) =>
      key === 'default_group' && value === null ? (
        'every server that the caller may use'
      ) : (
        <code>{valueWords(value)}</code>
      ),
  },
  {
    title: 'From',
    cell: ({ layer, origin }) => (layer === 'default' ? <span class="hint">default</span> : origin),
  },
  {
    title: 'Changes apply',
    cell: ({ restart, waits }) => (
      <>
        {restart ? 'with a restart' : 'with a reload'}
        {waits ? <Badge kind="warn">another value waits</Badge> : null}
      </>
    ),
  },
]

function valueWords(value: unknown): string {
  if (value === null || value === undefined) return 'none'
  if (typeof value === 'string') return value === '' ? 'none' : value
  if (Array.isArray(value) && value.length === 0) return 'none'
  return JSON.stringify(value)
}
