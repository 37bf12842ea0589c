/** URIs with their member in them, and templates. */
import { describe, expect, test } from 'bun:test'
import fc from 'fast-check'
import { fitsTemplate, qualifyUri, readQualifiedUri, readTemplate, schemeOf } from '../../src/group/uris.ts'

describe('a qualified URI', () => {
  test.each<{ why: string; server: string; uri: string; qualified: string }>([
    { why: 'a file', server: 'docs', uri: 'file:///a/b.md', qualified: 'mcp+docs:file:///a/b.md' },
    { why: 'a template', server: 'docs', uri: 'file:///{+path}', qualified: 'mcp+docs:file:///{+path}' },
    {
      why: 'query and fragment belong to the member',
      server: 'web',
      uri: 'https://h/a?b=c#d',
      qualified: 'mcp+web:https://h/a?b=c#d',
    },
    {
      why: 'an app: hosts look at its scheme',
      server: 'charts',
      uri: 'ui://pie/app.html?x#y',
      qualified: 'ui://mcp+charts/pie/app.html?x#y',
    },
    { why: 'an app of nothing', server: 'charts', uri: 'ui://', qualified: 'ui://mcp+charts/' },
    { why: 'an app in capitals', server: 'charts', uri: 'UI://Pie', qualified: 'UI://mcp+charts/Pie' },
    {
      why: 'ui without slashes is any scheme',
      server: 'charts',
      uri: 'ui:pie',
      qualified: 'mcp+charts:ui:pie',
    },
    { why: 'a scheme has no underscore', server: 'my_docs', uri: 'a:b', qualified: 'mcp+my+5fdocs:a:b' },
    { why: 'a scheme has no case', server: 'Docs', uri: 'a:b', qualified: 'mcp++44ocs:a:b' },
    { why: 'dots and hyphens it has', server: 'a.b-c', uri: 'a:b', qualified: 'mcp+a.b-c:a:b' },
    { why: 'no URI at all', server: 'docs', uri: '', qualified: 'mcp+docs:' },
    { why: 'no scheme', server: 'docs', uri: 'a b', qualified: 'mcp+docs:a b' },
    {
      why: 'signs of all kinds',
      server: 'docs',
      uri: 'x:ü✓\u0000\ud800',
      qualified: 'mcp+docs:x:ü✓\u0000\ud800',
    },
    {
      why: 'one that is qualified already, by a gateway behind this one',
      server: 'inner',
      uri: 'mcp+docs:file:///a',
      qualified: 'mcp+inner:mcp+docs:file:///a',
    },
    {
      why: 'an app that is qualified already',
      server: 'inner',
      uri: 'ui://mcp+docs/a',
      qualified: 'ui://mcp+inner/mcp+docs/a',
    },
  ])('$why', ({ server, uri, qualified }) => {
    expect(qualifyUri(server, uri)).toBe(qualified)
    expect(readQualifiedUri(qualified)).toEqual({ server, uri })
  })

  test.each([
    'file:///a',
    'mcp:file:///a',
    'mcp+:file:///a',
    'mcp+docs',
    'mcp+docs/file:///a',
    'mcp+a_b:file:///a',
    'mcp+a+zz:x',
    'mcp+a+41a:x+',
    'mcp+a+61:x',
    'ui://docs/a',
    'ui://mcp+docs',
    'x:mcp+docs:file:///a',
    '',
  ])('is not %p, or it could be written in two ways', (uri) => {
    const read = readQualifiedUri(uri)
    if (read !== null) expect(qualifyUri(read.server, read.uri)).toBe(uri)
    else expect(read).toBeNull()
  })

  test('comes back from a parser that writes schemes in small letters', () => {
    const qualified = qualifyUri('My_Docs.v2', 'file:///A/b')
    expect(readQualifiedUri(new URL(qualified).href)).toEqual({ server: 'My_Docs.v2', uri: 'file:///A/b' })
    const app = new URL(qualifyUri('My_Docs.v2', 'ui://Pie/App.html'))
    expect(app.protocol).toBe('ui:')
    expect(readQualifiedUri(app.href)).toEqual({ server: 'My_Docs.v2', uri: 'ui://Pie/App.html' })
  })

  test('is read back for every server and every text', () => {
    const server = fc.stringMatching(/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/)
    const uri = fc.oneof(
      fc.string({ unit: 'binary', maxLength: 40 }),
      fc.webUrl(),
      fc.tuple(server, fc.webUrl()).map(([name, url]) => qualifyUri(name, url)),
      fc.string({ maxLength: 20 }).map((text) => `ui://${text}`),
    )
    fc.assert(
      fc.property(server, uri, (name, text) => {
        expect(readQualifiedUri(qualifyUri(name, text))).toEqual({ server: name, uri: text })
      }),
      { numRuns: 500 },
    )
  })
})

