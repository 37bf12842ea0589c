import { startingCommand } from '../admin/started.ts'

export const restart = startingCommand(
  'restart',
  'Starts a server anew; calls in flight may finish first for 10 s.',
  'restarted',
)
