/**
 * The names of one message, each known by a number. Two names are the same, letters in either case (RFC 4343), where
 * their numbers are.
 *
 * A name is its first label and its parent, the name behind it. The first child of a name is noted at its parent;
 * others are looked up by label and parent in a keyed hash table. The name that stands at each offset is noted too, so
 * that no label is read twice however many pointers lead to it: the octets of the message bound the work, whatever
 * names an attacker chooses.
 */
import { LOWER, lower4, MAX_LABEL_LENGTH, MAX_NAME_LENGTH } from "./name.ts"
import { HEADER_SIZE, MAX_MESSAGE_SIZE, NO_OCTETS, u16 } from "./wire.ts"

/** No name: what is malformed has this number. */
export const NO_NAME = 0
export const ROOT = 1

const POINTER = 0xc0
/** Octets at most that a table is made of: a message, or one and what completes it. */
export const MAX_SOURCE_SIZE = MAX_MESSAGE_SIZE + 512
const MAX_NAMES = 1 << 16
const MAX_SLOTS = 1 << 17
/** Pointers that lead from one to the next, each farther back in the first 16,384 octets, and a name's labels. */
const MAX_PATH = (1 << 14) + 256
/**
 * Slots that are looked at for a name, on average: three are many in a table that is about half full. Past this the
 * labels were made to collide, and the message is rejected.
 */
const MAX_PROBES = 8

export class NameTable {
  /** Steps since `begin`, each of bounded cost: places looked at in the message, and slots in the table. */
  steps = 0
  /** Where the message begins of which names are read: what pointers count from. */
  base = 0
  /** Offset just past the name that was read last, where it stands. */
  next = 0
  /** By number: where the first label stands, the number of the name behind it, its length in octets. */
  readonly labelAt = new Uint32Array(MAX_NAMES)
  readonly parent = new Uint16Array(MAX_NAMES)
  readonly size = new Uint8Array(MAX_NAMES)
  /** By number, for those who work with the names; 0 for each new one. */
  readonly marks = new Uint8Array(MAX_NAMES)
  readonly lastRecord = new Uint16Array(MAX_NAMES)
  readonly writtenAt = new Uint16Array(MAX_NAMES)
  wire: Uint8Array = NO_OCTETS

  /** In the upper half of what is noted of this message: what was noted of those before does not count. */
  private stamp = 0
  private length = 0
  private count = ROOT
  private probes = 0
  private mask = 0
  private readonly key: number
  /** By number: the first child. It is not in the hash table, which most messages do not need. */
  private readonly firstBelow = new Uint16Array(MAX_NAMES)
  private readonly hashes = new Int32Array(MAX_NAMES)
  private readonly slots = new Int32Array(MAX_SLOTS)
  private readonly nameAt = new Int32Array(MAX_SOURCE_SIZE)
  private readonly path = new Uint32Array(MAX_PATH)

  /** @param key drawn at random, so that an attacker cannot aim names at one slot */
  constructor(key: number) {
    this.key = key
    this.size[ROOT] = 1
  }

  /** Forgets the message before; names are read of `wire[0, length)` from now on. */
  begin(wire: Uint8Array, length: number): void {
    this.wire = wire
    this.length = length
    this.base = 0
    this.steps = 0
    this.probes = 0
    this.count = ROOT
    this.marks[ROOT] = 0
    this.lastRecord[ROOT] = 0
    this.firstBelow[ROOT] = NO_NAME
    this.stamp = (this.stamp + 0x10000) | 0
    if (this.stamp === 0) {
      this.nameAt.fill(0)
      this.slots.fill(0)
      this.stamp = 0x10000
    }
    // Two octets or more for most labels: about half of the slots are taken at most.
    let slots = 64
    while (slots < length && slots < MAX_SLOTS) slots *= 2
    this.mask = slots - 1
  }

