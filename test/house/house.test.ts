/** Holds the house in order: each rule is applied to the sources and shown to bite on a sample. */
import { describe, expect, test } from 'bun:test'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { namedSettings } from '../../src/config/shape.ts'
import { catalogue } from '../../src/errors.ts'
import {
  circles,
  crowdedFolders,
  deadFiles,
  emptyNames,
  fragments,
  ignoredExpectations,
  loadedWith,
  lockedHosts,
  longFiles,
  looseOutput,
  missingTerms,
  rowsUnder,
  unheldRules,
  wallClocks,
  wrongDirections,
} from './rules.ts'
import { readTree, repository, type Tree } from './source-tree.ts'

const sources = readTree('src')

/** Why a small file with one importer stands by itself. */
const reasonsToStand: Readonly<Record<string, string>> = {
  'src/access/admin-grants.ts': 'what is granted is decided in one room, for admins as for everybody',
  'src/registry/storage/open-store.ts': 'what a start opens, whatever is kept',
  'src/config/secrets/secret-settings.ts':
    'the settings of one subject, which schema.ts would be too long with',
  'src/registry/secrets/secret-command.ts': 'loaded only where a command is asked for a secret',
  'src/http/definition-warnings.ts': 'what the log says of definitions, at the start and at each reload',
  'src/audit/refusals.ts': 'a bound of its own: who is refused fills no disk',
  'src/cli/approvals/list.ts': 'a command, loaded lazily',
  'src/cli/approvals/revoke.ts': 'a command, loaded lazily',
  'src/cli/approvals/show.ts': 'a command, loaded lazily',
  'src/http/api/approval-operations.ts':
    'the operations of one room, which operations.ts would be too long with',
  'src/approvals/records.ts': 'the one form in which approvals are kept',
  'src/cli/config/schema.ts': 'a command, loaded lazily',
  'src/cli/healthcheck.ts': 'a command, loaded lazily',
  'src/cli/serve/mcp-proxy.ts': 'a command, loaded lazily',
  'src/cli/serve/announce.ts': 'what a person reads of a start',
  'src/cli/serve/port-holder.ts': 'loaded when a start has failed',
  'src/cli/serve/terminal.ts': 'a rule of its own: what HUP means',
  'src/cli/serve/serve.ts': 'what the command loads once its words are right',
  'src/cli/serve/watchdog.ts': 'a command, loaded lazily',
  'src/cli/admin/event-stream.ts': 'the one reader of event streams',
  'src/cli/admin/server-table.ts': 'one view of servers, beside server-page.ts',
  'src/cli/completion/completion.ts': 'a command, loaded lazily',
  'src/cli/completion/scripts.ts': 'programs in the languages of shells',
  'src/cli/definitions/local-paths.ts': 'a pure rule with a table of its own',
  'src/cli/results/progress-line.ts': 'what a call shows while it lasts',
  'src/cli/groups/add.ts': 'a command, loaded lazily',
  'src/cli/keys/revoke.ts': 'a command, loaded lazily',
  'src/cli/secrets/rotate.ts': 'a command, loaded lazily',
  'src/cli/credentials/set.ts': 'a command, loaded lazily',
  'src/cli/credentials/remove.ts': 'a command, loaded lazily',
  'src/cli/credentials/secret-input.ts': 'what a person types and nobody sees',
  'src/credentials/vault/row.ts': 'what is kept of a credential, and what binds it',
  'src/cli/keys/rotate.ts': 'a command, loaded lazily',
  'src/cli/groups/list.ts': 'a command, loaded lazily',
  'src/cli/groups/remove.ts': 'a command, loaded lazily',
  'src/credentials/oauth/token-life.ts': 'pure rules about times, apart from what keeps a login',
  'src/cli/logins/logout.ts': 'a command, loaded lazily',
  'src/cli/servers/add.ts': 'a command, loaded lazily',
  'src/cli/servers/disable.ts': 'a command, loaded lazily',
  'src/cli/servers/enable.ts': 'a command, loaded lazily',
  'src/cli/servers/export.ts': 'a command, loaded lazily',
  'src/cli/servers/get.ts': 'a command, loaded lazily',
  'src/cli/servers/list.ts': 'a command, loaded lazily',
  'src/cli/servers/remove.ts': 'a command, loaded lazily',
  'src/cli/servers/restart.ts': 'a command, loaded lazily',
  'src/cli/servers/tools.ts': 'a command, loaded lazily',
  'src/cli/terminal/watch.ts': 'how something is shown again and again',
  'src/group/lists/interim-list.ts': 'what stands in for a late list, a rule of its own',
  'src/console/page/parts/virtual-rows.tsx': 'one way to show a list, beside table.tsx',
  'src/console/page-files.ts': 'what the build puts another module in the place of',
  'src/console/page/shell/boundary.tsx': 'what keeps a fault to one view',
  'src/console/page/views/keys/rotate-key.tsx': 'a dialog with a state of its own, one file each',
  'src/console/page/views/calls/callers.tsx': 'a part of a view with a list of its own',
  'src/console/page/api/frames.ts': 'a pure rule with a table of its own',
  'src/console/page/views/not-found.tsx': 'a view, one file each',
  'src/http/api/console-operations.ts':
    'the operations of one room, which operations.ts would be too long with',
  'src/http/api/logins/login-operations.ts': 'the rows of one part of the API',
  'src/http/api/tool-call-schema.ts': 'a schema',
  'src/http/hooks/access-log.ts': 'a hook, one file each',
  'src/http/routes/connect/admin-logins.ts': 'the handlers of a path, one file each',
  'src/http/routes/admin/groups.ts': 'the handlers of a path, one file each',
  'src/http/hooks/admin-door.ts': 'a hook, one file each',
  'src/http/hooks/client.ts': 'a hook, one file each',
  'src/http/long-waits.ts': 'a workaround with its reason',
  'src/http/revocation.ts': 'whose work ends: one rule for removal, replacement and reload',
  'src/http/routes/admin/name-order.ts': 'the order of writes, with a test of its own',
  'src/http/routes/discovery.ts': 'a route group',
  'src/http/hooks/admin-roles.ts': 'an access rule, found by its name',
  'src/http/routes/health.ts': 'a route group',
  'src/http/routes/mcp-endpoints.ts': 'a route group',
  'src/http/routes/metrics.ts': 'a route group',
  'src/group/view/task-owners.ts': 'a table of its own',
  'src/protocol/name-pattern.ts': 'a pure rule with a table of its own',
  'src/protocol/void-members.ts': 'a leniency with its reason',
  'src/cluster/open-cluster.ts': 'what loads the room only where it is used',
  'src/http/api/cluster-operations.ts': 'loaded with the document alone, beside the others of its kind',
  'src/cli/cluster/status.ts': 'a command, loaded when it is asked for',
  'src/identity/open-identity.ts': 'what loads the room only where it is used',
  'src/runtime/sweeper.ts': 'the one timer of the process',
  'src/upstream/connection/answered-request.ts': 'a pure rule with a table of its own',
  'src/upstream/lane/opening.ts': 'one attempt, which lane.ts would be too long with',
  'src/upstream/lane/probe.ts': 'what a probe of a lane means',
  'src/upstream/server/crash-loop.ts': 'a pure rule with a table of its own',
  'src/upstream/server/open-transport.ts': 'the one place that knows both transports',
  'src/upstream/server/output-tail.ts': 'what is kept of the output of a server',
  'src/upstream/transports/http/json-answer.ts': 'one form of an answer, beside answer-stream.ts',
  'src/upstream/transports/stdio/child-environment.ts': 'a security rule with its own pin',
  'src/upstream/transports/stdio/child-input.ts': 'one direction of a pipe',
  'src/upstream/transports/stdio/child-output.ts': 'one direction of a pipe',
  'src/upstream/transports/stdio/orphan-killer.ts': 'runs in a process of its own',
}

