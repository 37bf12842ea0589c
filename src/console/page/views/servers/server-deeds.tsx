/** What can be done with a server without changing its definition. */
import type { ServerView } from '../../../../http/api/answers.ts'
import { call } from '../../api/api.ts'
import { may } from '../../api/session.ts'
import { refreshServers } from '../../live/servers.ts'
import { ActionButton } from '../../parts/button.tsx'

export function ServerDeeds({ server }: { readonly server: ServerView }) {
  const { name } = server.definition
  if (!may('operator')) return null
  const act = (id: 'restartServer' | 'enableServer' | 'disableServer') => async () => {
    await call(id, { name })
    await refreshServers()
  }
  const off = server.status.disabledAt !== null
  return (
    <div class="actions">
      {off ? null : (
        <ActionButton label={`Restart ${name}`} act={act('restartServer')} done={`${name} is starting anew.`}>
          Restart
        </ActionButton>
      )}
      {off ? (
        <ActionButton label={`Turn on ${name}`} act={act('enableServer')} done={`${name} is switched on.`}>
          Turn on
        </ActionButton>
      ) : (
        <ActionButton label={`Turn off ${name}`} act={act('disableServer')} done={`${name} is switched off.`}>
          Turn off
        </ActionButton>
      )}
    </div>
  )
}
