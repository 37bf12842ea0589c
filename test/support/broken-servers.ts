/**
 * Servers that are broken, each in the way that people meet: small programs, and listeners that answer wrongly. What
 * is wrong with each, and what its status must say of it.
 */
import { chmodSync, writeFileSync } from 'node:fs'
import { createServer as createTlsServer } from 'node:https'
import { type AddressInfo, createServer, type Server } from 'node:net'
import { join } from 'node:path'
import { selfSigned } from './self-signed.ts'
import { temporaryDirectory } from './temporary-directory.ts'

export interface BrokenServer {
  /** What is wrong. */
  readonly kind: string
  readonly definition: Readonly<Record<string, unknown>>
  /** The reason of its status: cause and cure. */
  readonly says: string | RegExp
  /** True where it tells so while it still starts. */
  readonly starting?: true
}

export interface BrokenServers extends AsyncDisposable {
  readonly all: readonly BrokenServer[]
  /** What the gateway must trust so that certificates are refused for other reasons than their signature. */
  readonly trusted: string
}

const bun = process.execPath

/** What a program writes before it ends. */
function ending(code: number, words: string, on: 'stderr' | 'stdout' = 'stderr') {
  const script = `process.${on}.write(${JSON.stringify(words)}); process.exitCode = ${code}`
  return { transport: 'stdio', command: bun, args: ['-e', script] }
}

/** A program that writes this and then does nothing for as long as it is let. */
function silent(words: string, on: 'stderr' | 'stdout') {
  const script = `process.${on}.write(${JSON.stringify(words)}); process.stdin.resume()`
  return { transport: 'stdio', command: bun, args: ['-e', script], startTimeout: '1s' }
}

/** An MCP server that answers `initialize` like this, and then does that. */
function greeting(answer: string, then = '') {
  const script = `for await (const line of console) {
    const { id, method } = JSON.parse(line)
    if (method !== 'initialize') { console.log(JSON.stringify({ jsonrpc: '2.0', id, error: { code: -32601, message: 'no' } })); continue }
    console.log(JSON.stringify({ jsonrpc: '2.0', id, ${answer} }))
    ${then}
  }`
  return { transport: 'stdio', command: bun, args: ['-e', script] }
}

/** Everything that a shell is needed for. */
function shell(script: string, extra: Readonly<Record<string, unknown>> = {}) {
  return { transport: 'stdio', command: 'sh', args: ['-c', script], ...extra }
}

function overHttp(url: string, extra: Readonly<Record<string, unknown>> = {}) {
  return { transport: 'streamable-http', url, ...extra }
}

const wrongPath =
  'check the path in url, mostly /mcp; a server of the older HTTP+SSE transport needs transport: sse'
const versions = '2026-07-28, 2025-11-25, 2025-06-18, 2025-03-26, 2024-11-05, 2024-10-07'

/** Starts the listeners. Programs start when a gateway starts them. */
export async function startBrokenServers(): Promise<BrokenServers> {
  const directory = temporaryDirectory()
  const [plain, closing] = [
    answeringServer(),
    createServer((socket) => socket.once('data', () => socket.end())),
  ]
  const [unknown, expired, foreign] = [
    selfSigned(),
    selfSigned({ days: -30 }),
    selfSigned({ host: 'other.example' }),
  ]
  const secure = [unknown, expired, foreign].map((certificate) =>
    createTlsServer(certificate, (_, response) => void response.end()),
  )
  const [closingAt = 0, unknownAt = 0, expiredAt = 0, foreignAt = 0] = await Promise.all(
    [closing, ...secure].map(listening),
  )
  const http = `127.0.0.1:${plain.port}`
  const path = (name: string): string => `http://${http}${name}`
  const programs = programsIn(directory.path)
  return {
    trusted: expired.cert + foreign.cert,
    all: [
      ...runtimes,
      ...launchers(programs),
      ...ends(programs),
      ...silences,
      ...handshakes,
      ...refusals(http, path),
      ...connections({ plain: http, closingAt, unknownAt, expiredAt, foreignAt }),
    ],
    async [Symbol.asyncDispose]() {
      directory[Symbol.dispose]()
      for (const server of [closing, ...secure]) server.close()
      await plain.stop(true)
    },
  }
}

