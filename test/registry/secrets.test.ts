/** References to secrets: their grammar, the files that they name, and what becomes of a definition that has some. */
import { describe, expect, test } from 'bun:test'
import { copyFileSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { ServerDefinition } from '../../src/registry/definition.ts'
import { parseDefinition } from '../../src/registry/definition-schema.ts'
import { definitionToStored, definitionToWire, secretValuesOf } from '../../src/registry/definition-wire.ts'
import { mergeMasked } from '../../src/registry/merge-masked.ts'
import { asWritten, escaped, placesOf, substitute, valuesIn } from '../../src/registry/secrets/references.ts'
import {
  type ReadSecret,
  readReferred,
  resolve,
  resolveSent,
  resolveStored,
} from '../../src/registry/secrets/resolve.ts'
import { askCommand } from '../../src/registry/secrets/secret-command.ts'
import { readSecretFile } from '../../src/registry/secrets/secret-file.ts'
import { certificatesIn } from '../support/certificates.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'

function definitionOf(fields: Readonly<Record<string, unknown>>): ServerDefinition {
  const parsed = parseDefinition({ name: 'docs', ...fields }, { written: true, now: '2026-01-01T00:00:00Z' })
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.problems))
  return parsed.definition
}

const shownReference = substitute('${file:/a}', ({ kind, target }) => `<${kind} ${target}>`)

describe('a text with references', () => {
  test.each([
    { why: 'a file', text: 'Bearer ${file:/run/t}', becomes: 'Bearer <file /run/t>' },
    { why: 'a command', text: '${exec:op read x}', becomes: '<exec op read x>' },
    { why: 'two in one text', text: '${file:/a}:${file:/b}', becomes: '<file /a>:<file /b>' },
    { why: 'blanks around the path', text: '${file: /a }', becomes: '<file /a>' },
    { why: 'escaped', text: '$${file:/a}', becomes: '${file:/a}' },
    { why: 'a variable with that name and a default', text: '${file:-/a}', becomes: '${file:-/a}' },
    { why: 'a variable', text: '${HOME}', becomes: '${HOME}' },
    { why: 'no end', text: '${file:/a', becomes: '${file:/a' },
    { why: 'over a line', text: '${file:/a\n}', becomes: '${file:/a\n}' },
  ])('is read: $why', ({ text, becomes }) => {
    expect(shownReference).toBe('<file /a>')
    expect(substitute(text, ({ kind, target }) => `<${kind} ${target}>`)).toBe(becomes)
  })

  test.each(['${file:/a}', '$${file:/a}', '$$${exec:x}', '${file:/a', 'plain ${HOME}'])(
    'comes out of escaping as it went in: %s',
    (text) => {
      expect(substitute(escaped(text), () => 'SECRET')).toBe(text)
    },
  )
})

