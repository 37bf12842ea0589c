/** A bar chart of requests per second as SVG, readable on light and dark pages. */
import { medians, type Results } from './results.ts'

const width = 760
const labelWidth = 118
const barHeight = 16
const gap = 5
const titleHeight = 26
const valueWidth = 64

const colours: Readonly<Record<string, string>> = {
  compozy: '#2f81f7',
  'bare relay': '#9aa4b2',
  direct: '#9aa4b2',
}
const otherColour = '#d29922'

/** One group of bars for each workload; each group has a scale of its own, because their units of work differ. */
export function chart(results: Results): string {
  const parts: string[] = []
  let y = 30
  for (const { title, subjects } of results.workloads) {
    const bars = subjects.flatMap(({ subject, rounds }) => {
      const rate = medians(rounds)?.requestsPerSecond
      return rate === undefined ? [] : [{ subject, rate }]
    })
    // One bar alone compares nothing.
    if (bars.length < 2) continue
    const most = Math.max(...bars.map(({ rate }) => rate))
    parts.push(`<text class="title" x="8" y="${y + 14}">${escaped(title)}</text>`)
    y += titleHeight
    for (const { subject, rate } of bars) {
      const length = Math.max(1, ((width - labelWidth - valueWidth) * rate) / most)
      const middle = y + barHeight - 4
      parts.push(
        `<text x="${labelWidth - 8}" y="${middle}" text-anchor="end">${escaped(subject)}</text>`,
        `<rect x="${labelWidth}" y="${y}" width="${length.toFixed(1)}" height="${barHeight}" rx="2" fill="${colours[subject] ?? otherColour}"/>`,
        `<text x="${(labelWidth + length + 6).toFixed(1)}" y="${middle}">${Math.round(rate).toLocaleString('en')}</text>`,
      )
      y += barHeight + gap
    }
    y += 10
  }
  const caption = `Requests per second, median of ${results.rounds} rounds, ${results.date.slice(0, 10)}, ${results.machine.processor}`
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${y}" width="${width}" height="${y}" role="img" aria-label="${escaped(caption)}">`,
    '<style>text{font:12px system-ui,sans-serif;fill:#57606a}.title{font-weight:600;fill:#1f2328}@media(prefers-color-scheme:dark){text{fill:#9aa4b2}.title{fill:#e6edf3}}</style>',
    `<text x="8" y="18">${escaped(caption)}</text>`,
    ...parts,
    '</svg>',
    '',
  ].join('\n')
}

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('"', '&quot;')
}
