/** Which line of what a program wrote last is told, as runtimes, shells and launchers write it. */
import { describe, expect, test } from 'bun:test'
import { lastLine, tellingLine } from '../../../../src/upstream/transports/stdio/last-words.ts'

interface Row {
  readonly why: string
  readonly said: string
  readonly told: string
}

const rows: readonly Row[] = [
  {
    why: 'Node: a file that is missing, below the quoted line and its mark',
    said: "node:internal/modules/cjs/loader:1215\n  throw err;\n  ^\n\nError: Cannot find module '/srv/x.js'\n    at Module._resolveFilename (node:internal/modules/cjs/loader:1212:15)\n    at Module._load (node:internal/modules/cjs/loader:1043:27) {\n  code: 'MODULE_NOT_FOUND',\n  requireStack: []\n}\n\nNode.js v22.1.0\n",
    told: "Error: Cannot find module '/srv/x.js'",
  },
  {
    why: 'Node: the cause of an error, which stands inside of it',
    said: 'TypeError: fetch failed\n    at node:internal/deps/undici:13185:13 {\n  [cause]: Error: connect ECONNREFUSED 127.0.0.1:5432\n      at TCPConnectWrap (node:net:1555:16) {\n    errno: -111,\n  }\n}\n\nNode.js v22.1.0',
    told: 'Error: connect ECONNREFUSED 127.0.0.1:5432',
  },
  {
    why: 'Node: a rejection with something that is no error',
    said: 'node:internal/process/promises:394\n      triggerUncaughtException(err, true /* fromPromise */);\n      ^\n\n[UnhandledPromiseRejection: This error originated either by throwing inside of an async function without a catch block, or by rejecting a promise which was not handled with .catch(). The promise rejected with the reason "no key".] {\n  code: \'ERR_UNHANDLED_REJECTION\'\n}\n\nNode.js v22.1.0\n',
    told: 'UnhandledPromiseRejection: The promise rejected with the reason "no key"',
  },
  {
    why: 'Node: the same without brackets',
    said: 'UnhandledPromiseRejection: This error originated either by throwing inside of an async function without a catch block. The promise rejected with the reason "no key".\n',
    told: 'UnhandledPromiseRejection: The promise rejected with the reason "no key"',
  },
  {
    why: 'Node: what its own heap is too small for',
    said: '<--- Last few GCs --->\n\n[1:0x7f]  1033 ms: Mark-Compact 28.1 (30.4) -> 27.9 (30.6) MB\n\n<--- JS stacktrace --->\n\nFATAL ERROR: Reached heap limit Allocation failed - JavaScript heap out of memory\n----- Native stack trace -----\n\n 1: 0xc4 node::OOMErrorHandler(char const*, v8::OOMDetails const&) [node]\n',
    told: 'FATAL ERROR: Reached heap limit Allocation failed - JavaScript heap out of memory',
  },
  {
    why: 'Bun',
    said: '1 | throw new Error("no key")\n          ^\nerror: no key\n      at /srv/x.ts:1:7\n\nBun v1.4.5 (Linux x64)\n',
    told: 'error: no key',
  },
  {
    why: 'Deno',
    said: 'error: Uncaught (in promise) NotCapable: Requires net access to "x:1", run again with the --allow-net flag\n    at Object.connect (ext:deno_net/01_net.js:1:1)\n',
    told: 'error: Uncaught (in promise) NotCapable: Requires net access to "x:1", run again with the --allow-net flag',
  },
  {
    why: 'Python: the last line of a traceback',
    said: 'Traceback (most recent call last):\n  File "/srv/server.py", line 3, in <module>\n    from mcp.server.fastmcp import FastMCP\nModuleNotFoundError: No module named \'mcp\'\n',
    told: "ModuleNotFoundError: No module named 'mcp'",
  },
  {
    why: 'Python: an error within another, of which the last one counts',
    said: 'Traceback (most recent call last):\n  File "a.py", line 1\nKeyError: \'A\'\n\nDuring handling of the above exception, another exception occurred:\n\nTraceback (most recent call last):\n  File "a.py", line 3\nRuntimeError: A is not set\n',
    told: 'RuntimeError: A is not set',
  },
  {
    why: 'Python: an error within a group, behind its bars',
    said: '  + Exception Group Traceback (most recent call last):\n  |   File "x.py", line 8, in <module>\n  | ExceptionGroup: unhandled errors in a TaskGroup (1 sub-exception)\n  +-+---------------- 1 ----------------\n    | Traceback (most recent call last):\n    |   File "x.py", line 4, in run\n    | ValueError: no key\n    +------------------------------------\n',
    told: 'ValueError: no key',
  },
  {
    why: 'Python: settings that are missing, on three lines',
    said: 'Traceback (most recent call last):\n  File "x.py", line 4, in <module>\npydantic_core._pydantic_core.ValidationError: 1 validation error for Settings\napi_key\n  Field required [type=missing, input_value={}, input_type=dict]\n    For further information visit https://errors.pydantic.dev/2.9/v/missing\n',
    told: 'pydantic_core._pydantic_core.ValidationError: 1 validation error for Settings: api_key: Field required',
  },
  {
    why: 'Python: no such script',
    said: "python3: can't open file '/srv/none.py': [Errno 2] No such file or directory\n",
    told: "python3: can't open file '/srv/none.py': [Errno 2] No such file or directory",
  },
  {
    why: 'Rust: its message stands on the line behind the place',
    said: "\nthread 'main' panicked at src/main.rs:4:48:\ncalled `Result::unwrap()` on an `Err` value: NotPresent\nnote: run with `RUST_BACKTRACE=1` environment variable to display a backtrace\n",
    told: "thread 'main' panicked at src/main.rs:4:48: called `Result::unwrap()` on an `Err` value: NotPresent",
  },
  {
    why: 'Rust: with the number of the thread',
    said: "thread 'main' (7) panicked at src/main.rs:4:48:\nno key\nnote: run with `RUST_BACKTRACE=1`\n",
    told: "thread 'main' (7) panicked at src/main.rs:4:48: no key",
  },
  {
    why: 'Rust before 1.73: on one line',
    said: "thread 'main' panicked at 'no key', src/main.rs:2:5\nnote: run with `RUST_BACKTRACE=1` environment variable to display a backtrace\n",
    told: "thread 'main' panicked at 'no key', src/main.rs:2:5",
  },
  {
    why: 'Rust: a chain of causes, of which the last one counts',
    said: 'Error: cannot read the configuration\n\nCaused by:\n    0: in /srv/x.toml\n    1: No such file or directory (os error 2)\n',
    told: 'Error: cannot read the configuration (No such file or directory (os error 2))',
  },
  {
    why: 'Go: a panic above its goroutines',
    said: 'panic: no config\n\ngoroutine 1 [running]:\nmain.main()\n\t/srv/main.go:4 +0x2c\nexit status 2\n',
    told: 'panic: no config',
  },
  {
    why: 'Go: a fault of the runtime',
    said: 'panic: runtime error: invalid memory address or nil pointer dereference\n[signal SIGSEGV: segmentation violation code=0x1 addr=0x0 pc=0x45]\n\ngoroutine 1 [running]:\n',
    told: 'panic: runtime error: invalid memory address or nil pointer dereference',
  },
  {
    why: 'Go: a flag that it does not know',
    said: 'flag provided but not defined: -sdtio\nUsage of server:\n  -stdio\n    \tspeak on stdin\n',
    told: 'flag provided but not defined: -sdtio',
  },
  {
    why: 'Java: the innermost cause',
    said: 'Exception in thread "main" java.lang.IllegalStateException: cannot start\n\tat Main.main(Main.java:3)\nCaused by: java.nio.file.NoSuchFileException: /srv/data\n\tat java.base/sun.nio.fs.UnixException.translate(UnixException.java:92)\n\t... 1 more\n',
    told: 'Caused by: java.nio.file.NoSuchFileException: /srv/data',
  },
  {
    why: 'Java: no such archive',
    said: 'Error: Unable to access jarfile /srv/none.jar\n',
    told: 'Error: Unable to access jarfile /srv/none.jar',
  },
  {
    why: '.NET',
    said: "Unhandled exception. System.IO.FileNotFoundException: Could not load file or assembly 'X'.\n   at Program.Main()\n",
    told: "Unhandled exception. System.IO.FileNotFoundException: Could not load file or assembly 'X'.",
  },
  {
    why: 'Ruby',
    said: "/srv/x.rb:1:in 'Kernel#require': cannot load such file -- mcp (LoadError)\n\tfrom /srv/x.rb:1:in '<main>'\n",
    told: "/srv/x.rb:1:in 'Kernel#require': cannot load such file -- mcp (LoadError)",
  },
  {
    why: 'Perl',
    said: "Can't locate MCP/Server.pm in @INC (you may need to install the MCP::Server module) at x.pl line 1.\nBEGIN failed--compilation aborted at x.pl line 1.\n",
    told: "Can't locate MCP/Server.pm in @INC (you may need to install the MCP::Server module) at x.pl line 1.",
  },
  {
    why: 'a shell that does not find a program',
    said: 'starting\nsh: 1: mcp-serv: not found\n',
    told: 'sh: 1: mcp-serv: not found',
  },
  {
    why: 'a loader that lacks a library',
    said: 'server: error while loading shared libraries: libpq.so.5: cannot open shared object file: No such file or directory\n',
    told: 'server: error while loading shared libraries: libpq.so.5: cannot open shared object file: No such file or directory',
  },
  {
    why: 'npm: not its codes, and not where its log is',
    said: "npm error code E404\nnpm error 404 Not Found - GET https://registry.example/no-such-server - Not found\nnpm error 404\nnpm error 404  The requested resource 'no-such-server@*' could not be found or you do not have permission to access it.\nnpm error 404\nnpm error 404 Note that you can also install from a\nnpm error 404 tarball, folder, http url, or git folder.\nnpm error A complete log of this run can be found in: /root/.npm/_logs/x.log\n",
    told: 'npm error 404 Not Found - GET https://registry.example/no-such-server - Not found',
  },
  {
    why: 'npm, which reports the end of what it has started: the words of that',
    said: 'Error: no key\n    at x (y:1:1)\nnpm error Lifecycle script `start` failed with error:\nnpm error code 1\nnpm error path /srv\n',
    told: 'Error: no key',
  },
  {
    why: 'uv: the sentence within its frame, on two lines',
    said: '  × No solution found when resolving tool dependencies:\n  ╰─▶ Because no-such-server was not found in the package registry and you\n      require no-such-server, we can conclude that your requirements are\n      unsatisfiable.\n',
    told: 'Because no-such-server was not found in the package registry and you require no-such-server, we can conclude that your requirements are unsatisfiable.',
  },
  {
    why: 'uv: the innermost cause',
    said: 'error: Failed to fetch: `https://pypi.example/simple/x/`\n  Caused by: Request failed after 3 retries\n  Caused by: error sending request\n  Caused by: dns error\n  Caused by: failed to lookup address information: Temporary failure in name resolution\n',
    told: 'error: Failed to fetch: `https://pypi.example/simple/x/` (failed to lookup address information: Temporary failure in name resolution)',
  },
  {
    why: 'Docker, above its hint',
    said: "docker: Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?\n\nRun 'docker run --help' for more information\n",
    told: 'docker: Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?',
  },
  {
    why: 'a logger that writes its level without a colon',
    said: '2026-01-01T00:00:00Z  INFO server: starting\n2026-01-01T00:00:00Z ERROR server: no key\n2026-01-01T00:00:00Z  INFO server: bye\n',
    told: '2026-01-01T00:00:00Z ERROR server: no key',
  },
  {
    why: 'a logger that writes JSON',
    said: '{"level":30,"msg":"starting"}\n{"level":60,"time":1,"msg":"API_KEY is required"}\n{"level":30,"msg":"bye"}\n',
    told: 'API_KEY is required',
  },
  {
    why: 'colours, and a progress bar that writes over itself',
    said: 'fetching 10%\rfetching 100%\r\n\u001b[31m\u001b[1mError:\u001b[0m no \u001b]8;;x\u0007key\n\u001b[2K\n',
    told: 'Error: no key',
  },
  {
    why: 'the last line, where none is an error',
    said: 'starting\nset FILES_ROOT\n',
    told: 'set FILES_ROOT',
  },
  {
    why: 'the last line that says something, where only remarks come behind it',
    said: 'no key\n\nUsage: x [options]\nNode.js v22.1.0\n',
    told: 'no key',
  },
  { why: 'words that only look like an error', said: 'Terror: a film\nerrors: 0\nlast\n', told: 'last' },
  { why: 'nothing', said: '\n  \n', told: '' },
]

describe('the line that is told', () => {
  test.each([...rows])('$why', ({ said, told }) => {
    expect(tellingLine(said)).toBe(told)
  })

  test('never takes long to find, whatever is written', () => {
    const startedAtMs = performance.now()
    for (const unit of [
      'a',
      ' ',
      'Error',
      'Error: ',
      '.',
      '-',
      'a: ',
      '\u001b[',
      '\u001b]',
      '{"',
      '│ ',
      '× ',
    ])
      tellingLine(unit.repeat(16 * 1024))
    expect(performance.now() - startedAtMs).toBeLessThan(500)
  })
})

test('the last line is one, without what moves a cursor', () => {
  expect(lastLine('one\n\u001b[31mtwo\u0007\u202ethree\n\n')).toBe('two three')
})
