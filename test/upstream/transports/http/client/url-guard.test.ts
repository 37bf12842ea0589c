/** Where a registered URL may lead, in every spelling that an attacker may choose. */
import { describe, expect, test } from 'bun:test'
import { GatewayError } from '../../../../../src/errors.ts'
import {
  checkUpstreamUrl,
  type ListenAddress,
  type UrlPolicy,
} from '../../../../../src/upstream/transports/http/client/url-guard.ts'

/** `ok`, or the code and details of the refusal. */
async function verdict(url: string, policy: Partial<UrlPolicy> = {}): Promise<string> {
  try {
    await checkUpstreamUrl(new URL(url), { privateUpstreams: 'allowed', ...policy })
    return 'ok'
  } catch (error) {
    if (!(error instanceof GatewayError)) throw error
    return `${error.code}: ${error.details}`
  }
}

describe('never, whatever the settings', () => {
  test.each<{ url: string; why: string }>([
    { url: 'http://169.254.169.254/latest/', why: 'AWS, Azure, Google and others' },
    { url: 'https://169.254.170.2/v2/credentials', why: 'AWS containers' },
    { url: 'http://169.254.0.1/', why: 'link-local' },
    { url: 'http://2852039166/', why: 'the same as one decimal number' },
    { url: 'http://0xa9fea9fe/', why: 'the same in hex' },
    { url: 'http://0xa9.0xfe.0xa9.0xfe/', why: 'the same, hex by the byte' },
    { url: 'http://0251.0376.0251.0376/', why: 'the same in octal' },
    { url: 'http://169.254.43518/', why: 'the same with fewer dots' },
    { url: 'http://169.254.169.254./', why: 'the same with a dot at its end' },
    { url: 'http://①⑥⑨.②⑤④.①⑥⑨.②⑤④/', why: 'the same in circled digits' },
    { url: 'http://169。254。169。254/', why: 'the same with full-width dots' },
    { url: 'http://%31%36%39.254.169.254/', why: 'the same with percent escapes' },
    { url: 'http://[::ffff:169.254.169.254]/', why: 'mapped into IPv6' },
    { url: 'http://[::ffff:a9fe:a9fe]/', why: 'mapped into IPv6, in hex' },
    { url: 'http://[0:0:0:0:0:ffff:a9fe:a9fe]/', why: 'mapped into IPv6, written out' },
    { url: 'http://[::a9fe:a9fe]/', why: 'IPv4-compatible IPv6' },
    { url: 'http://[::ffff:0:a9fe:a9fe]/', why: 'translated (SIIT)' },
    { url: 'http://[64:ff9b::a9fe:a9fe]/', why: 'behind NAT64' },
    { url: 'http://[64:ff9b:1::a9fe:a9fe]/', why: 'behind a local NAT64' },
    { url: 'http://[2002:a9fe:a9fe::1]/', why: 'behind 6to4' },
    { url: 'http://[2001:0:1:2:3:4:5601:5601]/', why: 'behind Teredo, inverted' },
    { url: 'http://[fe80::1]/', why: 'link-local IPv6' },
    { url: 'http://[febf::1]/', why: 'the end of link-local IPv6' },
    { url: 'http://[fec0::1]/', why: 'site-local IPv6' },
    { url: 'http://[fd00:ec2::254]/', why: 'AWS over IPv6' },
    { url: 'http://[fd00:0ec2:0::0254]/', why: 'AWS over IPv6, other spelling' },
    { url: 'http://[fd20:ce::254]/', why: 'Google over IPv6' },
    { url: 'http://100.100.100.200/', why: 'Alibaba' },
    { url: 'http://168.63.129.16/', why: 'Azure platform' },
    { url: 'http://192.0.0.192/', why: 'Oracle' },
    { url: 'http://0.0.0.0:6001/', why: 'unspecified, which reaches this machine' },
    { url: 'http://0/', why: 'unspecified, short' },
    { url: 'http://[::]/', why: 'unspecified IPv6' },
    { url: 'http://[::ffff:0:0]/', why: 'unspecified, mapped' },
    { url: 'http://224.0.0.1/', why: 'multicast' },
    { url: 'http://[ff02::1]/', why: 'multicast IPv6' },
    { url: 'http://255.255.255.255/', why: 'broadcast' },
    { url: 'http://metadata.google.internal/', why: 'Google by name' },
    { url: 'http://METADATA.google.internal./', why: 'the same, shouted, with a dot' },
    { url: 'http://metadata/', why: 'Google by its short name' },
    { url: 'http://instance-data/', why: 'AWS by name' },
  ])('$url: $why', async ({ url }) => {
    expect(await verdict(url, { resolve: async () => ['203.0.113.1'] })).toMatch(/^URL_FORBIDDEN: /)
  })

  test.each(['file:///etc/passwd', 'ftp://h/', 'gopher://h/', 'data:,x', 'unix:/var/run/docker.sock'])(
    '%s: only http and https',
    async (url) => {
      expect(await verdict(url)).toMatch(/^URL_FORBIDDEN: .*must be http or https/)
    },
  )
})

