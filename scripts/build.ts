/**
 * Builds the single executable: `bun scripts/build.ts [--outfile FILE] [--target BUN_TARGET]`.
 * `COMPOZY_COMMIT` and `SOURCE_DATE_EPOCH` name commit and time where neither git nor its archive does.
 */
import { mkdirSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import type { BunPlugin } from 'bun'
import { type MadePage, makePage } from '../src/console/make-page.ts'
import { commitOf } from './commit.ts'

const root = resolve(import.meta.dir, '..')
export const defaultOutfile = resolve(root, 'dist/compozy')

/** Tokens of people who are in many groups come close to 16 KiB. */
const headBytesMax = 32 * 1024

export interface BuildOptions {
  readonly outfile?: string
  /** Such as `bun-linux-arm64-musl`; by default the machine this runs on. */
  readonly target?: Bun.Build.CompileTarget
  /** The runtime of that target, when it is already here; else the bundler fetches it. */
  readonly runtime?: string
}

/**
 * What no part of this program calls. `thread-stream` is pino's way to other threads, with which a compiled program ends.
 * The others are parts of c12 that find, execute, download or watch configuration. All of it is switched off (see
 * src/config/layers.ts); left out, it cannot be switched on by a mistake, and loading a file costs an
 * idle gateway ten megabytes less.
 */
const absentPackages =
  /^(?:thread-stream|jiti|giget|chokidar|dotenv|rc9|pkg-types|exsolve|perfect-debounce|ohash|magicast)(?:\/|$)/
const absentNames = [
  'createJiti',
  'debounce',
  'findWorkspaceDir',
  'parse',
  'read',
  'readPackageJSON',
  'readUser',
  'resolveModulePath',
]

const leaveOut: BunPlugin = {
  name: 'leave-out',
  setup(bundler) {
    bundler.onResolve({ filter: absentPackages }, ({ path }) => ({ path, namespace: 'absent' }))
    bundler.onLoad({ filter: /.*/, namespace: 'absent' }, ({ path }) => ({
      loader: 'js',
      contents: [
        `const absent = () => { throw new Error('${path} is not part of this program') }`,
        `export { ${absentNames.map((name) => `absent as ${name}`).join(', ')} }`,
      ].join('\n'),
    }))
  },
}

/** Puts the files of the console's page, ready to be served, in the place of what makes them. */
function withPage({ files }: MadePage): BunPlugin {
  const inBase64 = (bytes: Uint8Array) => JSON.stringify(Buffer.from(bytes).toString('base64'))
  const rows = files.map(
    ({ name, contentType, brotli, gzip }) =>
      `{ name: ${JSON.stringify(name)}, contentType: ${JSON.stringify(contentType)}, brotli: bytes(${inBase64(brotli)}), gzip: bytes(${inBase64(gzip)}) }`,
  )
  return {
    name: 'with-page',
    setup(bundler) {
      bundler.onLoad({ filter: /[/\\]src[/\\]console[/\\]page-files\.ts$/ }, () => ({
        loader: 'js',
        contents: [
          "const bytes = (text) => new Uint8Array(Buffer.from(text, 'base64'))",
          `export const pageFiles = async () => [${rows.join(', ')}]`,
        ].join('\n'),
      }))
    },
  }
}

/**
 * Resolves with the paths of all files that went into it. Rejects with the bundler's words when it fails.
 */
export async function build({
  outfile = defaultOutfile,
  target,
  runtime,
}: BuildOptions = {}): Promise<string[]> {
  mkdirSync(dirname(outfile), { recursive: true })
  const page = await makePage()
  const { metafile } = await Bun.build({
    entrypoints: [resolve(root, 'src/main.ts')],
    compile: {
      outfile,
      // Nothing else can raise the runtime's bound of 16 KiB for request line and headers without loading eight
      // megabytes of node:http. Past the bound it answers 431 before anything here is asked.
      execArgv: [`--max-http-header-size=${headBytesMax}`],
      ...(target === undefined ? {} : { target }),
      ...(runtime === undefined ? {} : { executablePath: runtime }),
      // Without these, files in the working directory could change or run what the gateway does.
      autoloadDotenv: false,
      autoloadBunfig: false,
      autoloadTsconfig: false,
      autoloadPackageJson: false,
    },
    minify: true,
    sourcemap: 'none',
    // Bytecode halves the start, and needs the esm format for top-level await.
    bytecode: true,
    format: 'esm',
    // Commands stay lazy: in one chunk, the imports of all of them would be resolved at every start.
    splitting: true,
    define: {
      BUILD_COMMIT: JSON.stringify(commit()),
      BUILD_TIME: JSON.stringify(buildTime()),
      // The bundler would take the builder's own: a release built under test would be another program.
      'process.env.NODE_ENV': '"production"',
      // In packages of the older module form the bundler would put the paths of this machine.
      __dirname: '"/"',
      __filename: '"/"',
    },
    plugins: [leaveOut, withPage(page)],
    metafile: true,
  })
  return [...Object.keys(metafile?.inputs ?? {}), ...page.inputs]
}

function commit(): string {
  const hash = process.env['COMPOZY_COMMIT'] || commitOf(root)?.hash
  return hash?.slice(0, 12) ?? 'unknown'
}

function buildTime(): string {
  const epochSeconds = Number(process.env['SOURCE_DATE_EPOCH'])
  const time = epochSeconds > 0 ? new Date(epochSeconds * 1000) : new Date()
  return time.toISOString().replace(/\.\d+Z$/, 'Z')
}

if (import.meta.main) {
  const { values } = parseArgs({ options: { outfile: { type: 'string' }, target: { type: 'string' } } })
  await build({
    ...(values.outfile === undefined ? {} : { outfile: resolve(values.outfile) }),
    ...(values.target === undefined ? {} : { target: values.target as Bun.Build.CompileTarget }),
  })
  console.log(`built ${values.outfile ?? 'dist/compozy'}`)
}
