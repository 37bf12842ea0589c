/**
 * The version of what members say to each other: headers of requests that are brought, records of sessions, streams that
 * are handed over. It is another one when members of before would misread it, or do without what they must have; what
 * can be left out by one and overlooked by the other changes nothing. One that says none is of version 1. Version 2
 * proves on each connection who is there: one of version 1 cannot, and is sent nothing.
 */
import { Type } from '@sinclair/typebox'
import { isObject } from '../protocol/json.ts'

export const wireVersion = 2

/** Where it stands in what is said. */
export const saidWire = Type.Literal(wireVersion)

/** The version of what was said. */
export function wireOf(said: unknown): unknown {
  return isObject(said) && said['wire'] !== undefined ? said['wire'] : 1
}
