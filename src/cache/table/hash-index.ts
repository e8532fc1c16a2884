/**
 * The hash index of a shard: where in its rings the entry of a hash is.
 *
 * A slot is one word: ten bits of the hash, 22 of the entry's position in units; 0 is empty. So a slot is never half
 * written. Twelve slots and a usage octet for each make a line (64 octets), two lines a bucket. An entry is in either
 * line of its bucket, preferably in the one that its hash names; the other serves when that is full.
 *
 * The usage octet is what readers write: how often the entry was asked for since it was last looked at (the frequency
 * of S3-FIFO, 2 bits), and which of its addresses comes first (the rotation, 6 bits). It is here and not in the entry
 * because a reader may be late: then it changes the octet of another slot, and would otherwise write into the middle of
 * another entry.
 *
 * A slot may be stale: a writer died, or the table was flushed, and it points to another entry or to none. Readers see
 * that by the checksum, writers by `isLive`.
 */
import { HASH } from "./entry.ts"
import { LINE_SLOTS, LINE_WORDS, ShardHeader, type ShardMemory } from "./memory.ts"
import { Ring } from "./ring.ts"

const OFFSET_BITS = 22
const OFFSET_MASK = (1 << OFFSET_BITS) - 1
export const TAG_MASK = ~OFFSET_MASK
const USAGE_IN_LINE = LINE_SLOTS * 4

export const MAX_FREQUENCY = 3
const ONE_ROTATION = 4
/** The usage of a new entry: its first answer was sent before it was stored. */
export const NEW_USAGE = ONE_ROTATION

export const tagOf = (hash: number): number => hash << OFFSET_BITS
export const unitOf = (slot: number): number => slot & OFFSET_MASK
export const frequencyOf = (usage: number): number => usage & MAX_FREQUENCY
export const rotationOf = (usage: number): number => usage >>> 2
export const incremented = (usage: number): number => (frequencyOf(usage) < MAX_FREQUENCY ? usage + 1 : usage)
export const withoutFrequency = (usage: number): number => usage & ~MAX_FREQUENCY
export const decremented = (usage: number): number => usage - 1
/** The usage after a hit: one rotation further, and asked for once more. Past the last rotation the octet wraps. */
export const afterHit = (usage: number): number => incremented(usage) + ONE_ROTATION

/** Where the usage octet of the slot at this word is, in octets of the shard. */
export const usageAt = (slotAt: number): number => {
  const inLine = slotAt & (LINE_WORDS - 1)
  return ((slotAt - inLine) << 2) + USAGE_IN_LINE + inLine
}

export class HashIndex {
  private readonly words: Int32Array
  private readonly octets: Uint8Array
  /** The rings whose entries the slots lead to. */
  readonly small: Ring
  readonly main: Ring
  readonly buckets: number
  private readonly first: number
  private readonly shardBits: number
  private readonly bucketsPerHash: number

  constructor(memory: ShardMemory, shardBits: number) {
    const { words, layout } = memory
    this.small = new Ring(words, ShardHeader.SmallHead, ShardHeader.SmallTail, layout.smallStart, layout.mainStart)
    this.main = new Ring(words, ShardHeader.MainHead, ShardHeader.MainTail, layout.mainStart, layout.end)
    this.words = words
    this.octets = memory.octets
    this.buckets = layout.buckets
    this.first = layout.bucketsAt
    this.shardBits = shardBits
    this.bucketsPerHash = layout.buckets / 2 ** 32
  }

  /** The word at which the line of this hash starts. The bucket's other line is `LINE_WORDS` away, by exclusive or. */
  lineOf(hash: number): number {
    const bucket = (((hash << this.shardBits) >>> 0) * this.bucketsPerHash) | 0
    return this.first + bucket * (LINE_WORDS * 2) + ((hash >>> 6) & LINE_WORDS)
  }

  /** The slot of the entry at `unit`, whose hash this is; 0 where it has none. */
  of(hash: number, unit: number): number {
    const slot = tagOf(hash) | unit
    const line = this.lineOf(hash)
    for (let i = line; i < line + LINE_SLOTS; i++) if (this.words[i] === slot) return i
    const other = line ^ LINE_WORDS
    for (let i = other; i < other + LINE_SLOTS; i++) if (this.words[i] === slot) return i
    return 0
  }

  /** An empty slot for an entry of this hash; 0 where its bucket is full. */
  emptyFor(hash: number): number {
    const line = this.lineOf(hash)
    const other = line ^ LINE_WORDS
    for (let i = line; i < line + LINE_SLOTS; i++) if (this.words[i] === 0) return i
    for (let i = other; i < other + LINE_SLOTS; i++) if (this.words[i] === 0) return i
    return 0
  }

  /**
   * A slot for a new entry of this hash: an empty one, a stale one, else that of the least used entry; of equally used
   * ones one of the small ring, so that a scan does not wear the main ring away.
   *
   * The search starts at a slot that the hash chooses, so that no slot is always the first to lose its entry.
   */
  forNew(hash: number): number {
    const empty = this.emptyFor(hash)
    if (empty !== 0) return empty
    const line = this.lineOf(hash)
    const other = line ^ LINE_WORDS
    let leastUsed = 0
    let least = 2 * MAX_FREQUENCY + 2
    const rotation = hash & 7
    for (let n = 0; n < LINE_SLOTS * 2; n++) {
      const i = (n < LINE_SLOTS ? line : other) + ((n + rotation) % LINE_SLOTS)
      if (!this.isLive(i)) return i
      const frequency = frequencyOf(this.usage(i))
      const worth = 2 * frequency + (this.main.contains(unitOf(this.words[i]!)) ? 1 : 0)
      if (worth < least) {
        least = worth
        leastUsed = i
      }
    }
    return leastUsed
  }

  /** Visits the slots of a bucket that are not empty. */
  forEachIn(bucket: number, visit: (slotAt: number) => void): void {
    const start = this.first + bucket * (LINE_WORDS * 2)
    for (let line = start; line < start + LINE_WORDS * 2; line += LINE_WORDS) {
      for (let i = line; i < line + LINE_SLOTS; i++) if (this.words[i] !== 0) visit(i)
    }
  }

  usage(slotAt: number): number {
    return this.octets[usageAt(slotAt)]!
  }

  setUsage(slotAt: number, usage: number): void {
    this.octets[usageAt(slotAt)] = usage
  }

  /** Whether the slot leads to an entry of its own bucket. */
  isLive(slotAt: number): boolean {
    const slot = this.words[slotAt]!
    const unit = unitOf(slot)
    if (!this.main.contains(unit) && !this.small.contains(unit)) return false
    const hash = this.words[(unit << 1) + HASH]!
    return tagOf(hash) === (slot & TAG_MASK) && ((this.lineOf(hash) ^ slotAt) & ~(LINE_WORDS * 2 - 1)) === 0
  }
}
