/** A real Prometheus that scrapes gateways once a second, and is asked as Grafana asks it. */
import { programPath } from '../packaging/repository.ts'
import { poll } from './gateway.ts'
import { startProcess } from './process.ts'
import { freePort } from './redis-server.ts'
import { temporaryDirectory } from './temporary-directory.ts'

/** The program; null where it is not installed. */
export const prometheusProgram = programPath('prometheus')

export interface Prometheus extends AsyncDisposable {
  /** The series that a query has now. Rejects with what is wrong with it. */
  ask(query: string): Promise<unknown[]>
}

/** Starts one, and resolves once it has scraped all of these gateways; `token` is an admin token, where they ask for one. */
export async function startPrometheus(gateways: readonly string[], token?: string): Promise<Prometheus> {
  const scrape = {
    job_name: 'compozy',
    static_configs: [{ targets: gateways.map((url) => new URL(url).host) }],
    ...(token !== undefined && { authorization: { credentials: token } }),
  }
  const directory = temporaryDirectory({
    'prometheus.yml': JSON.stringify({ global: { scrape_interval: '1s' }, scrape_configs: [scrape] }),
  })
  const port = await freePort()
  const process = startProcess({
    command: [
      prometheusProgram ?? '',
      `--config.file=${directory.path}/prometheus.yml`,
      `--storage.tsdb.path=${directory.path}/data`,
      `--web.listen-address=127.0.0.1:${port}`,
    ],
  })
  const ask = async (query: string): Promise<unknown[]> => {
    const asked = await fetch(`http://127.0.0.1:${port}/api/v1/query?query=${encodeURIComponent(query)}`)
    const { data, error } = (await asked.json()) as { data?: { result: unknown[] }; error?: string }
    if (data === undefined) throw new Error(`${query}: ${error}`)
    return data.result
  }
  const seen = async () => (await ask('compozy_build_info').catch(() => [])).length >= gateways.length
  await poll('Prometheus to scrape', seen, 30_000)
  return {
    ask,
    async [Symbol.asyncDispose]() {
      await process[Symbol.asyncDispose]()
      directory[Symbol.dispose]()
    },
  }
}
