/**
 * Makes the pictures of the console in README and docs: `bun run screenshots`, where Debian's Chromium is installed.
 * Everything in them is real: a gateway with a handful of servers, calls that clients make, one server that fails.
 */
import { mkdirSync } from 'node:fs'
import { join, resolve } from 'node:path'
import {
  adminToken,
  brokenServer,
  closeBrowser,
  go,
  hasChromium,
  noChromium,
  showingServer,
  signIn,
  startShownGateway,
  visit,
} from '../test/console/browser.ts'

const images = resolve(import.meta.dir, '../docs/images')
const desk = { name: 'desk', width: 1280, height: 800 }
const phone = { name: 'phone', width: 390, height: 844 }
/** Smaller files than PNG, which texts in pictures of this size do not need. */
const quality = 82

if (!hasChromium) {
  console.error(noChromium)
  process.exit(1)
}
mkdirSync(images, { recursive: true })

const gateway = await startShownGateway([
  showingServer('docs'),
  showingServer('files'),
  showingServer('search'),
  brokenServer('billing'),
  {
    name: 'team',
    transport: 'group',
    members: [{ server: 'docs' }, { server: 'files' }],
    description: 'What the team uses.',
  },
])

async function call(mcpName: string, toolName: string, args: object): Promise<void> {
  await gateway.admin('/tools/call', {
    method: 'POST',
    body: { mcpName, toolName, arguments: args },
    headers: { authorization: `Bearer ${adminToken}` },
  })
}

/** Calls as of clients, some of which fail. */
async function someCalls(count: number): Promise<void> {
  const names = ['docs', 'files', 'search']
  for (let at = 0; at < count; at++)
    await call(names[at % names.length] ?? 'docs', at % 7 === 0 ? 'fail' : 'greet', { name: 'Ada' })
}

try {
  await using visitor = await visit(gateway, desk)
  const { page } = visitor
  const shoot = (name: string) =>
    page.screenshot({ path: join(images, `${name}.jpg`), type: 'jpeg', quality })
  await signIn(visitor)
  await page.getByRole('link', { name: 'docs', exact: true }).first().waitFor()
  await someCalls(40)
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
  await someCalls(30)
  await page.locator('.call').nth(20).waitFor()
  await shoot('console-calls')
  await using small = await visit(gateway, phone)
  await signIn(small)
  await small.page.getByRole('link', { name: 'docs', exact: true }).first().waitFor()
  await small.page.screenshot({ path: join(images, 'console-phone.jpg'), type: 'jpeg', quality })
} finally {
  await closeBrowser()
  await gateway.stop()
}
