/** Which calls ended as they should: for figures, pictures and filters alike. Pure. */
import type { CallEvent } from '../../../http/api/answers.ts'

/** What its client has given up has not failed. */
const good: ReadonlySet<CallEvent['outcome']> = new Set(['ok', 'input_required', 'cancelled'])

export function endedWell({ outcome }: Pick<CallEvent, 'outcome'>): boolean {
  return good.has(outcome)
}
