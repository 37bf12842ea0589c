/**
 * Spans as protobuf (opentelemetry-proto, trace/v1 and collector/trace/v1), for collectors that take no JSON. Loaded only
 * where it is asked for. A library for this would be larger than all of the tracing here; what has to be written are
 * some twenty fields.
 */
import {
  type OtlpAttribute,
  type OtlpSpan,
  otlpSpan,
  type SpanEncoding,
  type SpanSender,
} from './otlp-span.ts'

/** How the bytes of a field are to be read (protobuf, wire types). */
const wireTypes = { varint: 0, fixed64: 1, bytes: 2, fixed32: 5 } as const

/** Numbers of fields by message, as opentelemetry-proto has them. */
const fields = {
  request: { resourceSpans: 1 },
  resourceSpans: { resource: 1, scopeSpans: 2 },
  resource: { attributes: 1 },
  scopeSpans: { scope: 1, spans: 2 },
  scope: { name: 1, version: 2 },
  span: {
    traceId: 1,
    spanId: 2,
    traceState: 3,
    parentSpanId: 4,
    name: 5,
    kind: 6,
    startTimeUnixNano: 7,
    endTimeUnixNano: 8,
    attributes: 9,
    links: 13,
    status: 15,
    flags: 16,
  },
  link: { traceId: 1, spanId: 2 },
  status: { code: 3 },
  keyValue: { key: 1, value: 2 },
  anyValue: { stringValue: 1, intValue: 3 },
  response: { partialSuccess: 1 },
  partialSuccess: { rejectedSpans: 1 },
} as const

/** As protobuf. */
export function protobufEncoding({ attributes, scope }: SpanSender): SpanEncoding<Uint8Array<ArrayBuffer>> {
  const writer = new MessageWriter()
  writer.message(fields.resourceSpans.resource, () => writeAttributes(writer, fields.resource, attributes))
  const resource = writer.taken()
  writer.message(fields.scopeSpans.scope, () => {
    writer.text(fields.scope.name, scope.name)
    writer.text(fields.scope.version, scope.version)
  })
  const scopeBytes = writer.taken()
  return {
    contentType: 'application/x-protobuf',
    span(span) {
      writer.message(fields.scopeSpans.spans, () => writeSpan(writer, otlpSpan(span)))
      return writer.taken()
    },
    request(spans) {
      writer.message(fields.request.resourceSpans, () => {
        writer.written(resource)
        writer.message(fields.resourceSpans.scopeSpans, () => {
          writer.written(scopeBytes)
          for (const span of spans) writer.written(span)
        })
      })
      return writer.taken()
    },
    rejectedIn(answer) {
      const partial = fieldIn(answer, fields.response.partialSuccess)
      const rejected =
        partial instanceof Uint8Array ? fieldIn(partial, fields.partialSuccess.rejectedSpans) : 0
      return typeof rejected === 'number' ? rejected : 0
    },
  }
}

function writeSpan(writer: MessageWriter, span: OtlpSpan): void {
  const { traceState, parentSpanId, status, links = [] } = span
  const numbers = fields.span
  writer.hex(numbers.traceId, span.traceId)
  writer.hex(numbers.spanId, span.spanId)
  if (traceState !== undefined) writer.text(numbers.traceState, traceState)
  if (parentSpanId !== undefined) writer.hex(numbers.parentSpanId, parentSpanId)
  writer.text(numbers.name, span.name)
  writer.integer(numbers.kind, span.kind)
  writer.fixed64(numbers.startTimeUnixNano, BigInt(span.startTimeUnixNano))
  writer.fixed64(numbers.endTimeUnixNano, BigInt(span.endTimeUnixNano))
  writeAttributes(writer, numbers, span.attributes)
  for (const { traceId, spanId } of links)
    writer.message(numbers.links, () => {
      writer.hex(fields.link.traceId, traceId)
      writer.hex(fields.link.spanId, spanId)
    })
  const { code } = status
  if (code !== undefined) writer.message(numbers.status, () => writer.integer(fields.status.code, code))
  writer.fixed32(numbers.flags, span.flags)
}

function writeAttributes(
  writer: MessageWriter,
  { attributes: number }: { readonly attributes: number },
  attributes: readonly OtlpAttribute[],
): void {
  for (const { key, value } of attributes)
    writer.message(number, () => {
      writer.text(fields.keyValue.key, key)
      writer.message(fields.keyValue.value, () => {
        if ('intValue' in value) writer.integer(fields.anyValue.intValue, Number(value.intValue))
        else writer.text(fields.anyValue.stringValue, value.stringValue)
      })
    })
}

