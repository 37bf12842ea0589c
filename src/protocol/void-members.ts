/**
 * Members that are null and mean nothing beside the others: some languages write every field of a struct. They
 * are taken out, since strict readers refuse a message that has both a result and an error.
 *
 * Pure, never throws. Cases: test/protocol/jsonrpc.test.ts
 */

/** Where the values of a message's members start; -1 for one that is absent. */
export interface MemberStarts {
  readonly id: number
  readonly method: number
  readonly result: number
  readonly error: number
}

/** The start of the value of one such member, or -1 when there is none. */
export function voidMember(text: string, { id, method, result, error }: MemberStarts): number {
  if (method >= 0 && text.startsWith('null', method)) return method
  // A request must not have a null id (2025-11-25, Messages), but a notification has none.
  if (id >= 0 && text.startsWith('null', id) && isNotification(text, method)) return id
  if (result < 0 || error < 0) return -1
  if (text.startsWith('null', error)) return error
  return text.startsWith('null', result) ? result : -1
}

/** Some serializers write `/` as `\/`. */
function isNotification(text: string, method: number): boolean {
  return text.startsWith('"notifications/', method) || text.startsWith('"notifications\\/', method)
}

/** The object without the member whose value is the null that starts there. */
export function withoutNull(text: string, valueStart: number): string {
  const keyEnd = text.lastIndexOf('"', valueStart)
  const keyStart = text.lastIndexOf('"', keyEnd - 1)
  const before = text.slice(0, keyStart)
  const after = text.slice(valueStart + 'null'.length).trimStart()
  if (after.startsWith(',')) return before + after.slice(1)
  const kept = before.trimEnd()
  return (kept.endsWith(',') ? kept.slice(0, -1) : kept) + after
}
