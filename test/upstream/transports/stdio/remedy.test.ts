/** What a person is told to do about a server that ended, or that runs and is silent. */
import { describe, expect, test } from 'bun:test'
import { ProcessExit } from '../../../../src/upstream/transports/stdio/process-exit.ts'
import { type Ending, remedyFor, silenceOf } from '../../../../src/upstream/transports/stdio/remedy.ts'

const one: Ending = { program: 'node', args: ['dist/index.js'], exitCode: 1, signal: null }

describe('a server that ended with these words', () => {
  test.each<{ said: string; cure: string; ending?: Partial<Ending> }>([
    {
      said: "Error: Cannot find module '/srv/dist/index.js'",
      cure: 'There is no such file: check the path in args, or build the server first',
    },
    { said: "Error: Cannot find module 'zod'", cure: 'Install the packages of the server: it lacks zod' },
    {
      said: "Error [ERR_MODULE_NOT_FOUND]: Cannot find package 'zod' imported from /srv/x.mjs",
      cure: 'Install the packages of the server: it lacks zod',
    },
    { said: 'error: Module not found "x.ts"', cure: 'Install the packages of the server: it lacks x.ts' },
    { said: "python3: can't open file '/srv/x.py': [Errno 2] No such file or directory", cure: 'Check args' },
    {
      said: "ModuleNotFoundError: No module named 'mcp.server'",
      cure: 'Install mcp.server, into the Python that command starts',
    },
    {
      said: '/usr/bin/python3: No module named mcp_server_time',
      ending: { args: ['-m', 'mcp_server_time'] },
      cure: 'Install mcp_server_time into the Python that command starts, or name the Python of its virtual environment in command',
    },
    {
      said: 'x: error while loading shared libraries: libpq.so.5: cannot open shared object file: No such file or directory',
      cure: 'Install the package that has libpq.so.5, or name its folder in LD_LIBRARY_PATH of env',
    },
    {
      said: 'ImportError: libGL.so.1: cannot open shared object file: No such file or directory',
      cure: 'Install the package that has libGL.so.1, or name its folder in LD_LIBRARY_PATH of env',
    },
    {
      said: 'sh: 1: mcp-serv: not found',
      cure: 'mcp-serv is not installed, or not in its PATH: install it, or set PATH in env',
    },
    {
      said: 'bash: line 1: mcp-serv: command not found',
      cure: 'mcp-serv is not installed, or not in its PATH: install it, or set PATH in env',
    },
    {
      said: 'env: ‘node’: No such file or directory',
      cure: 'node is not installed, or not in its PATH: install it, or set PATH in env',
    },
    {
      said: "env: 'node\\r': No such file or directory",
      cure: 'Its file has the line ends of Windows: convert them (dos2unix)',
    },
    {
      said: 'sh: 1: /srv/x.sh: Permission denied',
      cure: 'Make it executable (chmod +x), or name its interpreter in command',
    },
    {
      said: "PermissionError: [Errno 13] Permission denied: '/srv/data'",
      cure: 'Let the user of the gateway use /srv/data',
    },
    {
      said: "Error: EACCES: permission denied, open '/srv/data'",
      cure: 'Let the user of the gateway use /srv/data',
    },
    {
      said: 'Error: listen EACCES: permission denied 0.0.0.0:80',
      cure: 'It may not have that port: give it one above 1023',
    },
    {
      said: "Error: ENOENT: no such file or directory, scandir '/srv/none'",
      cure: 'Make /srv/none, or check the path of it in args and env',
    },
    {
      said: 'Error: listen EADDRINUSE: address already in use :::3000',
      cure: 'Another process has that port, perhaps a second one of this server: with isolation: shared there is one only',
    },
    {
      said: 'npm error 404 Not Found - GET https://registry.example/none - Not found',
      cure: 'There is no such package: check its name in args',
    },
    {
      said: 'npm error request to https://registry.example/x failed, reason: getaddrinfo EAI_AGAIN registry.example',
      cure: 'The machine of the gateway cannot reach it: check its network, DNS and proxy variables',
    },
    {
      said: 'Because none was not found in the package registry and you require none, we can conclude that your requirements are unsatisfiable.',
      cure: 'There is no such package or version: check args',
    },
    {
      said: 'docker: Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?',
      cure: 'Start Docker, or let the gateway reach its socket',
    },
    {
      said: 'the input device is not a TTY',
      cure: 'Take -t out of args and keep -i: there is no terminal',
    },
    {
      said: 'DATABASE_URL is not set: set it, or pass --database-url',
      cure: 'Set DATABASE_URL in env of this server, or --database-url in args',
    },
    { said: "KeyError: 'API_KEY'", cure: 'Set API_KEY in env of this server' },
    {
      said: 'Error: GITHUB_TOKEN environment variable is not set',
      cure: 'Set GITHUB_TOKEN in env of this server',
    },
    { said: 'Missing required variable: SLACK_BOT_TOKEN', cure: 'Set SLACK_BOT_TOKEN in env of this server' },
    { said: 'error: unrecognized arguments: --prot 1', cure: 'Check args' },
    { said: 'node: bad option: --nope', cure: 'Check args' },
    { said: 'stat /srv/none.go: no such file or directory', cure: 'Check /srv/none.go in args and env' },
    {
      said: 'Error: connect ECONNREFUSED 127.0.0.1:5432',
      cure: 'What it needs at 127.0.0.1:5432 does not answer: start that, or check its address in env and args',
    },
    {
      said: 'FATAL ERROR: Reached heap limit Allocation failed - JavaScript heap out of memory',
      cure: 'It needs more memory than it may have',
    },
    {
      said: "thread 'main' panicked at src/main.rs:4:48: no key",
      cure: 'It gave up: give it what these words ask for, or update it, or tell its authors',
    },
    {
      said: "thread 'main' panicked at src/main.rs:4:48: called `Result::unwrap()` on an `Err` value: NotPresent",
      cure: 'This is a fault in the server itself: update it, or tell its authors',
    },
    {
      said: 'Error: cannot open /srv/index.db',
      cure: 'Look whether /srv/index.db is there and whether the user of the gateway may use it',
    },
    {
      said: 'docker: Error response from daemon: failed to create task for container: exec: "mcp": executable file not found in $PATH: unknown.',
      cure: 'The image has no program mcp: check args',
    },
    { said: 'Error: something of its own', cure: '' },
  ])('$said', ({ said, cure, ending }) => {
    expect(remedyFor(said, { ...one, ...ending })).toBe(cure)
  })
})

