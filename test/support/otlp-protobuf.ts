/** Reads what a program sends over OTLP as protobuf, in the form that its JSON has (opentelemetry-proto, trace/v1). */

type Field = readonly [number: number, value: bigint | Buffer]

/** The fields of a message, in their order. Throws where it is none. */
function fieldsOf(bytes: Buffer): Field[] {
  const fields: Field[] = []
  let at = 0
  const varint = (): bigint => {
    let value = 0n
    for (let shift = 0n; ; shift += 7n) {
      const byte = bytes.readUInt8(at++)
      value |= BigInt(byte & 0x7f) << shift
      if (byte < 0x80) return value
    }
  }
  while (at < bytes.length) {
    const key = varint()
    const number = Number(key >> 3n)
    const wireType = Number(key & 7n)
    if (wireType === 0) fields.push([number, varint()])
    else if (wireType === 1) {
      fields.push([number, bytes.readBigUInt64LE(at)])
      at += 8
    } else if (wireType === 5) {
      fields.push([number, BigInt(bytes.readUInt32LE(at))])
      at += 4
    } else if (wireType === 2) {
      const end = Number(varint()) + at
      if (end > bytes.length) throw new Error('a field is longer than its message')
      fields.push([number, bytes.subarray(at, end)])
      at = end
    } else throw new Error(`wire type ${wireType}`)
  }
  return fields
}

const all = (fields: readonly Field[], wanted: number) =>
  fields.flatMap(([number, value]) => (number === wanted && typeof value !== 'bigint' ? [value] : []))
const bytesIn = (fields: readonly Field[], wanted: number) => all(fields, wanted).at(-1)
const textIn = (fields: readonly Field[], wanted: number) => bytesIn(fields, wanted)?.toString()
const hexIn = (fields: readonly Field[], wanted: number) => bytesIn(fields, wanted)?.toString('hex')
const numberIn = (fields: readonly Field[], wanted: number) =>
  fields.findLast(([number, value]) => number === wanted && typeof value === 'bigint')?.[1] as
    | bigint
    | undefined

function attributeOf(bytes: Buffer) {
  const fields = fieldsOf(bytes)
  const value = fieldsOf(bytesIn(fields, 2) ?? Buffer.alloc(0))
  const number = numberIn(value, 3)
  const shown = number === undefined ? undefined : String(BigInt.asIntN(64, number))
  return {
    key: textIn(fields, 1) ?? '',
    value: shown === undefined ? { stringValue: textIn(value, 1) ?? '' } : { intValue: shown },
  }
}

function spanOf(bytes: Buffer) {
  const fields = fieldsOf(bytes)
  const [traceState, parentSpanId] = [textIn(fields, 3), hexIn(fields, 4)]
  const links = all(fields, 13).map(fieldsOf)
  const code = numberIn(fieldsOf(bytesIn(fields, 15) ?? Buffer.alloc(0)), 3)
  return {
    traceId: hexIn(fields, 1) ?? '',
    spanId: hexIn(fields, 2) ?? '',
    ...(traceState !== undefined && { traceState }),
    ...(parentSpanId !== undefined && { parentSpanId }),
    flags: Number(numberIn(fields, 16) ?? 0n),
    name: textIn(fields, 5) ?? '',
    kind: Number(numberIn(fields, 6) ?? 0n),
    startTimeUnixNano: String(numberIn(fields, 7) ?? 0n),
    endTimeUnixNano: String(numberIn(fields, 8) ?? 0n),
    attributes: all(fields, 9).map(attributeOf),
    ...(links.length > 0 && {
      links: links.map((link) => ({ traceId: hexIn(link, 1) ?? '', spanId: hexIn(link, 2) ?? '' })),
    }),
    status: code === undefined ? {} : { code: Number(code) },
  }
}

/** The request as its JSON would be. */
export function traceRequestIn(bytes: Uint8Array) {
  const resourceSpans = all(fieldsOf(Buffer.from(bytes)), 1).map(fieldsOf)
  return {
    resourceSpans: resourceSpans.map((fields) => ({
      resource: { attributes: all(fieldsOf(bytesIn(fields, 1) ?? Buffer.alloc(0)), 1).map(attributeOf) },
      scopeSpans: all(fields, 2)
        .map(fieldsOf)
        .map((scopeSpans) => {
          const scope = fieldsOf(bytesIn(scopeSpans, 1) ?? Buffer.alloc(0))
          return {
            scope: { name: textIn(scope, 1) ?? '', version: textIn(scope, 2) ?? '' },
            spans: all(scopeSpans, 2).map(spanOf),
          }
        }),
    })),
  }
}