function treeOf(files: Readonly<Record<string, string>>): Tree {
  return new Map(Object.entries(files))
}

describe('directions of imports', () => {
  test('every import in src goes the one way', () => {
    expect(wrongDirections(sources)).toEqual([])
  })

  test.each([
    {
      why: 'upstream is the last room of the chain',
      path: 'src/upstream/lane/lane.ts',
      text: "import { Session } from '../../session/legacy/session.ts'",
      fault: 'src/upstream/lane/lane.ts: upstream/lane must not import ../../session/legacy/session.ts',
    },
    {
      why: 'a type is a dependency too',
      path: 'src/session/legacy/session.ts',
      text: "import type { RequestContext } from '../../http/context.ts'",
      fault: 'src/session/legacy/session.ts: session/legacy must not import ../../http/context.ts',
    },
    {
      why: 'protocol knows nothing but itself',
      path: 'src/protocol/eras.ts',
      text: "import { GatewayError } from '../errors.ts'",
      fault: 'src/protocol/eras.ts: protocol must not import ../errors.ts',
    },
    {
      why: 'net does no input or output',
      path: 'src/net/cidr.ts',
      text: "import { lookup } from 'node:dns'",
      fault: 'src/net/cidr.ts: net is pure and must not import node:dns',
    },
    {
      why: 'a re-export is an import',
      path: 'src/errors.ts',
      text: "export { settings } from './config/schema.ts'",
      fault: 'src/errors.ts: errors must not import ./config/schema.ts',
    },
    {
      why: 'a lazy import is an import',
      path: 'src/session/legacy/session.ts',
      text: "const cli = await import('../../cli/serve.ts')",
      fault: 'src/session/legacy/session.ts: session/legacy must not import ../../cli/serve.ts',
    },
    {
      why: 'a connection knows no lane',
      path: 'src/upstream/connection/connection.ts',
      text: "import type { Lane } from '../lane/lane.ts'",
      fault: 'src/upstream/connection/connection.ts: upstream/connection must not import ../lane/lane.ts',
    },
    {
      why: 'the eras of a session do not know each other',
      path: 'src/session/modern/answer.ts',
      text: "import { Session } from '../legacy/session.ts'",
      fault: 'src/session/modern/answer.ts: session/modern must not import ../legacy/session.ts',
    },
    {
      why: 'the transports do not know each other',
      path: 'src/upstream/transports/http/client/http1/connection.ts',
      text: "import { processGroup } from '../../../stdio/process-group.ts'",
      fault:
        'src/upstream/transports/http/client/http1/connection.ts: upstream/transports/http must not import ../../../stdio/process-group.ts',
    },
    {
      why: 'http takes only types from upstream',
      path: 'src/http/routes/stream.ts',
      text: "import { Servers } from '../../upstream/server/servers.ts'",
      fault: 'src/http/routes/stream.ts: http may import only types from ../../upstream/server/servers.ts',
    },
    {
      why: 'an import over several lines is found',
      path: 'src/registry/store.ts',
      text: "import {\n  a,\n  b,\n} from '../upstream/lane/lane.ts'",
      fault: 'src/registry/store.ts: registry must not import ../upstream/lane/lane.ts',
    },
    {
      why: 'the definitions do not depend on the settings',
      path: 'src/registry/parse.ts',
      text: "import { type Config, load } from '../config/load.ts'",
      fault: 'src/registry/parse.ts: registry may import only types from ../config/load.ts',
    },
    {
      why: 'only http knows the web framework',
      path: 'src/session/legacy/session.ts',
      text: "import { Elysia } from 'elysia'",
      fault: 'src/session/legacy/session.ts: elysia belongs to http',
    },
    {
      why: 'the SDK is too dear for the relay',
      path: 'src/upstream/connection/connection.ts',
      text: "import { Client } from '@modelcontextprotocol/sdk/client/index.js'",
      fault:
        'src/upstream/connection/connection.ts: @modelcontextprotocol/sdk/client/index.js belongs to cli',
    },
    {
      why: 'a new room is a decision',
      path: 'src/stuff/thing.ts',
      text: '',
      fault: 'src/stuff/thing.ts: the house has no room "stuff"',
    },
  ])('refuses $path because $why', ({ path, text, fault }) => {
    expect(wrongDirections(treeOf({ [path]: text }))).toEqual([fault])
  })

  test.each([
    { why: 'all names are types', path: 'src/registry/parse.ts', from: '../config/load.ts' },
    { why: 'the room lies further down', path: 'src/http/app.ts', from: '../upstream/server/directory.ts' },
    { why: 'everybody may raise errors', path: 'src/upstream/lane/lane.ts', from: '../../errors.ts' },
    { why: 'it is the same room', path: 'src/protocol/bridge/step.ts', from: '../eras.ts' },
  ])('accepts an import because $why', ({ path, from }) => {
    expect(wrongDirections(treeOf({ [path]: `import { type A, type B } from '${from}'` }))).toEqual([])
  })

  test('does not take a comment for an import', () => {
    const text = "// import { a } from '../http/app.ts'\n/*\nimport { b } from '../cli/serve.ts'\n*/"
    expect(wrongDirections(treeOf({ 'src/upstream/lane/lane.ts': text }))).toEqual([])
  })
})