/** A key, a length and an integer take this many bytes at most. */
const varintBytesMax = 10

/** Writes messages field by field into one buffer, which grows and is used again. */
class MessageWriter {
  #buffer = Buffer.allocUnsafe(4096)
  #at = 0

  /** What was written, and nothing from here on. */
  taken(): Uint8Array<ArrayBuffer> {
    const bytes = new Uint8Array(this.#buffer.subarray(0, this.#at))
    this.#at = 0
    // A whole batch is rare, and large.
    if (this.#buffer.length > bufferBytesMax) this.#buffer = Buffer.allocUnsafe(4096)
    return bytes
  }

  text(field: number, text: string): void {
    const length = Buffer.byteLength(text)
    this.#key(field, wireTypes.bytes)
    this.#varint(length)
    this.#room(length)
    this.#at += this.#buffer.write(text, this.#at)
  }

  /** Bytes that are given as hexadecimal digits. */
  hex(field: number, digits: string): void {
    this.#key(field, wireTypes.bytes)
    this.#varint(digits.length / 2)
    this.#room(digits.length / 2)
    this.#at += this.#buffer.write(digits, this.#at, 'hex')
  }

  /** An integer that is exact as a number, negative ones too. */
  integer(field: number, value: number): void {
    this.#key(field, wireTypes.varint)
    this.#varint(value)
  }

  fixed64(field: number, value: bigint): void {
    this.#key(field, wireTypes.fixed64)
    this.#room(8)
    this.#at = this.#buffer.writeBigUInt64LE(value, this.#at)
  }

  fixed32(field: number, value: number): void {
    this.#key(field, wireTypes.fixed32)
    this.#room(4)
    this.#at = this.#buffer.writeUInt32LE(value, this.#at)
  }

  /** A message within this one. */
  message(field: number, write: () => void): void {
    this.#key(field, wireTypes.bytes)
    const start = this.#at
    write()
    const length = this.#at - start
    const lengthBytes = varintBytes(length)
    this.#room(lengthBytes)
    this.#buffer.copyWithin(start + lengthBytes, start, start + length)
    this.#at = start
    this.#varint(length)
    this.#at += length
  }

  /** Fields that were written before. */
  written(bytes: Uint8Array): void {
    this.#room(bytes.length)
    this.#buffer.set(bytes, this.#at)
    this.#at += bytes.length
  }

  #key(field: number, wireType: number): void {
    this.#varint(field * 8 + wireType)
  }

  #varint(value: number): void {
    this.#room(varintBytesMax)
    // 64 bits, of which a negative number has all.
    let rest = value < 0 || value > 0x7fff_ffff ? BigInt.asUintN(64, BigInt(value)) : 0n
    for (; rest > 0x7fn; rest >>= 7n) this.#buffer[this.#at++] = Number(rest & 0x7fn) | 0x80
    let small = rest > 0n ? Number(rest) : value
    for (; small > 0x7f; small >>>= 7) this.#buffer[this.#at++] = (small & 0x7f) | 0x80
    this.#buffer[this.#at++] = small
  }

  #room(bytes: number): void {
    if (this.#at + bytes <= this.#buffer.length) return
    const larger = Buffer.allocUnsafe(Math.max(this.#buffer.length * 2, this.#at + bytes))
    // All of it: a message that is moved stands behind where it is written.
    this.#buffer.copy(larger)
    this.#buffer = larger
  }
}

/** A larger one is let go once it was used. */
const bufferBytesMax = 64 * 1024

function varintBytes(length: number): number {
  let bytes = 1
  for (let rest = length; rest > 0x7f; rest >>>= 7) bytes++
  return bytes
}

/** The last field of this number in a message: an integer, or bytes; undefined without one, and in what is no message. */
function fieldIn(message: Uint8Array, field: number): number | Uint8Array | undefined {
  let at = 0
  let found: number | Uint8Array | undefined
  const varint = (): number => {
    let value = 0
    for (let shift = 1; at < message.length; shift *= 0x80) {
      const byte = message[at++] ?? 0
      value += (byte & 0x7f) * shift
      if (byte < 0x80) return value
    }
    return value
  }
  while (at < message.length) {
    const key = varint()
    const wireType = key % 8
    let value: number | Uint8Array | undefined
    if (wireType === wireTypes.varint) value = varint()
    else if (wireType === wireTypes.bytes) {
      const length = varint()
      value = message.subarray(at, at + length)
      at += length
    } else if (wireType === wireTypes.fixed64) at += 8
    else if (wireType === wireTypes.fixed32) at += 4
    else return undefined
    if (Math.floor(key / 8) === field) found = value
  }
  return found
}
