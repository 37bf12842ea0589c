/**
 * `bun bench/hot-path.ts [WORKLOAD] [SECONDS]`: where the time of a small call goes, file by file.
 *
 * Runs the gateway from its sources under the runtime's sampling profiler and drives it with one workload. A
 * sample counts for the nearest file of `src/` that is on its stack, so that what a step makes the runtime do is
 * that step's. Prints a Markdown table in the order of a request's life; `docs/PERFORMANCE.md` holds one.
 */
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { printed, start } from './child-process.ts'
import { stepOf, steps } from './hot-path-steps.ts'
import { measure, type Sample } from './measure.ts'
import { EchoServers } from './subjects/echo-servers.ts'
import { gatewayCommand, stdioServer, tokens } from './subjects/gateway.ts'
import { workloads } from './workloads.ts'

const repository = resolve(import.meta.dir, '..')

interface Profile {
  readonly nodes: readonly {
    readonly id: number
    readonly callFrame: { readonly url: string }
    readonly children?: readonly number[]
  }[]
  readonly samples: readonly number[]
  readonly timeDeltas: readonly number[]
}

async function main([id = 'stdio', seconds = '5']: readonly string[]): Promise<void> {
  const workload = workloads.find((one) => one.id === id)
  if (workload === undefined) throw new Error(`no workload is called ${id}`)
  const directory = mkdtempSync(join(tmpdir(), 'compozy-hot-path-'))
  const echo = new EchoServers(directory)
  try {
    const servers = [
      stdioServer('stdio', 'both'),
      stdioServer('stdio-legacy', 'legacy'),
      stdioServer('stdio-modern', 'modern'),
      { name: 'http' as const, transport: 'streamable-http', url: (await echo.http()).url },
    ]
    const place = join(directory, 'gateway')
    gatewayCommand({ executable: '', directory: place, servers })
    const profiles = join(directory, 'profiles')
    mkdirSync(profiles)
    const command = [process.execPath, '--cpu-prof', '--cpu-prof-interval=250', `--cpu-prof-dir=${profiles}`]
    const gateway = start({
      command: [...command, join(repository, 'src/main.ts'), 'mcp-proxy'],
      directory: place,
      name: 'gateway',
      // Set already, so that the process does not replace itself and lose the profiler.
      env: { BUN_CONFIG_MAX_HTTP_REQUESTS: '20000' },
    })
    const base = await printed(gateway, /"url":"(http[^"]+)"/)
    await printed(gateway, /"to":"connected"/)
    const url = `${base}/mcp-proxy/${workload.upstream}/${workload.face}`
    const target = { url, face: workload.face, token: tokens[0] ?? '', pid: gateway.pid }
    const sample = await measure(target, workload, { seconds: Number(seconds), warmUpSeconds: 0 })
    await gateway.stop()
    const [file = ''] = readdirSync(profiles)
    const profile: unknown = JSON.parse(readFileSync(join(profiles, file), 'utf8'))
    print(workload.title, sample, shares(profile as Profile))
  } finally {
    await echo.stop()
    rmSync(directory, { recursive: true, force: true })
  }
}

/** Time by file of `src/`, in microseconds; what is under none of them is under an empty name. */
function shares({ nodes, samples, timeDeltas }: Profile): Map<string, number> {
  const parents = new Map<number, number>()
  for (const { id, children } of nodes) for (const child of children ?? []) parents.set(child, id)
  const urls = new Map(nodes.map(({ id, callFrame }) => [id, callFrame.url]))
  const fileOf = (node: number | undefined): string => {
    for (let at = node; at !== undefined; at = parents.get(at)) {
      const [, file] = /\/src\/(.+\.ts)$/.exec(urls.get(at) ?? '') ?? []
      if (file !== undefined && !urls.get(at)?.includes('node_modules')) return file
    }
    return ''
  }
  const byFile = new Map<string, number>()
  for (const [index, node] of samples.entries()) {
    const file = fileOf(node)
    byFile.set(file, (byFile.get(file) ?? 0) + (timeDeltas[index] ?? 0))
  }
  return byFile
}

function print(title: string, sample: Sample, byFile: ReadonlyMap<string, number>): void {
  const rows = steps.map((step) => ({ step, us: 0, names: new Set<string>() }))
  for (const [file, us] of byFile) {
    const step = stepOf(file)
    const row = rows.find((one) => one.step === step)
    if (row === undefined) continue
    row.us += us / sample.requests
    row.names.add(file)
  }
  const own = rows.reduce((sum, { us }) => sum + us, 0)
  const cpu = (sample.cpuUsPerRequest ?? 0).toFixed(1)
  console.log(`${title}: ${cpu} µs of CPU per call in all, profiler on\n`)
  console.log('| step | files, the costliest first | µs per call | |\n| --- | --- | ---: | ---: |')
  for (const { step, us, names } of rows) {
    const files = [...names].sort((a, b) => (byFile.get(b) ?? 0) - (byFile.get(a) ?? 0)).slice(0, 3)
    const shown = files.map((file) => `\`src/${file}\``).join(', ')
    if (us > 0.01)
      console.log(`| ${step.title} | ${shown} | ${us.toFixed(2)} | ${((us / own) * 100).toFixed(0)} % |`)
  }
  console.log(`| all of them | | ${own.toFixed(2)} | |`)
}

await main(process.argv.slice(2))
