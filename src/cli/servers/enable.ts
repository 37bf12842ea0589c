import { startingCommand } from '../admin/started.ts'

export const enable = startingCommand('enable', 'Switches a server on that was switched off.', 'enabled')