/** Runtimes whose program does not start, in the words of each. */
const runtimes: readonly BrokenServer[] = [
  {
    kind: 'node is to run a file that is not there',
    definition: { transport: 'stdio', command: 'node', args: ['/srv/none/server.js'] },
    says: "The server process exited with code 1: Error: Cannot find module '/srv/none/server.js'. There is no such file: check the path in args, or build the server first.",
  },
  {
    kind: 'a package of Node is not installed',
    definition: ending(
      1,
      "node:internal/modules/esm/resolve:873\n  throw new ERR_MODULE_NOT_FOUND(packageName, fileURLToPath(base), null);\n        ^\n\nError [ERR_MODULE_NOT_FOUND]: Cannot find package '@modelcontextprotocol/sdk' imported from /srv/server.mjs\n    at packageResolve (node:internal/modules/esm/resolve:873:9) {\n  code: 'ERR_MODULE_NOT_FOUND'\n}\n\nNode.js v22.1.0\n",
    ),
    says: "The server process exited with code 1: Error [ERR_MODULE_NOT_FOUND]: Cannot find package '@modelcontextprotocol/sdk' imported from /srv/server.mjs. Install the packages of the server: it lacks @modelcontextprotocol/sdk.",
  },
  {
    kind: 'a module of Python is not installed',
    definition: ending(
      1,
      'Traceback (most recent call last):\n  File "/srv/server.py", line 2, in <module>\n    from fastmcp import FastMCP\nModuleNotFoundError: No module named \'fastmcp\'\n',
    ),
    says: "The server process exited with code 1: ModuleNotFoundError: No module named 'fastmcp'. Install fastmcp, into the Python that command starts.",
  },
  {
    kind: 'a Rust program panics',
    definition: ending(
      101,
      "\nthread 'main' (4711) panicked at src/main.rs:14:37:\nno workspace given\nnote: run with `RUST_BACKTRACE=1` environment variable to display a backtrace\n",
    ),
    says: "The server process exited with code 101: thread 'main' (4711) panicked at src/main.rs:14:37: no workspace given. It gave up: give it what these words ask for, or update it, or tell its authors.",
  },
  {
    kind: 'a Go program panics',
    definition: ending(
      2,
      'panic: runtime error: invalid memory address or nil pointer dereference\n[signal SIGSEGV: segmentation violation code=0x1 addr=0x0 pc=0x48e0e5]\n\ngoroutine 1 [running]:\nmain.main()\n\t/src/main.go:9 +0x5\nexit status 2\n',
    ),
    says: 'The server process exited with code 2: panic: runtime error: invalid memory address or nil pointer dereference. This is a fault in the server itself: update it, or tell its authors.',
  },
  {
    kind: 'a Java program cannot open what it needs',
    definition: ending(
      1,
      `Exception in thread "main" java.lang.IllegalStateException: cannot start\n${'\tat org.example.Frame.call(Frame.java:1)\n'.repeat(150)}Caused by: java.net.ConnectException: Connection refused\n${'\tat org.example.Frame.call(Frame.java:1)\n'.repeat(20)}\t... 4 more\n`,
    ),
    says: 'The server process exited with code 1: Caused by: java.net.ConnectException: Connection refused. What it needs does not answer: start that, or check its address in env and args.',
  },
]

function launchers({ fetching, docker }: Programs): readonly BrokenServer[] {
  return [
    {
      kind: 'the command is not installed',
      definition: {
        transport: 'stdio',
        command: 'uvx',
        args: ['mcp-server-time'],
        env: { PATH: '/nonexistent' },
      },
      says: "uvx is not installed on the gateway's machine, or not in its PATH. Install it (it comes with uv), or give its full path.",
    },
    {
      kind: 'npx is asked for a package that does not exist',
      definition: ending(
        1,
        "npm error code E404\nnpm error 404 Not Found - GET https://registry.example/mcp-server-fetchh - Not found\nnpm error 404\nnpm error 404  'mcp-server-fetchh@*' is not in this registry.\nnpm error A complete log of this run can be found in: /root/.npm/_logs/1-debug-0.log\n",
      ),
      says: 'The server process exited with code 1: npm error 404 Not Found - GET https://registry.example/mcp-server-fetchh - Not found. There is no such package: check its name in args.',
    },
    {
      kind: 'npx takes long to fetch a package',
      starting: true,
      definition: {
        transport: 'stdio',
        command: fetching,
        args: ['-y', 'mcp-server-big'],
        startTimeout: '60s',
      },
      says: /^It has been starting for \d+ (?:s|ms); it last wrote "npm warn exec The following package was not found and will be installed: mcp-server-big@2\.1\.0" on stderr; npx may still be fetching it$/,
    },
    {
      kind: 'docker runs without -i',
      definition: { transport: 'stdio', command: docker, args: ['run', '--rm', 'mcp/time'] },
      says: 'The server process exited with code 0. Add -i to args: without it the container has no input.',
    },
  ]
}

