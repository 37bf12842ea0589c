/** Calls in words: how they ended, and how many there are. Pure. */

/** By outcome. */
export const outcomeWords: Readonly<Record<string, string>> = {
  ok: 'Answered',
  tool_error: 'Tool failed',
  rpc_error: 'Error answer',
  refused: 'Refused',
  failed: 'Broken',
  cancelled: 'Cancelled',
  input_required: 'Asks back',
}

/** How many of the calls are shown, and that older ones were let go where they were. */
export function countWords(shown: number, kept: number, letGo: number): string {
  const words = `${number(shown)} of ${number(kept)} shown.`
  if (letGo === 0) return words
  return `${words} The last ${number(kept)} are kept here, ${number(letGo)} older ones were let go.`
}

function number(value: number): string {
  return value.toLocaleString('en')
}
