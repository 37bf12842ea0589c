/**
 * What a person can do about a server that ends or is silent instead of answering, by what it said and how it ended.
 * Pure.
 *
 * One sentence each, and none where the server's own words are all that is known. Cases:
 * test/upstream/transports/stdio/remedy.test.ts
 */

/** The program and how it ended. */
export interface Ending {
  /** The name of the program alone, without its path. */
  readonly program: string
  readonly args: readonly string[]
  readonly exitCode: number | null
  readonly signal: string | null
}

type Remedy = string | ((match: RegExpExecArray, ending: Ending) => string | null)

const isFault = 'This is a fault in the server itself: update it, or tell its authors'
const checkArgs = 'Check args'
const outOfMemory = 'It needs more memory than it may have'
const notOnline = 'The machine of the gateway cannot reach it: check its network, DNS and proxy variables'
const wrongVersion = 'The runtime has another version than the server needs: install that one'

/** The first that fits counts: what is special stands above what is general. */
const remedies: readonly (readonly [form: RegExp, remedy: Remedy])[] = [
  // Programs and files that are not there.
  [/can't open file '([^']+)'|Script not found "([^"]+)"|Unable to access jarfile (\S+)/, checkArgs],
  [/Cannot find (?:module|package) ['"]([^'"]+)['"]|Module not found "([^"]+)"/, moduleMissing],
  [
    /No module named '?([\w.]+)'?/,
    ([, name], { args }) =>
      args.includes('-m') && args.includes(name ?? '')
        ? `Install ${name} into the Python that command starts, or name the Python of its virtual environment in command`
        : `Install ${name}, into the Python that command starts`,
  ],
  [/cannot load such file -- (\S+)/, ([, name]) => `Install the gem ${name}`],
  [/Can't locate (\S+)\.pm/, ([, name]) => `Install the module ${name?.replaceAll('/', '::')}`],
  [
    /(lib[\w.+-]+\.so[\w.]*)/,
    ([, name]) => `Install the package that has ${name}, or name its folder in LD_LIBRARY_PATH of env`,
  ],
  [/env: .*['‘]([^'’]+?)(?:\\r|\r)['’]/, 'Its file has the line ends of Windows: convert them (dos2unix)'],
  [/(?:env: )['‘]?([^'’:]+)['’]?: No such file/, ([, name]) => notInPath(name)],
  [/(?:^|[:\s])([\w./+-]+): (?:command )?not found/, ([, name]) => notInPath(name)],
  [
    /exec: "([^"]+)": executable file not found/,
    ([, name]) => `The image has no program ${name}: check args`,
  ],
  [
    /exec(?:utable)? format error|cannot execute binary file/i,
    'It was built for another processor or system',
  ],

  // Launchers.
  [/^npm .*(?:404 |E404|is not in this registry)/, 'There is no such package: check its name in args'],
  [/^npm .*(?:No matching version|notarget)/, 'The package has no such version: check args'],
  [
    /^npm .*could not determine executable/,
    'The package has no program of its name: check args (npx -p PACKAGE PROGRAM)',
  ],
  [/^npm .*(?:EAI_AGAIN|ENOTFOUND|ECONNREFUSED|ETIMEDOUT|ECONNRESET)/, notOnline],
  [/^npm .*(?:401|403|E401|E403)\b/, 'The package registry refuses the credentials of .npmrc'],
  [
    /invalid peer certificate|UnknownIssuer|unable to get local issuer certificate|self[- ]signed certificate/i,
    'Something on the way signs with an authority of its own: name its certificate in SSL_CERT_FILE (uv), NODE_EXTRA_CA_CERTS (node) or REQUESTS_CA_BUNDLE (Python) of env',
  ],
  [
    /was not found in the package registry|there are no versions of|no versions? of .* match/i,
    'There is no such package or version: check args',
  ],
  [
    /[Ee]xecutable (?:named )?`?([\w.-]+)`? (?:is|was) not (?:found|provided)/,
    'The package has no program of its name: check args (uvx --from PACKAGE PROGRAM)',
  ],
  [/Failed to (?:fetch|download)/, notOnline],
  [
    /Cannot connect to the Docker daemon|docker daemon is not running/,
    'Start Docker, or let the gateway reach its socket',
  ],
  [/permission denied .*[Dd]ocker/, 'The user of the gateway may not use Docker: add it to the group docker'],
  [/not a (?:TTY|terminal)/i, 'Take -t out of args and keep -i: there is no terminal'],
  [
    /pull access denied|repository does not exist|manifest (?:unknown|for)|No such image/,
    'There is no such image, or it needs docker login: check its name in args',
  ],

  // What the machine lacks.
  [
    /heap out of memory|OutOfMemoryError|MemoryError|runtime: out of memory|Out of memory|Cannot allocate memory/i,
    outOfMemory,
  ],
  [/ENOSPC|No space left on device/, 'The disk is full, or the server may write no more: make room'],
  [/EMFILE|Too many open files/i, 'It may open more files: raise the limit (ulimit -n)'],
  [
    /EADDRINUSE|[Aa]ddress already in use/,
    'Another process has that port, perhaps a second one of this server: with isolation: shared there is one only',
  ],
  [/EACCES|[Pp]ermission ?[Dd]enied|PermissionError/, permissionMissing],
  [
    /ENOENT: .*'([^']+)'|No such file or directory: '([^']+)'/,
    ([, one, other]) => `Make ${one ?? other}, or check the path of it in args and env`,
  ],

  [/(\/[^\s'":]+): no such file or directory/i, ([, path]) => `Check ${path} in args and env`],
  [
    /(?:cannot|can't|could not|failed to|unable to) (?:open|read|find|access|load) (?:[a-z ]{0,30})?['"`]?(\/[^\s'"`:,]+)/i,
    ([, path]) => `Look whether ${path} is there and whether the user of the gateway may use it`,
  ],

  // What it was not given.
  [/KeyError: '([A-Z][A-Z0-9_]{2,63})'/, ([, name]) => `Set ${name} in env of this server`],
  [
    /\b([A-Z][A-Z0-9]*_[A-Z0-9_]{1,60})\b.*\b(?:not (?:set|found|defined|provided|configured)|required|missing|must be (?:set|provided)|undefined|empty)\b/,
    setVariable,
  ],
  [
    /\b(?:not set|required|missing|must (?:be )?set|[Pp]lease (?:set|provide))\b.*?\b([A-Z][A-Z0-9]*_[A-Z0-9_]{1,60})\b/,
    setVariable,
  ],
  [
    /unrecognized|unexpected argument|bad option|[Nn]o such (?:option|command)|unknown (?:shorthand )?(?:flag|option|command|argument)|invalid (?:option|choice)|not defined: -|arguments? (?:\S+ )?(?:is|are) required/i,
    checkArgs,
  ],

  // What it could not reach.
  [
    /ECONNREFUSED ?([\w.:[\]-]*)|[Cc]onnection refused/,
    ([, where]) =>
      `What it needs${where ? ` at ${where}` : ''} does not answer: start that, or check its address in env and args`,
  ],
  [
    /ENOTFOUND ?([\w.-]*)|EAI_AGAIN|Temporary failure in name resolution|Name or service not known|no such host/,
    'A host name that it needs cannot be resolved: check it in env and args, and the DNS of this machine',
  ],
  [
    /\b401\b|\b403\b|[Uu]nauthori[sz]ed|[Ii]nvalid (?:API|api)[- ]?(?:key|token)|authentication failed/,
    'Whom it asks refuses its credentials: check them in env of this server',
  ],

  // Versions of a runtime.
  [
    /Unsupported engine|requires (?:Node|Python|a different Python)|Requires-Python|UnsupportedClassVersionError|install or update \.NET|GLIBC_\d/i,
    wrongVersion,
  ],
  [/^(?:\w+)?SyntaxError: /, `${wrongVersion}; or its source is broken`],
  [
    /Segmentation fault|NullPointerException|nil pointer|out of (?:range|bounds)|`(?:Option|Result)::unwrap|^fatal error: /,
    isFault,
  ],
  [
    /panicked at |^panic: /,
    'It gave up: give it what these words ask for, or update it, or tell its authors',
  ],
]

/** Empty where nothing better is known than what the server said. `said` is the line that explains most. */
export function remedyFor(said: string, ending: Ending): string {
  for (const [form, remedy] of remedies) {
    const match = form.exec(said)
    const sentence = match && (typeof remedy === 'string' ? remedy : remedy(match, ending))
    if (sentence) return sentence
  }
  return byEnding(said, ending)
}

function byEnding(said: string, { exitCode, signal, program, args }: Ending): string {
  const number = exitCode !== null && exitCode > 128 ? exitCode - 128 : 0
  const name = signal ?? signalNames[number] ?? ''
  if (name === 'SIGKILL')
    return `Something outside ended it, mostly the kernel for lack of memory: give it more`
  if (name === 'SIGILL') return 'It was built for a newer processor than this one'
  if (faults.has(name)) return isFault
  if (name !== '') return 'Something outside ended it: look for what stops processes on this machine'
  if (exitCode === 127) return notInPath(undefined)
  if (exitCode === 126) return notExecutable
  if (exitCode !== 0) return said === '' ? 'It said nothing: run its command by hand to see why' : ''
  if (/^(?:docker|podman|nerdctl)$/.test(program) && args.includes('run') && !args.some(keepsInput))
    return 'Add -i to args: without it the container has no input'
  return 'A server stays until its input ends: check args, it may need one such as --stdio'
}

/** The name of the signal of which a shell reports 128 and its number; undefined where it is none of these. */
export const signalNames: Readonly<Record<number, string | undefined>> = {
  1: 'SIGHUP',
  2: 'SIGINT',
  3: 'SIGQUIT',
  4: 'SIGILL',
  5: 'SIGTRAP',
  6: 'SIGABRT',
  7: 'SIGBUS',
  8: 'SIGFPE',
  9: 'SIGKILL',
  11: 'SIGSEGV',
  13: 'SIGPIPE',
  15: 'SIGTERM',
}

const faults: ReadonlySet<string> = new Set(['SIGSEGV', 'SIGBUS', 'SIGFPE', 'SIGABRT', 'SIGTRAP', 'SIGPIPE'])

function keepsInput(arg: string): boolean {
  return arg === '--interactive' || /^-[a-z]*i[a-z]*$/.test(arg)
}

function notInPath(name: string | undefined): string {
  const what = name === undefined || name === '' ? 'A program that it starts' : name
  return `${what} is not installed, or not in its PATH: install it, or set PATH in env`
}

const notExecutable = 'Make it executable (chmod +x), or name its interpreter in command'

function permissionMissing(match: RegExpExecArray, { exitCode }: Ending): string {
  const path = /(?:[Dd]enied[:,] (?:\w+ )?)'([^']+)'/.exec(match.input)?.[1]
  if (path !== undefined) return `Let the user of the gateway use ${path}`
  if (/\blisten\b|\bbind\b/.test(match.input)) return 'It may not have that port: give it one above 1023'
  return exitCode === 126 || /^[\w./-]+: /.test(match.input)
    ? notExecutable
    : 'Give the user of the gateway the right to it'
}

function moduleMissing([, quoted, double]: RegExpExecArray): string {
  const name = quoted ?? double ?? ''
  return /^(?:[./]|file:)/.test(name)
    ? 'There is no such file: check the path in args, or build the server first'
    : `Install the packages of the server: it lacks ${name}`
}

/** Programs that fetch the server before they start it. */
const launchers =
  /^(?:npx|npm|pnpm|pnpx|yarn|bunx|uvx|uv|pipx|docker|podman|nerdctl|deno|go|cargo|nix|dotnet)$/
/** What servers print that listen on a port. */
const serving = /https?:\/\/|\b(?:listening|running|started|serving|server)\b.*\b(?:port|on|at)\b/i

/**
 * What a server that runs and does not answer does instead, as a phrase: in the words that it wrote last (masked, one
 * line each) and by the name of its program.
 */
export function silenceOf({ stdout, stderr }: { stdout: string; stderr: string }, program: string): string {
  const fetches = launchers.test(program) ? `${program} may still be fetching it` : ''
  if (stdout !== '') {
    const cure = serving.test(stdout)
      ? 'it seems to serve HTTP: register its url, or have it speak MCP on stdin and stdout'
      : 'only MCP messages belong there: have it log to stderr, or check that it speaks MCP on stdin and stdout'
    return `it wrote "${stdout}" on stdout, and ${cure}`
  }
  const patience = 'startTimeout says how long it may take to start'
  if (stderr !== '') return `it last wrote "${stderr}" on stderr; ${fetches === '' ? patience : fetches}`
  return fetches === ''
    ? 'it has written nothing: check in args that it is to speak MCP on stdin and stdout'
    : `it has written nothing: ${fetches} (${patience})`
}

/** A variable that is missing, and the flag that does as well where the same line names one: "set X or pass --x". */
function setVariable({ 1: name, input }: RegExpMatchArray): string {
  const [, after, before] =
    /\bor\b[^.]*?\s(--[a-z][\w-]{0,60})|\s(--[a-z][\w-]{0,60})\b[^.]*?\bor\b/.exec(input ?? '') ?? []
  const flag = after ?? before
  return `Set ${name} in env of this server${flag === undefined ? '' : `, or ${flag} in args`}`
}