function ends({ plainFile, noInterpreter, windows }: Programs): readonly BrokenServer[] {
  return [
    {
      kind: 'a wrapper starts a program that is not there',
      definition: shell('exec mcp-serv --stdio'),
      says: /^The server process exited with code 127: .*mcp-serv: not found\. mcp-serv is not installed, or not in its PATH: install it, or set PATH in env\.$/,
    },
    {
      kind: 'a wrapper may not run its program',
      definition: shell(plainFile),
      says: new RegExp(
        `^The server process exited with code 126: .*${plainFile}: Permission denied\\. Make it executable \\(chmod \\+x\\), or name its interpreter in command\\.$`,
      ),
    },
    {
      kind: 'a file has no right to be run',
      definition: { transport: 'stdio', command: plainFile },
      says: `${plainFile} is not an executable file. Make it executable (chmod +x), or name its interpreter in command and the file in args.`,
    },
    {
      kind: 'a script names an interpreter that is not there',
      definition: { transport: 'stdio', command: noInterpreter },
      says: `${noInterpreter} is there, and its interpreter /opt/none/python is not: install it, or name another one in command and the file in args.`,
    },
    {
      kind: 'a script was written on Windows',
      definition: { transport: 'stdio', command: windows },
      says: `${windows} has the line ends of Windows, with which its interpreter is not found: convert them (dos2unix).`,
    },
    {
      kind: 'a shared library is missing',
      definition: ending(
        127,
        'mcp-server-pg: error while loading shared libraries: libpq.so.5: cannot open shared object file: No such file or directory\n',
      ),
      says: 'The server process exited with code 127: mcp-server-pg: error while loading shared libraries: libpq.so.5: cannot open shared object file: No such file or directory. Install the package that has libpq.so.5, or name its folder in LD_LIBRARY_PATH of env.',
    },
    {
      kind: 'memory runs out',
      definition: shell('kill -9 $$'),
      says: 'The server process was ended by SIGKILL. Something outside ended it, mostly the kernel for lack of memory: give it more.',
    },
    {
      kind: 'a variable is missing',
      definition: ending(
        1,
        'Error: GITHUB_TOKEN environment variable is not set\n    at main (/srv/x.js:3:9)\n',
      ),
      says: 'The server process exited with code 1: Error: GITHUB_TOKEN environment variable is not set. Set GITHUB_TOKEN in env of this server.',
    },
    {
      kind: 'it says on stdout why it ends',
      definition: ending(
        2,
        'usage: server [-h] {stdio,http}\nserver: error: argument mode is required\n',
        'stdout',
      ),
      says: 'The server process exited with code 2: server: error: argument mode is required. Check args.',
    },
    {
      kind: 'it ends without a word',
      definition: ending(3, ''),
      says: 'The server process exited with code 3. It said nothing: run its command by hand to see why.',
    },
  ]
}

const silences: readonly BrokenServer[] = [
  {
    kind: 'it greets people on stdout and speaks no MCP',
    definition: silent('Welcome to Notes 1.2!\nType help for a list of commands.\n', 'stdout'),
    says: 'no answer to initialize within 1 s; it wrote "Type help for a list of commands." on stdout, and only MCP messages belong there: have it log to stderr, or check that it speaks MCP on stdin and stdout',
  },
  {
    kind: 'it serves HTTP instead',
    definition: silent('MCP server listening on http://localhost:3000/mcp\n', 'stdout'),
    says: 'no answer to initialize within 1 s; it wrote "MCP server listening on http://localhost:3000/mcp" on stdout, and it seems to serve HTTP: register its url, or have it speak MCP on stdin and stdout',
  },
  {
    kind: 'it sends back what it is sent',
    definition: { transport: 'stdio', command: 'cat' },
    says: 'The program sends back what it is sent, as no MCP server does: check command and args.',
  },
  {
    kind: 'it waits for something else',
    definition: silent('waiting for the database at db:5432 …\n', 'stderr'),
    says: 'no answer to initialize within 1 s; it last wrote "waiting for the database at db:5432 …" on stderr; startTimeout says how long it may take to start',
  },
]