describe('private networks', () => {
  const urls = [
    'http://127.0.0.1:3001/mcp',
    'http://127.9.9.9/',
    'http://2130706433/',
    'http://[::1]/',
    'http://[::ffff:127.0.0.1]/',
    'http://10.0.0.1/',
    'http://172.16.0.1/',
    'http://172.31.255.255/',
    'http://192.168.1.1/',
    'http://100.64.0.1/',
    'http://198.18.0.1/',
    'http://[fd12:3456::1]/',
    'http://[fc00::1]/',
    'http://[64:ff9b::10.0.0.1]/',
  ]
  test.each(urls)('%s is reached as things are', async (url) => {
    expect(await verdict(url)).toBe('ok')
  })
  test.each(urls)('%s is refused when they are, naming the setting', async (url) => {
    expect(await verdict(url, { privateUpstreams: 'refused' })).toMatch(
      /^URL_FORBIDDEN: .*security\.private_upstreams/,
    )
  })

  test.each([
    'http://172.15.0.1/',
    'http://172.32.0.1/',
    'http://11.0.0.1/',
    'http://[2606:4700::1111]/',
    'http://[2001:db8::1]/',
  ])('%s is not private', async (url) => {
    expect(await verdict(url, { privateUpstreams: 'refused' })).toBe('ok')
  })

  test('localhost is resolved and judged by its address', async () => {
    expect(await verdict('http://localhost:1/')).toBe('ok')
    expect(await verdict('http://localhost:1/', { privateUpstreams: 'refused' })).toMatch(/loopback/)
  })
})

describe('names', () => {
  test('every address counts, not only the first', async () => {
    const resolve = async () => ['203.0.113.1', '2001:db8::1', 'fe80::1%eth0']
    expect(await verdict('http://h.example/', { resolve })).toBe(
      'URL_FORBIDDEN: h.example leads to fe80::1%eth0, which is a link-local address. The gateway does not connect there.',
    )
  })

  test.each<{ why: string; resolve: () => Promise<string[]> }>([
    { why: 'it has no address', resolve: async () => [] },
    { why: 'the resolver fails', resolve: () => Promise.reject(new Error('SERVFAIL')) },
  ])('a name is unavailable, not forbidden, when $why', async ({ resolve }) => {
    expect(await verdict('http://h.example/', { resolve })).toBe(
      'SERVER_UNAVAILABLE: The host name h.example could not be resolved: check its spelling in url, and the DNS of this machine.',
    )
  })

  test('an answer that is no address is refused', async () => {
    expect(await verdict('http://h.example/', { resolve: async () => ['elsewhere'] })).toMatch(
      /^URL_FORBIDDEN/,
    )
  })

  test('credentials in the URL do not come back in the refusal', async () => {
    expect(await verdict('http://user:swordfish@169.254.169.254/?k=swordfish')).not.toContain('swordfish')
  })
})

