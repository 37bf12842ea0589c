/** `${user.NAME}`: what is one, where it may stand, and that nothing else of a text changes. */
import { describe, expect, test } from 'bun:test'
import { expand } from '../../src/config/expand.ts'
import { parseDefinition } from '../../src/registry/definition-schema.ts'
import { definitionToWire, secretValuesOf } from '../../src/registry/definition-wire.ts'
import {
  isOfEachUser,
  userNamesIn,
  userNamesOf,
  withoutUserEscapes,
  withUserValues,
} from '../../src/registry/secrets/user-values.ts'
import { definitionOf } from './definitions.ts'

const stdio = { name: 's', transport: 'stdio', command: 'x' } as const
const http = { name: 's', transport: 'streamable-http', url: 'https://a.example/mcp' } as const

/** The fields at fault. */
function faults(wire: object): string[] {
  const parsed = parseDefinition(wire, { now: '' })
  return parsed.ok ? [] : parsed.problems.map(({ field }) => field)
}

describe('a reference', () => {
  test.each<{ why: string; text: string; names: readonly string[] | null }>([
    { why: 'alone', text: '${user.token}', names: ['token'] },
    { why: 'with text around it', text: 'Bearer ${user.a} and ${user.b}', names: ['a', 'b'] },
    { why: 'escaped', text: '$${user.token}', names: [] },
    { why: 'escaped beside one', text: '$${user.a}${user.b}', names: ['b'] },
    { why: 'a variable', text: '${USER}', names: [] },
    { why: 'a variable of another case', text: '${user}', names: [] },
    { why: 'without a name', text: '${user.}', names: null },
    { why: 'with a name that is none', text: '${user.my token}', names: null },
    { why: 'with a default, which there is not', text: '${user.token:-x}', names: null },
    { why: 'that does not end', text: '${user.token', names: null },
    { why: 'with a digit in front', text: '${user.1st}', names: null },
    { why: 'with a hyphen', text: '${user.my-token}', names: null },
  ])('$why: $text', ({ text, names }) => {
    expect(userNamesIn(text)).toEqual(names as string[] | null)
  })

  test.each([
    { why: 'in a variable', wire: { ...stdio, env: { T: '${user.token}' } }, fields: [] },
    { why: 'in a header', wire: { ...http, headers: { A: 'Bearer ${user.token}' } }, fields: [] },
    { why: 'in an argument', wire: { ...stdio, args: ['--token', '${user.token}'] }, fields: ['args[1]'] },
    { why: 'in the command', wire: { ...stdio, command: '${user.bin}' }, fields: ['command'] },
    { why: 'in the URL', wire: { ...http, url: 'https://a.example/${user.id}' }, fields: ['url'] },
    {
      why: 'as the name of a variable',
      wire: { ...stdio, env: { '${user.a}': '1' } },
      fields: ['env.${user.a}'],
    },
    {
      why: 'in a client of OAuth, which all share',
      wire: {
        ...http,
        oauth: { issuer: 'https://id.example', client: { id: 'gateway', secret: '${user.token}' } },
      },
      fields: ['oauth.client.secret'],
    },
    { why: 'with a slip in it', wire: { ...stdio, env: { T: '${user.my token}' } }, fields: ['env.T'] },
    {
      why: 'where all share a connection',
      wire: { ...stdio, isolation: 'shared', env: { T: '${user.token}' } },
      fields: ['isolation'],
    },
    {
      why: 'escaped where all share one',
      wire: { ...stdio, isolation: 'shared', env: { T: '$${user.x}' } },
      fields: [],
    },
    { why: 'escaped in an argument', wire: { ...stdio, args: ['$${user.x}'] }, fields: [] },
  ])('$why: $fields', ({ wire, fields }) => {
    expect(faults(wire)).toEqual([...fields])
  })
})

describe('a definition with the values of one user', () => {
  const definition = definitionOf({
    ...http,
    headers: { A: 'Bearer ${user.token}', B: '$${user.token}', C: 'plain' },
  })

  test('has them in their places, and nothing else is another', () => {
    const filled = withUserValues(definition, { token: 'canary' })
    expect(filled.headers).toEqual({ A: 'Bearer canary', B: '${user.token}', C: 'plain' })
    expect({ ...filled, headers: {}, userValues: [] }).toEqual({ ...definition, headers: {}, userValues: [] })
    expect(definition.headers['A']).toBe('Bearer ${user.token}')
  })

  test('does not look into them again', () => {
    const { headers } = withUserValues(definition, { token: '${user.other} $& $1 ${file:/etc/passwd}' })
    expect(headers['A']).toBe('Bearer ${user.other} $& $1 ${file:/etc/passwd}')
  })

  test('hides them in what its server writes, and the original hides nothing of anybody', () => {
    expect(secretValuesOf(withUserValues(definition, { token: 'abcd' }))).toContain('abcd')
    expect(secretValuesOf(definition)).not.toContain('abcd')
  })

  test('is refused where a value cannot stand in a header', () => {
    for (const value of ['a\r\nX-Evil: 1', 'a\0', '\u2603'])
      expect(() => withUserValues(definition, { token: value })).toThrow('Set it again')
  })

  test('is told by its references, which stay readable', () => {
    expect([userNamesOf(definition), isOfEachUser(definition)]).toEqual([['token'], true])
    expect(definitionToWire(definition).headers).toMatchObject({ A: 'Bearer ${user.token}' })
    expect(isOfEachUser(definitionOf({ ...stdio, env: { T: '$${user.token}' } }))).toBe(false)
  })

  test('of nobody has what is escaped as it is meant', () => {
    expect(withoutUserEscapes({ A: '$${user.x}', B: 'b' })).toEqual({ A: '${user.x}', B: 'b' })
  })
})

test('what a variable of the environment holds is no reference', () => {
  const value = expand({ env: { T: '${V}' } }, { V: '${user.token}' }, 'file', [])
  const definition = definitionOf({ ...stdio, ...(value as { env: Record<string, string> }) })
  expect(isOfEachUser(definition)).toBe(false)
  expect(withoutUserEscapes(definition.env)).toEqual({ T: '${user.token}' })
  expect(expand('${user.token}', { user: 'x' }, 'file', [])).toBe('${user.token}')
})
