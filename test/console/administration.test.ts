/** Keys, approvals, groups, connecting, the configuration: administering in the console, in a real browser. */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
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

const bearer = { authorization: `Bearer ${adminToken}` }

describe.skipIf(!flowsWanted).each(screens)('administration at $name', (screen: Screen) => {
  let gateway: RunningGateway
  beforeAll(async () => {
    gateway = await startShownGateway([
      showingServer('docs'),
      { ...showingServer('pinned'), pin: true },
      { name: 'team', transport: 'group', members: [{ server: 'docs' }] },
    ])
  })
  afterAll(async () => {
    await gateway.stop()
    await closeBrowser()
  })

  async function inside(hash: string, token = adminToken) {
    const visitor = await visit(gateway, screen)
    await signIn(visitor, token)
    await visitor.page.getByRole('heading', { level: 1, name: 'Servers' }).waitFor()
    await go(visitor, hash)
    return visitor
  }

  async function keyOf(role: 'viewer' | 'operator') {
    const body = { name: `${role}-${crypto.randomUUID().slice(0, 8)}`, role }
    const answer = await gateway.admin('/keys', { method: 'POST', body, headers: bearer })
    return (await answer.json()) as { readonly text: string; readonly key: { readonly id: string } }
  }

  test('a key is made for one tool of one server, and its text is shown once', async () => {
    await using visitor = await inside('#/keys')
    const { page, look } = visitor
    await look('keys')
    await page.getByRole('link', { name: 'Make a key' }).first().click()
    await page.getByLabel('Name', { exact: true }).fill(`ci-${screen.name}`)
    await page.getByRole('button', { name: 'Make the key' }).click()
    await page.getByRole('alert').waitFor()
    await page.getByLabel('docs', { exact: true }).check()
    await page.getByLabel('Tools').selectOption({ label: 'Only the tools that are chosen here' })
    await page.getByLabel('greet', { exact: true }).check()
    await look('key-form')
    await page.getByRole('button', { name: 'Make the key' }).click()
    await page.getByText(/^cpz_/).first().waitFor()
    await look('key-made')
    await page.getByRole('button', { name: 'I have copied it' }).click()
    await page.getByText(`ci-${screen.name}`).first().waitFor()
    expect(await page.getByText(/^cpz_\w{40}/).count()).toBe(0)
    await go(visitor, `#/explain?principal=ci-${screen.name}&server=docs`)
    await page.getByRole('button', { name: 'Explain', exact: true }).click()
    await page.getByRole('heading', { name: 'may use the server docs: only the tool greet' }).waitFor()
    expect(await page.getByText('access[').count()).toBe(0)
  })

  test('a key is revoked while its stream is open: its page says so, that of another goes on', async () => {
    const made = await keyOf('operator')
    await using visitor = await inside('#/playground/docs/tools/count', made.text)
    await using other = await inside('#/servers')
    const { page, look } = visitor
    await page.getByLabel('to', { exact: true }).fill('500')
    await page.getByLabel(/^everyMs/).fill('200')
    await page.getByRole('button', { name: 'Call the tool' }).click()
    await page.getByText(/of 500/).waitFor()
    await gateway.admin(`/keys/${made.key.id}`, { method: 'DELETE', headers: bearer })
    await page.getByRole('heading', { name: 'Sign in to the console' }).waitFor()
    await look('revoked')
    await other.page.getByText('Live', { exact: true }).waitFor()
  })

  test('a viewer looks and changes nothing', async () => {
    const made = await keyOf('viewer')
    await using visitor = await inside('#/servers/docs', made.text)
    const { page, look } = visitor
    await page.getByText('Running').first().waitFor()
    expect(await page.getByRole('button', { name: /Restart|Remove|Turn off/ }).count()).toBe(0)
    await go(visitor, '#/playground/docs')
    await page.getByText(/takes an operator/).waitFor()
    await look('viewer')
    await gateway.admin(`/keys/${made.key.id}`, { method: 'DELETE', headers: bearer })
  })

  test('a tool that waits is approved after its definition was seen', async () => {
    await using visitor = await inside('#/approvals')
    const { page, look } = visitor
    await page.getByRole('heading', { name: 'pinned' }).waitFor()
    await look('approvals')
    const tool = screen.name === '390' ? 'count' : 'greet'
    await page.getByRole('button', { name: `Approve ${tool}`, exact: true }).click()
    await page.getByText(`${tool} is approved.`).waitFor()
  })

  test('groups are shown with what they hold', async () => {
    await using visitor = await inside('#/groups')
    const { page, look } = visitor
    await page.getByRole('link', { name: 'team' }).first().click()
    await page.getByText('docs__greet').first().waitFor()
    await look('group')
  })

  test('a client is connected by copying what belongs into its settings', async () => {
    await using visitor = await inside('#/connect/docs')
    const { page, look } = visitor
    await page.getByText(`${gateway.url}/mcp-proxy/docs`).first().waitFor()
    await look('connect')
  })

  test('a key for a client ends in the finished text of that client, and back keeps what was chosen', async () => {
    const body = { name: `first-${screen.name}`, access: [{ servers: ['docs'] }] }
    await gateway.admin('/keys', { method: 'POST', body, headers: bearer })
    await using visitor = await inside('#/connect/docs')
    const { page, look } = visitor
    await page.getByLabel('Which client?').selectOption({ label: 'VS Code' })
    await page.getByRole('link', { name: 'Make a key for this client' }).click()
    await page.getByLabel('Name', { exact: true }).fill(`vscode-${screen.name}`)
    await page.getByRole('button', { name: 'Make the key' }).click()
    const text = page.getByRole('region', { name: 'the json for VS Code' })
    expect(await text.textContent()).toContain('Bearer cpz_')
    await page.getByText('.vscode/mcp.json of a project is usually committed').waitFor()
    await look('key-for-a-client')
    await page.getByLabel('Leave the key out of this text').check()
    expect(await text.textContent()).toContain('promptString')
    await page.getByRole('button', { name: 'I have copied it' }).click()
    await page.getByRole('heading', { level: 1, name: 'Connect a client' }).waitFor()
    expect(await page.getByLabel('Which client?').inputValue()).toBe('vscode')
    await go(visitor, '#/connect')
    await page.waitForURL(/#\/connect\/docs\?client=vscode$/)
  })

  test('the configuration is shown with where each value came from, and how the last reload ended', async () => {
    await using visitor = await inside('#/config')
    const { page, look } = visitor
    await page.getByText('auth.admin_tokens').first().waitFor()
    await page.getByText('compozy.yaml').first().waitFor()
    expect(await page.getByText(adminToken).count()).toBe(0)
    await page.getByLabel('Only those that somebody has set').check()
    await look('config')
  })

  test.each(['logins', 'replicas', 'explain', 'tools', 'groups', 'add-group', 'connect', 'nowhere'])(
    'the view %s has no fault that axe finds',
    async (view) => {
      await using visitor = await inside(`#/${view}`)
      const { page, look } = visitor
      await page.waitForTimeout(500)
      await look(view)
    },
  )

  test('everything is reached with the keyboard alone', async () => {
    await using visitor = await inside('#/servers')
    const { page } = visitor
    if (screen.width < 600) return
    await page.keyboard.press('Tab')
    await page.getByRole('button', { name: 'Skip to the content' }).focus()
    await page.keyboard.press('Enter')
    await page.getByRole('link', { name: 'docs', exact: true }).first().focus()
    await page.keyboard.press('Enter')
    await page.getByRole('heading', { level: 1, name: 'docs' }).waitFor()
  })

  test('a cookie alone opens nothing, and no page may frame the console', async () => {
    await using visitor = await inside('#/servers')
    const { page } = visitor
    const [cookie] = await visitor.context.cookies()
    expect(cookie).toMatchObject({ httpOnly: true, sameSite: 'Strict' })
    const statuses = await page.evaluate(async () => {
      const get = await fetch('/admin/mcps', { credentials: 'same-origin' })
      const post = await fetch('/admin/reload', { method: 'POST', credentials: 'same-origin' })
      return [get.status, post.status]
    })
    expect(statuses).toEqual([403, 403])
    const { headers } = await fetch(`${gateway.url}/console`)
    expect(headers.get('content-security-policy')).toContain("frame-ancestors 'none'")
    expect(headers.get('cache-control')).toBe('no-store')
  })
})