  /**
   * The number of the name that stands at `start`; `next` is the offset past it then.
   *
   * @returns `NO_NAME` where it runs past the end, has a label longer than 63 octets or more than 255 octets in all, or
   *   a pointer that does not lead backwards, so that no name can loop, or into a header (RFC 1035 §4.1.4, RFC 9267 §2)
   */
  read(start: number): number {
    const { wire, length, nameAt, path, stamp } = this
    let at = start
    let runStart = start
    let next = 0
    let depth = 0
    let octets = 1
    let name = NO_NAME
    for (;;) {
      if (at >= length) return NO_NAME
      this.steps++
      const noted = nameAt[at]! ^ stamp
      if (noted >>> 16 === 0) {
        name = noted
        break
      }
      const octet = wire[at]!
      if (octet === 0) {
        name = ROOT
        break
      }
      path[depth++] = at
      if (octet >= POINTER) {
        if (at + 2 > length) return NO_NAME
        const offset = u16(wire, at) & 0x3fff
        const target = this.base + offset
        if (offset < HEADER_SIZE || target >= runStart) return NO_NAME
        if (next === 0) next = at + 2
        at = runStart = target
      } else {
        octets += octet + 1
        if (octet > MAX_LABEL_LENGTH || octets > MAX_NAME_LENGTH) return NO_NAME
        at += octet + 1
      }
    }
    this.next = next === 0 ? this.endOf(at) : next
    while (depth > 0) {
      const slot = path[--depth]!
      if (wire[slot]! < POINTER) name = this.numberOf(slot, name)
      if (name === NO_NAME) return NO_NAME
      nameAt[slot] = stamp | name
    }
    return name
  }

  /** The name's octets, uncompressed, in lower case. */
  octetsOf(name: number): Uint8Array {
    const octets = new Uint8Array(this.size[name]!)
    let to = 0
    for (let rest = name; rest !== ROOT; rest = this.parent[rest]!) {
      const at = this.labelAt[rest]!
      const end = at + this.wire[at]! + 1
      for (let i = at; i < end; i++) octets[to++] = LOWER[this.wire[i]!]!
    }
    return octets
  }

  /** The end of a name, known to be whole, as it stands at `at`. */
  private endOf(at: number): number {
    let end = at
    for (;;) {
      const octet = this.wire[end]!
      if (octet === 0) return end + 1
      if (octet >= POINTER) return end + 2
      this.steps++
      end += octet + 1
    }
  }

  /** The number of the name whose first label stands at `at`, before the name `parent`. */
  private numberOf(at: number, parent: number): number {
    const first = this.firstBelow[parent]!
    if (first === NO_NAME) {
      const name = this.add(at, parent)
      this.firstBelow[parent] = name
      return name
    }
    return this.sameLabel(at, this.labelAt[first]!) ? first : this.numberOfOther(at, parent)
  }

  /** The same where there is a name below `parent` already, and another. */
  private numberOfOther(at: number, parent: number): number {
    const { hashes, mask, slots, stamp } = this
    const hash = this.hashOf(at, parent)
    let slot = hash & mask
    for (let name = slots[slot]! ^ stamp; name >>> 16 === 0; name = slots[slot]! ^ stamp) {
      this.probes++
      this.steps++
      if (hashes[name] === hash && this.parent[name] === parent && this.sameLabel(at, this.labelAt[name]!)) return name
      slot = (slot + 1) & mask
    }
    if (this.probes > MAX_PROBES * (this.count + 64)) return NO_NAME
    const name = this.add(at, parent)
    slots[slot] = stamp | name
    hashes[name] = hash
    return name
  }

  private hashOf(at: number, parent: number): number {
    const { wire } = this
    const end = at + wire[at]! + 1
    let hash = this.key ^ Math.imul(parent, 0x9e3779b1)
    let next = at
    for (; next + 4 <= end; next += 4) {
      const four = wire[next]! | (wire[next + 1]! << 8) | (wire[next + 2]! << 16) | (wire[next + 3]! << 24)
      hash = Math.imul(hash ^ lower4(four), 0x01000193)
      hash ^= hash >>> 15
    }
    for (; next < end; next++) hash = Math.imul(hash ^ LOWER[wire[next]!]!, 0x01000193)
    hash = Math.imul(hash ^ (hash >>> 13), 0x85ebca6b)
    return hash ^ (hash >>> 16)
  }

  /** A new name; `NO_NAME` where it is longer than a name may be. */
  private add(at: number, parent: number): number {
    const size = this.size[parent]! + this.wire[at]! + 1
    if (size > MAX_NAME_LENGTH) return NO_NAME
    const name = ++this.count
    this.parent[name] = parent
    this.labelAt[name] = at
    this.size[name] = size
    this.firstBelow[name] = NO_NAME
    this.marks[name] = 0
    this.lastRecord[name] = 0
    this.writtenAt[name] = 0
    return name
  }

  private sameLabel(a: number, b: number): boolean {
    const { wire } = this
    const end = a + wire[a]! + 1
    let other = b
    for (let i = a; i < end; i++) {
      const octet = wire[i]!
      const second = wire[other++]!
      if (octet !== second && LOWER[octet] !== LOWER[second]) return false
    }
    return true
  }
}