describe('circles', () => {
  test('no more than three files import each other, and none across folders', () => {
    expect(circles(sources)).toEqual([])
  })

  test('a circle of four files is named', () => {
    const chain = ['a', 'b', 'c', 'd']
    const tree = chain.map(
      (name, at) => [`src/x/${name}.ts`, `import './${chain[(at + 1) % 4]}.ts'`] as const,
    )
    expect(circles(new Map(tree))).toEqual(['src/x/a.ts ↔ src/x/b.ts ↔ src/x/c.ts ↔ src/x/d.ts'])
  })

  test('a circle of two is fine within a folder, and not across', () => {
    const within = treeOf({
      'src/x/a.ts': "import './b.ts'",
      'src/x/b.ts': "import type { A } from './a.ts'",
    })
    expect(circles(within)).toEqual([])
    const across = treeOf({
      'src/x/a.ts': "import '../y/b.ts'",
      'src/y/b.ts': "import type { A } from '../x/a.ts'",
    })
    expect(circles(across)).toEqual(['src/x/a.ts ↔ src/y/b.ts'])
  })
})

describe('sizes', () => {
  test('no folder holds more than fifteen files', () => {
    expect(crowdedFolders(sources, 15)).toEqual([])
  })

  test('a folder of three files is more than two', () => {
    const tree = treeOf({ 'src/x/a.ts': '', 'src/x/b.ts': '', 'src/x/c.ts': '', 'src/x/y/d.ts': '' })
    expect(crowdedFolders(tree, 2)).toEqual(['src/x holds 3 files, more than 2'])
  })

  test('a file under 60 lines with one importer has a reason', () => {
    expect(fragments(sources, 60, reasonsToStand)).toEqual([])
    expect(Object.keys(reasonsToStand).filter((path) => !sources.has(path))).toEqual([])
  })

  test('a small file that only one other uses is named, one that two use is not', () => {
    const tree = treeOf({
      'src/a.ts': "import './b.ts'\nimport './c.ts'",
      'src/b.ts': "import './c.ts'",
      'src/c.ts': '',
    })
    expect(fragments(tree, 60, {})).toEqual(['src/b.ts has 1 lines and is used by src/a.ts alone'])
  })
})

