/** The operations about the configuration, and the shape of what is told of it; see operations.ts. */
import { Type } from '@sinclair/typebox'
import { names, nullable, oneOf, reloadReport, serverName, textOf } from './answers.ts'
import type { Operation } from './operation-form.ts'

const setting = Type.Object(
  {
    key: textOf('Its key below mcp_proxy, such as limits.body_bytes_max.'),
    value: Type.Unknown({
      description: 'What is in force, as a file would write it; secrets are "***", each one of a list.',
    }),
    layer: oneOf(['flag', 'env', 'file', 'default'], 'Which kind of source it came from.'),
    origin: textOf('Which flag, variable or file.'),
    variable: textOf('The variable that would set it.'),
    flag: nullable(Type.String(), 'The flag that would set it; null where there is none.'),
    description: textOf('What it does.'),
    restart: Type.Boolean({ description: 'Whether a change of it takes a restart.' }),
    waits: Type.Boolean({
      description: 'Whether another value was read since, which counts from the next start on.',
    }),
  },
  { $id: 'Setting' },
)

const lastReload = Type.Object(
  {
    at: textOf('When it ended, in ISO 8601.'),
    cause: textOf('Who had the configuration read again.'),
    report: nullable(reloadReport, 'What it has changed; null when it was not taken.'),
    reason: nullable(Type.String(), 'Why it was not taken; null when it was.'),
  },
  { $id: 'LastReload' },
)

const configurationReport = Type.Object(
  {
    file: nullable(Type.String(), 'The file that was read, as it was named; null without one.'),
    settings: Type.Array(setting, { description: 'Every setting, in the order of the documentation.' }),
    servers: Type.Array(Type.Object({ name: serverName, origin: textOf('Where in which file.') }), {
      description: 'Servers that stand in files.',
    }),
    warnings: names('What is most likely not meant.'),
    reload: nullable(lastReload, 'How the last reload ended; null as long as there was none.'),
  },
  { $id: 'Configuration' },
)

/** By `operationId`. */
export const configurationOperations = {
  reload: {
    tag: 'configuration',
    summary: 'Reads the configuration again and goes on with it; a bad one changes nothing.',
    access: 'admin',
    answers: { 200: { description: 'What has changed.', schema: reloadReport } },
    errors: ['CONFIGURATION_INVALID'],
  },
  getConfig: {
    tag: 'configuration',
    summary: 'Every setting in force and where it came from, without secrets, and how the last reload ended.',
    access: 'admin',
    answers: { 200: { description: 'The configuration.', schema: configurationReport } },
    errors: ['NOT_FOUND'],
  },
} as const satisfies Readonly<Record<string, Operation>>
