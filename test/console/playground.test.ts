/** Trying a server by hand in the console: what a client sees, in a real browser. `bun run test:long:console`. */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import type { Page } from 'playwright-core'
import type { RunningGateway } from '../support/gateway.ts'
import {
  adminToken,
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

describe.skipIf(!flowsWanted).each(screens)('the playground at $name', (screen: Screen) => {
  let gateway: RunningGateway
  beforeAll(async () => {
    gateway = await startShownGateway([
      showingServer('showing'),
      { name: 'team', transport: 'group', members: [{ server: 'showing', prefix: 'show' }] },
    ])
  })
  afterAll(async () => {
    await gateway.stop()
    await closeBrowser()
  })

  /** Somebody who is signed in and has chosen one thing of the server. */
  async function at(place: string) {
    const visitor = await visit(gateway, screen)
    await signIn(visitor)
    await visitor.page.getByRole('heading', { level: 1 }).waitFor()
    await go(visitor, `#/playground/showing/${place}`)
    return visitor
  }
  const press = (page: Page, name: string | RegExp) => page.getByRole('button', { name, exact: true }).click()
  const callTool = (page: Page) => press(page, 'Call the tool')
  const answered = (page: Page) => page.getByText(/^Answered after/).waitFor()

  test('a tool is found among all of them, and called with a form', async () => {
    await using visitor = await at('tools')
    const { page, look } = visitor
    await go(visitor, '#/tools')
    await page.getByLabel('Find a tool').fill('greets')
    await page.getByRole('link', { name: /greet/ }).click()
    await page.getByLabel('name', { exact: true }).fill('Ada')
    await look('tool-form')
    await callTool(page)
    await answered(page)
    expect(await page.locator('.contents').textContent()).toContain('"arguments":{"name":"Ada","times":1}')
    await look('tool-answered')
  })

  test('a field that is missing or wrong is named, and nothing is sent', async () => {
    await using visitor = await at('tools/greet')
    const { page, look } = visitor
    await page.getByLabel(/^times/).fill('many')
    await callTool(page)
    await page.getByText('2 fields need another look.').waitFor()
    expect(await page.getByText('This is needed.').count()).toBe(1)
    expect(await page.getByText('Write a number such as 12, -3 or 0.5.').count()).toBe(1)
    expect(await page.evaluate<string>('document.activeElement.getAttribute("aria-invalid")')).toBe('true')
    await look('tool-faults')
  })

  test('lists, objects, forms to choose from and large numbers reach the tool as they were typed', async () => {
    await using visitor = await at('tools/greet')
    const { page, look } = visitor
    await page.getByLabel('name', { exact: true }).fill('Ada')
    await page.getByLabel(/^times/).fill('9007199254740993')
    await press(page, /Add an item to guests/)
    await page.getByRole('textbox', { name: 'Item 1' }).fill('Bob')
    await press(page, /Fill in place/)
    await page.getByLabel('city', { exact: true }).fill('Paris')
    await page.getByLabel('Which form').selectOption({ label: 'Flowers' })
    await page.getByLabel('count', { exact: true }).fill('3')
    await look('tool-nested')
    await press(page, 'JSON')
    expect(await page.getByLabel('Arguments, as JSON').inputValue()).toContain('9007199254740993')
    await callTool(page)
    await answered(page)
    expect(await page.locator('.contents').textContent()).toContain('9007199254740993')
  })

  test('progress is shown while it runs, and a call is cancelled', async () => {
    await using visitor = await at('tools/count')
    const { page, look } = visitor
    await page.getByLabel('to', { exact: true }).fill('400')
    await page.getByLabel(/^everyMs/).fill('200')
    await callTool(page)
    await page.getByText(/of 400/).waitFor()
    await look('tool-progress')
    await press(page, 'Cancel')
    await page.getByText(/^Cancelled after/).waitFor()
    await callTool(page)
    await page.getByText(/of 400/).waitFor()
    await press(page, 'Cancel')
  })

  test('a question of the server is answered in the page', async () => {
    await using visitor = await at('tools/ask_name')
    const { page, look } = visitor
    await callTool(page)
    await page.getByText('Who are you?').waitFor()
    await look('tool-question')
    await page.getByLabel(/Your name/).fill('Ada')
    await page.getByLabel(/colour/).selectOption({ label: 'Green' })
    await press(page, 'Accept')
    await answered(page)
    expect(await page.locator('.contents').textContent()).toContain(
      '{"action":"accept","content":{"name":"Ada","colour":"g"}}',
    )
  })

  test('a question is declined, and a page that is asked for is shown with its whole address', async () => {
    await using visitor = await at('tools/ask_page')
    const { page, look } = visitor
    await callTool(page)
    await page.getByRole('link', { name: 'https://example.com/pay?order=7' }).waitFor()
    await look('tool-url-question')
    await press(page, 'Decline')
    await answered(page)
    expect(await page.locator('.contents').textContent()).toContain('"action":"decline"')
  })

  test('a person answers in the place of a model', async () => {
    await using visitor = await at('tools/ask_model')
    const { page, look } = visitor
    await callTool(page)
    await page.getByText('What is the capital of France?').waitFor()
    await page.getByLabel('The answer').fill('Paris')
    await look('tool-sampling')
    await press(page, 'Send the answer')
    await answered(page)
    expect(await page.locator('.contents').first().textContent()).toContain('Paris')
  })

  test('pictures and sounds are shown, a drawing of markup is not, links are told in full', async () => {
    await using visitor = await at('tools/picture')
    const { page, look } = visitor
    await callTool(page)
    await page.locator('.picture img').waitFor()
    expect(await page.evaluate<number>(`document.querySelector('.picture img').naturalWidth`)).toBe(1)
    await go(visitor, '#/playground/showing/tools/sound')
    await callTool(page)
    await page.locator('audio').waitFor()
    await go(visitor, '#/playground/showing/tools/drawing')
    await callTool(page)
    await page.getByText('This page does not show it.').waitFor()
    expect(await page.locator('.contents img').count()).toBe(0)
    await go(visitor, '#/playground/showing/tools/links')
    await callTool(page)
    await page.getByRole('link', { name: 'https://example.com/a?b=c' }).waitFor()
    await look('tool-contents')
    await page.getByRole('button', { name: 'Read this resource' }).first().click()
    await page.getByText('buy milk').first().waitFor()
  })

  test('digits that no number keeps are shown, and a tool that fails is told from one that answers', async () => {
    await using visitor = await at('tools/report')
    const { page, look } = visitor
    await callTool(page)
    await answered(page)
    await page.getByText('Structured content').click()
    expect(await page.getByRole('region', { name: 'Structured content' }).textContent()).toContain(
      '9007199254740993',
    )
    await go(visitor, '#/playground/showing/tools/fail')
    await callTool(page)
    await page.getByText(/^The tool failed after/).waitFor()
    await look('tool-failed')
  })

  test('without a session too, with a question', async () => {
    await using visitor = await at('tools/ask_name')
    const { page, look } = visitor
    await page.getByText('What this client is').click()
    await page.getByLabel('Protocol').selectOption({ label: '2026-07-28, each request alone' })
    await page.getByText('without a session').waitFor()
    await callTool(page)
    await page.getByLabel(/Your name/).fill('Ada')
    await press(page, 'Accept')
    await answered(page)
    await page.getByText('Messages on the wire').click()
    await look('tool-modern')
  })

  test('a tool of a group is called by the name that the group shows', async () => {
    await using visitor = await at('tools')
    const { page } = visitor
    await go(visitor, '#/playground/team/tools/show__greet')
    await page.getByLabel('name', { exact: true }).fill('Ada')
    await callTool(page)
    await answered(page)
    await page.getByRole('button', { name: 'Connect anew' }).click()
    await page.getByText('Connected to').waitFor()
  })

  test('a flood of progress and a long answer leave the page alive', async () => {
    await using visitor = await at('tools/flood')
    const { page } = visitor
    await page.evaluate(`globalThis.longest = 0; new PerformanceObserver((list) => {
      for (const { duration } of list.getEntries()) globalThis.longest = Math.max(globalThis.longest, duration)
    }).observe({ entryTypes: ['longtask'] })`)
    await callTool(page)
    await answered(page)
    await page.getByRole('button', { name: 'Show all 4,000,000 characters' }).waitFor()
    expect(await page.evaluate<number>('globalThis.longest')).toBeLessThan(1_000)
  })

  test('prompts, resources and templates are tried', async () => {
    await using visitor = await at('prompts/review')
    const { page, look } = visitor
    await page.getByLabel('text', { exact: true }).fill('a text')
    await press(page, 'Get the prompt')
    await page.getByText('Review {"text":"a text"}').waitFor()
    await look('prompt')
    await go(visitor, `#/playground/showing/resources/${encodeURIComponent('show://pixel')}`)
    await press(page, 'Read the resource')
    await page.locator('.picture img').waitFor()
    await go(visitor, `#/playground/showing/templates/${encodeURIComponent('show://greeting/{name}')}`)
    await page.getByLabel(/^name/).fill('Ada Lovelace')
    await press(page, 'Read the resource')
    await page.getByText('Hello, Ada Lovelace', { exact: true }).waitFor()
    await look('template')
  })

  test('what is chosen far down the list is in view, with the focus on it', async () => {
    await using visitor = await at('tools')
    const { page } = visitor
    await page.locator('.items a').last().click()
    const heading = page.locator('.detail h2')
    await heading.waitFor()
    const box = await heading.boundingBox()
    expect(box?.y).toBeGreaterThan(55)
    expect(box?.y).toBeLessThan(screen.height / 2)
    expect(await heading.evaluate('document.activeElement.tagName')).toBe('H2')
  })

  test('calls appear as they end, are filtered, and stay where they are while paused', async () => {
    await using visitor = await at('tools')
    const { page, look } = visitor
    await go(visitor, '#/calls')
    // Calls that end before the page follows them are not told to it.
    await page.locator('.live.live').waitFor()
    const call = (toolName: string) =>
      gateway.admin('/tools/call', {
        method: 'POST',
        body: { mcpName: 'showing', toolName, arguments: { name: 'Ada' } },
        headers: { authorization: `Bearer ${adminToken}` },
      })
    await call('greet')
    await call('fail')
    const rows = page.locator('.call')
    await rows.nth(1).waitFor()
    await page.getByLabel('Outcome').selectOption({ label: 'Whatever did not end well' })
    await page.getByLabel('Tool or method').fill('fail')
    await rows.filter({ hasText: 'greet' }).waitFor({ state: 'detached' })
    expect(await rows.count()).toBe(1)
    await press(page, 'Pause')
    await call('fail')
    await page.getByText('; 1 wait. ').waitFor()
    expect(await rows.count()).toBe(1)
    await rows.first().click()
    await page.getByRole('heading', { name: 'One call' }).waitFor()
    await look('calls')
    await press(page, 'Go on')
    await rows.nth(1).waitFor()
    await page.getByText(/most to showing/).waitFor()
    await press(page, 'Clear')
    await page.getByText(/most to showing/).waitFor({ state: 'detached' })
  })
})
