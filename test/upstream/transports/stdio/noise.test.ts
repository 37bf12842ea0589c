/** Which one of a server's last lines is told to clients. */
import { describe, expect, test } from 'bun:test'
import { createMask } from '../../../../src/telemetry/redaction.ts'
import { ServerNoise } from '../../../../src/upstream/transports/stdio/noise.ts'

const secret = 'sk-3Zp9Qw7LkT2vXb8N'

function reasonAfter(...said: readonly string[]): string {
  const noise = new ServerNoise(createMask([secret]), () => {})
  for (const text of said) noise.push(Buffer.from(text))
  return noise.reason()
}

describe('the line that is told of a server that died', () => {
  test.each([
    { said: '', told: '', why: 'it said nothing' },
    { said: '\n  \n', told: '', why: 'it said nothing that could be read' },
    {
      said: 'starting\nset FILES_ROOT\n',
      told: 'set FILES_ROOT',
      why: 'the last one, where none is an error',
    },
    { said: 'set FILES_ROOT', told: 'set FILES_ROOT', why: 'it was not ended' },
    {
      said: "/srv/index.js:3\n    throw new Error('no key')\n    ^\n\nError: no key\n    at Object.<anonymous> (/srv/index.js:3:11)\n    at error: of (node:internal)\n\nNode.js v22.1.0\n",
      told: 'Error: no key',
      why: 'Node ends with a stack and its version',
    },
    {
      said: "node:internal/modules/cjs/loader:1215\n  throw err;\n  ^\n\nError: Cannot find module '/srv/x.js'\n    at Module._resolveFilename (x:1:1) {\n  code: 'MODULE_NOT_FOUND',\n  requireStack: []\n}\n",
      told: "Error: Cannot find module '/srv/x.js'",
      why: 'members of the error come behind it',
    },
    {
      said: 'TypeError [ERR_INVALID_ARG_TYPE]: not a string\n    at f (x:1:1)\n',
      told: 'TypeError [ERR_INVALID_ARG_TYPE]: not a string',
      why: 'with a code of Node',
    },
    {
      said: 'Traceback (most recent call last):\n  File "x.py", line 1, in <module>\n    raise KeyError("TOKEN")\nKeyError: \'TOKEN\'\n',
      told: "KeyError: 'TOKEN'",
      why: 'Python',
    },
    {
      said: 'panic: no config\n\ngoroutine 1 [running]:\nmain.main()\n\t/srv/main.go:4 +0x2c\nexit status 2\n',
      told: 'panic: no config',
      why: 'Go',
    },
    {
      said: 'Exception in thread "main" java.lang.IllegalStateException: no key\n\tat Main.main(Main.java:3)\n',
      told: 'Exception in thread "main" java.lang.IllegalStateException: no key',
      why: 'Java',
    },
    {
      said: 'error: unrecognized option --x\n\nUsage: x [options]\n',
      told: 'error: unrecognized option --x',
      why: 'usage comes behind',
    },
    {
      said: '2026-01-01 ERROR: first\n2026-01-01 ERROR: second\nbye\n',
      told: '2026-01-01 ERROR: second',
      why: 'the last error',
    },
    { said: 'Terror: a film\nerrors: 0\nlast\n', told: 'last', why: 'words that look like it are none' },
    { said: `Error: bad key ${secret}\r\n`, told: 'Error: bad key ***', why: 'secrets are masked' },
  ])('is $told: $why', ({ said, told }) => {
    expect(reasonAfter(said)).toBe(told)
  })

  test('is none of a server that was killed, unless it is about an error', () => {
    const noise = new ServerNoise(createMask([]), () => {})
    noise.push(Buffer.from('GET / 200\n'))
    noise.stdout('Welcome')
    expect([noise.reason(), noise.reason(true)]).toEqual(['GET / 200', ''])
    noise.push(Buffer.from('error: out of memory\n'))
    expect(noise.reason(true)).toBe('error: out of memory')
  })

  test('is cut at 500 characters, and one line whatever was said', () => {
    const told = reasonAfter('one\n', `Error: ${'x'.repeat(2000)}\n`, '    at f\n')
    expect(told).toHaveLength(500)
    expect(told).not.toContain('\n')
  })
})
