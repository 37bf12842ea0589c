/** The results as a page. */
import { acceptance, figureText } from './acceptance.ts'
import { median, medians, type Results } from './results.ts'

/** `chart` is the file name of the picture beside the page. */
export function markdown(results: Results, chart: string): string {
  const { machine, versions } = results
  return [
    '# Benchmark',
    '',
    `${results.date.slice(0, 10)} · ${machine.processor}, ${machine.cores} · ${machine.memory} · ${machine.system}`,
    Object.entries(versions)
      .map(([name, version]) => `${name} ${version}`)
      .join(' · '),
    '',
    `Every figure is the median of ${results.rounds} rounds of ${results.seconds} s; in each round all subjects are driven in turn. CPU and memory are those of the gateway's own process. Repeat with \`bun run bench\`.`,
    '',
    `![Requests per second](${chart})`,
    '',
    '## Under load',
    '',
    ...loadTable(results),
    '',
    ...probeSection(results),
    '## Held to',
    '',
    '| what | bound | measured | |',
    '| --- | --- | ---: | --- |',
    ...acceptance(results).map(
      ({ name, bound, measured, met }) =>
        `| ${name} | ${bound} | ${measured ?? '–'} | ${met === null ? 'not measured' : met ? 'met' : '**missed**'} |`,
    ),
    '',
  ].join('\n')
}

function loadTable(results: Results): string[] {
  const rows = results.workloads.flatMap(({ title, subjects }) =>
    subjects.map(({ subject, rounds, fault }, at) => {
      const what = at === 0 ? title : ''
      const sample = medians(rounds)
      if (sample === null)
        return `| ${what} | ${subject} | not served: ${cell(fault ?? 'no answer')} | | | | | | |`
      const figures = [
        sample.requestsPerSecond,
        sample.p50Ms,
        sample.p90Ms,
        sample.p99Ms,
        sample.cpuUsPerRequest ?? Number.NaN,
        sample.rssMib ?? Number.NaN,
      ]
      return `| ${what} | ${subject} | ${figures.map(figureText).join(' | ')} | ${sample.errors} |`
    }),
  )
  return [
    '| workload | | requests/s | p50 ms | p90 ms | p99 ms | CPU µs/request | RSS MiB | errors |',
    '| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |',
    ...rows,
  ]
}

/** A server's words in one cell of a table. */
function cell(text: string): string {
  return text.replaceAll(/[|\n\r`<>]/g, ' ').slice(0, 120)
}

function probeSection({ probes }: Results): string[] {
  const { memory, churn, churnRates, startMs, smallMachine } = probes
  const lines: string[] = []
  if (memory) {
    const sessions = memory.idleSessions.map((one) => `${one.sessions.toLocaleString('en')}: ${mib(one.mib)}`)
    lines.push(
      `- Memory: idle ${mib(memory.idleMib)}; with idle sessions and open streams ${sessions.join(', ')}.`,
    )
  }
  if (churn) {
    const count = churn.sessions.toLocaleString('en')
    lines.push(
      `- ${count} sessions opened, used once and deleted: ${figureText(churn.sessionsPerSecond)} a second, ${churn.errors} errors; RSS ${mib(churn.beforeMib)} before, ${mib(churn.afterMib)} after.`,
    )
  }
  if (churnRates) {
    const rates = churnRates.map(
      ({ subject, churn }) => `${subject} ${churn ? figureText(churn.sessionsPerSecond) : 'not served'}`,
    )
    lines.push(`- Sessions a second (initialize, one call, delete): ${rates.join(', ')}.`)
  }
  if (startMs)
    lines.push(
      `- First 200 on /healthz: ${figureText(median(startMs))} ms after exec (median of ${startMs.length}).`,
    )
  if (smallMachine) {
    const { startMs: ms, load } = smallMachine
    lines.push(
      `- Within 0.2 CPU and 256 MiB: starts in ${figureText(ms)} ms, ${figureText(load.requestsPerSecond)} requests/s for ${figureText(load.seconds)} s, p50 ${figureText(load.p50Ms)} ms, p99 ${figureText(load.p99Ms)} ms, ${load.errors} errors.`,
    )
  } else if (smallMachine === null) {
    lines.push('- Within 0.2 CPU and 256 MiB: not measured, this machine lets us limit no process.')
  }
  return lines.length === 0 ? [] : ['## Memory, sessions, start', '', ...lines, '']
}

function mib(value: number | null): string {
  return value === null ? '–' : `${figureText(value)} MiB`
}