describe('dead files', () => {
  test('src/main.ts reaches every file, and the page of the console every file of it', () => {
    const page = ['src/console/page/main.tsx', 'src/console/page/style/styles.d.ts']
    // Until a supervisor of several processes has it, tests do.
    const entries = ['src/main.ts', ...page, 'src/cluster/directory/memory-directory.ts']
    expect(deadFiles(sources, entries)).toEqual([])
  })

  const living = {
    'src/main.ts': "const { serve } = await import('./cli/serve.ts')",
    'src/cli/serve.ts': "import type { A } from '../errors.ts'",
    'src/errors.ts': '',
  }

  test('follows lazy and type imports', () => {
    expect(deadFiles(treeOf(living), ['src/main.ts'])).toEqual([])
  })

  test('names a file that nothing reaches', () => {
    const tree = treeOf({ ...living, 'src/http/forgotten.ts': "import '../errors.ts'" })
    expect(deadFiles(tree, ['src/main.ts'])).toEqual(['src/http/forgotten.ts is used by nothing'])
  })

  test('names a file that is imported and missing', () => {
    const tree = treeOf({ 'src/main.ts': "import './gone.ts'" })
    expect(deadFiles(tree, ['src/main.ts'])).toEqual(['src/gone.ts is imported, but there is no such file'])
  })
})

