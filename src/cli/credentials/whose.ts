/** What the commands about credentials have in common: whose they are, and where that is asked. */
import type { ArgsDef } from 'citty'
import type { FlagTexts } from '../../config/load.ts'
import { UsageError } from '../../errors.ts'
import { isUserValueName, userValueNameWords } from '../../registry/secrets/user-values.ts'
import {
  type AdminApi,
  adminApi,
  adminFlags,
  serverArgument,
  tokenVariable,
  userApi,
  userTokenVariable,
} from '../admin/admin-api.ts'

export const whoseFlags: ArgsDef = {
  owner: {
    type: 'string',
    valueHint: 'owner',
    description:
      'For admins: whose, as key:ID, user:NAME, oauth:HASH, or issuer and subject with a space between them.\ndefault: your own',
  },
  ...adminFlags,
  token: {
    type: 'string',
    valueHint: 'token',
    description: `Your own key, or access token; with --owner an admin token.\nenv ${userTokenVariable}, with --owner ${tokenVariable}`,
  },
}

export const credentialArguments = {
  server: serverArgument,
  name: { type: 'positional', description: 'Name of the credential, as ${user.NAME} of the server has it.' },
} as const satisfies ArgsDef

/** Asks for one's own credentials, or with `--owner` as an admin for those of somebody else. */
export async function credentialsApi(
  flags: FlagTexts,
): Promise<{ readonly owner: string | null; readonly request: AdminApi['request'] }> {
  const owner = flags['owner']?.at(-1) ?? null
  const { request } = owner === null ? await userApi(flags) : await adminApi(flags)
  return { owner, request }
}

/** The path of one credential. Throws a UsageError for what can be the name of none. */
export function credentialPath(server: string, name: string, owner: string | null): string {
  if (!isUserValueName(name)) throw new UsageError(`NAME must be ${userValueNameWords}`)
  const query = owner === null ? '' : `?owner=${encodeURIComponent(owner)}`
  return `/credentials/${encodeURIComponent(server)}/${name}${query}`
}
