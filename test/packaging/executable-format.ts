/** What kind of executable a file is, from its head alone. */

/** `elf x64 /lib64/ld-linux-x86-64.so.2`, `mach-o arm64 signed`, `pe x64`; what it is not sure of, it names by number. */
export function formatOf(bytes: Buffer): string {
  if (bytes.readUInt32BE(0) === 0x7f454c46) return elf(bytes)
  if (bytes.readUInt32LE(0) === 0xfeedfacf) return machO(bytes)
  if (bytes.toString('latin1', 0, 2) === 'MZ') {
    const header = bytes.readUInt32LE(0x3c)
    return `pe ${processor(bytes.readUInt16LE(header + 4), { 34404: 'x64', 43620: 'arm64' })}`
  }
  return 'unknown'
}

function processor(number: number, names: Readonly<Record<number, string>>): string {
  return names[number] ?? `0x${number.toString(16)}`
}

/** The interpreter tells the C library: a program header of type 3 names it. */
function elf(bytes: Buffer): string {
  const machine = processor(bytes.readUInt16LE(18), { 62: 'x64', 183: 'arm64' })
  const table = Number(bytes.readBigUInt64LE(32))
  const size = bytes.readUInt16LE(54)
  for (let index = 0; index < bytes.readUInt16LE(56); index++) {
    const entry = table + index * size
    if (bytes.readUInt32LE(entry) !== 3) continue
    const start = Number(bytes.readBigUInt64LE(entry + 8))
    const length = Number(bytes.readBigUInt64LE(entry + 32))
    return `elf ${machine} ${bytes.toString('latin1', start, start + length - 1)}`
  }
  return `elf ${machine} static`
}

/** Apple's processors run nothing unsigned: load command 0x1d points to the signature, the last part of the file. */
function machO(bytes: Buffer): string {
  const machine = processor(bytes.readUInt32LE(4), { 16777223: 'x64', 16777228: 'arm64' })
  for (let index = 0, at = 32; index < bytes.readUInt32LE(16); index++) {
    const start = bytes.readUInt32LE(at + 8)
    const length = bytes.readUInt32LE(at + 12)
    if (bytes.readUInt32LE(at) === 0x1d) {
      const signed = bytes.readUInt32BE(start) === 0xfade0cc0 && start + length === bytes.length
      return `mach-o ${machine} ${signed ? 'signed' : 'wrongly signed'}`
    }
    at += bytes.readUInt32LE(at + 4)
  }
  return `mach-o ${machine} unsigned`
}
