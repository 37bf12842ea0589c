/** Which variables stop the start, and which belong to others. */
import { describe, expect, test } from 'bun:test'
import { Faults } from '../../src/config/faults.ts'
import { checkVariables } from '../../src/config/unknown-variables.ts'

function judged(environment: Readonly<Record<string, string>>): {
  faults: readonly string[]
  warnings: string[]
} {
  const faults = new Faults()
  const warnings: string[] = []
  checkVariables(environment, faults, warnings)
  return { faults: faults.lines, warnings }
}

describe('a variable that is most likely a slip stops the start and is told what it may mean', () => {
  test.each([
    { name: 'MCP_PROXY_GLOBAL_AUTH_TOKEN', meant: 'MCP_PROXY_GLOBAL_AUTH_TOKENS', why: 'a letter missing' },
    { name: 'MCP_PROXY_GLOBAL_TOKENS', meant: 'MCP_PROXY_GLOBAL_AUTH_TOKENS', why: 'a word missing' },
    { name: 'MCP_PROXY_ADMIN_TOKENS_FILES', meant: 'MCP_PROXY_ADMIN_TOKENS', why: 'a letter too much' },
    { name: 'MCP_PROXY_ADMIN_TOKEN_FILE', meant: 'MCP_PROXY_ADMIN_TOKENS_FILE', why: 'the twin of a slip' },
    {
      name: 'MCP_PROXY_AUTH_ADMIN_TOKENS',
      meant: 'MCP_PROXY_ADMIN_TOKENS',
      why: 'after the key in the file',
    },
    { name: 'MCP_PROXY_SECURITY_TRUSTED_PROXIES', meant: 'MCP_PROXY_TRUSTED_PROXIES', why: 'the same' },
    {
      name: 'MCP_PROXY_ADMIN_ALLOWED_IPS',
      meant: 'MCP_PROXY_ADMIN_ALLOW_IPS',
      why: 'another form of the word',
    },
    { name: 'MCP_PROXY_HOTS', meant: 'MCP_PROXY_HOST', why: 'two letters swapped' },
    { name: 'mcp_proxy_host', meant: 'MCP_PROXY_HOST', why: 'lower case' },
    { name: 'MCPPROXY_PORT', meant: 'MCP_PROXY_PORT', why: 'a line missing' },
    { name: 'MPC_PROXY_PORT', meant: 'MCP_PROXY_PORT', why: 'a slip in the prefix' },
    { name: 'MCP_PROXIES_HOST', meant: 'MCP_PROXY_HOST', why: 'another one' },
    { name: 'MCP_ADMIN_TOKENS', meant: 'MCP_PROXY_ADMIN_TOKENS', why: 'after the flag' },
    { name: 'COMPOZY_MCP_PROXY_HOST', meant: 'MCP_PROXY_HOST', why: 'after the program' },
    { name: 'COMPOZY_ADMIN_TOKENS', meant: 'MCP_PROXY_ADMIN_TOKENS', why: 'after the program, shortened' },
    { name: 'COMPOZY_CONFIG_PATH', meant: 'COMPOZY_CONFIG', why: 'a file that would not be read' },
    { name: 'COMPOZY_CONIFG', meant: 'COMPOZY_CONFIG', why: 'two letters swapped' },
  ])('$name: $why', ({ name, meant }) => {
    expect(judged({ [name]: 'x' })).toEqual({
      faults: [`${name} is not a known variable; did you mean ${meant}?`],
      warnings: [],
    })
  })

  test.each(['MCP_PROXY_TOKEN', 'MCP_PROXY_AUTH_TOKEN', 'MCP_PROXY_API_KEY', 'MCP_PROXY_BIND'])(
    '%s: near to none, but it was to close a door',
    (name) => {
      const { faults } = judged({ [name]: 'x' })
      expect(faults).toEqual([
        expect.stringContaining('known are MCP_PROXY_HOST, MCP_PROXY_GLOBAL_AUTH_TOKENS'),
      ])
    },
  )
})

describe('a variable of somebody else is passed over', () => {
  test.each([
    { name: 'MCP_PROXY_SERVICE_HOST', value: '10.0.0.1', why: 'a Kubernetes Service called mcp-proxy' },
    { name: 'MCP_PROXY_SERVICE_PORT', value: '6001', why: 'the same' },
    { name: 'MCP_PROXY_SERVICE_PORT_HTTP', value: '6001', why: 'the same, with a named port' },
    { name: 'MCP_PROXY_PORT', value: 'tcp://10.0.0.1:6001', why: 'the same, in our own name' },
    { name: 'MCP_PROXY_PORT_6001_TCP', value: 'tcp://10.0.0.1:6001', why: 'the same' },
    { name: 'MCP_PROXY_PORT_6001_TCP_ADDR', value: '10.0.0.1', why: 'the same' },
    { name: 'MCP_PROXY_ADMIN_SERVICE_HOST', value: '10.0.0.2', why: 'a Service called mcp-proxy-admin' },
    { name: 'MCP_PROXY_ADMIN_PORT', value: 'tcp://10.0.0.2:80', why: 'the same' },
    { name: 'COMPOZY_CONFIG_PORT', value: 'tcp://10.0.0.2:80', why: 'a Service called compozy-config' },
    { name: 'MCP_PROXY_URL', value: 'http://gateway:6001', why: 'what programs that use a gateway read' },
    { name: 'MCP_PORT', value: '3000', why: 'what many servers read' },
    { name: 'MCP_HOST', value: '0.0.0.0', why: 'the same' },
    { name: 'COMPOZY_HOST', value: '0.0.0.0', why: 'another program of the product' },
    { name: 'COMPOZY_IMAGE', value: 'full', why: 'the image says which it is' },
    { name: 'HTTP_PROXY', value: 'http://proxy', why: 'the proxy of the network' },
    { name: 'PROXY_HOST', value: 'proxy', why: 'the same, in another form' },
    { name: 'MCP_PROXY_PORT_FILE', value: 'port', why: 'a twin' },
  ])('$name: $why', ({ name, value }) => {
    expect(judged({ [name]: value })).toEqual({ faults: [], warnings: [] })
  })

  test('one of our prefix that is near to nothing is a warning', () => {
    expect(judged({ MCP_PROXY_COLOUR: 'red' })).toEqual({
      faults: [],
      warnings: ['MCP_PROXY_COLOUR is not a known variable'],
    })
  })
})
