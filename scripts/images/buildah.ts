/** Buildah without a daemon: its own storage below one directory, chroot isolation, no registry. */
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { run } from './run.ts'

export interface ImageConfig {
  readonly User: string
  readonly WorkingDir: string
  readonly Env: readonly string[]
  readonly Entrypoint: readonly string[]
  readonly Cmd: readonly string[]
  readonly Volumes: Readonly<Record<string, unknown>>
  readonly ExposedPorts: Readonly<Record<string, unknown>>
  readonly StopSignal: string
  readonly Healthcheck: { readonly Test: readonly string[] }
}

export interface BuildImageOptions {
  readonly context: string
  /** The last stage when left out. */
  readonly target?: string
  readonly tag: string
  readonly buildArgs?: Readonly<Record<string, string>>
  /** Host directories seen by the RUN steps only: `from:to`. */
  readonly volumes?: readonly string[]
  /** Folders that take the place of stages, by the stage's name. */
  readonly stages?: Readonly<Record<string, string>>
}

export class Buildah {
  readonly log: string
  private readonly storage: readonly string[]

  /** `directory` holds images and containers; nothing of the machine's own storage is touched. */
  constructor(directory: string) {
    this.log = join(directory, 'images.log')
    this.storage = ['--root', join(directory, 'storage'), '--runroot', join(directory, 'run')]
  }

  /** Makes an image of whatever `fill` puts into an empty root directory. */
  imageFrom(tag: string, fill: (root: string) => void): void {
    const container = this.buildah('from', 'scratch')
    try {
      fill(this.buildah('mount', container))
      this.buildah('commit', '--quiet', '--format', 'docker', container, tag)
    } finally {
      this.buildah('rm', container)
    }
  }

  build(options: BuildImageOptions): void {
    const args = Object.entries(options.buildArgs ?? {}).map(
      ([name, value]) => `--build-arg=${name}=${value}`,
    )
    const volumes = (options.volumes ?? []).map((volume) => `--volume=${volume}`)
    const stages = Object.entries(options.stages ?? {}).map(
      ([name, folder]) => `--build-context=${name}=${folder}`,
    )
    this.buildah(
      'build',
      '--isolation=chroot',
      '--pull-never',
      // The OCI format has no place for HEALTHCHECK.
      '--format=docker',
      ...(options.target === undefined ? [] : [`--target=${options.target}`]),
      `--tag=${options.tag}`,
      ...args,
      ...volumes,
      ...stages,
      options.context,
    )
  }

  /** Gives an image one more name. */
  tag(tag: string, name: string): void {
    this.buildah('tag', tag, name)
  }

  exists(tag: string): boolean {
    return this.buildah('images', '--format', '{{.Name}}:{{.Tag}}').split('\n').includes(tag)
  }

  config(tag: string): ImageConfig {
    const { Docker } = JSON.parse(this.buildah('inspect', '--type', 'image', tag)) as {
      Docker: { config: ImageConfig }
    }
    return Docker.config
  }

  /** Calls `use` with the root directory of a new container of that image. */
  async withRoot<T>(tag: string, use: (root: string) => Promise<T>): Promise<T> {
    const container = this.buildah('from', '--pull-never', tag)
    try {
      return await use(this.buildah('mount', container))
    } finally {
      this.buildah('rm', container)
    }
  }

  /** Writes the image to a directory and resolves with the paths of its blobs: layers and configuration. */
  export(tag: string, directory: string): string[] {
    this.buildah('push', '--quiet', '--disable-compression', tag, `dir:${directory}`)
    return readdirSync(directory).map((name) => join(directory, name))
  }

  /** The digests of the layers of an image, without their algorithm. */
  layers(tag: string): string[] {
    const { OCIv1 } = JSON.parse(this.buildah('inspect', '--type', 'image', tag)) as {
      OCIv1: { rootfs: { diff_ids: readonly string[] } }
    }
    return OCIv1.rootfs.diff_ids.map((digest) => digest.replace('sha256:', ''))
  }

  private buildah(...args: readonly string[]): string {
    return run(['buildah', ...this.storage, ...args], { log: this.log })
  }
}
