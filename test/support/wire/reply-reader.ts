/**
 * Reads replies for comparison, by code of its own: what the server's parsers get wrong must not be got wrong here too.
 *
 * Throws where a reply is malformed.
 */

export interface ReadRecord {
  /** In lower case, octets outside printable ASCII as `\DDD`. */
  readonly owner: string
  readonly type: number
  readonly class: number
  readonly ttl: number
  /** Names in it decompressed and in lower case, all else in hexadecimal. */
  readonly data: string
}

export interface ReadOpt {
  readonly size: number
  readonly version: number
  readonly dnssecOk: boolean
  readonly otherFlags: number
  readonly options: ReadonlyArray<number>
}

export interface ReadReply {
  readonly id: number
  readonly opcode: number
  /** Of QR, AA, TC, RD, RA, Z, AD, CD those that are set. */
  readonly flags: string
  /** Twelve bits where there is an OPT. */
  readonly rcode: number
  /** In hexadecimal, as it stands. */
  readonly question: string
  readonly answers: ReadonlyArray<ReadRecord>
  readonly authorities: ReadonlyArray<ReadRecord>
  readonly additionals: ReadonlyArray<ReadRecord>
  readonly opts: ReadonlyArray<ReadOpt>
  readonly length: number
  /** Octets behind the last record. */
  readonly rest: number
}

const flagBits = { QR: 0x8000, AA: 0x400, TC: 0x200, RD: 0x100, RA: 0x80, Z: 0x40, AD: 0x20, CD: 0x10 }

const readName = (wire: Buffer, start: number): readonly [name: string, next: number] => {
  let text = ""
  let at = start
  let next = -1
  let total = 1
  for (let steps = 0; steps < 256; steps++) {
    const length = wire.readUInt8(at)
    if (length >= 0xc0) {
      if (next < 0) next = at + 2
      at = wire.readUInt16BE(at) & 0x3fff
      continue
    }
    if (length > 63) throw new Error(`a label of kind ${length >> 6} at ${at}`)
    if (length === 0) return [text === "" ? "." : text, next < 0 ? at + 1 : next]
    total += length + 1
    if (total > 255) throw new Error("a name longer than 255 octets")
    for (const octet of wire.subarray(at + 1, at + 1 + length)) {
      const lower = octet >= 0x41 && octet <= 0x5a ? octet + 32 : octet
      const isPlain =
        (lower >= 0x61 && lower <= 0x7a) || (lower >= 0x30 && lower <= 0x39) || lower === 0x2d || lower === 0x5f
      text += isPlain ? String.fromCharCode(lower) : `\\${String(lower).padStart(3, "0")}`
    }
    text += "."
    at += length + 1
  }
  throw new Error("a name that loops")
}

/** Octets before, and number of, the names that data begins with; what follows them is opaque. */
const namesInData: ReadonlyMap<number, readonly [before: number, names: number]> = new Map([
  [2, [0, 1]],
  [5, [0, 1]],
  [6, [0, 2]],
  [12, [0, 1]],
  [15, [2, 1]],
  [17, [0, 2]],
  [18, [2, 1]],
  [33, [6, 1]],
  [36, [2, 1]],
  [39, [0, 1]]
])

const readData = (wire: Buffer, type: number, start: number, end: number): string => {
  const shape = namesInData.get(type)
  if (shape === undefined) return wire.toString("hex", start, end)
  const parts = [wire.toString("hex", start, start + shape[0])]
  let at = start + shape[0]
  for (let i = 0; i < shape[1]; i++) {
    const [name, next] = readName(wire, at)
    parts.push(name)
    at = next
  }
  if (at > end) throw new Error(`the data of a record of type ${type} is too short`)
  parts.push(wire.toString("hex", at, end))
  return parts.filter((part) => part !== "").join(" ")
}

const readOpt = (wire: Buffer, at: number): ReadOpt => {
  const options: Array<number> = []
  const end = at + 10 + wire.readUInt16BE(at + 8)
  let option = at + 10
  while (option < end) {
    options.push(wire.readUInt16BE(option))
    option += 4 + wire.readUInt16BE(option + 2)
  }
  if (option !== end) throw new Error("options that do not fill their OPT")
  return {
    size: wire.readUInt16BE(at + 2),
    version: wire.readUInt8(at + 5),
    dnssecOk: (wire.readUInt8(at + 6) & 0x80) !== 0,
    otherFlags: wire.readUInt16BE(at + 6) & 0x7fff,
    options
  }
}

export const readReply = (wire: Buffer): ReadReply => {
  const flags = wire.readUInt16BE(2)
  let rcode = flags & 0xf
  let at = 12
  for (let i = 0; i < wire.readUInt16BE(4); i++) at = readName(wire, at)[1] + 4
  const question = wire.toString("hex", 12, at)
  const opts: Array<ReadOpt> = []
  const section = (offset: number): ReadonlyArray<ReadRecord> => {
    const records: Array<ReadRecord> = []
    for (let i = 0; i < wire.readUInt16BE(offset); i++) {
      const [owner, fixed] = readName(wire, at)
      const type = wire.readUInt16BE(fixed)
      const end = fixed + 10 + wire.readUInt16BE(fixed + 8)
      if (end > wire.length) throw new Error("a record that runs past the end")
      if (type === 41) {
        rcode |= wire.readUInt8(fixed + 4) << 4
        opts.push(readOpt(wire, fixed))
      } else {
        const data = readData(wire, type, fixed + 10, end)
        records.push({ owner, type, class: wire.readUInt16BE(fixed + 2), ttl: wire.readUInt32BE(fixed + 4), data })
      }
      at = end
    }
    return records
  }
  const [answers, authorities, additionals] = [section(6), section(8), section(10)]
  return {
    id: wire.readUInt16BE(0),
    opcode: (flags >> 11) & 0xf,
    flags: Object.entries(flagBits)
      .filter(([, bit]) => (flags & bit) !== 0)
      .map(([name]) => name)
      .join(" "),
    rcode,
    question,
    answers,
    authorities,
    additionals,
    opts,
    length: wire.length,
    rest: wire.length - at
  }
}
