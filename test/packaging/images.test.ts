/**
 * Both images, built here and run as containers. Takes minutes the first time, root, and the packages of
 * `scripts/ci-packages.sh images`; asked for with COMPOZY_TEST_IMAGES=1.
 */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test'
import { closeSync, mkdirSync, openSync, readFileSync, readlinkSync } from 'node:fs'
import { join, resolve } from 'node:path'
import type { Buildah, ImageConfig } from '../../scripts/images/buildah.ts'
import { baseTag } from '../../scripts/images/debian-bases.ts'
import { buildImages, type Target, tagOf, targets, uvVersion } from '../../scripts/images.ts'
import { poll } from '../support/gateway.ts'
import { type TemporaryDirectory, temporaryDirectory } from '../support/temporary-directory.ts'
import { type Container, type ContainerOptions, processTree, startContainer } from './container.ts'
import { type Door, inNetworkOf, openDoor } from './container-door.ts'
import { finalStage } from './dockerfile.ts'
import { leaksIn } from './leaks.ts'
import {
  referenceCompose,
  referenceDeployment,
  referenceDockerfile,
  referenceImage,
} from './reference-deployment.ts'
import { at, isAskedFor } from './repository.ts'

setDefaultTimeout(120_000)

type StartOptions = Pick<ContainerOptions, 'command' | 'env' | 'network'>

const podContainers = ['spec', 'template', 'spec', 'containers'] as const

const rawServer = resolve(import.meta.dir, '../support/raw-server.ts')

