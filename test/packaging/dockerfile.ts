/** Reads what the Dockerfile says about a final image, without building it. */
import { readText } from './repository.ts'

export interface FinalStage {
  readonly env: Readonly<Record<string, string>>
  readonly user: string
  readonly workdir: string
  readonly volumes: readonly string[]
  readonly ports: readonly string[]
  readonly entrypoint: readonly string[]
  readonly command: readonly string[]
  readonly healthcheck: readonly string[]
}

export interface Instruction {
  readonly name: string
  readonly text: string
}

/** The instructions in order, continued lines joined, comments left out. */
export function instructions(): Instruction[] {
  const lines = readText('Dockerfile')
    .split('\n')
    .filter((line) => !/^\s*#/.test(line))
    .join('\n')
    .replace(/\\\n\s*/g, '')
    .split('\n')
  return lines.flatMap((line) => {
    const [, name, text] = /^([A-Z]+) (.+)$/.exec(line) ?? []
    return name === undefined || text === undefined ? [] : [{ name, text }]
  })
}

/** What the image of that stage is started with. */
export function finalStage(target: string): FinalStage {
  const all = instructions()
  const start = all.findIndex(({ name, text }) => name === 'FROM' && text.endsWith(` AS ${target}`))
  const rest = all.slice(start + 1)
  const end = rest.findIndex(({ name }) => name === 'FROM')
  const stage = end < 0 ? rest : rest.slice(0, end)
  const last = (wanted: string) => stage.findLast(({ name }) => name === wanted)?.text ?? ''
  const list = (text: string): string[] => (text === '' ? [] : (JSON.parse(text) as string[]))
  return {
    env: Object.fromEntries(
      stage
        .filter(({ name }) => name === 'ENV')
        .flatMap(({ text }) => text.split(/\s+/))
        .map((pair) => [pair.slice(0, pair.indexOf('=')), pair.slice(pair.indexOf('=') + 1)]),
    ),
    user: last('USER'),
    workdir: last('WORKDIR'),
    volumes: list(last('VOLUME')),
    ports: stage.filter(({ name }) => name === 'EXPOSE').map(({ text }) => text),
    entrypoint: list(last('ENTRYPOINT')),
    command: list(last('CMD')),
    healthcheck: list(/CMD (\[.*\])$/.exec(last('HEALTHCHECK'))?.[1] ?? ''),
  }
}
