/** The matrix as it is printed and as it stands in the README. */

/** One cell: null when it works, else why not. */
export type Outcome = string | null

/** `outcomes.get(client)?.get(server)?.get(feature)` */
export type Outcomes = ReadonlyMap<string, ReadonlyMap<string, ReadonlyMap<string, Outcome>>>

/** A cell that cannot work, and what makes it so. */
export interface Impossible {
  readonly client: string
  readonly server: string
  readonly feature: string
  readonly reason: string
  /** The clause that leaves no way. */
  readonly clause: string
}

export const markers = { begin: '<!-- sdk-matrix -->', end: '<!-- /sdk-matrix -->' } as const

/** What servers are tried through: their own endpoint, or a group of all of them. */
export const groupWord = ' in a group'

/** Every cell, for a terminal. */
export function wholeTable(outcomes: Outcomes): string {
  const rows: string[][] = []
  for (const [client, servers] of outcomes)
    for (const [server, cells] of servers)
      rows.push([client, server, ...[...cells.values()].map((outcome) => (outcome === null ? '✓' : '✗'))])
  const features = rows.length === 0 ? [] : featuresOf(outcomes)
  return markdown(['client', 'server', ...features], rows)
}

/** Clients against servers: how many of the features work, and which cannot. */
export function readmeTable(outcomes: Outcomes, impossible: readonly Impossible[]): string {
  const clients = [...outcomes.keys()]
  const servers = [...(outcomes.values().next().value?.keys() ?? [])]
  const features = featuresOf(outcomes)
  const works = (client: string, picks: (server: string) => boolean) => {
    const rows = [...(outcomes.get(client) ?? [])].filter(([server]) => picks(server))
    const cells = rows.flatMap(([, row]) => [...row.values()])
    return `${cells.filter((outcome) => outcome === null).length} of ${cells.length}`
  }
  const alone = servers.filter((server) => !server.endsWith(groupWord))
  const rows = alone.map((server) => [
    server,
    ...clients.map((client) => works(client, (one) => one === server)),
  ])
  rows.push([
    `a group of all ${alone.length}`,
    ...clients.map((client) => works(client, (one) => one.endsWith(groupWord))),
  ])
  const exceptions = impossible.map(
    ({ client, server, feature, reason, clause }) =>
      `- ${feature}, ${client} client, ${server} server: ${reason} (${clause}).`,
  )
  const list = `Features: ${features.join(', ')}.`
  return [markdown(['server ↓ client →', ...clients], rows), list, ...exceptions].join('\n\n')
}

/** The part of a document between the markers, or null when it has none. */
export function between(document: string): string | null {
  const begin = document.indexOf(markers.begin)
  const end = document.indexOf(markers.end)
  return begin < 0 || end < begin ? null : document.slice(begin + markers.begin.length, end).trim()
}

function featuresOf(outcomes: Outcomes): string[] {
  const [servers] = outcomes.values()
  const [cells] = servers?.values() ?? []
  return [...(cells?.keys() ?? [])]
}

function markdown(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n')
}