const handshakes: readonly BrokenServer[] = [
  {
    kind: 'it ends right after each initialize',
    definition: {
      ...greeting(
        "result: { protocolVersion: '2025-11-25', capabilities: {}, serverInfo: { name: 'x', version: '1' } }",
        "await Bun.sleep(50); console.error('Error: cannot open /srv/index.db'); process.exit(1)",
      ),
      reconnectDelay: '20ms',
    },
    says: /^It goes down again and again, \d+ times since \S+Z: The server process exited with code 1: Error: cannot open \/srv\/index\.db\. Look whether \/srv\/index\.db is there and whether the user of the gateway may use it\.$/,
  },
  {
    kind: 'it speaks another version of the protocol only',
    definition: greeting(
      "error: { code: -32602, message: 'Unsupported protocol version', data: { supported: ['2099-01-01'] } }",
    ),
    says: `the server answered initialize with error -32602: Unsupported protocol version; it speaks 2099-01-01, this gateway speaks ${versions}: update the older of the two`,
  },
]

function refusals(host: string, path: (name: string) => string): readonly BrokenServer[] {
  return [
    {
      kind: 'the path is wrong',
      definition: overHttp(path('/api/v2')),
      says: `${host} answered HTTP 404: ${wrongPath}`,
    },
    {
      kind: 'the URL is that of the older transport',
      definition: overHttp(path('/sse')),
      says: `${host} answered HTTP 405: the path in url is the usual one of the other transport: set transport: sse`,
    },
    {
      kind: 'a token is due',
      definition: overHttp(path('/token')),
      says: `${host} answered HTTP 401: no credentials are sent: put Authorization: Bearer TOKEN into headers of this server, or set its oauth to {} and log in, which it offers.`,
    },
    {
      kind: 'the token has expired',
      definition: overHttp(path('/token'), { headers: { Authorization: 'Bearer token-of-last-year' } }),
      says: `${host} answered HTTP 401: check the credentials that are sent (Authorization): they are wrong, have expired, or allow too little.`,
    },
    {
      kind: 'it is a web page',
      definition: overHttp(path('/')),
      says: `${host} answered with HTTP 200 and text/html where a JSON-RPC message was due: that is a web page: url has no path, and servers mostly listen at /mcp; a server of the older HTTP+SSE transport needs transport: sse.`,
    },
    {
      kind: 'it is another API',
      definition: overHttp(path('/status')),
      says: `${host} answered with JSON that does not answer the request where a JSON-RPC message was due: ${wrongPath}.`,
    },
    {
      kind: 'it takes no JSON',
      definition: overHttp(path('/form')),
      says: `${host} answered HTTP 415: no MCP endpoint answers so: ${wrongPath}`,
    },
    {
      kind: 'it leads to a sign-in page elsewhere',
      definition: overHttp(path('/moved')),
      says: `${host} answered HTTP 302, a redirect to https://sign-in.example, which is followed for GET only: register the URL that it leads to, or, where people sign in, put credentials into headers of this server`,
    },
    {
      kind: 'the proxy in front finds nobody',
      definition: overHttp(path('/behind')),
      says: `${host} answered HTTP 502: what stands in front of the server cannot reach it: start the server, and look into the log of both`,
    },
    {
      kind: 'it fails at the first message',
      definition: overHttp(path('/fault')),
      says: `${host} answered HTTP 500: the server failed at it: look into its log`,
    },
    {
      kind: 'it never answers',
      definition: overHttp(path('/silence'), { startTimeout: '1s' }),
      says: new RegExp(
        `^no answer to initialize within \\d+ ms; ${host} takes connections, and answers nothing on them: look whether it hangs, and check the port in url$`,
      ),
    },
    {
      kind: 'it wants TLS and says so',
      definition: overHttp(path('/tls')),
      says: `${host} answered HTTP 400: it speaks TLS at that port: write https:// in url`,
    },
  ]
}

interface Ports {
  readonly plain: string
  readonly closingAt: number
  readonly unknownAt: number
  readonly expiredAt: number
  readonly foreignAt: number
}