describe('a server that ended', () => {
  test.each<{ why: string; said?: string; ending: Partial<Ending>; told: string }>([
    { why: 'with words of its own', said: 'no', ending: {}, told: 'exited with code 1: no' },
    {
      why: 'with a question of its own',
      said: 'docker: Cannot connect to the Docker daemon at unix:///x. Is the docker daemon running?',
      ending: { exitCode: 125 },
      told: 'exited with code 125: docker: Cannot connect to the Docker daemon at unix:///x. Is the docker daemon running? Start Docker, or let the gateway reach its socket.',
    },
    {
      why: 'without a word',
      ending: { exitCode: 3 },
      told: 'exited with code 3. It said nothing: run its command by hand to see why.',
    },
    {
      why: 'as if all were well',
      ending: { exitCode: 0 },
      told: 'exited with code 0. A server stays until its input ends: check args, it may need one such as --stdio.',
    },
    {
      why: 'in a container that has no input',
      ending: { exitCode: 0, program: 'docker', args: ['run', '--rm', 'image'] },
      told: 'exited with code 0. Add -i to args: without it the container has no input.',
    },
    {
      why: 'for lack of memory',
      ending: { exitCode: null, signal: 'SIGKILL' },
      told: 'was ended by SIGKILL. Something outside ended it, mostly the kernel for lack of memory: give it more.',
    },
    {
      why: 'for lack of memory, behind a shell',
      ending: { exitCode: 137 },
      told: 'exited with code 137 (SIGKILL). Something outside ended it, mostly the kernel for lack of memory: give it more.',
    },
    {
      why: 'in native code',
      said: 'Segmentation fault (core dumped)',
      ending: { exitCode: 139 },
      told: 'exited with code 139 (SIGSEGV): Segmentation fault (core dumped). This is a fault in the server itself: update it, or tell its authors.',
    },
    {
      why: 'as another system asked it to',
      ending: { exitCode: 143 },
      told: 'exited with code 143 (SIGTERM). Something outside ended it: look for what stops processes on this machine.',
    },
    {
      why: 'behind a shell that found nothing and kept quiet',
      ending: { exitCode: 127 },
      told: 'exited with code 127 (command not found). A program that it starts is not installed, or not in its PATH: install it, or set PATH in env.',
    },
    {
      why: 'behind a shell that may not run it',
      ending: { exitCode: 126 },
      told: 'exited with code 126 (not executable). Make it executable (chmod +x), or name its interpreter in command.',
    },
  ])('$why', ({ said = '', ending, told }) => {
    expect(new ProcessExit({ ...one, ...ending }, said).details).toBe(`The server process ${told}`)
  })
})

describe('a server that is silent', () => {
  test.each([
    {
      why: 'and has written nothing',
      program: 'server',
      told: 'it has written nothing: check in args that it is to speak MCP on stdin and stdout',
    },
    {
      why: 'behind a program that fetches it',
      program: 'npx',
      told: 'it has written nothing: npx may still be fetching it (startTimeout says how long it may take to start)',
    },
    {
      why: 'and waits for something',
      program: 'server',
      stderr: 'waiting for db:5432',
      told: 'it last wrote "waiting for db:5432" on stderr; startTimeout says how long it may take to start',
    },
    {
      why: 'behind such a program that says so',
      program: 'uvx',
      stderr: 'Downloading numpy (15.6MiB)',
      told: 'it last wrote "Downloading numpy (15.6MiB)" on stderr; uvx may still be fetching it',
    },
    {
      why: 'and serves HTTP',
      program: 'node',
      stdout: 'Server listening on http://localhost:3000/mcp',
      told: 'it wrote "Server listening on http://localhost:3000/mcp" on stdout, and it seems to serve HTTP: register its url, or have it speak MCP on stdin and stdout',
    },
    {
      why: 'and says something else on stdout',
      program: 'node',
      stdout: 'Welcome!',
      stderr: 'ready',
      told: 'it wrote "Welcome!" on stdout, and only MCP messages belong there: have it log to stderr, or check that it speaks MCP on stdin and stdout',
    },
  ])('$why', ({ program, stdout = '', stderr = '', told }) => {
    expect(silenceOf({ stdout, stderr }, program)).toBe(told)
  })
})

test('a remedy never takes long to find, whatever was said', () => {
  const startedAtMs = performance.now()
  for (const unit of [
    'A_',
    'a ',
    'Error: ',
    'npm ',
    'lib',
    'env: ',
    "'",
    'not ',
    'A_B required ',
    '.so',
    'no such ',
  ])
    remedyFor(unit.repeat(500 / unit.length), one)
  expect(performance.now() - startedAtMs).toBeLessThan(200)
})
