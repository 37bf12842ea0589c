/** The features that every client program is asked for, and the lines in which it tells what came of them. */

/** In the order of the table; client programs may try them in another one, `crash` last. */
export const featureNames = [
  'initialize',
  'tools',
  'call',
  'unicode',
  'structured',
  'big_result',
  'parallel',
  'tool_error',
  'protocol_error',
  'progress',
  'cancel',
  'logging',
  'resources',
  'subscribe',
  'prompts',
  'completion',
  'elicitation',
  'sampling',
  'roots',
  'list_changed',
  'crash',
] as const

export type FeatureName = (typeof featureNames)[number]

/** What came of one feature; a feature without an outcome is one that the client lacks. */
export interface Outcome {
  readonly ok: boolean
  /** The reason when it failed; an error's text or a version when it did not. */
  readonly detail: string
}

/** One run of a client program against one URL. */
export type Outcomes = ReadonlyMap<FeatureName, Outcome>

/**
 * A crash takes the whole server along when nothing stands between, so what a client sees of it is asked
 * for through the gateway only, and must be right there.
 */
export const gatewayOnly: ReadonlySet<FeatureName> = new Set(['crash'])

/** One line of a client program, or null for whatever else its libraries print. */
export function readLine(line: string): { feature: FeatureName; outcome: Outcome } | null {
  if (!line.startsWith('{"')) return null
  const found = parse(line)
  const feature = featureNames.find((name) => name === found?.['feature'])
  if (found === null || feature === undefined || typeof found['ok'] !== 'boolean') return null
  return { feature, outcome: { ok: found['ok'], detail: String(found['detail'] ?? '') } }
}

function parse(line: string): Record<string, unknown> | null {
  try {
    return JSON.parse(line) as Record<string, unknown>
  } catch {
    return null
  }
}