function connections({ plain, closingAt, unknownAt, expiredAt, foreignAt }: Ports): readonly BrokenServer[] {
  const anew =
    'name the file in tls.ca of the server, or for all servers in NODE_EXTRA_CA_CERTS before the gateway starts'
  return [
    {
      kind: 'it is not running',
      definition: overHttp('http://127.0.0.1:1/mcp'),
      says: '127.0.0.1:1 cannot be reached (ECONNREFUSED): nothing listens there: start the server, or check host and port in url.',
    },
    {
      kind: 'its name is misspelt',
      definition: overHttp('http://mcp.exmaple.invalid/mcp'),
      says: 'The host name mcp.exmaple.invalid could not be resolved: check its spelling in url, and the DNS of this machine.',
    },
    {
      kind: 'its certificate signs itself',
      definition: overHttp(`https://localhost:${unknownAt}/mcp`),
      says: `localhost:${unknownAt} cannot be reached (DEPTH_ZERO_SELF_SIGNED_CERT): its certificate is signed by itself: put that certificate (PEM) into a file and ${anew}.`,
    },
    {
      kind: 'its certificate has expired',
      definition: overHttp(`https://localhost:${expiredAt}/mcp`),
      says: `localhost:${expiredAt} cannot be reached (CERT_HAS_EXPIRED): its certificate has expired: renew it there, or set the clock of this machine.`,
    },
    {
      kind: 'its certificate is for another name',
      definition: overHttp(`https://localhost:${foreignAt}/mcp`),
      says: `localhost:${foreignAt} cannot be reached (ERR_TLS_CERT_ALTNAME_INVALID): its certificate is for another host name: write that name in url, or give the server a certificate for this one.`,
    },
    {
      kind: 'http is written for https',
      definition: overHttp(`http://127.0.0.1:${unknownAt}/mcp`),
      says: `The connection to 127.0.0.1:${unknownAt} failed (ECONNRESET): it ends connections without an answer: if it speaks TLS write https:// in url, else check the port.`,
    },
    {
      kind: 'https is written for http',
      definition: overHttp(`https://${plain}/mcp`),
      says: `The connection to ${plain} failed (EPROTO): it does not agree on TLS: if it speaks plain HTTP at that port write http:// in url; it may also ask for a client certificate, which tls.cert and tls.key of the server name, or not take the one there.`,
    },
    {
      kind: 'it closes each connection',
      definition: { transport: 'sse', url: `http://127.0.0.1:${closingAt}/sse` },
      says: `The connection to 127.0.0.1:${closingAt} failed (ECONNRESET): it ends connections without an answer: if it speaks TLS write https:// in url, else check the port.`,
    },
  ]
}

interface Programs {
  readonly fetching: string
  readonly docker: string
  readonly plainFile: string
  readonly noInterpreter: string
  readonly windows: string
}

function programsIn(folder: string): Programs {
  const write = (name: string, text: string, mode = 0o755): string => {
    const file = join(folder, name)
    writeFileSync(file, text)
    chmodSync(file, mode)
    return file
  }
  return {
    fetching: write(
      'npx',
      '#!/bin/sh\necho "npm warn exec The following package was not found and will be installed: mcp-server-big@2.1.0" >&2\nexec sleep 60\n',
    ),
    docker: write('docker', '#!/bin/sh\n'),
    plainFile: write('server.sh', '#!/bin/sh\n', 0o644),
    noInterpreter: write('server.py', '#!/opt/none/python -u\n'),
    windows: write('server-windows.sh', '#!/bin/sh\r\necho\r\n'),
  }
}

/** Answers as its paths say. */
function answeringServer() {
  const page = { headers: { 'content-type': 'text/html; charset=utf-8' } }
  const challenge = 'Bearer resource_metadata="https://one.example/.well-known/oauth-protected-resource"'
  const answers: Readonly<Record<string, () => Response | Promise<Response>>> = {
    '/': () => new Response('<h1>Welcome</h1>', page),
    '/sse': () => new Response(null, { status: 405 }),
    '/token': () => new Response(null, { status: 401, headers: { 'www-authenticate': challenge } }),
    '/status': () => Response.json({ status: 'ok' }),
    '/form': () => new Response(null, { status: 415 }),
    '/moved': () =>
      new Response(null, { status: 302, headers: { location: 'https://sign-in.example/?a=b' } }),
    '/behind': () => new Response('<h1>Bad Gateway</h1>', { ...page, status: 502 }),
    '/fault': () => new Response('Internal Server Error', { status: 500 }),
    '/silence': () => new Promise(() => {}),
    '/tls': () =>
      new Response('<center>The plain HTTP request was sent to HTTPS port</center>', {
        ...page,
        status: 400,
      }),
  }
  return Bun.serve({
    hostname: '127.0.0.1',
    port: 0,
    fetch: (request) =>
      (
        answers[new URL(request.url).pathname] ??
        (() => new Response('<h1>Not Found</h1>', { ...page, status: 404 }))
      )(),
  })
}

function listening(server: Server): Promise<number> {
  return new Promise((resolve) => {
    server.listen(0, '127.0.0.1', () => resolve((server.address() as AddressInfo).port))
  })
}
