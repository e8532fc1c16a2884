/**
 * An entry of the table: seven words, then the answer's octets.
 *
 * | word | what |
 * | --- | --- |
 * | 0 | size of its place in units of 8 octets (16 bits), length of the name (8), flags (8) |
 * | 1 | checksum of all else |
 * | 2 | hash |
 * | 3 | view |
 * | 4 | length of the answer in octets (16 bits), type (16) |
 * | 5, 6 | when it was stored and when it dies, in ticks |
 * | 7 … | the answer, as `normalise` makes them: header, the question in lower case, records |
 *
 * Behind an answer that is for one client network stand the network and the scope that came with it, 19 octets; they
 * count as the answer's.
 *
 * The name stands in the answer's question, once. Word 0 of a place never changes while the place is in the ring, so
 * that the ring can be walked whatever a writer left half-done; a place whose name has no length is a gap.
 */

import { SUBNET_SIZE, type Subnet } from "../../dns/subnet.ts"
import { HEADER_SIZE, MAX_MESSAGE_SIZE } from "../../dns/wire.ts"
import { FOR_NETWORK, type Key } from "./key.ts"
import { UNIT } from "./memory.ts"

export const SHAPE = 0
export const SUM = 1
export const HASH = 2
export const VIEW = 3
export const BODY = 4
export const STORED = 5
export const EXPIRES = 6
export const ENTRY_WORDS = 7
/** The word at which the name starts. */
export const NAME_WORD = ENTRY_WORDS + HEADER_SIZE / 4

export const sizeOf = (shape: number): number => shape & 0xffff
export const nameLengthOf = (shape: number): number => (shape >>> 16) & 0xff
export const lengthOf = (body: number): number => body & 0xffff

/** What stands behind the answer: the client network that it is for, if it is for one, and the scope. */
export const NETWORK_SIZE = SUBNET_SIZE + 1
export const isForNetwork = (shape: number): boolean => ((shape >>> 24) & FOR_NETWORK) !== 0

/** Units that an answer of so many octets takes. */
export const unitsFor = (length: number): number => (ENTRY_WORDS * 4 + length + UNIT - 1) >>> 3

/** An entry in memory of this thread alone: as read from the table, or to be written there. */
export class Entry {
  readonly words = new Int32Array(ENTRY_WORDS + ((MAX_MESSAGE_SIZE + UNIT) >>> 2))
  readonly wire = new Uint8Array(this.words.buffer, ENTRY_WORDS * 4)

  get units(): number {
    return unitsFor(this.length)
  }

  get hash(): number {
    return this.words[HASH]!
  }

  /** Octets behind the words. */
  get length(): number {
    return lengthOf(this.words[BODY]!)
  }

  /** Octets of the answer alone. */
  get answerLength(): number {
    return isForNetwork(this.words[SHAPE]!) ? this.length - NETWORK_SIZE : this.length
  }

  /** The scope that an answer for one client network came with. */
  get scope(): number {
    return this.wire[this.length - 1]!
  }

  /** @param scope that came with an answer for one client network */
  fill(key: Key, answer: Uint8Array, stored: number, expires: number, scope: number): void {
    const { words } = this
    const hasNetwork = (key.flags & FOR_NETWORK) !== 0
    const length = answer.length + (hasNetwork ? NETWORK_SIZE : 0)
    this.giveSize(unitsFor(length), (key.nameLength << 16) | (key.flags << 24))
    words[HASH] = key.hash
    words[VIEW] = key.view
    words[BODY] = (key.type << 16) | length
    words[STORED] = stored
    words[EXPIRES] = expires
    // The last word's rest is part of the checksum: it must not be what an earlier answer left.
    words[ENTRY_WORDS + (length >>> 2)] = 0
    this.wire.set(answer)
    if (!hasNetwork) return
    this.wire.set(key.network, answer.length)
    this.wire[length - 1] = scope
  }

  /** Sets the size of the place that it is going to have. */
  giveSize(units: number, shape = this.words[SHAPE]!): void {
    this.words[SHAPE] = (shape & ~0xffff) | units
  }

  /** Whether this is the entry of that key, whose hash was taken. The key's name may be in any case (RFC 4343). */
  isOf(key: Key): boolean {
    const { words } = this
    const { nameLength, lowerName } = key
    if (
      words[SHAPE]! >>> 16 !== (nameLength | (key.flags << 8)) ||
      words[BODY]! >>> 16 !== key.type ||
      words[VIEW] !== key.view
    ) {
      return false
    }
    const whole = nameLength >>> 2
    for (let i = 0; i < whole; i++) if (words[NAME_WORD + i] !== lowerName[i]) return false
    const left = nameLength & 3
    if (left !== 0 && (words[NAME_WORD + whole]! ^ lowerName[whole]!) << (32 - 8 * left) !== 0) return false
    return (key.flags & FOR_NETWORK) === 0 || this.hasNetwork(key.network)
  }

  private hasNetwork(network: Subnet): boolean {
    const at = this.answerLength
    for (let i = 0; i < SUBNET_SIZE; i++) if (this.wire[at + i] !== network[i]) return false
    return true
  }
}