describe('a redirect', () => {
  const names: Readonly<Record<string, readonly string[]>> = {
    'outside.example': ['203.0.113.1'],
    'inside.example': ['10.0.0.1'],
    'here.example': ['127.0.0.1'],
    localhost: ['::1', '127.0.0.1'],
    'both.example': ['203.0.113.1', '127.0.0.1'],
    'own.example': ['192.168.7.7'],
  }
  const resolve = async (host: string) => names[host] ?? []

  test.each([
    { from: 'outside.example', to: 'outside.example', follows: true, why: 'to its like' },
    { from: 'inside.example', to: 'outside.example', follows: true, why: 'outwards' },
    { from: 'here.example', to: 'here.example', follows: true, why: 'on this machine' },
    { from: 'here.example:81', to: 'localhost:81', follows: true, why: 'on one port of it' },
    {
      from: 'here.example:81',
      to: 'own.example:81',
      follows: true,
      why: 'on one port of it, by its network',
    },
    { from: 'outside.example', to: 'outside.example:81', follows: true, why: 'to another port outside' },
    { from: 'inside.example', to: '192.168.1.1:81', follows: true, why: 'to another port of the network' },
    { from: 'here.example', to: 'inside.example', follows: true, why: 'from this machine to the network' },
    { from: 'inside.example', to: '192.168.1.1', follows: true, why: 'within private networks' },
    { from: 'outside.example', to: 'inside.example', follows: false, why: 'into a private network' },
    { from: 'outside.example', to: '127.0.0.1', follows: false, why: 'to this machine' },
    { from: 'outside.example', to: '[::1]', follows: false, why: 'to this machine over IPv6' },
    { from: 'outside.example', to: '[::ffff:127.0.0.1]', follows: false, why: 'to this machine, mapped' },
    { from: 'outside.example', to: '2130706433', follows: false, why: 'to this machine as one number' },
    { from: 'inside.example', to: 'here.example', follows: false, why: 'from the network to this machine' },
    { from: 'outside.example', to: 'both.example', follows: false, why: 'to a name that also leads in' },
    { from: 'both.example', to: 'here.example', follows: false, why: 'from a name that also leads out' },
    {
      from: 'inside.example',
      to: 'own.example',
      follows: false,
      why: 'to an address that this machine has on the network',
    },
    { from: 'outside.example', to: '[fd77::7]', follows: false, why: 'to one that it has over IPv6' },
  ])('$why ($from to $to) is followed: $follows', async ({ from, to, follows }) => {
    const interfaceAddresses = () => ['127.0.0.1', '::1', '192.168.7.7', 'FD77:0::7', 'fe80::1%eth0']
    const policy: UrlPolicy = { privateUpstreams: 'allowed', resolve, interfaceAddresses }
    const judging = checkUpstreamUrl(new URL(`http://${to}/`), policy, new URL(`http://${from}/`))
    if (follows) expect(await judging).not.toEqual([])
    else
      await expect(judging).rejects.toMatchObject({
        code: 'URL_FORBIDDEN',
        details: expect.stringContaining('further in'),
      })
  })
})

describe('a redirect to another port of this machine is not followed:', () => {
  const interfaceAddresses = () => ['192.168.7.7']
  test.each([
    { from: 'http://127.0.0.1:3001', to: 'http://127.0.0.1:3002/', why: 'on loopback' },
    { from: 'http://127.0.0.1:3001', to: 'http://localhost:3002/', why: 'by name' },
    { from: 'http://127.0.0.1:3001', to: 'http://[::1]:3002/', why: 'over IPv6' },
    { from: 'http://127.0.0.1:3001', to: 'http://192.168.7.7:3002/', why: 'by its address on the network' },
    { from: 'http://192.168.7.7:3001', to: 'http://127.0.0.1:3002/', why: 'from there' },
    { from: 'http://127.0.0.1:3001', to: 'http://127.0.0.1/', why: 'the one that goes without saying' },
    { from: 'http://127.0.0.1', to: 'https://127.0.0.1/', why: 'that of another scheme' },
  ])('$why ($from to $to)', async ({ from, to }) => {
    const policy: UrlPolicy = { privateUpstreams: 'allowed', interfaceAddresses }
    await expect(checkUpstreamUrl(new URL(to), policy, new URL(from))).rejects.toMatchObject({
      code: 'URL_FORBIDDEN',
      details: expect.stringMatching(/another port of this machine.* register that URL itself/),
    })
  })
})

