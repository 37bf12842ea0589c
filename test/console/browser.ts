/**
 * A real Chromium that looks at the console of a real gateway, driven by Playwright. Each flow ends with no error in
 * the browser's console and no fault that axe finds; what was seen is kept as pictures below `test/console/pictures/`,
 * which git does not.
 */
import { existsSync, mkdirSync } from 'node:fs'
import { join, resolve } from 'node:path'
import AxeBuilder from '@axe-core/playwright'
import { type Browser, type BrowserContext, chromium, type Page } from 'playwright-core'
import { chromiumPath } from '../support/chromium.ts'
import { type RunningGateway, startGatewayProcess } from '../support/gateway.ts'

export const hasChromium = existsSync(chromiumPath)
/** Said where the tests are left out. */
export const noChromium = `no ${chromiumPath} here (Debian: apt-get install chromium): the console is not looked at`

/** The flows take minutes; one short case stands for them in every run. */
export const flowsWanted = hasChromium && process.env['CONSOLE_FLOWS'] === 'all'

const pictures = resolve(import.meta.dir, 'pictures')

export interface Screen {
  readonly name: string
  readonly width: number
  readonly height: number
}

/** A desk and a phone. */
export const screens: readonly Screen[] = [
  { name: '1280', width: 1280, height: 800 },
  { name: '390', width: 390, height: 844 },
]

let browser: Promise<Browser> | null = null

/** One browser for all tests of a process. */
export function openBrowser(): Promise<Browser> {
  browser ??= chromium.launch({
    executablePath: chromiumPath,
    args: ['--no-sandbox', '--disable-gpu', '--force-prefers-reduced-motion'],
  })
  return browser
}

export async function closeBrowser(): Promise<void> {
  const open = browser
  browser = null
  await (await open)?.close()
}

export interface Visitor extends AsyncDisposable {
  readonly page: Page
  readonly context: BrowserContext
  /** Looks at what is shown, light and dark: keeps pictures, and fails for each fault that axe finds, and for what stands out of the screen. */
  look(name: string): Promise<void>
  /** What the browser's console and the page have said that no page should say. */
  readonly errors: readonly string[]
}

/** Somebody with a fresh browser profile at the console of this gateway. */
export async function visit(
  gateway: Pick<RunningGateway, 'url'>,
  screen: Screen,
  path = '',
): Promise<Visitor> {
  const context = await (await openBrowser()).newContext({
    viewport: { width: screen.width, height: screen.height },
    hasTouch: screen.width < 600,
    colorScheme: 'light',
  })
  context.setDefaultTimeout(20_000)
  const page = await context.newPage()
  const errors: string[] = []
  page.on('console', (message) => {
    if (message.type() === 'error' && !isExpected(message.text())) errors.push(message.text())
  })
  page.on('pageerror', (error) => errors.push(`thrown: ${error.message}`))
  await page.goto(`${gateway.url}/console${path}`)
  return {
    page,
    context,
    errors,
    async look(name) {
      for (const colorScheme of ['light', 'dark'] as const) {
        await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' })
        mkdirSync(pictures, { recursive: true })
        await page.screenshot({ path: join(pictures, `${name}-${screen.name}-${colorScheme}.png`) })
        await checkAccess(page, `${name} at ${screen.name}, ${colorScheme}`)
      }
      await page.emulateMedia({ colorScheme: 'light' })
      const beyondPx = await page.evaluate<number>(
        'document.documentElement.scrollWidth - document.documentElement.clientWidth',
      )
      if (beyondPx > 0) throw new Error(`${name} at ${screen.name} is ${beyondPx} px wider than the screen`)
    },
    async [Symbol.asyncDispose]() {
      await context.close()
      if (errors.length > 0) throw new Error(`the browser's console has errors:\n${errors.join('\n')}`)
    },
  }
}

/** A browser says so by itself of each request that is refused, and some flows are about refusals. */
function isExpected(text: string): boolean {
  return /^Failed to load resource: the server responded with a status of 4\d\d/.test(text)
}

async function checkAccess(page: Page, where: string): Promise<void> {
  const { violations } = await new AxeBuilder({ page }).analyze()
  if (violations.length === 0) return
  const told = violations.map(
    ({ id, help, nodes }) =>
      `${id}: ${help}\n  ${nodes.map(({ html, failureSummary }) => `${html}\n  ${failureSummary}`).join('\n  ')}`,
  )
  throw new Error(`axe finds faults in ${where}:\n${told.join('\n')}`)
}

const showing = resolve(import.meta.dir, '../support/showing-server.ts')

/** A definition of the server that shows everything once. */
export function showingServer(name: string, ...flags: readonly string[]): Readonly<Record<string, unknown>> {
  return { name, transport: 'stdio', command: process.execPath, args: [showing, ...flags] }
}

/** A definition of a server that writes a line and ends. */
export function brokenServer(name: string): Readonly<Record<string, unknown>> {
  const script = 'console.error("DATABASE_URL is not set"); process.exit(3)'
  return { name, transport: 'stdio', command: process.execPath, args: ['-e', script] }
}

export const adminToken = 'admin-token-of-the-console-0123456789'

/** A gateway with something to see; its admin API asks for a token. */
export function startShownGateway(
  servers: readonly object[] = [showingServer('showing')],
  settings: Readonly<Record<string, unknown>> = {},
): Promise<RunningGateway> {
  return startGatewayProcess({
    via: 'executable',
    untilReady: false,
    config: { mcp_proxy: { auth: { admin_tokens: [adminToken] }, ...settings }, mcps: servers },
  })
}

/** Types the token in and waits until the page is there. */
export async function signIn({ page }: Pick<Visitor, 'page'>, token = adminToken): Promise<void> {
  await page.getByLabel(/token/i).first().fill(token)
  await page.getByRole('button', { name: /sign in/i }).click()
}

/** Goes to a view by its address. */
export async function go({ page }: Pick<Visitor, 'page'>, hash: string): Promise<void> {
  await page.evaluate(`location.hash = ${JSON.stringify(hash)}`)
}
