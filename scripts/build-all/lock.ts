/** Reads bun.lock: which packages there are, and which one needs which. Pure. */

export interface LockedPackage {
  /** Its name, behind those of the packages that it is nested in: `pump`, `c12/confbox`. */
  readonly key: string
  /** Where it is installed: `node_modules/c12/node_modules/confbox`. */
  readonly place: string
  readonly name: string
  readonly version: string
  /** `sha512-…`, in base64. */
  readonly integrity: string
  /** The keys of what it needs. */
  readonly needs: readonly string[]
}

interface LockFile {
  readonly packages: Readonly<Record<string, readonly unknown[]>>
}

type Needs = Readonly<Record<string, string>>

/** All packages of a lock file, by key. */
export function lockedPackages(text: string): Map<string, LockedPackage> {
  const { packages } = Bun.JSONC.parse(text) as LockFile
  const keys = new Set(Object.keys(packages))
  return new Map(
    Object.entries(packages).map(([key, [ident, , facts, integrity]]) => {
      const [, name = '', version = ''] = /^(.+)@([^@]+)$/.exec(String(ident)) ?? []
      const { dependencies, optionalDependencies, peerDependencies } = facts as Record<
        string,
        Needs | undefined
      >
      const wanted = Object.keys({ ...dependencies, ...optionalDependencies, ...peerDependencies })
      const needs = wanted.flatMap((need) => resolvedKey(key, need, keys) ?? [])
      const place = namesIn(key)
        .map((part) => `node_modules/${part}`)
        .join('/')
      return [key, { key, place, name, version, integrity: String(integrity), needs: needs.sort() }]
    }),
  )
}

/** As the module resolution does: the nearest node_modules on the way up that has it. */
function resolvedKey(from: string, need: string, keys: ReadonlySet<string>): string | undefined {
  const names = namesIn(from)
  for (let depth = names.length; depth >= 0; depth--) {
    const candidate = [...names.slice(0, depth), need].join('/')
    if (keys.has(candidate)) return candidate
  }
  return undefined
}

function namesIn(key: string): string[] {
  return [...key.matchAll(/(?:@[^/]+\/)?[^/]+/g)].map(([name]) => name)
}

/**
 * The packages that the given files belong to. Throws for one that is not in the lock file: then the
 * list would be wrong, and a wrong list is worse than none.
 */
export function packagesOf(
  paths: readonly string[],
  packages: ReadonlyMap<string, LockedPackage>,
): LockedPackage[] {
  const keys = new Set(
    paths.flatMap((path) => {
      const names = [...path.replaceAll('\\', '/').matchAll(/node_modules\/((?:@[^/]+\/)?[^/]+)/g)]
      return names.length === 0 ? [] : [names.map(([, name]) => name).join('/')]
    }),
  )
  return [...keys].sort().map((key) => {
    const found = packages.get(key)
    if (found === undefined) throw new Error(`${key} went into the executable, but bun.lock does not know it`)
    return found
  })
}
