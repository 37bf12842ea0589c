/** Settings of secrets that live elsewhere. */
import { isAbsolute, normalize } from 'node:path'
import { choice, list, setting } from '../values.ts'

export const secretSettings = {
  dirs: setting({
    kind: list({
      takes: 'absolute paths of directories',
      check: (path) =>
        isAbsolute(path) && normalize(path).replace(/\/$/, '') === path.replace(/\/$/, '') && path !== '/'
          ? null
          : 'is no absolute path of a directory, without . and .., other than /',
    }),
    initial: [],
    restart: true,
    doc: 'Directories below which definitions over the admin API may name files with ${file:…}; any admin can have what lies there sent to an address of theirs. None: no file.',
  }),
  exec: setting({
    kind: choice('off', 'on'),
    initial: 'off',
    doc: 'Whether ${exec:…} in the configuration file runs its command, for the value of env, headers, args or url of a server.',
  }),
} as const
