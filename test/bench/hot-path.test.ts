/** Which step of a request each source file counts for. */
import { describe, expect, test } from 'bun:test'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { stepOf, steps } from '../../bench/hot-path-steps.ts'
import { readTree, repository } from '../house/source-tree.ts'

describe('the steps of the hot path', () => {
  test('name only files and folders that are there', () => {
    const paths = steps.flatMap((step) => step.paths)
    expect(paths.filter((path) => !existsSync(join(repository, 'src', path)))).toEqual([])
  })

  test('leave out no file that a call passes through', () => {
    const rooms = [
      'access',
      'group',
      'net',
      'protocol',
      'session',
      'telemetry',
      'upstream',
      'http/hooks',
      'http/routes',
    ]
    const files = [...readTree(...rooms.map((room) => `src/${room}`)).keys()]
    expect(files.length).toBeGreaterThan(100)
    expect(files.filter((file) => stepOf(file.slice('src/'.length)) === null)).toEqual([])
  })

  test.each([
    { file: 'net/host.ts', step: 'hooks: client, host, token, limits', why: 'its folder decides' },
    { file: 'net/http1-head.ts', step: 'transport: pipe or HTTP', why: 'a file outranks its folder' },
    { file: 'http/hooks/access-log.ts', step: 'access log and metrics', why: 'a file outranks its folder' },
    { file: 'session/legacy/sessions.ts', step: 'which era, which session', why: 'it looks sessions up' },
    { file: 'upstream/transports/http/client/fetch.ts', step: 'transport: pipe or HTTP', why: 'deep below' },
    { file: 'config/load.ts', step: null, why: 'no call passes there' },
  ])('$file counts for $step: $why', ({ file, step }) => {
    expect(stepOf(file)?.title ?? null).toBe(step)
  })
})