describe('a file with a secret', () => {
  test.each([
    { why: 'one line break is cut', holds: 'abc\n', reads: 'abc' },
    { why: 'one of Windows', holds: 'abc\r\n', reads: 'abc' },
    { why: 'and no more', holds: 'abc\n\n', reads: 'abc\n' },
    { why: 'blanks stay', holds: ' abc ', reads: ' abc ' },
    { why: 'nothing', holds: '\n', fails: 'is empty' },
    { why: 'too much', holds: 'x'.repeat(65_537), fails: 'is larger than 65536 bytes' },
    { why: 'as much as there may be', holds: 'x'.repeat(65_536), reads: 'x'.repeat(65_536) },
    { why: 'NUL', holds: 'canary\0', fails: 'holds NUL' },
  ])('is read: $why', ({ holds, reads, fails }) => {
    using files = temporaryDirectory({ secret: holds })
    const read = () => readSecretFile(join(files.path, 'secret'), null)
    if (reads !== undefined) expect(read()).toBe(reads)
    else expect(read).toThrow(fails)
  })

  test('that is no text, no file or not there is told by its path, without its content', () => {
    using files = temporaryDirectory()
    writeFileSync(join(files.path, 'binary'), new Uint8Array([0xff, 0xfe, 99, 97, 110]))
    expect(() => readSecretFile(join(files.path, 'binary'), null)).toThrow(/binary is no UTF-8 text$/)
    expect(() => readSecretFile(files.path, null)).toThrow('is no file')
    expect(() => readSecretFile(join(files.path, 'none'), null)).toThrow(
      /cannot read .*none: there is no such file; mount it/,
    )
    expect(() => readSecretFile('secret', null)).toThrow('must be an absolute path')
  })

  test('of a volume of Kubernetes is reached through its links, before and after it is exchanged', () => {
    using files = temporaryDirectory({ 'volume/..one/token': 'first\n', 'volume/..two/token': 'second\n' })
    const volume = join(files.path, 'volume')
    symlinkSync('..one', join(volume, '..data'))
    symlinkSync('..data/token', join(volume, 'token'))
    expect(readSecretFile(join(volume, 'token'), [volume])).toBe('first')
    symlinkSync('..two', join(volume, '..data_tmp'))
    renameSync(join(volume, '..data_tmp'), join(volume, '..data'))
    rmSync(join(volume, '..one'), { recursive: true })
    expect(readSecretFile(join(volume, 'token'), [volume])).toBe('second')
  })

  test('below a directory is reached by no way that leads out of it', () => {
    using files = temporaryDirectory({
      'in/token': 'inside',
      'in/deep/token': 'deep',
      outside: 'canary',
      'in2/x': 'canary',
    })
    const dir = join(files.path, 'in')
    symlinkSync('../outside', join(dir, 'link'))
    symlinkSync('..', join(dir, 'up'))
    const read = (path: string) => readSecretFile(path, [dir])
    expect([read(join(dir, 'token')), read(join(dir, 'deep/token'))]).toEqual(['inside', 'deep'])
    const ways = [
      join(files.path, 'outside'),
      `${dir}/../outside`,
      `${dir}/./token`,
      `${dir}//token`,
      join(dir, 'link'),
      join(dir, 'up', 'outside'),
      join(files.path, 'in2/x'),
      dir,
      '/etc/passwd',
    ]
    for (const way of ways) expect(() => read(way), way).toThrow('does not lie in one of the directories')
    expect(() => readSecretFile(join(dir, 'token'), [])).toThrow('secrets.dirs (none is set)')
  })

  test('below a directory is judged as it is open, while somebody swaps it for a link that leads out', async () => {
    using files = temporaryDirectory({ 'in/token': 'inside', outside: 'canary' })
    const dir = join(files.path, 'in')
    const [token, link, kept] = ['token', 'link', 'kept'].map((name) => join(dir, name))
    const swapper = Bun.spawn([
      process.execPath,
      '-e',
      `const fs = require('node:fs')
       const end = Date.now() + 700
       while (Date.now() < end) {
         fs.symlinkSync('../outside', '${link}'); fs.renameSync('${link}', '${token}')
         fs.writeFileSync('${kept}', 'inside'); fs.renameSync('${kept}', '${token}')
       }`,
    ])
    const seen = new Set<string>()
    const over = swapper.exited.then(() => true)
    while (!(await Promise.race([over, Bun.sleep(0).then(() => false)]))) {
      for (let at = 0; at < 50; at++) {
        try {
          seen.add(readSecretFile(token ?? '', [dir]))
        } catch (thrown) {
          seen.add(String(thrown).includes('does not lie') ? 'refused' : String(thrown))
        }
      }
    }
    expect(seen.has('canary')).toBe(false)
    expect(seen.has('inside')).toBe(true)
  })
})

