/** What came over the network, looked at by name: the gateway may be of another version, or none at all. */
import { isObject } from '../../protocol/json.ts'

/** What came in the place of a `T`. Its members have the names of the schema; their values may be anything. */
export type Received<T> = { readonly [Name in keyof T]?: unknown }

/** A map that came from the network; an empty one in the place of anything else. */
export function received<T>(value: unknown): Received<T> {
  return (isObject(value) ? value : {}) as Received<T>
}

/** The maps in a list that came from the network; anything else in it is left out. */
export function receivedList<T>(value: unknown): Received<T>[] {
  return Array.isArray(value) ? (value.filter(isObject) as Received<T>[]) : []
}

/** The texts in a list that came from the network. */
export function receivedTexts(value: unknown): string[] {
  return Array.isArray(value) ? value.filter((item) => typeof item === 'string') : []
}

/** A value as a cell of a table: texts and numbers as they are, everything else empty. */
export function cell(value: unknown): string {
  return typeof value === 'string' || typeof value === 'number' ? String(value) : ''
}

/** The first line of a text. */
export function firstLine(value: unknown): string {
  return cell(value).trim().split('\n')[0] ?? ''
}

/** A number, or 0 in the place of anything else. */
export function figure(value: unknown): number {
  return typeof value === 'number' && Number.isFinite(value) ? value : 0
}
