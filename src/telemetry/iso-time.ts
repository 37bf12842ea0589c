/**
 * A formatter of wall-clock milliseconds as ISO 8601 in UTC. It keeps the text up to the second,
 * because `toISOString` for every line costs ten times as much.
 */
export function isoFormatter(): (nowMs: number) => string {
  let secondMs = -1
  let prefix = ''
  return (nowMs) => {
    const ms = nowMs % 1000
    if (nowMs - ms !== secondMs) {
      secondMs = nowMs - ms
      prefix = new Date(secondMs).toISOString().slice(0, 20)
    }
    return `${prefix}${ms < 10 ? '00' : ms < 100 ? '0' : ''}${ms}Z`
  }
}
