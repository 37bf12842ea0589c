import { version } from '../../package.json'

/** Set by scripts/build.ts; absent when running from source. */
declare const BUILD_COMMIT: string
declare const BUILD_TIME: string

export { version }

/** `compozy 0.1.0 (commit abc1234, built 2026-01-31T12:00:00Z, bun 1.4.5)`; from source only the last. */
export function versionLine(): string {
  const facts = [
    ...(typeof BUILD_COMMIT === 'undefined' ? [] : [`commit ${BUILD_COMMIT}`]),
    ...(typeof BUILD_TIME === 'undefined' ? [] : [`built ${BUILD_TIME}`]),
    `bun ${Bun.version}`,
  ]
  return `compozy ${version} (${facts.join(', ')})`
}