describe('a template', () => {
  test.each<{ template: string; uri: string; fits: boolean; why: string }>([
    { template: 'file:///{path}', uri: 'file:///a', fits: true, why: 'one segment' },
    { template: 'file:///{path}', uri: 'file:///a/b', fits: false, why: 'a slash is no part of {path}' },
    { template: 'file:///{+path}', uri: 'file:///a/b', fits: true, why: 'but of {+path}' },
    { template: 'file:///{path}', uri: 'file:///', fits: false, why: 'something must stand there' },
    { template: 'a://{x}/{y}', uri: 'a://b/c', fits: true, why: 'two expressions' },
    { template: 'a://{x}/{y}', uri: 'a://b', fits: false, why: 'of which one is missing' },
    { template: 'a://{x}.{y}', uri: 'a://b.c.d', fits: true, why: 'a dot may be in either' },
    { template: 'a://b{?q,r}', uri: 'a://b', fits: true, why: 'a query may be absent' },
    { template: 'a://b{?q,r}', uri: 'a://b?q=1&r=/', fits: true, why: 'or hold anything' },
    { template: 'a://b{?q}', uri: 'a://bq', fits: false, why: 'but begins with its sign' },
    { template: 'a://b{/path*}', uri: 'a://b/c/d', fits: true, why: 'segments' },
    { template: 'a://b{/path*}/end', uri: 'a://b/c/end/end', fits: true, why: 'segments before an end' },
    { template: 'a://b{/path*}', uri: 'a://bc', fits: false, why: 'segments begin with a slash' },
    { template: 'a://b{#part}', uri: 'a://b#c', fits: true, why: 'a fragment' },
    { template: 'a://b', uri: 'a://b', fits: true, why: 'no expression' },
    { template: 'a://b', uri: 'a://bc', fits: false, why: 'the whole must fit' },
    { template: '', uri: '', fits: true, why: 'nothing is nothing' },
    { template: 'a://{', uri: 'a://{', fits: true, why: 'a brace alone is text' },
    { template: '{+all}', uri: 'x', fits: true, why: 'anything' },
  ])('$template and $uri: $fits, because $why', ({ template, uri, fits }) => {
    const read = readTemplate(template)
    expect(read !== null && fitsTemplate(read, uri)).toBe(fits)
  })

  test('fits what it was made into', () => {
    const value = fc.stringMatching(/^[a-z0-9%.~-]{1,6}$/)
    fc.assert(
      fc.property(
        fc.array(value, { minLength: 1, maxLength: 5 }),
        fc.constantFrom('', '/', '.', '-'),
        (values, between) => {
          const template = readTemplate(`s://${values.map((_, index) => `{v${index}}`).join(between)}`)
          expect(template !== null && fitsTemplate(template, `s://${values.join(between)}`)).toBe(true)
        },
      ),
    )
  })

  test('fits what the regular expression fits that it stands for', () => {
    const expressions: Readonly<Record<string, string>> = {
      '{x}': '[^/]+',
      '{+x}': '.+',
      '{#x}': '(?:#.*)?',
      '{/x*}': '(?:/.*)?',
      '{?x,y}': '(?:\\?.*)?',
      '{&x}': '(?:&.*)?',
      '{.x}': '(?:\\.[^/]*)?',
      '{;x}': '(?:;[^/]*)?',
    }
    const literals = ['a', 'b', '/', '.', '?', '#', 'a/b']
    const part = fc.oneof(fc.constantFrom(...literals), fc.constantFrom(...Object.keys(expressions)))
    const uri = fc.string({ unit: fc.constantFrom('a', 'b', '/', '.', '?', '#', '&', ';'), maxLength: 8 })
    fc.assert(
      fc.property(fc.array(part, { maxLength: 5 }), uri, (parts, text) => {
        const pattern = parts.map((one) => expressions[one] ?? RegExp.escape(one)).join('')
        const template = readTemplate(parts.join(''))
        const fits = template !== null && fitsTemplate(template, text)
        expect(fits).toBe(new RegExp(`^${pattern}$`, 's').test(text))
      }),
      { numRuns: 3_000 },
    )
  })

  test('with many expressions takes no long time to refuse', () => {
    const template = readTemplate(`a:${'{+x}b'.repeat(15)}c`)
    if (template === null) throw new Error('15 expressions are not too many')
    const begun = performance.now()
    expect(fitsTemplate(template, `a:${'b'.repeat(2_000)}`)).toBe(false)
    expect(performance.now() - begun).toBeLessThan(500)
  })

  test('without bounds is none', () => {
    expect(readTemplate('{a}'.repeat(1_000))).toBeNull()
    expect(readTemplate('a'.repeat(5_000))).toBeNull()
    const any = readTemplate('{+a}')
    expect(any !== null && fitsTemplate(any, 'a'.repeat(5_000))).toBe(false)
  })
})

test.each([
  { uri: 'File:///a', scheme: 'file' },
  { uri: 'a+b.c-1:x', scheme: 'a+b.c-1' },
  { uri: '1a:x', scheme: null },
  { uri: '/a:b', scheme: null },
  { uri: '{scheme}://x', scheme: null },
  { uri: '', scheme: null },
])('the scheme of $uri is $scheme', ({ uri, scheme }) => {
  expect(schemeOf(uri)).toBe(scheme)
})
