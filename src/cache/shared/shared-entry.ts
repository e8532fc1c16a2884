/**
 * An answer as it is kept in the shared tier.
 *
 * | octets | what |
 * | --- | --- |
 * | 4 | the generation: how many flushes its asker had heard of when it began to ask (`flush-log.ts`) |
 * | 4 | when it was stored: seconds since 1970 by Redis's clock |
 * | 12 – 65,535 | the answer, octet for octet as this server keeps it; how long it lives is what its records say |
 *
 * Without an answer it is a note that earlier answers were superseded, by one that may not be kept.
 *
 * Integers in network order.
 */
import { copyOctets, HEADER_SIZE, MAX_MESSAGE_SIZE, NO_OCTETS, putU32, u32 } from "../../dns/wire.ts"

const STAMP_SIZE = 8
/** Octets of the longest one. */
export const MAX_ENTRY_SIZE = STAMP_SIZE + MAX_MESSAGE_SIZE

export interface SharedEntry {
  readonly generation: number
  readonly storedSeconds: number
  /** Empty in a note that earlier answers were superseded. */
  readonly wire: Uint8Array
}

/** A note that all answers that were stored before were superseded. */
export const encodeSuperseded = (generation: number, storedSeconds: number): Buffer =>
  encodeEntry({ generation, storedSeconds, wire: NO_OCTETS })

export const encodeEntry = ({ generation, storedSeconds, wire }: SharedEntry): Buffer => {
  const octets = Buffer.allocUnsafe(STAMP_SIZE + wire.length)
  putU32(octets, 0, generation)
  putU32(octets, 4, storedSeconds)
  copyOctets(wire, 0, wire.length, octets, STAMP_SIZE)
  return octets
}

/** Undefined where it is too short or too long to be one. The answer in it is looked at by who uses it. */
export const decodeEntry = (octets: Uint8Array): SharedEntry | undefined => {
  const length = octets.length - STAMP_SIZE
  if (length !== 0 && (length < HEADER_SIZE || length > MAX_MESSAGE_SIZE)) return undefined
  return { generation: u32(octets, 0), storedSeconds: u32(octets, 4), wire: octets.subarray(STAMP_SIZE) }
}
