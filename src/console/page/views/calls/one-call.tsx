/** One call in words. */
import type { ComponentChildren } from 'preact'
import type { CallEvent } from '../../../../http/api/answers.ts'
import type { KeyNames } from '../../live/key-names.ts'
import { Button } from '../../parts/button.tsx'
import { Facts } from '../../parts/page.tsx'
import { hrefTo } from '../../router.ts'
import { durationWords } from '../../words.ts'
import { outcomeWords } from './call-words.ts'

export function OneCall({
  call,
  names,
  onClose,
}: {
  readonly call: CallEvent
  readonly names: KeyNames
  readonly onClose: () => void
}) {
  return (
    <section class="section" aria-label="One call">
      <header>
        <h2>One call</h2>
        <div class="actions">
          <Button onClick={onClose}>Close</Button>
        </div>
      </header>
      <Facts facts={factsOf(call, names)} />
    </section>
  )
}

function factsOf(call: CallEvent, names: KeyNames): readonly (readonly [string, ComponentChildren])[] {
  const { caller = 'anonymous', code, rpcCode, group, tool, mcp, traceId } = call
  const name = names.get(caller)
  const all: readonly (readonly [string, ComponentChildren])[] = [
    ['How it ended', outcomeWords[call.outcome] ?? call.outcome],
    ['Why', code === undefined ? undefined : whyOf(code)],
    ['Error code of JSON-RPC', rpcCode],
    ['Who called', name === undefined ? caller : `${name} (${caller})`],
    ['With the client', call.client],
    ['Server', <a href={hrefTo('servers', mcp)}>{mcp}</a>],
    ['By the group', group],
    ['Tool', tool],
    ['Method', call.rpcMethod],
    ['When', `${call.time.slice(0, 10)} ${call.time.slice(11, 23)} UTC`],
    ['Took', durationWords(call.durationMs)],
    ['From the address', call.clientIp ?? undefined],
    ['Id of the request', <code>{call.requestId}</code>],
    ['Session (short)', call.sessionId],
    ['Protocols that met', call.pair],
    ['Trace', traceId],
  ]
  return all.filter(([, value]) => value !== undefined && value !== '')
}

/** The code in words, and as the log has it. */
function whyOf(code: string): string {
  const words = code.toLowerCase().replaceAll('_', ' ')
  return `${words.charAt(0).toUpperCase()}${words.slice(1)} (${code})`
}
