/** What is under way, and what came of it. */
import { useEffect, useMemo, useRef } from 'preact/hooks'
import { memberText } from '../../../../protocol/spans.ts'
import { recordOf } from '../../mcp/wire.ts'
import { Badge } from '../../parts/badge.tsx'
import { CodeBlock } from '../../parts/copy.tsx'
import { Failure, Note } from '../../parts/failure.tsx'
import { laidOut } from '../../schema-form/json-text.ts'
import { durationWords } from '../../words.ts'
import { Contents, Fold, LongText, ResourceContent } from './content.tsx'
import { QuestionCard } from './question.tsx'
import type { Outcome, Progress, Run } from './run.ts'

export function RunView({ run, onRead }: { readonly run: Run; readonly onRead?: (uri: string) => void }) {
  const { running, progress, lines, asked, outcome, tookMs } = run
  const box = useRef<HTMLDivElement>(null)
  // What comes of it stands below a form that may be long.
  useEffect(() => box.current?.scrollIntoView({ block: 'nearest' }), [running, asked.length])
  if (!running && outcome === null) return null
  return (
    <div class="stack run" ref={box}>
      <p class="unseen" role="status">
        {running ? (asked.length > 0 ? 'The server asks something.' : 'Running.') : endWord(outcome)}
      </p>
      {running && progress === null && asked.length === 0 ? (
        <p class="hint">Waiting for the answer…</p>
      ) : null}
      {progress === null ? null : <ProgressView progress={progress} running={running} />}
      {asked.map((each) => (
        <QuestionCard key={each.id} asked={each} />
      ))}
      {lines.length === 0 ? null : (
        <details open={running}>
          <summary>What the server said meanwhile ({lines.length})</summary>
          <CodeBlock text={lines.join('\n')} what="Messages of the server" />
        </details>
      )}
      {outcome === null ? null : (
        <OutcomeView outcome={outcome} tookMs={tookMs} {...(onRead === undefined ? {} : { onRead })} />
      )}
    </div>
  )
}

function ProgressView({ progress, running }: { readonly progress: Progress; readonly running: boolean }) {
  const { done, total, message } = progress
  return (
    <div class="progress">
      <progress
        aria-label="Progress"
        {...(total === null
          ? running
            ? {}
            : { value: 1, max: 1 }
          : { value: Math.min(done, total), max: total })}
      />
      <span>
        {total === null ? String(done) : `${done} of ${total}`}
        {message === null ? '' : ` · ${message}`}
      </span>
    </div>
  )
}

function endWord(outcome: Outcome | null): string {
  switch (outcome?.kind) {
    case 'result':
      return 'It has answered.'
    case 'cancelled':
      return 'Given up.'
    case 'error':
      return 'The server answered with an error.'
    default:
      return 'It failed.'
  }
}

function OutcomeView({
  outcome,
  tookMs,
  onRead,
}: {
  readonly outcome: Outcome
  readonly tookMs: number | null
  readonly onRead?: (uri: string) => void
}) {
  const took = tookMs === null ? '' : ` after ${durationWords(tookMs)}`
  switch (outcome.kind) {
    case 'refused':
      return <Failure failure={outcome.failure} />
    case 'cancelled':
      return <Note kind="warn">{`Cancelled${took}. ${outcome.why}`}</Note>
    case 'error': {
      const { code, message, data } = outcome.failure
      return (
        <>
          <Failure failure={{ title: `The server answered with error ${code}${took}`, details: message }} />
          {data === undefined ? null : (
            <LongText text={laidOut(JSON.stringify(data))} what="Data of the error" />
          )}
        </>
      )
    }
    case 'result':
      return <ResultView text={outcome.text} took={took} {...(onRead === undefined ? {} : { onRead })} />
  }
}

function ResultView({
  text,
  took,
  onRead,
}: {
  readonly text: string
  readonly took: string
  readonly onRead?: (uri: string) => void
}) {
  const result = useMemo(() => recordOf(JSON.parse(text)), [text])
  const failed = result['isError'] === true
  const { content, messages, contents } = result
  // The text itself, because digits that no number type keeps are shown too.
  const structured = useMemo(() => memberText(text, 'structuredContent'), [text])
  return (
    <div class="stack">
      <p>
        <Badge kind={failed ? 'bad' : 'ok'} glyph={failed ? 'bad' : 'ok'}>
          {failed ? `The tool failed${took}` : `Answered${took}`}
        </Badge>
      </p>
      {Array.isArray(content) ? (
        <Contents contents={content} of="the result" {...(onRead === undefined ? {} : { onRead })} />
      ) : null}
      {Array.isArray(messages)
        ? messages.map(recordOf).map(({ role, content: said }, at) => (
            <div key={at} class="message-turn">
              <strong>{String(role)}</strong>
              <Contents
                contents={Array.isArray(said) ? said : [said]}
                of={`message ${at + 1}`}
                {...(onRead === undefined ? {} : { onRead })}
              />
            </div>
          ))
        : null}
      {Array.isArray(contents)
        ? contents
            .map(recordOf)
            .map((resource, at) => <ResourceContent key={at} resource={resource} name={String(at + 1)} />)
        : null}
      {structured === null ? null : (
        <Fold summary="Structured content" first={!Array.isArray(content) || content.length === 0}>
          {() => <LongText text={laidOut(structured)} what="Structured content" />}
        </Fold>
      )}
      <Fold summary="The whole result">
        {() => <LongText text={laidOut(text)} what="The whole result" />}
      </Fold>
    </div>
  )
}
