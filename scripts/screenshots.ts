/**
 * Makes the pictures of the console in README and docs: `bun run screenshots`, where Debian's Chromium is installed.
 * Everything in them is real: a gateway with a handful of servers, calls that clients make, one server that fails.
 */
import { chmodSync, mkdirSync } from 'node:fs'
import { join, resolve } from 'node:path'
import {
  adminToken,
  closeBrowser,
  go,
  hasChromium,
  noChromium,
  signIn,
  visit,
} from '../test/console/browser.ts'
import { startGatewayProcess } from '../test/support/gateway.ts'
import { RawClient } from '../test/support/raw-client.ts'
import { temporaryDirectory } from '../test/support/temporary-directory.ts'

const images = resolve(import.meta.dir, '../docs/images')
const desk = { name: 'desk', width: 1280, height: 800 }
const phone = { name: 'phone', width: 390, height: 844 }

if (!hasChromium) {
  console.error(noChromium)
  process.exit(1)
}
mkdirSync(images, { recursive: true })

// Commands as people have them: where this machine keeps its programs is nobody's business.
const showing = resolve(import.meta.dir, '../test/support/showing-server.ts')
const shows = `#!/bin/sh\nexec ${process.execPath} ${showing} --says "ready"\n`
using commands = temporaryDirectory({
  'docs-server': shows,
  'files-server': shows,
  'search-server': shows,
  'billing-server': '#!/bin/sh\necho "DATABASE_URL is not set" >&2\nexit 3\n',
})
const names = ['docs', 'files', 'search', 'billing']
for (const name of names) chmodSync(join(commands.path, `${name}-server`), 0o755)

const gateway = await startGatewayProcess({
  via: 'executable',
  untilReady: false,
  path: `${commands.path}:${process.env['PATH']}`,
  config: {
    mcp_proxy: { auth: { admin_tokens: [adminToken] } },
    mcps: [
      ...names.map((name) => ({ name, transport: 'stdio', command: `${name}-server`, maxReconnects: 2 })),
      { name: 'team', transport: 'group', members: [{ server: 'docs' }, { server: 'files' }] },
    ],
  },
})

/** A client with a key of this name, at one server. */
async function clientOf(name: string, server: string): Promise<RawClient> {
  const made = await gateway.admin('/keys', {
    method: 'POST',
    body: { name, access: [{ servers: ['*'] }] },
    headers: { authorization: `Bearer ${adminToken}` },
  })
  const { text } = (await made.json()) as { readonly text: string }
  return RawClient.open(gateway.face(server, 'stream'), { token: text })
}

let calls = 0
/** Calls as clients make them, some of which fail. */
async function someCalls(clients: readonly RawClient[], count: number): Promise<void> {
  for (let at = 0; at < count; at++) {
    const client = clients[at % clients.length]
    await client?.callTool(++calls, at % 7 === 3 ? 'fail' : 'greet', { name: 'Ada' })
    await Bun.sleep(20)
  }
}

try {
  await using visitor = await visit(gateway, desk)
  const { page } = visitor
  const shoot = (name: string) => page.screenshot({ path: join(images, `${name}.png`) })
  await signIn(visitor)
  await page.getByRole('link', { name: 'docs', exact: true }).first().waitFor()
  const clients = [
    await clientOf('ada-laptop', 'docs'),
    await clientOf('ci', 'files'),
    await clientOf('support-bot', 'search'),
  ]
  await someCalls(clients, 40)
  await Bun.sleep(1_500)
  await shoot('console-servers')
  await page.emulateMedia({ colorScheme: 'dark' })
  await go(visitor, '#/servers/billing')
  await page.getByText('DATABASE_URL is not set').first().waitFor()
  await shoot('console-failing')
  await page.emulateMedia({ colorScheme: 'light' })
  await go(visitor, '#/playground/docs/tools/ask_name')
  await page.getByRole('button', { name: 'Call the tool' }).click()
  await page.getByLabel(/Your name/).fill('Ada')
  await shoot('console-playground')
  await go(visitor, '#/calls')
  await someCalls(clients, 30)
  await page.locator('.call').nth(20).waitFor()
  await shoot('console-calls')
  await using small = await visit(gateway, phone)
  await signIn(small)
  await small.page.getByRole('link', { name: 'docs', exact: true }).first().waitFor()
  await small.page.screenshot({ path: join(images, 'console-phone.png') })
} finally {
  await closeBrowser()
  await gateway.stop()
}