describe('what is loaded', () => {
  test('a gateway that starts loads nothing of the other commands', () => {
    const entries = ['src/main.ts', 'src/cli/serve/mcp-proxy.ts', 'src/cli/serve/serve.ts']
    const ofCommands = /^src\/cli\/(?!serve\/|terminal\/(?:terminal|text)\.ts)[^/]+\//
    expect(loadedWith(sources, entries).filter((path) => ofCommands.test(path))).toEqual([])
  })

  test('a gateway that starts loads nothing of approvals but what opens them', () => {
    const loaded = loadedWith(sources, ['src/main.ts', 'src/cli/serve/serve.ts'])
    expect(loaded.filter((path) => path.startsWith('src/approvals/'))).toEqual([
      'src/approvals/open-approvals.ts',
    ])
  })

  test('a gateway that starts alone loads nothing of a cluster but what opens it', () => {
    const loaded = loadedWith(sources, ['src/main.ts', 'src/cli/serve/serve.ts'])
    expect(loaded.filter((path) => path.startsWith('src/cluster/'))).toEqual(['src/cluster/open-cluster.ts'])
  })

  test('a gateway that starts loads nothing of the console', () => {
    const loaded = loadedWith(sources, ['src/main.ts', 'src/cli/serve/serve.ts'])
    expect(loaded.filter((path) => path.startsWith('src/console/'))).toEqual([])
  })

  test('a gateway that starts loads nothing of stored credentials but what opens them', () => {
    const loaded = loadedWith(sources, ['src/main.ts', 'src/cli/serve/serve.ts'])
    expect(loaded.filter((path) => path.startsWith('src/credentials/'))).toEqual([
      'src/credentials/oauth/open-oauth.ts',
      'src/credentials/open-credentials.ts',
    ])
  })

  test('a gateway that starts loads nothing of keys, of issuers and of people but what opens them', () => {
    const loaded = loadedWith(sources, ['src/main.ts', 'src/cli/serve/serve.ts'])
    expect(loaded.filter((path) => path.startsWith('src/identity/'))).toEqual([
      'src/identity/open-identity.ts',
    ])
  })

  test('a lazy import and a type load nothing, a plain one does', () => {
    const tree = treeOf({
      'src/a.ts': "import './b.ts'\nimport type { C } from './c.ts'\nconst d = () => import('./d.ts')",
      'src/b.ts': '',
      'src/c.ts': '',
      'src/d.ts': '',
    })
    expect(loadedWith(tree, ['src/a.ts'])).toEqual(['src/a.ts', 'src/b.ts'])
  })
})

describe('lengths', () => {
  test('no source file is longer than 400 lines', () => {
    expect(longFiles(sources, 400)).toEqual([])
  })

  test('a file of 301 lines is too long, one of 300 is not', () => {
    const tree = treeOf({ 'src/a.ts': 'x\n'.repeat(300), 'src/b.ts': 'x\n'.repeat(301) })
    expect(longFiles(tree, 300)).toEqual(['src/b.ts has 301 lines, more than 300'])
  })
})

describe('clocks', () => {
  test('durations and deadlines are monotonic', () => {
    expect(wallClocks(sources)).toEqual([])
  })

  test('a file that asks the wall clock is named', () => {
    const tree = treeOf({ 'src/session/a.ts': 'const at = Date.now()', 'src/telemetry/b.ts': 'Date.now()' })
    expect(wallClocks(tree)).toEqual(['src/session/a.ts asks the wall clock'])
  })
})

