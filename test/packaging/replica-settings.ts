/** The settings that deploy/ gives to replicas, as the gateway reads them. */
import { join } from 'node:path'
import { type LoadedConfig, loadConfig } from '../../src/config/load.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'

/** What the gateway makes of a configuration file and an environment whose secrets are mounted. */
export async function loadedWithSecrets(
  text: string,
  env: Readonly<Record<string, string>>,
): Promise<LoadedConfig> {
  const secrets: Readonly<Record<string, string>> = {
    'global-tokens': 'one,two\n',
    'admin-tokens': 'three\n',
    'cluster-secret': `${'0123456789abcdef'.repeat(4)}\n`,
    'secrets-key': `${'A'.repeat(43)}=\n`,
    'redis-url': 'redis://:0123456789abcdef@valkey:6379\n',
  }
  using place = temporaryDirectory({ 'compozy.yaml': text, ...secrets })
  const environment = Object.fromEntries(
    Object.entries(env).map(([name, value]) => [
      name,
      value.startsWith('/run/secrets/') ? join(place.path, value.split('/').at(-1) ?? '') : value,
    ]),
  )
  return await loadConfig({ flags: {}, environment, directory: place.path, terminal: false })
}
