/** The official inspector as a program that signs in, whoever fills in the pages. */
import { join } from 'node:path'
import { repository } from './gateway.ts'
import { freePort } from './oauth-gateway.ts'
import { startProcess } from './process.ts'
import { temporaryDirectory } from './temporary-directory.ts'

const packages = join(repository, 'node_modules', '@modelcontextprotocol')
const program = join(packages, 'inspector', 'clients', 'launcher', 'build', 'index.js')
/** Where it comes back to. Of a native client on this machine any port counts (RFC 8252, 7.3). */
export const inspectorRedirect = 'http://127.0.0.1/oauth/callback'

/** Lists tools at a URL; `signIn` is given the page that the inspector would open. Resolves with what it printed. */
export async function inspectSigningIn(
  url: string,
  client: readonly string[],
  signIn: (page: URL) => Promise<void>,
): Promise<{ exitCode: number; printed: string }> {
  using home = temporaryDirectory({})
  const callback = new URL(inspectorRedirect)
  callback.port = String(await freePort())
  await using running = startProcess({
    command: [
      ...['node', program, '--cli', url, '--transport', 'http', '--method', 'tools/list'],
      ...['--format', 'json', '--callback-url', callback.href, ...client],
    ],
    env: {
      HOME: home.path,
      MCP_AUTO_OPEN_ENABLED: 'true',
      MCP_INSPECTOR_SECRET_STORE: 'memory',
      BROWSER: 'true',
    },
  })
  const asks = await running.line((line) => line.includes('client_id='))
  await signIn(new URL(/https?:\S+/.exec(asks)?.[0] ?? ''))
  const exitCode = await running.exited
  return { exitCode, printed: running.lines().join('\n') }
}
