/** The reports of the benchmark: what they compute and what they draw. */
import { describe, expect, test } from 'bun:test'
import { acceptance, figureText } from '../../bench/report/acceptance.ts'
import { chart } from '../../bench/report/chart.ts'
import { markdown } from '../../bench/report/markdown.ts'
import { median, medians, type Results } from '../../bench/report/results.ts'
import { resultsOf, sampleOf, workloadOf } from './results.ts'

const small = workloadOf('stdio', [
  { subject: 'bare relay', rounds: [sampleOf(1000, 10), sampleOf(400, 10), sampleOf(100, 10)], fault: null },
  { subject: 'compozy', rounds: [sampleOf(700, 12), sampleOf(200, 14), sampleOf(90, 30)], fault: null },
  { subject: 'mcp-proxy', rounds: [], fault: '503 <down> | gone' },
])

function checkNamed(results: Results, name: string) {
  return acceptance(results).find((check) => check.name.startsWith(name))
}

describe('acceptance', () => {
  test('compares round by round, so that a machine that slows down halfway changes nothing', () => {
    // The rounds give 0.7, 0.5 and 0.9; the medians of the two columns would give 0.5.
    const check = checkNamed(resultsOf([small]), 'small call, stdio: requests/s against the bare relay')
    expect(check).toMatchObject({ measured: '0.700', met: true })
  })

  test('says that a bound is missed', () => {
    const slow = workloadOf('stdio', [
      { subject: 'bare relay', rounds: [sampleOf(1000, 10)], fault: null },
      { subject: 'compozy', rounds: [sampleOf(600, 17)], fault: null },
    ])
    expect(checkNamed(resultsOf([slow]), 'small call, stdio: CPU')).toMatchObject({
      measured: '1.70',
      met: false,
    })
  })

  test('leaves open what was not measured', () => {
    expect(acceptance(resultsOf([])).every(({ met }) => met === null)).toBe(true)
  })

  test('judges the churn only after as many sessions as the bound names', () => {
    const churn = { beforeMib: 50, afterMib: 80, sessions: 1000, sessionsPerSecond: 10, errors: 0 }
    expect(checkNamed(resultsOf([], { churn }), 'RSS after')?.met).toBeNull()
    expect(checkNamed(resultsOf([], { churn: { ...churn, sessions: 100_000 } }), 'RSS after')?.met).toBe(
      false,
    )
  })
})

describe('medians', () => {
  test.each([
    { values: [3, 1, 2], middle: 2, why: 'the middle of an odd number' },
    {
      values: [4, 1, 2, 3],
      middle: 2,
      why: 'the lower middle of an even number: never a value nobody measured',
    },
    { values: [7], middle: 7, why: 'a quick run has one round' },
  ])('$why', ({ values, middle }) => {
    expect(median(values)).toBe(middle)
  })

  test('errors of all rounds add up', () => {
    const broken = { ...sampleOf(1, 1), errors: 2 }
    expect(medians([broken, sampleOf(1, 1), broken])?.errors).toBe(4)
  })
})

describe('page and chart', () => {
  test('the page names machine, date, every subject and every bound', () => {
    const page = markdown(resultsOf([small]), 'results.svg')
    for (const text of [
      '2026-01-02',
      'Some CPU',
      'bun 1.4.5',
      '| compozy | 200 |',
      '![Requests per second](results.svg)',
    ])
      expect(page).toContain(text)
    expect(page.match(/not measured/g)?.length).toBe(acceptance(resultsOf([])).length - 2)
  })

  test("a server's words cannot break the table", () => {
    expect(markdown(resultsOf([small]), 'results.svg')).toContain(
      '| mcp-proxy | not served: 503  down    gone |',
    )
  })

  test('the chart is well-formed and leaves out what has no figures', async () => {
    const svg = chart(
      resultsOf([
        small,
        workloadOf('alone', [{ subject: 'compozy', rounds: [sampleOf(1, 1)], fault: null }]),
      ]),
    )
    let bars = 0
    const rewriter = new HTMLRewriter().on('rect', {
      element() {
        bars++
      },
    })
    await rewriter.transform(new Response(svg)).text()
    expect(bars).toBe(2)
    expect(svg).toContain('stdio &amp; more')
    expect(svg).not.toContain('alone')
  })

  test.each([
    { value: 12_345.6, text: '12,346' },
    { value: 12.34, text: '12.3' },
    { value: 1.234, text: '1.23' },
    { value: 0.1234, text: '0.123' },
    { value: Number.NaN, text: '–' },
  ])('writes $value as $text', ({ value, text }) => {
    expect(figureText(value)).toBe(text)
  })
})
