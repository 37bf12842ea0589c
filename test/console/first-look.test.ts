/** The console in a real browser, in a few seconds: somebody signs in and sees the servers. The flows are in test:long. */
import { afterAll, expect, test } from 'bun:test'
import {
  closeBrowser,
  hasChromium,
  noChromium,
  screens,
  showingServer,
  signIn,
  startShownGateway,
  visit,
} from './browser.ts'

if (!hasChromium) console.log(noChromium)

afterAll(closeBrowser)

test.skipIf(!hasChromium)(
  'somebody signs in, sees the servers, and nothing goes wrong in the browser',
  async () => {
    await using gateway = await startShownGateway([showingServer('showing')])
    const [desk] = screens
    if (desk === undefined) throw new Error('there is no screen')
    await using visitor = await visit(gateway, desk)
    const { page } = visitor
    await signIn(visitor, 'a wrong token')
    await page.getByRole('alert').waitFor()
    await signIn(visitor)
    await page.getByRole('link', { name: 'showing' }).first().waitFor()
    expect(await page.getByText('Running').count()).toBeGreaterThan(0)
  },
)
