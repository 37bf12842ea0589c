import { describe, expect, test } from 'bun:test'
import { headersForUpstream, isForwardable } from '../../src/net/header-policy.ts'

const token = 'gateway-secret'
/** Every character that a token may hold and a header may read as a separator. */
const awkward = 'a;b="c":d=='
const isOwnToken = (text: string) => text === token || text === awkward

function send(headers: Record<string, string>, listed: readonly string[]): Record<string, string> {
  return headersForUpstream(new Headers(headers), listed, isOwnToken)
}

describe('headers for the upstream', () => {
  test('nothing goes unless it is listed', () => {
    expect(send({ cookie: 'a=b', 'x-user': 'kim', 'user-agent': 'x' }, [])).toEqual({})
  })

  test('what is listed goes under its lower-case name, and what is absent does not', () => {
    expect(send({ 'X-User': 'kim', 'X-Team': 'a' }, ['X-User', 'X-Other'])).toEqual({ 'x-user': 'kim' })
  })

  test.each([
    { why: 'a cookie belongs to the gateway’s host', name: 'Cookie', value: 'a=b', goes: false },
    {
      why: 'credentials of the client may be listed',
      name: 'Authorization',
      value: 'Bearer theirs',
      goes: true,
    },
    { why: 'the gateway token never goes', name: 'Authorization', value: `Bearer ${token}`, goes: false },
    { why: 'whatever the scheme', name: 'Authorization', value: `token ${token}`, goes: false },
    { why: 'nor on its own under another name', name: 'X-Api-Key', value: token, goes: false },
    { why: 'nor in a list', name: 'X-Keys', value: `a, ${token}, b`, goes: false },
    { why: 'nor behind a name', name: 'X-Auth', value: `a=b; key="${token}"`, goes: false },
    { why: 'nor one with separators in it', name: 'Authorization', value: `Bearer ${awkward}`, goes: false },
    { why: 'nor that one in a list', name: 'X-Keys', value: `x=1, ${awkward}`, goes: false },
    { why: 'nor that one behind a name', name: 'X-Keys', value: `key=${awkward}`, goes: false },
    { why: 'nor that one in quotes', name: 'X-Keys', value: `key="a==", token='${token}'`, goes: false },
    { why: 'nor behind a user', name: 'X-Auth', value: `user:${token}`, goes: false },
    { why: 'nor with anything around it', name: 'Authorization', value: `Bearer  ${token} `, goes: false },
    {
      why: 'a value of many parts is not looked through',
      name: 'X-Many',
      value: Array.from({ length: 300 }, (_, n) => n).join(),
      goes: false,
    },
    { why: 'nor what a proxy says of its clients', name: 'Forwarded', value: 'for=192.0.2.1', goes: false },
    { why: 'nor what replicas tell each other', name: 'Compozy-Forwarded', value: 'a.b', goes: false },
    { why: 'Host names this gateway', name: 'Host', value: 'gw.example', goes: false },
    { why: 'the body length is the transport’s', name: 'Content-Length', value: '5', goes: false },
    { why: 'hop by hop', name: 'Transfer-Encoding', value: 'chunked', goes: false },
    { why: 'hop by hop', name: 'Upgrade', value: 'websocket', goes: false },
    { why: 'meant for a proxy', name: 'Proxy-Authorization', value: 'Basic eDp5', goes: false },
    { why: 'the session of another connection', name: 'Mcp-Session-Id', value: 'abc', goes: false },
    { why: 'the transport writes its own', name: 'Mcp-Method', value: 'tools/call', goes: false },
    {
      why: 'the page is none of the upstream’s business',
      name: 'Origin',
      value: 'https://a.example',
      goes: false,
    },
  ])('$name ($value): $why', ({ name, value, goes }) => {
    expect(send({ [name]: value }, [name])).toEqual(goes ? { [name.toLowerCase()]: value } : {})
  })

  test('what Connection names belongs to this hop', () => {
    expect(
      send({ connection: 'keep-alive, X-Hop', 'x-hop': '1', 'x-user': 'kim' }, ['x-hop', 'x-user']),
    ).toEqual({
      'x-user': 'kim',
    })
  })

  test('tells which names can be listed with any effect', () => {
    expect(isForwardable('X-User')).toBe(true)
    expect(isForwardable('Connection')).toBe(false)
    expect(isForwardable('MCP-Param-Region')).toBe(false)
  })
})