describe('a command for a secret', () => {
  test.each([
    { why: 'its output without a line break', command: "printf 'a b\\n'", gives: 'a b' },
    { why: 'words in quotes', command: `printf %s "x y" 'z'`, gives: 'x yz' },
    {
      why: 'an exit code',
      command: 'sh -c "echo canary; echo canary >&2; exit 3"',
      fails: 'sh has ended with exit code 3',
    },
    { why: 'nothing', command: 'true', fails: 'true has written no text' },
    {
      why: 'no program',
      command: 'no-such-program-here canary',
      fails: 'no-such-program-here could not be started',
    },
    { why: 'no words', command: '  ', fails: 'names no command' },
  ])('gives $why', async ({ command, gives, fails }) => {
    const asked = askCommand(command, process.env)
    if (gives !== undefined) expect(await asked).toBe(gives)
    else {
      const reason = await asked.then(String, String)
      expect(reason).toContain(fails)
      expect(reason).not.toContain('canary')
    }
  })
})

describe('what has come into a text', () => {
  test.each([
    { why: 'alone', written: '${file:/a}', text: 'one', values: ['one'] },
    {
      why: 'between what is written',
      written: 'a${file:/a}b$${file:x}',
      text: 'aoneb${file:x}',
      values: ['one'],
    },
    { why: 'two', written: '${file:/a}:${file:/b}', text: 'one:two', values: ['one', 'two', 'one:two'] },
    { why: 'two with nothing between', written: '${file:/a}${file:/b}', text: 'onetwo', values: ['onetwo'] },
    { why: 'nothing', written: '$${file:/a}', text: '${file:/a}', values: [] },
  ])('is found: $why', ({ written, text, values }) => {
    expect(valuesIn(written, text)).toEqual([...values])
  })

  test('is found in time that grows with the text, whatever stands in it', () => {
    const began = performance.now()
    valuesIn('${file:/a} '.repeat(5_000), ' '.repeat(65_536))
    expect(performance.now() - began).toBeLessThan(1_000)
  })
})

