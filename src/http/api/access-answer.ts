/** The shape of what `GET /admin/access` answers. */
import { type Static, Type } from '@sinclair/typebox'
import { accessVerdicts } from '../../access/explain.ts'
import { nullable, oneOf, textOf } from './answers.ts'

/** Why somebody may use something, or may not. */
export const accessExplanation = Type.Object(
  {
    principal: Type.Object({
      id: textOf('Who was asked about, as the log has it.'),
      role: nullable(
        oneOf(['anonymous', 'client', 'viewer', 'operator', 'admin'], 'What that may do.'),
        'Null for nobody.',
      ),
      name: nullable(Type.String(), 'Who that is, where it is known.'),
    }),
    server: textOf('The server; of a shown name of a group the one whose it is.'),
    through: nullable(Type.String(), 'The group by which it is asked for.'),
    kind: oneOf(['server', 'tool', 'prompt', 'resource', 'template'], 'What is asked about.'),
    item: nullable(Type.String(), 'Its name or URI, in the words of the server.'),
    allowed: Type.Boolean({ description: 'Whether it can be seen and used.' }),
    verdict: oneOf([...accessVerdicts, 'principal_unknown'], 'How it ends.'),
    rule: textOf('What decides: the first that says no, or the last that says yes.'),
    nearest: nullable(Type.String(), 'The known name that was most likely meant.'),
    unsure: nullable(Type.String(), 'What could not be looked at.'),
    steps: Type.Array(
      Type.Object({
        asked: textOf('Which door.'),
        allowed: Type.Boolean({ description: 'Whether it lets through.' }),
        rule: textOf('Why.'),
      }),
      { description: 'Every door on the way, in the order in which a request meets them.' },
    ),
  },
  { $id: 'AccessExplanation' },
)

export type AccessExplanation = Static<typeof accessExplanation>
