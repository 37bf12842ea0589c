/**
 * Makes the files of the console's page out of its sources: one script and one style sheet, minified and compressed.
 * The same sources give the same bytes. No part of the executable, which has what this made (scripts/build.ts).
 */
import { createHash } from 'node:crypto'
import { join } from 'node:path'
import { brotliCompressSync, constants, gzipSync } from 'node:zlib'

/** A file as it is served. */
export interface PageFile {
  /** With a part of its digest, so that browsers may keep it for good. */
  readonly name: string
  readonly contentType: string
  readonly brotli: Uint8Array
  readonly gzip: Uint8Array
}

export interface MadePage {
  readonly files: readonly PageFile[]
  /** The paths of all files that went into it. */
  readonly inputs: readonly string[]
}

const contentTypes: Readonly<Record<string, string>> = {
  js: 'text/javascript; charset=utf-8',
  css: 'text/css; charset=utf-8',
}
const digestDigits = 12

/** Rejects with the bundler's words when a source is wrong. */
export async function makePage(): Promise<MadePage> {
  const { outputs, metafile } = await Bun.build({
    entrypoints: [join(import.meta.dir, 'page/main.tsx')],
    target: 'browser',
    format: 'esm',
    minify: true,
    sourcemap: 'none',
    define: { 'process.env.NODE_ENV': '"production"' },
    metafile: true,
  })
  const files = await Promise.all(outputs.map((output) => fileOf(output)))
  return {
    files: files.sort((a, b) => (a.name < b.name ? -1 : 1)),
    inputs: Object.keys(metafile?.inputs ?? {}),
  }
}

async function fileOf(output: Bun.BuildArtifact): Promise<PageFile> {
  const bytes = new Uint8Array(await output.arrayBuffer())
  const [, base = '', extension = ''] = /([^/\\]+)\.(\w+)$/.exec(output.path) ?? []
  const contentType = contentTypes[extension]
  if (contentType === undefined) throw new Error(`the page of the console may not have a file ${output.path}`)
  const digest = createHash('sha256').update(bytes).digest('hex').slice(0, digestDigits)
  return {
    name: `${base}-${digest}.${extension}`,
    contentType,
    brotli: brotliCompressSync(bytes, { params: { [constants.BROTLI_PARAM_QUALITY]: 11 } }),
    gzip: gzipSync(bytes, { level: 9 }),
  }
}
