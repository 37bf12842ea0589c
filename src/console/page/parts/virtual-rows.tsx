/** A list of any length, of which only what can be seen is drawn. All rows have one height. */
import type { ComponentChildren } from 'preact'
import { useEffect, useRef, useState } from 'preact/hooks'

interface VirtualRowsProps<Row> {
  /** Says to those who listen what the list is. */
  readonly label: string
  readonly rows: readonly Row[]
  readonly rowHeightPx: number
  readonly keyOf: (row: Row) => string
  readonly row: (row: Row) => ComponentChildren
}

/** Drawn above and below what is seen, so that nothing white shows while it is moved. */
const spareRows = 8
/** Of its frame, above and below. */
const bordersPx = 2

export function VirtualRows<Row>({ label, rows, rowHeightPx, keyOf, row }: VirtualRowsProps<Row>) {
  const box = useRef<HTMLDivElement>(null)
  const [seen, setSeen] = useState({ first: 0, count: 40 })
  useEffect(() => {
    const element = box.current
    if (element === null) return
    const look = () => {
      const first = Math.max(0, Math.floor(element.scrollTop / rowHeightPx) - spareRows)
      const count = Math.ceil(element.clientHeight / rowHeightPx) + 2 * spareRows
      setSeen((now) => (now.first === first && now.count === count ? now : { first, count }))
    }
    const observer = new ResizeObserver(look)
    observer.observe(element)
    element.addEventListener('scroll', look, { passive: true })
    look()
    return () => {
      observer.disconnect()
      element.removeEventListener('scroll', look)
    }
  }, [rowHeightPx])
  const drawn = rows.slice(seen.first, seen.first + seen.count)
  return (
    <div
      class="virtual"
      ref={box}
      role="region"
      aria-label={label}
      tabIndex={0}
      style={{ '--rows': `${rows.length * rowHeightPx + bordersPx}px` }}
    >
      <ul style={{ height: `${rows.length * rowHeightPx}px` }}>
        {drawn.map((each, at) => (
          <li
            key={keyOf(each)}
            aria-setsize={rows.length}
            aria-posinset={seen.first + at + 1}
            style={{
              height: `${rowHeightPx}px`,
              transform: `translateY(${(seen.first + at) * rowHeightPx}px)`,
            }}
          >
            {row(each)}
          </li>
        ))}
      </ul>
    </div>
  )
}
