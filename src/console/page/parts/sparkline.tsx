/** The calls of the last minute as a small picture: how many each second, and in another colour those that failed. */
import { beatOf, rateOf, seconds, tick } from '../live/rates.ts'
import { useStore } from '../store.ts'

const widthPx = 120
const heightPx = 28

export function Sparkline({ name }: { readonly name: string }) {
  useStore(tick, (ticks) => beatOf(name, ticks))
  const { calls, failures, total } = rateOf(name)
  const most = Math.max(1, ...calls)
  const failed = failures.reduce((sum, count) => sum + count, 0)
  const said =
    total === 0 ? 'No calls in the last minute' : `${total} calls in the last minute, ${failed} failed`
  return (
    <span class="sparkline">
      <svg viewBox={`0 0 ${widthPx} ${heightPx}`} role="img" aria-label={said} preserveAspectRatio="none">
        <path class="base" d={`M0 ${heightPx - 0.5}H${widthPx}`} />
        <path class="all" d={bars(calls, most)} />
        <path class="failed" d={bars(failures, most)} />
      </svg>
      <span class="count" aria-hidden="true">
        {total === 0 ? '' : `${total}/min`}
      </span>
    </span>
  )
}

function bars(counts: readonly number[], most: number): string {
  const step = widthPx / seconds
  return counts
    .map((count, at) =>
      count === 0
        ? ''
        : `M${at * step + step / 2} ${heightPx}V${heightPx - Math.max(2, (count / most) * heightPx)}`,
    )
    .join('')
}
