/**
 * Finding what is configured for a name, or for a name that it ends in.
 *
 * Hot path where there are rules, local answers or a name that may be special: the hashes of all suffixes of a name are
 * made in one pass from its end, so that a name of 127 labels costs no more than its octets. Nothing is allocated.
 */
import { LOWER, sameName } from "./name.ts"
import { u8 } from "./wire.ts"

/** A name of 255 octets has 127 labels of one octet, and the root. */
const MAX_LABELS = 128

/** The suffixes of one name, from the whole of it to the root; used again from name to name. */
export class Suffixes {
  /** How many there are: one for each label, the root's included. */
  count = 0
  /** Where the name ends in its message. */
  end = 0
  private readonly starts = new Uint16Array(MAX_LABELS)
  private readonly hashes = new Int32Array(MAX_LABELS)

  /** Reads the uncompressed name at `wire[start, start + length)`. */
  read(wire: Uint8Array, start: number, length: number): void {
    const { hashes, starts } = this
    const end = start + length
    let count = 0
    for (let at = start; at < end; at += u8(wire, at) + 1) starts[count++] = at
    let hash = SEED
    let at = end
    for (let i = count - 1; i >= 0; i--) {
      const from = starts[i]!
      while (at > from) hash = step(hash, u8(wire, --at))
      hashes[i] = hash
    }
    this.count = count
    this.end = end
  }

  startOf(i: number): number {
    return this.starts[i]!
  }

  hashOf(i: number): number {
    return this.hashes[i]!
  }

  /** Octets of the suffix, the root's included. */
  lengthOf(i: number): number {
    return this.end - this.starts[i]!
  }
}

interface Entry<A> {
  readonly name: Uint8Array
  value: A
}

/** A map by name, letters in either case. */
export class NameMap<A> {
  private readonly entries = new Map<number, Array<Entry<A>>>()
  private readonly names = new Suffixes()

  /** @param name uncompressed */
  get(name: Uint8Array): A | undefined {
    this.names.read(name, 0, name.length)
    return this.find(name, this.names, 0)
  }

  set(name: Uint8Array, value: A): void {
    this.names.read(name, 0, name.length)
    const found = this.entry(name, this.names, 0)
    if (found !== undefined) {
      found.value = value
      return
    }
    const hash = this.names.hashOf(0)
    this.entries.set(hash, [...(this.entries.get(hash) ?? []), { name, value }])
  }

  /** What is there for the suffix `i` of the name that `suffixes` has read in `wire`. */
  find(wire: Uint8Array, suffixes: Suffixes, i: number): A | undefined {
    return this.entry(wire, suffixes, i)?.value
  }

  private entry(wire: Uint8Array, suffixes: Suffixes, i: number): Entry<A> | undefined {
    const here = this.entries.get(suffixes.hashOf(i))
    if (here === undefined) return undefined
    const length = suffixes.lengthOf(i)
    for (const entry of here) {
      if (entry.name.length === length && sameName(wire, suffixes.startOf(i), entry.name, 0, length)) return entry
    }
    return undefined
  }
}

/** The names above an uncompressed name, the nearest first, the root last. */
export const ancestorsOf = (name: Uint8Array): ReadonlyArray<Uint8Array> => {
  const ancestors: Array<Uint8Array> = []
  for (let at = 0; u8(name, at) !== 0; ) {
    at += u8(name, at) + 1
    ancestors.push(name.subarray(at))
  }
  return ancestors
}

/** FNV-1a, letters in lower case. */
const SEED = 0x811c9dc5 | 0
const step = (hash: number, octet: number): number => Math.imul(hash ^ LOWER[octet]!, 0x01000193)