describe('a definition with references', () => {
  test('has no more of them in one text than can be held', () => {
    const env = { A: '${file:/run/x}'.repeat(17) }
    const definition = definitionOf({ transport: 'stdio', command: 'x', env })
    expect(() => resolveSent(definition, ['/run'])).toThrow('env.A: holds more than 16 references')
  })

  const fields = (dir: string) => ({
    transport: 'streamable-http',
    url: `https://docs.example.com/mcp?key=\${file:${dir}/key}`,
    headers: {
      Authorization: `Bearer \${file:${dir}/token}`,
      'X-Plain': 'written-secret',
      'X-Dollar': '$${file:/x}',
    },
    authTokens: [`\${file:${dir}/door}`, 'other-door-token'],
  })
  const secrets = { 'in/key': 'key-canary-1\n', 'in/token': 'plainword\n', 'in/door': 'door-canary-3\n' }

  test('holds the values, and stores and shows the references', () => {
    using files = temporaryDirectory(secrets)
    const dir = join(files.path, 'in')
    const written = definitionOf(fields(dir))
    const resolved = resolveSent(written, [dir])
    expect(resolved.url).toBe('https://docs.example.com/mcp?key=key-canary-1')
    expect(resolved.headers['Authorization']).toBe('Bearer plainword')
    expect(resolved.headers['X-Dollar']).toBe('${file:/x}')
    expect(resolved.authTokens).toEqual(['door-canary-3', 'other-door-token'])
    const stored = definitionToStored(resolved)
    expect(stored.headers).toEqual(fields(dir).headers)
    const shown = definitionToWire(resolved)
    expect(shown.url).toBe(fields(dir).url)
    expect(shown.headers?.['Authorization']).toBe(`Bearer \${file:${dir}/token}`)
    expect(shown.headers?.['X-Plain']).toBe('***')
    expect(shown.authTokens).toEqual([`\${file:${dir}/door}`, '***'])
    expect(JSON.stringify([stored, shown])).not.toMatch(/canary|plainword/)
    expect(asWritten(resolved)).toEqual(written)
    // What has come from a file is hidden, whether or not it looks like a secret.
    expect(secretValuesOf(resolved)).toEqual(
      expect.arrayContaining(['key-canary-1', 'plainword', 'door-canary-3', 'written-secret']),
    )
  })

  test('is sent back as it was shown without a change', () => {
    using files = temporaryDirectory(secrets)
    const dir = join(files.path, 'in')
    const resolved = resolveSent(definitionOf(fields(dir)), [dir])
    const merged = mergeMasked(definitionToWire(resolved), resolved)
    const parsed = parseDefinition(merged, { written: true, now: resolved.updatedAt })
    expect(parsed.ok && resolveSent(parsed.definition, [dir])).toEqual(resolved)
  })

  test('is refused where a value cannot stand, by its place and never with the value', () => {
    using files = temporaryDirectory({ 'in/lines': 'canary\ncanary', 'in/long': 'x'.repeat(20_000) })
    const dir = join(files.path, 'in')
    const server = (headers: Record<string, string>) =>
      definitionOf({ transport: 'streamable-http', url: 'https://a.example', headers })
    const refusal = (definition: ServerDefinition): string => {
      try {
        return JSON.stringify(resolveSent(definition, [dir]))
      } catch (thrown) {
        return String(thrown)
      }
    }
    const both = refusal(server({ A: `\${file:${dir}/lines}`, B: `\${file:${dir}/long}` }))
    expect(both).toContain('headers.A: must not contain line breaks')
    expect(both).toContain('headers.B:')
    expect(both).not.toContain('canary')
    expect(refusal(server({ A: '${exec:id}' }))).toContain('works in the configuration file only')
    expect(refusal(server({ A: '${file:/etc/hostname}' }))).toContain(
      'does not lie in one of the directories',
    )
  })

  test('that was stored and whose file is gone says so, and opens to nobody', () => {
    using files = temporaryDirectory(secrets)
    const dir = join(files.path, 'in')
    rmSync(join(dir, 'door'))
    const stored = resolveStored(definitionOf(fields(dir)), [dir])
    expect(stored.unread).toContain('authTokens[0]: cannot read')
    expect(stored.authTokens[0]).toMatch(/^unread-[0-9a-f-]{36}$/)
    expect(definitionToStored(stored)).toEqual(definitionToStored(definitionOf(fields(dir))))
  })

  test('keeps certificate and key of before while only one of the two is another', () => {
    using files = temporaryDirectory()
    const { ca, issue } = certificatesIn(files.path)
    const [alice, carol] = [issue('alice'), issue('carol')]
    const [cert, key] = [join(files.path, 'now.cert'), join(files.path, 'now.key')]
    copyFileSync(alice.cert, cert)
    copyFileSync(alice.key, key)
    const read: ReadSecret = (reference) => readReferred(reference, null)
    const url = 'https://a.example'
    const written = definitionOf({ transport: 'streamable-http', url, tls: { ca, cert, key } })
    const { definition: before, problems } = resolve(written, read, () => '')
    expect([problems, before.tls?.ca, definitionToWire(before).tls]).toEqual([
      [],
      readSecretFile(ca, null),
      { ca, cert, key },
    ])
    const after = () => {
      const texts = new Map(placesOf(before))
      return resolve(before, read, (place) => texts.get(place) ?? '')
    }
    copyFileSync(carol.cert, cert)
    const half = after()
    expect(half.definition.tls).toEqual(before.tls)
    expect(half.problems).toEqual([
      { field: 'tls.key', reason: 'is not the key of the certificate in tls.cert' },
    ])
    copyFileSync(carol.key, key)
    expect([after().problems, after().definition.tls?.key]).toEqual([[], readSecretFile(carol.key, null)])
    // Certificates are shown to whoever connects, a key to nobody.
    const hidden = secretValuesOf(before)
    expect(hidden).toContain(readSecretFile(alice.key, null))
    expect(hidden).not.toContain(readSecretFile(alice.cert, null))
  })
})