describe('output of commands', () => {
  test('goes through one place', () => {
    expect(looseOutput(sources)).toEqual([])
  })

  test('a file that prints by itself is named', () => {
    const path = 'src/cli/groups/list.ts'
    const fault = `${path} writes past src/cli/terminal/output.ts`
    expect(looseOutput(treeOf({ [path]: "console.log('no groups')" }))).toEqual([fault])
    expect(looseOutput(treeOf({ [path]: "process.stdout.write('no groups')" }))).toEqual([fault])
    expect(looseOutput(treeOf({ [path]: "print('no groups')" }))).toEqual([])
  })
})

describe('syntax', () => {
  test('src has no function over 70 lines, no any, no non-null assertion', () => {
    expect(lint(join(repository, 'src'))).toEqual([])
    // It reads all of src, which takes seconds where others are busy too.
  }, 60_000)

  test('src does not talk its way out of these rules', () => {
    const silenced = [...sources].filter(([, text]) =>
      /biome-ignore lint\/(complexity\/noExcessiveLinesPerFunction|suspicious\/noExplicitAny|style\/noNonNullAssertion)|@ts-ignore|@ts-nocheck/.test(
        text,
      ),
    )
    expect(silenced.map(([path]) => path)).toEqual([])
  })

  test.each([
    { rule: 'noExcessiveLinesPerFunction', text: `export function f() {\n${'  f()\n'.repeat(71)}}\n` },
    { rule: 'noExplicitAny', text: 'export const a: any = 1\n' },
    { rule: 'noNonNullAssertion', text: 'export const a = [1].at(0)!\n' },
  ])('$rule bites', ({ rule, text }) => {
    const directory = mkdtempSync(join(tmpdir(), 'house-'))
    try {
      writeFileSync(join(directory, 'sample.ts'), text)
      expect(lint(directory).map((fault) => fault.split(' ')[0])).toEqual([rule])
    } finally {
      rmSync(directory, { recursive: true })
    }
  })
})

describe('expectations', () => {
  test('no test leaves a promise to itself', () => {
    const tree = [...readTree('test')].filter(([path]) => !path.startsWith('test/house/'))
    expect(ignoredExpectations(new Map(tree))).toEqual([])
  })

  test.each([
    {
      why: 'on one line',
      text: 'test(() => {\n  expect(f()).rejects.toThrow()\n})',
      faults: ['a.test.ts:2 is not awaited'],
    },
    {
      why: 'over several lines',
      text: '  expect(\n    f(),\n  ).resolves.toBe(1)',
      faults: ['a.test.ts:1 is not awaited'],
    },
    {
      why: 'with the matcher on the next line',
      text: '  expect(f())\n    .rejects.toThrow()',
      faults: ['a.test.ts:1 is not awaited'],
    },
    { why: 'awaited', text: '  await expect(f()).rejects.toThrow()', faults: [] },
    { why: 'returned', text: '  return expect(f()).rejects.toThrow()', faults: [] },
    {
      why: 'no promise, and an awaited one below',
      text: '  expect(f()).toBe(1)\n  await expect(f()).rejects.toThrow()',
      faults: [],
    },
  ])('$why: $faults', ({ text, faults }) => {
    expect(ignoredExpectations(treeOf({ 'a.test.ts': text }))).toEqual([...faults])
  })
})

describe('names', () => {
  test('no file and no declaration has a name that says nothing', () => {
    // The samples below stand in this very file.
    const tree = [...readTree('src', 'test', 'scripts')].filter(([path]) => !path.startsWith('test/house/'))
    expect(emptyNames(new Map(tree))).toEqual([])
  })

  test.each([
    { why: 'a file', path: 'src/http/utils.ts', text: '' },
    { why: 'a folder', path: 'src/helpers/cidr.ts', text: '' },
    { why: 'a part of a file name', path: 'src/session/session-manager.ts', text: '' },
    { why: 'a class', path: 'src/session/legacy/sessions.ts', text: 'export class SessionManager {}' },
  ])('refuses $why', ({ path, text }) => {
    expect(emptyNames(treeOf({ [path]: text }))).toHaveLength(1)
  })
})

