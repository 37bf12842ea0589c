/** What a server asks in the middle of a call: answered here, by the person who made the call. */
import { useEffect, useRef, useState } from 'preact/hooks'
import { recordOf } from '../../mcp/wire.ts'
import { bringTo } from '../../parts/bring-to.ts'
import { Button } from '../../parts/button.tsx'
import { Note } from '../../parts/failure.tsx'
import { AreaField, TextField } from '../../parts/field.tsx'
import { firstDraft, written } from '../../schema-form/drafts.ts'
import { fieldOf } from '../../schema-form/fields.ts'
import { SchemaForm, toFirstFault } from '../../schema-form/form.tsx'
import { jsonFault, laidOut } from '../../schema-form/json-text.ts'
import { Contents, Uri } from './content.tsx'
import type { Asked } from './run.ts'

export function QuestionCard({ asked }: { readonly asked: Asked }) {
  const heading = useRef<HTMLHeadingElement>(null)
  // The call waits for this, so whoever has made it is brought here.
  useEffect(() => bringTo(heading.current), [])
  const { method, params } = asked.question
  const kind =
    method === 'elicitation/create'
      ? params['mode'] === 'url'
        ? 'url'
        : 'form'
      : method === 'sampling/createMessage'
        ? 'sampling'
        : 'other'
  return (
    <div class="question" role="group" aria-label="The server asks">
      <h3 tabIndex={-1} ref={heading}>
        {titles[kind]}
      </h3>
      {kind === 'form' ? <FormQuestion asked={asked} /> : null}
      {kind === 'url' ? <UrlQuestion asked={asked} /> : null}
      {kind === 'sampling' ? <SamplingQuestion asked={asked} /> : null}
      {kind === 'other' ? <OtherQuestion asked={asked} /> : null}
    </div>
  )
}

const titles = {
  form: 'The server asks you something',
  url: 'The server asks you to open a page',
  sampling: 'The server asks for an answer of a model',
  other: 'The server asks its client',
} as const

function said(params: Readonly<Record<string, unknown>>): string {
  return typeof params['message'] === 'string' ? params['message'] : ''
}

function FormQuestion({ asked: { question, reply } }: { readonly asked: Asked }) {
  const { params } = question
  const [field] = useState(() => fieldOf(params['requestedSchema'] ?? { type: 'object', properties: {} }))
  const [draft, setDraft] = useState(() => firstDraft(field))
  const [tried, setTried] = useState(false)
  const { json, faults } = written(field, draft)
  const accept = (): void => {
    setTried(true)
    if (faults.length === 0) reply({ result: `{"action":"accept","content":${json ?? '{}'}}` })
  }
  return (
    <form
      class="stack"
      noValidate
      onSubmit={(event) => {
        event.preventDefault()
        accept()
        toFirstFault(event.currentTarget)
      }}
    >
      <p class="said">{said(params)}</p>
      <SchemaForm field={field} draft={draft} onDraft={setDraft} faults={tried ? faults : []} />
      <div class="actions">
        <Button kind="main" type="submit">
          Accept
        </Button>
        <NotThis reply={reply} />
      </div>
    </form>
  )
}

function UrlQuestion({ asked: { question, reply } }: { readonly asked: Asked }) {
  const { params } = question
  const url = typeof params['url'] === 'string' ? params['url'] : ''
  return (
    <div class="stack">
      <p class="said">{said(params)}</p>
      <p>
        <Uri uri={url} />
      </p>
      <Note kind="warn">Look at the host before you open it: the server has chosen this address.</Note>
      <div class="actions">
        <Button kind="main" onClick={() => reply({ result: '{"action":"accept"}' })}>
          I have agreed to open it
        </Button>
        <NotThis reply={reply} />
      </div>
    </div>
  )
}

function SamplingQuestion({ asked: { question, reply } }: { readonly asked: Asked }) {
  const { params } = question
  const [text, setText] = useState('')
  const [model, setModel] = useState('a person')
  const messages = Array.isArray(params['messages']) ? params['messages'].map(recordOf) : []
  const send = (): void => {
    const result = { role: 'assistant', content: { type: 'text', text }, model, stopReason: 'endTurn' }
    reply({ result: JSON.stringify(result) })
  }
  return (
    <form
      class="stack"
      noValidate
      onSubmit={(event) => {
        event.preventDefault()
        send()
      }}
    >
      {typeof params['systemPrompt'] === 'string' ? (
        <p class="said">System: {params['systemPrompt']}</p>
      ) : null}
      {messages.map(({ role, content }, at) => (
        <div key={at} class="message-turn">
          <strong>{String(role)}</strong>
          <Contents
            contents={Array.isArray(content) ? content : [content]}
            of={`the question, message ${at + 1}`}
          />
        </div>
      ))}
      <AreaField label="The answer" code={false} value={text} onChange={setText} />
      <TextField
        label="Model"
        value={model}
        onChange={setModel}
        hint="What the server is told has answered."
      />
      <SendOrRefuse reply={reply} />
    </form>
  )
}

function OtherQuestion({ asked: { question, reply } }: { readonly asked: Asked }) {
  const [text, setText] = useState('{}')
  const fault = jsonFault(text)
  return (
    <form
      class="stack"
      noValidate
      onSubmit={(event) => {
        event.preventDefault()
        if (fault === null) reply({ result: text })
      }}
    >
      <p>
        <code>{question.method}</code>
      </p>
      <AreaField
        label="The answer, as JSON"
        value={text}
        onChange={setText}
        error={fault}
        hint={laidOut(JSON.stringify(question.params)).slice(0, 2_000)}
      />
      <SendOrRefuse reply={reply} />
    </form>
  )
}

/** How somebody says no to what is asked of them: that they will not, or nothing at all. */
function NotThis({ reply }: Pick<Asked, 'reply'>) {
  return (
    <>
      <Button onClick={() => reply({ result: '{"action":"decline"}' })}>Decline</Button>
      <Button kind="quiet" onClick={() => reply({ result: '{"action":"cancel"}' })}>
        Dismiss
      </Button>
    </>
  )
}

/** Of what a client answers, not the person by themselves. */
function SendOrRefuse({ reply }: Pick<Asked, 'reply'>) {
  return (
    <div class="actions">
      <Button kind="main" type="submit">
        Send the answer
      </Button>
      <Button onClick={() => reply({ refused: 'The user has refused the request.' })}>Refuse</Button>
    </div>
  )
}
