/** The parts of the executables as a CycloneDX document. Pure, and the same for the same input. */
import type { Licence } from './licences.ts'
import type { LockedPackage } from './lock.ts'

export interface SbomInput {
  readonly version: string
  readonly runtimeVersion: string
  /** ISO 8601. */
  readonly time: string
  readonly licences: readonly Licence[]
}

const program = 'compozy'
const runtime = 'bun'
const vectors = 'word-vectors'

/** CycloneDX 1.6 in JSON. */
export function cycloneDx({ version, runtimeVersion, time, licences }: SbomInput): string {
  const refs = new Map(licences.map(({ component }) => [component.key, purl(component)]))
  const present = (keys: readonly string[]) => keys.flatMap((key) => refs.get(key) ?? [])
  const needed = new Set(licences.flatMap(({ component }) => component.needs))
  const direct = licences.map(({ component }) => component.key).filter((key) => !needed.has(key))
  const document = {
    bomFormat: 'CycloneDX',
    specVersion: '1.6',
    version: 1,
    metadata: {
      timestamp: time,
      component: {
        type: 'application',
        'bom-ref': program,
        name: program,
        version,
        licenses: [{ license: { id: 'MIT' } }],
      },
    },
    components: [
      {
        type: 'platform',
        'bom-ref': runtime,
        name: runtime,
        version: runtimeVersion,
        purl: `pkg:github/oven-sh/bun@bun-v${runtimeVersion}`,
        licenses: [{ expression: 'MIT AND LGPL-2.0-or-later AND LGPL-2.1-or-later' }],
      },
      {
        type: 'data',
        'bom-ref': vectors,
        name: vectors,
        description: 'Vectors of words, made from the model all-MiniLM-L6-v2 of sentence-transformers.',
        licenses: [{ license: { id: 'Apache-2.0' } }],
      },
      ...licences.map(libraryOf),
    ],
    dependencies: [
      { ref: program, dependsOn: [runtime, vectors, ...present(direct)].sort() },
      { ref: runtime, dependsOn: [] },
      { ref: vectors, dependsOn: [] },
      ...licences.map(({ component }) => ({
        ref: purl(component),
        dependsOn: [...new Set(present(component.needs))].sort(),
      })),
    ],
  }
  return `${JSON.stringify({ ...document, serialNumber: serialNumber(document) }, null, 2)}\n`
}

function libraryOf({ component, terms }: Licence): unknown {
  const [, group, name] = /^(?:(@[^/]+)\/)?(.+)$/.exec(component.name) ?? []
  const [algorithm, digest = ''] = component.integrity.split('-', 2)
  if (algorithm !== 'sha512') throw new Error(`${component.name} has no SHA-512 sum in bun.lock`)
  return {
    type: 'library',
    'bom-ref': purl(component),
    ...(group !== undefined && { group }),
    name,
    version: component.version,
    purl: purl(component),
    hashes: [{ alg: 'SHA-512', content: Buffer.from(digest, 'base64').toString('hex') }],
    licenses: [/[\s()]/.test(terms) ? { expression: terms } : { license: { id: terms } }],
  }
}

function purl({ name, version }: LockedPackage): string {
  return `pkg:npm/${name.replace('@', '%40')}@${version}`
}

/** A UUID of the content: the same release has the same document. */
function serialNumber(document: unknown): string {
  const hex = new Bun.CryptoHasher('sha256').update(JSON.stringify(document)).digest('hex')
  const variant = ((Number.parseInt(hex.slice(16, 17), 16) & 3) | 8).toString(16)
  return `urn:uuid:${hex.slice(0, 8)}-${hex.slice(8, 12)}-8${hex.slice(13, 16)}-${variant}${hex.slice(17, 20)}-${hex.slice(20, 32)}`
}
