/** Curves over time as SVG, one below the other. Readable on light and dark pages. */

export interface SoakPoint {
  readonly minutes: number
  readonly rssMib: number
  readonly sessions: number
  readonly p99Ms: number
}

/** One panel, with one line or several. */
export interface Curve {
  readonly title: string
  readonly lines: readonly (readonly { readonly minutes: number; readonly amount: number }[])[]
}

const width = 760
const height = 130
const left = 60
const colours = ['#2f81f7', '#3fb950', '#d29922', '#db61a2', '#8957e5']

/** Resident memory, sessions and latency of one gateway. */
export function soakPlot(points: readonly SoakPoint[], caption: string): string {
  const line = (value: (point: SoakPoint) => number) => [
    points.map((point) => ({ minutes: point.minutes, amount: value(point) })),
  ]
  const curves = [
    { title: 'RSS, MiB', lines: line(({ rssMib }) => rssMib) },
    { title: 'sessions', lines: line(({ sessions }) => sessions) },
    { title: 'p99, ms', lines: line(({ p99Ms }) => p99Ms) },
  ]
  return curvesPlot(curves, caption)
}

export function curvesPlot(curves: readonly Curve[], caption: string): string {
  const times = curves.flatMap(({ lines }) => lines.flatMap((line) => line.map(({ minutes }) => minutes)))
  const last = Math.max(1, ...times)
  const total = 40 + curves.length * (height + 30)
  const panels = curves.map((curve, row) => panelOf(curve, row, last))
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${total}" width="${width}" height="${total}" role="img" aria-label="${caption}">`,
    '<style>text{font:12px system-ui,sans-serif;fill:#57606a}@media(prefers-color-scheme:dark){text{fill:#9aa4b2}}</style>',
    `<text x="8" y="16">${caption}; ${last.toFixed(0)} minutes from left to right</text>`,
    ...panels,
    '</svg>',
    '',
  ].join('\n')
}

function panelOf({ title, lines }: Curve, row: number, last: number): string {
  const top = 36 + row * (height + 30)
  const most = Math.max(1, ...lines.flatMap((line) => line.map(({ amount }) => amount))) * 1.1
  const x = (minutes: number) => left + ((width - left - 10) * minutes) / last
  const y = (amount: number) => top + height - (height * amount) / most
  const drawn = lines.map((line, at) => {
    const points = line.map(({ minutes, amount }) => `${x(minutes).toFixed(1)},${y(amount).toFixed(1)}`)
    const colour = colours[(lines.length > 1 ? at : row) % colours.length]
    return `<polyline points="${points.join(' ')}" fill="none" stroke="${colour}" stroke-width="1.5"/>`
  })
  return [
    `<text x="8" y="${top - 6}">${title}</text>`,
    `<text x="${left - 6}" y="${top + 10}" text-anchor="end">${Math.round(most)}</text>`,
    `<text x="${left - 6}" y="${top + height}" text-anchor="end">0</text>`,
    `<path d="M${left} ${top}V${top + height}H${width - 10}" fill="none" stroke="#9aa4b2"/>`,
    ...drawn,
  ].join('\n')
}
