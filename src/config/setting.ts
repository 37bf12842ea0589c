/** One row of the table of settings in `schema.ts`. */
import type { Static, TSchema } from '@sinclair/typebox'
import type { ValueKind } from './values.ts'

/** What some defaults depend on. */
export interface Machine {
  /** Where state belongs on this machine when nobody says otherwise. */
  readonly stateDirectory: string
  readonly terminal: boolean
}

export interface Setting<S extends TSchema = TSchema> {
  readonly kind: ValueKind<S>
  readonly initial: Static<S> | ((machine: Machine) => Static<S>)
  /** The default in words, where it depends on the machine. */
  readonly initialWords?: string
  /** What it does, one sentence with its unit and the meaning of special values. */
  readonly doc: string
  readonly flag?: string
  readonly env?: string
  /** Shown as `***` wherever the configuration is printed. */
  readonly secret?: boolean
}

/** Ties the default of a row to its type. */
export function setting<S extends TSchema>(row: Setting<S>): Setting<S> {
  return row
}
