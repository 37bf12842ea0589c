/** Settings of secrets that live elsewhere. */
import { isAbsolute, normalize } from 'node:path'
import { choice, list, optionalText, setting } from '../values.ts'

/** Whether it is a key is judged where it is used: a gateway without stored credentials needs none. */
const keyCharsMax = 1_024

export const secretSettings = {
  key: setting({
    kind: optionalText('one or several keys, the newest first, each 32 bytes in base64', (text) =>
      text.length > keyCharsMax ? `must have at most ${keyCharsMax} characters` : null,
    ),
    initial: null,
    initialWords: 'the key in secrets.key_file',
    env: 'COMPOZY_SECRETS_KEY',
    secret: true,
    restart: true,
    doc: 'The key that stored credentials are sealed with, as "openssl rand -base64 32" prints one. Keys behind it, with a blank between them, only open what was sealed before.',
  }),
  keyFile: setting({
    kind: optionalText('the path of a file', () => null),
    initial: null,
    initialWords: 'secrets.key in the state directory',
    restart: true,
    doc: 'Where that key is kept when secrets.key gives none; made when it is needed first, for its owner alone (mode 0600).',
  }),
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
