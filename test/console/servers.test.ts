/** Servers in the console, from the first sign-in to one that is removed, in a real browser. */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { resolve } from 'node:path'
import type { RunningGateway } from '../support/gateway.ts'
import {
  adminToken,
  brokenServer,
  closeBrowser,
  flowsWanted,
  go,
  type Screen,
  screens,
  showingServer,
  signIn,
  startShownGateway,
  visit,
} from './browser.ts'

const showing = resolve(import.meta.dir, '../support/showing-server.ts')

describe.skipIf(!flowsWanted).each(screens)('servers at $name', (screen: Screen) => {
  let gateway: RunningGateway
  beforeAll(async () => {
    gateway = await startShownGateway([showingServer('showing'), brokenServer('billing')])
  })
  afterAll(async () => {
    await gateway.stop()
    await closeBrowser()
  })

  async function inside(hash: string) {
    const visitor = await visit(gateway, screen)
    await signIn(visitor)
    await visitor.page.getByRole('heading', { level: 1, name: 'Servers' }).waitFor()
    if (hash !== '') await go(visitor, hash)
    return visitor
  }
  const register = (definition: object) =>
    gateway.admin('/mcps', {
      method: 'POST',
      body: definition,
      headers: { authorization: `Bearer ${adminToken}` },
    })
  const remove = (name: string) =>
    gateway.admin(`/mcps/${name}`, { method: 'DELETE', headers: { authorization: `Bearer ${adminToken}` } })

  test('somebody signs in, a wrong token is told, and a reload keeps them in', async () => {
    await using visitor = await visit(gateway, screen)
    const { page, look } = visitor
    await page.getByRole('heading', { name: 'Sign in to the console' }).waitFor()
    await look('sign-in')
    await signIn(visitor, 'wrong')
    await page.getByRole('alert').waitFor()
    await look('sign-in-refused')
    await signIn(visitor)
    await page.getByRole('heading', { level: 1, name: 'Servers' }).waitFor()
    await page.reload()
    await page.getByRole('heading', { level: 1, name: 'Servers' }).waitFor()
    expect(await page.evaluate<string>('document.cookie')).toBe('')
    await page.getByRole('button', { name: 'Sign out' }).click()
    await page.getByRole('heading', { name: 'Sign in to the console' }).waitFor()
  })

  test('servers are seen with their states, and one that fails says why', async () => {
    await using visitor = await inside('')
    const { page, look } = visitor
    await page.getByText('Failing').first().waitFor()
    await look('servers')
    await page.getByRole('link', { name: 'billing' }).first().click()
    await page.getByText('DATABASE_URL is not set').first().waitFor()
    await page.getByText('It does not work').waitFor()
    await look('server-failing')
  })

  test('a server is added, tried before it is saved, edited and removed', async () => {
    await using visitor = await inside('#/add-server')
    const { page, look } = visitor
    const name = `made-${screen.name}`
    await page.getByLabel('Name', { exact: true }).fill(name)
    await page.getByLabel('Command').fill(process.execPath)
    await page.getByLabel('Arguments').fill(showing)
    await page.getByRole('button', { name: 'Try it' }).click()
    await page.getByText(/greet/).first().waitFor()
    await look('server-tried')
    await page.getByRole('button', { name: 'Add it' }).click()
    await page.getByRole('heading', { level: 1, name }).waitFor()
    await page.getByText('Running').first().waitFor()
    await look('server-added')
    await page.getByRole('link', { name: 'Edit' }).click()
    await page.getByLabel('Description').fill('Changed by hand')
    await page.getByRole('button', { name: 'Save it' }).click()
    await page.getByText('Changed by hand').first().waitFor()
    await page.getByRole('button', { name: 'Remove', exact: true }).click()
    await page.getByRole('button', { name: 'Remove it' }).click()
    await page.getByRole('heading', { level: 1, name: 'Servers' }).waitFor()
    expect(await page.getByRole('link', { name, exact: true }).count()).toBe(0)
  })

  test('a definition that is wrong is refused in words that say what to do', async () => {
    await using visitor = await inside('#/add-server')
    const { page, look } = visitor
    await page.getByLabel('Name', { exact: true }).fill('no good name')
    await page.getByLabel('Command').fill('cat')
    await page.getByRole('button', { name: 'Add it' }).click()
    await page.getByRole('alert').first().waitFor()
    await look('server-refused')
  })

  test('a server is restarted, switched off and on', async () => {
    await register(showingServer('deeds'))
    await using visitor = await inside('#/servers/deeds')
    const { page, look } = visitor
    await page.getByText('Running').first().waitFor()
    await page.getByRole('button', { name: 'Restart deeds' }).click()
    await page.getByText('deeds is starting anew.').waitFor()
    await page.getByRole('button', { name: 'Turn off deeds' }).click()
    await page.getByText('An admin has switched it off').waitFor()
    await look('server-off')
    await page.getByRole('button', { name: 'Turn on deeds' }).click()
    await page.getByText('Running').first().waitFor()
    await remove('deeds')
  })

  test('what a server writes is followed as it writes it', async () => {
    await register(showingServer('talking', '--says', 'a line for people'))
    await using visitor = await inside('#/servers/talking')
    const { page, look } = visitor
    const output = page.getByRole('log')
    await output.getByText('a line for people').first().waitFor()
    await page.getByRole('button', { name: 'Restart talking' }).click()
    await output.getByText('a line for people').nth(1).waitFor()
    await look('server-output')
    await remove('talking')
  })
})