describe.if(isAskedFor('IMAGES'))('the images', () => {
  let buildah: Buildah

  beforeAll(() => {
    buildah = buildImages()
  }, 1_200_000)

  for (const target of targets) {
    describe(target, () => {
      let place: TemporaryDirectory
      let config: ImageConfig
      let root: string
      let release: () => void
      let released: Promise<void>

      beforeAll(async () => {
        place = temporaryDirectory()
        config = buildah.config(tagOf(target))
        const mounted = Promise.withResolvers<string>()
        released = buildah.withRoot(tagOf(target), (path) => {
          mounted.resolve(path)
          return new Promise<void>((done) => {
            release = done
          })
        })
        root = await mounted.promise
      })

      afterAll(async () => {
        release()
        await released
        place[Symbol.dispose]()
      })

      const start = (options: StartOptions = {}) =>
        startContainer({ config, root, directory: place.path, ...options })

      test('is what the Dockerfile says', () => {
        const stage = finalStage(target)
        expect({
          user: config.User,
          workdir: config.WorkingDir,
          entrypoint: config.Entrypoint,
          command: config.Cmd,
          healthcheck: config.Healthcheck.Test,
          volumes: Object.keys(config.Volumes).sort(),
          ports: Object.keys(config.ExposedPorts),
        }).toEqual({
          user: '65532:65532',
          workdir: '/etc/compozy',
          entrypoint: ['tini', '-s', '--'],
          command: ['compozy', 'mcp-proxy'],
          healthcheck: ['CMD', 'compozy', 'healthcheck'],
          volumes: [...stage.volumes].sort(),
          ports: ['6001/tcp'],
        })
        expect(config.Env).toContain(`COMPOZY_IMAGE=${target}`)
      })

      test('runs as 65532 on a read-only root without capabilities, and answers /healthz', async () => {
        await using container = await start()
        await using door = await openDoor(container, place.path)
        expect(await (await door.fetch('/healthz')).json()).toEqual({ status: 'ok' })
        const gateway = readFileSync(`/proc/${container.pid}/status`, 'utf8')
        expect(gateway).toMatch(/^Uid:\s+65532\s+65532\s+65532\s+65532$/m)
        for (const set of ['Inh', 'Prm', 'Eff', 'Bnd', 'Amb']) {
          expect(gateway).toMatch(new RegExp(`^Cap${set}:\\s+0+$`, 'm'))
        }
        const mounts = readFileSync(`/proc/${container.pid}/mountinfo`, 'utf8')
        expect(mounts.split('\n').find((line) => / \/ \/ /.test(line))).toMatch(/ \/ \/ ro\b/)
      })

      test('has a health check that succeeds while the gateway runs and fails with a reason afterwards', async () => {
        const container = await start()
        await container.process.line((line) => line.includes('listening'))
        // The network outlives the container as long as somebody holds it open.
        const held = openSync(`/proc/${container.pid}/ns/net`, 'r')
        const network = `/proc/${process.pid}/fd/${held}`
        try {
          expect(container.exec(['compozy', 'healthcheck'])).toEqual({ exitCode: 0, output: '' })
          expect(await outcome(await start({ command: ['compozy', 'healthcheck'], network }))).toMatchObject({
            exitCode: 0,
          })
          process.kill(container.pid, 'SIGTERM')
          expect(await container.process.exited).toBe(0)
          const after = await outcome(await start({ command: ['compozy', 'healthcheck'], network }))
          expect(after.exitCode).toBe(1)
          expect(after.output).toContain('http://127.0.0.1:6001/healthz')
        } finally {
          closeSync(held)
        }
      })

      test('does as base and under the probes of the published Docker and Compose examples', async () => {
        using context = temporaryDirectory({ Dockerfile: referenceDockerfile })
        buildah.tag(tagOf(target), referenceImage)
        buildah.build({ context: context.path, tag: `localhost/derived:${target}` })
        const derived = buildah.config(`localhost/derived:${target}`)
        const [form, line = ''] = derived.Healthcheck.Test
        expect(form).toBe('CMD-SHELL')
        const compose = Bun.YAML.parse(referenceCompose)
        const [, ...words] = at(compose, 'services', 'mcp-proxy', 'healthcheck', 'test') as string[]
        const probes = [words, ['/bin/sh', '-c', line]]

        const command = [...derived.Entrypoint, ...derived.Cmd]
        await using container = await start({ command })
        await container.process.line((text) => text.includes('listening'))
        for (const probe of probes) expect(container.exec(probe)).toMatchObject({ exitCode: 0 })

        const empty = await start({ command: ['compozy', 'mcp-proxy', '--mcp-port', '6002'] })
        await empty.process.line((text) => text.includes('listening'))
        for (const probe of probes) expect(empty.exec(probe).exitCode).not.toBe(0)
        await empty[Symbol.asyncDispose]()
      })

      test('serves under the command of the published Deployment, which skips the init', async () => {
        const [published] = at(Bun.YAML.parse(referenceDeployment), ...podContainers) as {
          command: string[]
          env: { name: string; value: string }[]
        }[]
        await using container = await start({
          command: published?.command ?? [],
          env: published?.env.map(({ name, value }) => `${name}=${value}`) ?? [],
        })
        await using door = await openDoor(container, place.path)
        expect((await door.fetch('/healthz')).status).toBe(200)
        expect(readFileSync(`/proc/${container.pid}/comm`, 'utf8').trim()).toBe('tini')
        process.kill(container.pid, 'SIGTERM')
        expect(await container.process.exited).toBe(0)
      })

      test('lets a call in flight finish after SIGTERM, and exits with 0', async () => {
        await using container = await start()
        await using door = await openDoor(container, place.path)
        await using upstream = inNetworkOf(container, [process.execPath, rawServer, '--transport', 'http'])
        const { url } = JSON.parse(await upstream.line((line) => line.startsWith('{"url"'))) as {
          url: string
        }
        await door.register({ name: 'slow', transport: 'streamable-http', url })
        const call = door.callTool('slow', 'slow', { ms: 1500 })
        await poll('the call to be in flight', async () =>
          /^compozy_mcp_requests_in_flight\{[^}]*\} 1$/m.test(await (await door.fetch('/metrics')).text()),
        )
        process.kill(container.pid, 'SIGTERM')
        await container.process.line((line) => line.includes('stopping'))
        const draining = await door.fetch('/healthz')
        expect({ status: draining.status, body: await draining.json() }).toEqual({
          status: 503,
          body: { status: 'draining' },
        })
        expect(await call).toContain('"slept":1500')
        expect(await container.process.exited).toBe(0)
      })

      test('keeps in its layers and its configuration nothing of the machine that built it', () => {
        const blobs = join(place.path, 'blobs')
        mkdirSync(blobs)
        const runtime = readFileSync(process.execPath)
        const ours = buildah.export(tagOf(target), blobs).filter((path) => !isOfBase(buildah, target, path))
        for (const path of ours) expect(leaksIn(readFileSync(path), runtime)).toEqual([])
        expect(ours.length).toBeGreaterThan(2)
      })

      if (target === 'distroless') {
        test('answers 422 to a server that starts a process, and names the other image', async () => {
          await using container = await start()
          await using door = await openDoor(container, place.path)
          const answer = await door.admin('/mcps', { name: 'files', transport: 'stdio', command: 'npx' })
          expect(answer.status).toBe(422)
          expect(await answer.text()).toMatch(/full image.*node, npx, uv, python and git/)
        })

        test('has no shell but the name of one, which runs nothing but health checks', async () => {
          for (const shell of ['bash', 'dash', 'busybox']) {
            expect(Bun.which(shell, { PATH: `${root}/bin:${root}/usr/bin:${root}/usr/local/bin` })).toBeNull()
          }
          expect(readlinkSync(join(root, 'bin/sh'))).toBe('/compozy')
          await using container = await start()
          const outcome = container.exec(['sh', '-c', 'id'])
          expect(outcome.exitCode).toBe(127)
          expect(outcome.output).toContain('this image has no shell')
        })
      } else {
        test('brings the launchers that servers need', async () => {
          await using container = await start()
          for (const command of ['node', 'npx', 'uv', 'uvx', 'python3', 'git']) {
            expect({ command, ...container.exec([command, '--version']) }).toMatchObject({
              command,
              exitCode: 0,
            })
          }
          const writes = "require('fs').writeFileSync(process.env.HOME + '/.npm-probe', '')"
          expect(container.exec(['node', '-e', writes])).toEqual({ exitCode: 0, output: '' })
        })

        test.each([
          { why: 'started by the entry point', options: {} },
          {
            why: 'started by a pod whose command skips the entry point',
            options: { command: ['compozy', 'mcp-proxy'] },
          },
        ])('reaps an orphaned grandchild when $why', async ({ options }) => {
          await using container = await start(options)
          await using door = await openDoor(container, place.path)
          await leaveOrphan(door)
          await poll(
            'the orphan to end',
            async () => !processTree(container.pid).some(({ name }) => name === 'sleep'),
          )
        })
      }
    })
  }
})

/** The layers of a base are Debian's own packages, which name Debian's servers and each other's authors. */
function isOfBase(buildah: Buildah, target: Target, path: string): boolean {
  const base = target === 'distroless' ? 'distroless' : 'debian'
  return buildah.layers(baseTag(base, uvVersion())).some((digest) => path.endsWith(digest))
}

/** The server's source goes in as an argument: nothing of the machine is mounted. */
async function leaveOrphan(door: Door): Promise<void> {
  const source = readFileSync(join(import.meta.dir, 'orphan-server.py'), 'utf8')
  await door.register({ name: 'orphan', transport: 'stdio', command: 'python3', args: ['-c', source] })
  expect(await door.callTool('orphan', 'orphan', {})).toContain('left')
}

async function outcome(container: Container): Promise<{ exitCode: number; output: string }> {
  const exitCode = await container.process.exited
  return { exitCode, output: container.process.lines().join('\n') }
}
