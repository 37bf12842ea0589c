/** What may be registered over the admin API; POST and PUT pass the same gate. */
import { afterAll, describe, expect, test } from 'bun:test'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type AdminServerOptions, startAdminServer } from './admin-server.ts'

const place = mkdtempSync(join(tmpdir(), 'gate-'))
afterAll(() => rmSync(place, { recursive: true }))
const bin = join(place, 'bin')
mkdirSync(join(bin, 'folder'), { recursive: true })
writeFileSync(join(bin, 'tool'), '#!/bin/sh\n', { mode: 0o755 })
writeFileSync(join(bin, 'sh'), '#!/bin/sh\n', { mode: 0o755 })
writeFileSync(join(bin, 'plain'), 'text', { mode: 0o644 })

const environment = { PATH: bin }
const stdio = { name: 'a', transport: 'stdio', command: 'tool' }
const http = { name: 'a', transport: 'streamable-http', url: 'http://127.0.0.1:1/mcp' }

interface Row {
  readonly why: string
  readonly options?: AdminServerOptions
  readonly body: Readonly<Record<string, unknown>>
  readonly status: number
  readonly code?: string
  /** Part of the details. */
  readonly says?: string
}

const rows: Row[] = [
  { why: 'a command in PATH', body: stdio, status: 201 },
  { why: 'a command by its full path', body: { ...stdio, command: join(bin, 'tool') }, status: 201 },
  {
    why: 'a command that is nowhere',
    body: { ...stdio, command: 'nowhere' },
    status: 422,
    code: 'COMMAND_NOT_FOUND',
    says: 'nowhere is not installed',
  },
  { why: 'a file without the executable bit', body: { ...stdio, command: 'plain' }, status: 422 },
  { why: 'a folder', body: { ...stdio, command: 'folder' }, status: 422 },
  { why: 'a path that does not exist', body: { ...stdio, command: './tool' }, status: 422 },
  {
    why: 'a whole command line in one string',
    body: { ...stdio, command: 'tool --flag' },
    status: 422,
    says: 'the rest in "args"',
  },
  {
    why: 'a missing launcher in the small image',
    options: { environment: { ...environment, COMPOZY_IMAGE: 'distroless' } },
    body: { ...stdio, command: 'npx' },
    status: 422,
    says: 'full image',
  },
  {
    why: 'the shell that the small image has in name only',
    options: { environment: { ...environment, COMPOZY_IMAGE: 'distroless' } },
    body: { ...stdio, command: 'sh' },
    status: 422,
    says: 'full image',
  },
  {
    why: 'the shell elsewhere',
    body: { ...stdio, command: 'sh' },
    status: 201,
  },
  {
    why: 'a command that its own PATH has not',
    body: { ...stdio, env: { PATH: '/nonexistent' } },
    status: 422,
  },
  {
    why: 'processes switched off',
    options: { admin: { stdio: 'disabled' } },
    body: stdio,
    status: 403,
    code: 'COMMAND_FORBIDDEN',
    says: 'admin.stdio',
  },
  {
    why: 'a URL while processes are off',
    options: { admin: { stdio: 'disabled' } },
    body: http,
    status: 201,
  },
  { why: 'a listed command', options: { admin: { commands: ['tool'] } }, body: stdio, status: 201 },
  {
    why: 'an unlisted command',
    options: { admin: { commands: ['npx'] } },
    body: stdio,
    status: 403,
    code: 'COMMAND_FORBIDDEN',
    says: 'admin.commands',
  },
  {
    why: 'a path to a file that is called like a listed command',
    options: { admin: { commands: ['tool'] } },
    body: { ...stdio, command: join(bin, 'tool') },
    status: 403,
  },
  ...[
    'PATH',
    'HOME',
    'LD_PRELOAD',
    'ld_library_path',
    'OPENSSL_CONF',
    'NODE_OPTIONS',
    'BUN_BE_BUN',
    'npm_config_script_shell',
    'PYTHONSTARTUP',
    'PYTHONWARNINGS',
    'BASH_ENV',
    'BASH_FUNC_ls%%',
    'PS4',
    'RUBYOPT',
    '_JAVA_OPTIONS',
    'DOTNET_STARTUP_HOOKS',
    'GIT_SSH_COMMAND',
    'PAGER',
    'MANPAGER_PAGER',
  ].map((name) => ({
    why: `a listed command that ${name} would turn into another one`,
    options: { admin: { commands: ['tool'] } },
    body: { ...stdio, env: { [name]: '/tmp/evil' } },
    status: 403,
    code: 'COMMAND_FORBIDDEN',
    says: `env.${name}`,
  })),
  {
    why: 'variables that only inform',
    options: { admin: { commands: ['tool'] } },
    body: {
      ...stdio,
      env: {
        DEBUG: '1',
        PYTHONUNBUFFERED: '1',
        NODE_ENV: 'production',
        GIT_AUTHOR_NAME: 'Kim',
        ENVIRONMENT: 'x',
      },
    },
    status: 201,
  },
  { why: 'a server on this machine', body: http, status: 201 },
  {
    why: 'the metadata service of the cloud',
    body: { ...http, url: 'http://169.254.169.254/latest/meta-data/' },
    status: 422,
    code: 'URL_FORBIDDEN',
    says: 'link-local',
  },
  {
    why: 'a name that leads to it',
    options: { resolve: async () => ['203.0.113.5', '169.254.169.254'] },
    body: { ...http, url: 'http://harmless.example/' },
    status: 422,
    code: 'URL_FORBIDDEN',
    says: 'harmless.example leads to 169.254.169.254',
  },
  {
    why: 'a name that does not resolve yet',
    options: { resolve: async () => [] },
    body: { ...http, url: 'http://later.example/' },
    status: 201,
  },
  {
    why: 'a private address where those are refused',
    options: { privateUpstreams: 'refused' },
    body: http,
    status: 422,
    code: 'URL_FORBIDDEN',
    says: 'security.private_upstreams',
  },
]

describe('registering', () => {
  test.each(rows)('$why: $status', async ({ options, body, status, code, says }) => {
    await using server = startAdminServer({ environment, ...options })
    const response = await server.send('POST', '/admin/mcps', body)
    const answer = (await response.json()) as { code?: string; details?: string }
    expect(response.status).toBe(status)
    if (code !== undefined) expect(answer.code).toBe(code)
    if (says !== undefined) expect(answer.details).toContain(says)
    expect(server.store.list()).toHaveLength(status === 201 ? 1 : 0)
    expect(server.directory.list()).toHaveLength(status === 201 ? 1 : 0)
  })
})

describe('replacing', () => {
  test.each(rows.filter(({ status }) => status !== 201))(
    '$why: $status',
    async ({ options, body, status, code }) => {
      await using server = startAdminServer({ environment, ...options })
      const harmless = { ...http, url: 'http://203.0.113.1/' }
      expect((await server.send('POST', '/admin/mcps', harmless)).status).toBe(201)
      const stored = server.store.get('a')
      const response = await server.send('PUT', '/admin/mcps/a', body)
      expect(response.status).toBe(status)
      if (code !== undefined) expect(((await response.json()) as { code: string }).code).toBe(code)
      expect(server.store.get('a')).toEqual(stored as never)
      expect(server.directory.get('a')?.definition).toEqual(stored as never)
    },
  )
})
