/** The platforms that a release is built for. */

export interface ReleaseTarget {
  /** As in the file name and in scripts/install.sh. */
  readonly name: string
  readonly file: string
  /** The bundler's name for it. */
  readonly bun: Bun.Build.CompileTarget
  /** The npm package with the runtime, pinned in runtimes/bun.lock. */
  readonly runtimePackage: string
}

/**
 * x64 takes the runtime for processors without AVX2: many virtual machines hide it, and the other one
 * dies there with an illegal instruction. Apple's x64 machines that run a current system all have it.
 */
export const releaseTargets: readonly ReleaseTarget[] = [
  target('linux-x64', 'bun-linux-x64-baseline', 'linux-x64-baseline'),
  target('linux-x64-musl', 'bun-linux-x64-baseline-musl', 'linux-x64-musl-baseline'),
  target('linux-arm64', 'bun-linux-arm64', 'linux-aarch64'),
  target('linux-arm64-musl', 'bun-linux-arm64-musl', 'linux-aarch64-musl'),
  target('darwin-x64', 'bun-darwin-x64', 'darwin-x64'),
  target('darwin-arm64', 'bun-darwin-arm64', 'darwin-aarch64'),
  target('windows-x64', 'bun-windows-x64-baseline', 'windows-x64-baseline'),
]

function target(name: string, bun: Bun.Build.CompileTarget, runtime: string): ReleaseTarget {
  const extension = name.startsWith('windows') ? '.exe' : ''
  return { name, file: `compozy-${name}${extension}`, bun, runtimePackage: `@oven/bun-${runtime}` }
}
