/** What the shipped dashboards ask Prometheus, as it is asked once a person has chosen a server. */
import { readText } from './repository.ts'

/** The files of deploy/grafana that a gateway alone has figures for. */
export const dashboardNames = ['overview', 'server'] as const
/** Those for several that are a cluster. */
export const clusterDashboardNames = ['replicas'] as const

interface Dashboard {
  readonly panels: readonly { readonly targets: readonly { readonly expr: string }[] }[]
}

/** Every query of a dashboard, for this server and all gateways. */
export function dashboardQueries(name: string, server = 'files'): string[] {
  const { panels } = JSON.parse(readText(`deploy/grafana/${name}.json`)) as Dashboard
  return panels.flatMap(({ targets }) =>
    targets.map(({ expr }) =>
      expr.replaceAll('$__rate_interval', '1m').replaceAll('$server', server).replaceAll('$instance', '.*'),
    ),
  )
}
