/** Three curves over time as SVG: resident memory, sessions, latency. Readable on light and dark pages. */

export interface SoakPoint {
  readonly minutes: number
  readonly rssMib: number
  readonly sessions: number
  readonly p99Ms: number
}

const width = 760
const height = 130
const left = 60

export function soakPlot(points: readonly SoakPoint[], caption: string): string {
  const curves = [
    { title: 'RSS, MiB', value: (point: SoakPoint) => point.rssMib, colour: '#2f81f7' },
    { title: 'sessions', value: (point: SoakPoint) => point.sessions, colour: '#3fb950' },
    { title: 'p99, ms', value: (point: SoakPoint) => point.p99Ms, colour: '#d29922' },
  ]
  const last = Math.max(1, points.at(-1)?.minutes ?? 1)
  const total = 40 + curves.length * (height + 30)
  const panels = curves.map(({ title, value, colour }, row) => {
    const top = 36 + row * (height + 30)
    const most = Math.max(1, ...points.map(value)) * 1.1
    const x = (minutes: number) => left + ((width - left - 10) * minutes) / last
    const y = (amount: number) => top + height - (height * amount) / most
    const line = points
      .map((point) => `${x(point.minutes).toFixed(1)},${y(value(point)).toFixed(1)}`)
      .join(' ')
    return [
      `<text x="8" y="${top - 6}">${title}</text>`,
      `<text x="${left - 6}" y="${top + 10}" text-anchor="end">${Math.round(most)}</text>`,
      `<text x="${left - 6}" y="${top + height}" text-anchor="end">0</text>`,
      `<path d="M${left} ${top}V${top + height}H${width - 10}" fill="none" stroke="#9aa4b2"/>`,
      `<polyline points="${line}" fill="none" stroke="${colour}" stroke-width="1.5"/>`,
    ].join('\n')
  })
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${total}" width="${width}" height="${total}" role="img" aria-label="${caption}">`,
    '<style>text{font:12px system-ui,sans-serif;fill:#57606a}@media(prefers-color-scheme:dark){text{fill:#9aa4b2}}</style>',
    `<text x="8" y="16">${caption}; ${last.toFixed(0)} minutes from left to right</text>`,
    ...panels,
    '</svg>',
    '',
  ].join('\n')
}