describe('the gateway itself', () => {
  const resolve = async (host: string) =>
    host === 'localhost' ? ['::1', '127.0.0.1'] : host === 'me.example' ? ['192.168.7.7'] : ['203.0.113.1']
  const interfaceAddresses = () => ['127.0.0.1', '::1', '192.168.7.7', 'fd77::7']
  const ofItself = (bound: ListenAddress | null) => ({
    resolve,
    interfaceAddresses,
    ownListener: () => bound,
  })
  const everywhere = [
    'http://127.0.0.1:6001/admin/mcps',
    'http://127.0.0.2:6001/',
    'http://127.1:6001/',
    'http://2130706433:6001/',
    'http://localhost:6001/mcp-proxy/a/stream',
    'http://LOCALHOST.:6001/',
    'http://[::1]:6001/',
    'http://[::ffff:127.0.0.1]:6001/',
    'http://[::ffff:c0a8:707]:6001/',
    'http://192.168.7.7:6001/',
    'http://[fd77::7]:6001/',
    'http://[fd77:0:0::7]:6001/',
    'http://me.example:6001/',
    'https://127.0.0.1:6001/',
  ]

  test.each(
    ['0.0.0.0', '::', '0:0::0', 'localhost', 'me.example'].flatMap((host) =>
      everywhere.map((url) => ({ host, url })),
    ),
  )('is no server: bound to $host, $url', async ({ host, url }) => {
    expect(await verdict(url, ofItself({ host, port: 6001 }))).toMatch(
      /^URL_FORBIDDEN: .* is this gateway itself\. .*give the URL of the server\.$/,
    )
  })

  test.each([
    { host: '127.0.0.1', url: 'http://127.0.0.1:6001/', own: true, why: 'its one address' },
    { host: '127.0.0.1', url: 'http://localhost:6001/', own: true, why: 'a name that leads there, too' },
    { host: '127.0.0.1', url: 'http://[::ffff:127.0.0.1]:6001/', own: true, why: 'mapped into IPv6' },
    { host: '::ffff:127.0.0.1', url: 'http://127.0.0.1:6001/', own: true, why: 'bound mapped' },
    { host: '::1', url: 'http://[0:0::1]:6001/', own: true, why: 'IPv6 in another spelling' },
    { host: '192.168.7.7', url: 'http://me.example:6001/', own: true, why: 'an address of the network' },
    { host: '127.0.0.1', url: 'http://192.168.7.7:6001/', own: false, why: 'another address, not bound' },
    { host: '127.0.0.1', url: 'http://127.0.0.1:6002/', own: false, why: 'another port' },
    { host: '0.0.0.0', url: 'http://192.168.7.8:6001/', own: false, why: 'the port of a neighbour' },
    { host: '0.0.0.0', url: 'http://far.example:6001/', own: false, why: 'the port of a stranger' },
  ])('$why (bound to $host, $url): $own', async ({ host, url, own }) => {
    const said = await verdict(url, ofItself({ host, port: 6001 }))
    expect(said).toMatch(own ? /is this gateway itself/ : /^ok$/)
  })

  test('has the port that goes without saying', async () => {
    expect(await verdict('http://127.0.0.1/', ofItself({ host: '0.0.0.0', port: 80 }))).toContain('itself')
    expect(await verdict('https://127.0.0.1/', ofItself({ host: '0.0.0.0', port: 443 }))).toContain('itself')
  })

  test('is nowhere before it listens', async () => {
    expect(await verdict('http://127.0.0.1:6001/', ofItself(null))).toBe('ok')
  })

  test.each(['http://127.0.0.1:6001/x', 'http://10.0.0.9/', 'http://203.0.113.1/'])(
    'is not where a redirect of %s leads',
    async (from) => {
      const policy: UrlPolicy = { privateUpstreams: 'allowed', ...ofItself({ host: '0.0.0.0', port: 6001 }) }
      const judging = checkUpstreamUrl(new URL('http://localhost:6001/admin/mcps'), policy, new URL(from))
      await expect(judging).rejects.toMatchObject({
        code: 'URL_FORBIDDEN',
        details: `${new URL(from).host} redirects to localhost:6001, which is this gateway itself. The gateway does not follow.`,
      })
    },
  )
})
