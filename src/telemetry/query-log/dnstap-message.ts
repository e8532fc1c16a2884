/**
 * A query and its reply as dnstap has them (https://dnstap.info/, dnstap.proto): protocol buffers, each in a frame.
 *
 * What the log knows of a message is its question and what came of it: `query_message` and `response_message` are header
 * and question, without records.
 */
import { Flag } from "../../dns/codes.ts"
import { RING_NAME_OCTETS } from "../recent-queries/ring.ts"
import type { LoggedQuery } from "./logged-query.ts"
import type { Chunk } from "./rotated-file.ts"

/** Types of a message. */
const CLIENT_QUERY = 5
const CLIENT_RESPONSE = 6

const Family = { INET: 1, INET6: 2 } as const
const Protocol = { udp: 1, tcp: 2, tls: 3, https: 4, http: 4 } as const

/** Fields of `Dnstap`. */
const Outer = { Identity: 1, Version: 2, Message: 14, Type: 15 } as const
const TYPE_MESSAGE = 1

/** Fields of `Message`. */
const Inner = {
  Type: 1,
  SocketFamily: 2,
  SocketProtocol: 3,
  QueryAddress: 4,
  QueryPort: 6,
  QueryTimeSec: 8,
  QueryTimeNsec: 9,
  QueryMessage: 10,
  ResponseTimeSec: 12,
  ResponseTimeNsec: 13,
  ResponseMessage: 14
} as const

/** How values stand behind their fields. */
const VARINT = 0
const LENGTH = 2
const FIXED32 = 5

/** More than a query and its reply take, both with a name of 255 octets. */
const ROOM = 2_048

export class DnstapWriter {
  private octets = Buffer.alloc(64 * 1024)
  private at = 0
  private readonly head: Buffer

  constructor(identity: string, version: string) {
    const head = Buffer.alloc(1_024)
    let at = putOctets(head, 0, Outer.Identity, Buffer.from(identity).subarray(0, 255))
    at = putOctets(head, at, Outer.Version, Buffer.from(version).subarray(0, 255))
    this.head = head.subarray(0, putVarint(head, at, Outer.Type, TYPE_MESSAGE))
  }

  /** Frames one behind the other: two for each query that got a reply, one for each other. */
  write(queries: ReadonlyArray<LoggedQuery>): Chunk {
    this.at = 0
    const ends = queries.map((query) => this.add(query))
    const octets = Uint8Array.prototype.slice.call(this.octets, 0, this.at)
    return {
      octets,
      wholeIn: (until) => {
        const found = ends.findIndex((end) => end > until)
        const queries = found < 0 ? ends.length : found
        return { queries, end: queries === 0 ? 0 : ends[queries - 1]! }
      }
    }
  }

  /** @returns where it ends */
  private add(query: LoggedQuery): number {
    if (this.octets.length - this.at < ROOM) {
      const larger = Buffer.alloc(this.octets.length * 2)
      this.octets.copy(larger, 0, 0, this.at)
      this.octets = larger
    }
    this.frame(query, CLIENT_QUERY)
    if (query.raw.rcode >= 0) this.frame(query, CLIENT_RESPONSE)
    return this.at
  }

  private frame(query: LoggedQuery, type: number): void {
    const { head, octets } = this
    const start = this.at
    head.copy(octets, start + 4)
    const message = putMessage(scratch, query, type)
    const end = putOctets(octets, start + 4 + head.length, Outer.Message, scratch.subarray(0, message))
    octets.writeUInt32BE(end - start - 4, start)
    this.at = end
  }
}

const scratch = Buffer.alloc(ROOM)
const wire = Buffer.alloc(512)

/** @returns how long it is */
const putMessage = (out: Buffer, query: LoggedQuery, type: number): number => {
  const { address, port, protocol, atMs, durationMs, raw } = query
  let at = putVarint(out, 0, Inner.Type, type)
  if (address.length > 0) {
    at = putVarint(out, at, Inner.SocketFamily, address.length === 4 ? Family.INET : Family.INET6)
  }
  at = putVarint(out, at, Inner.SocketProtocol, Protocol[protocol])
  if (address.length > 0) at = putOctets(out, at, Inner.QueryAddress, address)
  if (port > 0) at = putVarint(out, at, Inner.QueryPort, port)
  at = putTime(out, at, Inner.QueryTimeSec, Inner.QueryTimeNsec, atMs)
  if (type === CLIENT_QUERY) return putOctets(out, at, Inner.QueryMessage, messageOf(raw, Flag.RD))
  at = putTime(out, at, Inner.ResponseTimeSec, Inner.ResponseTimeNsec, atMs + durationMs)
  const flags = Flag.QR | Flag.RD | Flag.RA | (raw.rcode & Flag.RcodeMask)
  return putOctets(out, at, Inner.ResponseMessage, messageOf(raw, flags))
}

/** Header and question; the header alone where no whole question is known. */
const messageOf = ({ name, type }: LoggedQuery["raw"], flags: number): Uint8Array => {
  wire.fill(0, 0, 12)
  wire.writeUInt16BE(flags, 2)
  if (name.length === 0 || (name.length === RING_NAME_OCTETS && name.at(-1) !== 0)) return wire.subarray(0, 12)
  wire.writeUInt16BE(1, 4)
  wire.set(name, 12)
  wire.writeUInt16BE(type, 12 + name.length)
  wire.writeUInt16BE(1, 14 + name.length)
  return wire.subarray(0, 16 + name.length)
}

const putTime = (out: Buffer, at: number, secondsField: number, nanosField: number, ms: number): number => {
  const seconds = Math.floor(ms / 1000)
  const next = putVarint(out, at, secondsField, seconds)
  const nanos = Math.min(999_999_999, Math.round((ms - seconds * 1000) * 1e6))
  out[next] = (nanosField << 3) | FIXED32
  out.writeUInt32LE(nanos, next + 1)
  return next + 5
}

const putVarint = (out: Buffer, at: number, field: number, value: number): number =>
  putNumber(out, putNumber(out, at, (field << 3) | VARINT), value)

const putOctets = (out: Buffer, at: number, field: number, octets: Uint8Array): number => {
  const from = putNumber(out, putNumber(out, at, (field << 3) | LENGTH), octets.length)
  out.set(octets, from)
  return from + octets.length
}

/** Seven bits an octet, the lowest first. */
const putNumber = (out: Buffer, at: number, value: number): number => {
  let rest = value
  let to = at
  while (rest >= 0x80) {
    out[to++] = (rest % 0x80) | 0x80
    rest = Math.floor(rest / 0x80)
  }
  out[to++] = rest
  return to
}
