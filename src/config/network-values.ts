/** Settings that name hosts, addresses, URLs, tokens and groups. Pure, like `values.ts`. */
import { type TArray, type TLiteral, type TNull, type TString, type TUnion, Type } from '@sinclair/typebox'
import { parseCidrSet } from '../net/cidr.ts'
import { keyAsTokenReason } from '../registry/access/key-schema.ts'
import { placeholderReason } from '../registry/secret-looking.ts'
import { serverNamePattern } from '../registry/server-name.ts'
import { list, optionalText, text, type ValueKind } from './values.ts'

const hostPattern = /^(?:[a-z0-9][a-z0-9._-]{0,252}|\[[0-9a-f:.]+\]|[0-9a-f]*:[0-9a-f:.]+)$/i

/** A host name or an address without port; brackets around an IPv6 address are taken off. */
export function hostName(): ValueKind<TString> {
  const kind = text('a host name or an address without port')
  return {
    ...kind,
    hint: 'host',
    read(input) {
      const reading = kind.read(input)
      if ('fault' in reading) return reading
      if (!hostPattern.test(reading.value)) return { fault: `must be ${kind.takes}, got "${reading.value}"` }
      return { value: reading.value.replace(/^\[(.*)\]$/, '$1') }
    },
  }
}

/** An absolute http or https URL without query, fragment and credentials; no slash at its end. */
export function baseUrl(): ValueKind<TUnion<[TString, TNull]>> {
  const takes = 'an http or https URL without query and credentials, such as https://tools.example.com/mcp'
  const kind = optionalText(takes, (value) => (isBaseUrl(value) ? null : `must be ${takes}`))
  return {
    ...kind,
    hint: 'url',
    read(input) {
      const reading = kind.read(input)
      return 'fault' in reading ? reading : { value: reading.value?.replace(/\/+$/, '') ?? null }
    },
  }
}

function isBaseUrl(value: string): boolean {
  const url = URL.parse(value)
  if (url === null || !/^https?:\/\//i.test(value)) return false
  return url.search === '' && url.hash === '' && url.username === '' && url.password === ''
}

/** The name of a group, `false` for none, and null (an empty text) for the group of everything. */
export function groupName(): ValueKind<TUnion<[TLiteral<false>, TString, TNull]>> {
  const takes = 'the name of a group, or false'
  const name = new RegExp(serverNamePattern)
  return {
    schema: Type.Union([Type.Literal(false), Type.String({ pattern: serverNamePattern }), Type.Null()]),
    takes,
    hint: 'name|false',
    read(input) {
      const value = typeof input === 'string' ? input.trim() : input
      if (value === null || value === '') return { value: null }
      if (value === false || value === 'false') return { value: false }
      if (typeof value !== 'string' || !name.test(value)) return { fault: `must be ${takes}` }
      return { value }
    },
    show: (value) => (value === null ? '' : String(value)),
  }
}

/** Tokens as an Authorization header can carry them. */
export function tokenList(): ValueKind<TArray<TString>> {
  return list({
    takes: 'tokens',
    secret: true,
    check: (entry) => {
      if (/^bearer\s/i.test(entry)) return 'must be the token alone, without "Bearer"'
      if (entry.includes(',')) return 'holds a comma; give each token as an entry of its own'
      return /^[\x21-\x7e]{1,4096}$/.test(entry)
        ? (keyAsTokenReason(entry) ?? placeholderReason(entry))
        : 'must be printable ASCII without spaces, at most 4096 characters'
    },
  })
}

/** Addresses and CIDR blocks; set host bits are fine here, the gateway warns of them. */
export function addressList(): ValueKind<TArray<TString>> {
  return list({
    takes: 'IP addresses or CIDR blocks',
    check: (entry) => {
      const parsed = parseCidrSet([entry])
      // The reason comes with the entry quoted in front, which the list does as well.
      return parsed.ok ? null : `is wrong: ${parsed.errors[0]?.replace(/^"[^"]*": /, '')}`
    },
  })
}

export function hostList(): ValueKind<TArray<TString>> {
  return list({
    takes: 'host names',
    check: (entry) =>
      hostPattern.test(entry.replace(/:\d{1,5}$/, '')) ? null : 'is not a host name, with or without a port',
  })
}

export function originList(): ValueKind<TArray<TString>> {
  return list({
    takes: 'origins',
    check: (entry) =>
      URL.parse(entry)?.origin === entry.toLowerCase()
        ? null
        : 'is not an origin such as https://app.example.com',
  })
}