describe('documents', () => {
  test('bun.lock names no registry host', () => {
    expect(lockedHosts(readFileSync(join(repository, 'bun.lock'), 'utf8'))).toEqual([])
  })

  test('a host in the lock file is named with its line', () => {
    expect(lockedHosts('{\n  "a": "https://registry.example/a.tgz"\n}')).toEqual(['bun.lock:2 names a host'])
  })

  test('docs/ARCHITECTURE.md names only files that are there, and answers that the catalogue has', () => {
    const text = readFileSync(join(repository, 'docs', 'ARCHITECTURE.md'), 'utf8')
    const paths = [...text.matchAll(/`((?:src|test)\/[\w./-]+)`/g)].map(([, path = '']) => path)
    expect(paths.length).toBeGreaterThan(20)
    expect(paths.filter((path) => !existsSync(join(repository, path)))).toEqual([])
    const answers = [...text.matchAll(/(\d{3}) `([A-Z_]+)`/g)].map(([, status, code]) => `${status} ${code}`)
    expect(answers.length).toBeGreaterThan(20)
    const known = Object.entries(catalogue).map(([code, { status }]) => `${status} ${code}`)
    expect(answers.filter((answer) => !known.includes(answer))).toEqual([])
  })

  test('docs/SECURITY.md names for each rule the tests that hold it, and they are there', () => {
    const text = readFileSync(join(repository, 'docs', 'SECURITY.md'), 'utf8')
    const rules = rowsUnder(text, 'rule')
    expect(rules.length).toBeGreaterThan(25)
    expect(unheldRules(rules, (path) => existsSync(join(repository, path)))).toEqual([])
  })

  test('a rule without a test, and one whose test is gone, are named', () => {
    const document =
      '| who | can |\n| --- | --- |\n| a | b |\n\n| rule | held by |\n| --- | --- |\n| one | |\n| two | `test/a.test.ts`, `test/b.test.ts` |\n'
    expect(unheldRules(rowsUnder(document, 'rule'), (path) => path === 'test/a.test.ts')).toEqual([
      'one: no test holds it',
      'two: test/b.test.ts is not there',
    ])
  })

  test('README.md names every flag, with its variable and key', () => {
    const flagged = namedSettings.flatMap(({ key, env, flag }) => (flag ? [`--${flag}`, env, key] : []))
    expect(missingTerms(readFileSync(join(repository, 'README.md'), 'utf8'), flagged)).toEqual([])
  })

  test('docs/CONFIGURATION.md names every variable and key', () => {
    const text = readFileSync(join(repository, 'docs', 'CONFIGURATION.md'), 'utf8')
    const terms = namedSettings.flatMap(({ key, env }) => [key, env])
    expect(missingTerms(text, terms)).toEqual([])
  })

  test('a term that a document leaves out is named', () => {
    expect(missingTerms('| `--mcp-host` |', ['--mcp-host', '--mcp-port'])).toEqual([
      '--mcp-port is not mentioned',
    ])
  })
})

/** The rule and place of every fault that the linter finds with the house's own settings. */
function lint(directory: string): string[] {
  const linter = join(repository, 'node_modules', '.bin', 'biome')
  const settings = `--config-path=${join(import.meta.dir, 'syntax-rules.json')}`
  const { stdout } = Bun.spawnSync([linter, 'lint', settings, '--reporter=json', '.'], { cwd: directory })
  const report = JSON.parse(stdout.toString()) as {
    diagnostics: { category: string; location: { path: unknown } }[]
  }
  // A suppression of a rule that is off here is reported too, and is none of our business.
  return report.diagnostics
    .filter(({ category }) => category.startsWith('lint/'))
    .map(({ category, location }) => `${category.split('/').at(-1)} in ${JSON.stringify(location.path)}`)
}
