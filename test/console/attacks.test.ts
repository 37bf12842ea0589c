/** A server whose every text is markup that would run, looked at in every view: nothing runs, nothing is asked elsewhere. */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import type { Page } from 'playwright-core'
import type { RunningGateway } from '../support/gateway.ts'
import {
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

describe.skipIf(!flowsWanted).each(screens.slice(0, 1))('markup of a server at $name', (screen: Screen) => {
  let gateway: RunningGateway
  beforeAll(async () => {
    gateway = await startShownGateway([showingServer('hostile', '--hostile', '--says', 'ready')])
  })
  afterAll(async () => {
    await gateway.stop()
    await closeBrowser()
  })

  async function inside() {
    const visitor = await visit(gateway, screen)
    const elsewhere: string[] = []
    visitor.page.on('request', (request) => {
      const url = request.url()
      if (!url.startsWith(gateway.url) && !url.startsWith('data:')) elsewhere.push(url)
    })
    await signIn(visitor)
    await visitor.page.getByRole('heading', { level: 1 }).waitFor()
    return Object.assign(visitor, { elsewhere })
  }

  /** Nothing has run, and nothing that the server sent has become an element that could. */
  async function expectTame(page: Page): Promise<void> {
    expect(await page.title()).not.toContain('pwned')
    const wild = await page
      .locator('main :is(script, iframe, object, embed, [onerror], [onload]), a[href^="javascript:" i]')
      .count()
    expect(wild).toBe(0)
  }

  test.each([
    '#/servers',
    '#/servers/hostile',
    '#/tools',
    '#/groups',
    '#/config',
    '#/calls',
    '#/approvals',
    '#/connect/hostile',
    '#/logins',
    '#/explain',
    '#/edit-server/hostile',
  ])('does not run in %s', async (hash) => {
    await using visitor = await inside()
    await go(visitor, hash)
    await visitor.page.waitForTimeout(500)
    await expectTame(visitor.page)
    expect(visitor.elsewhere).toEqual([])
  })

  test.each(['greet', 'ask_name', 'ask_page', 'ask_model', 'drawing', 'links', 'fail'])(
    'does not run in what the tool %s answers and asks',
    async (tool) => {
      await using visitor = await inside()
      const { page } = visitor
      await go(visitor, `#/playground/hostile/tools/${tool}`)
      if (tool === 'greet') await page.getByLabel('name', { exact: true }).fill('Ada')
      await page.getByRole('button', { name: 'Call the tool' }).click()
      if (tool.startsWith('ask')) await page.locator('.question').waitFor()
      else await page.locator('.run .badge').waitFor()
      await page.waitForTimeout(200)
      await expectTame(page)
      expect(visitor.elsewhere).toEqual([])
    },
  )

  test.each(['prompts/review', `resources/${encodeURIComponent('show://page')}`])(
    'does not run in %s',
    async (place) => {
      await using visitor = await inside()
      const { page } = visitor
      await go(visitor, `#/playground/hostile/${place}`)
      if (place.startsWith('prompts')) await page.getByLabel('text', { exact: true }).fill('x')
      await page.getByRole('button', { name: /^(?:Get|Read) the/ }).click()
      await page.locator('.run .badge').waitFor()
      await expectTame(page)
      expect(visitor.elsewhere).toEqual([])
    },
  )
})
