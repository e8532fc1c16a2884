/**
 * The memory of the answer table: one `SharedArrayBuffer`, cut up.
 *
 * ```
 *   header    what all threads agree on: sizes, keys, the flush count, the clock
 *   counters  a cache line for each writer, so that counting needs no atomics
 *   shard 0   lock and ring positions │ buckets of slots │ ghosts │ small ring │ main ring
 *   shard 1   …
 * ```
 *
 * A shard holds the answers whose hash starts with its number. Positions in a shard count in units of 8 octets from its
 * start; 22 bits of a slot hold one, so a shard is 32 MiB at most. For every 2,048 octets of rings there is a bucket
 * (128 octets) and 16 ghosts (32 octets): 7.2 % of the memory, whatever is stored.
 *
 * Nothing is written before it is used, so that the process grows with what is kept: the rings fill from their start.
 */
import { randomFillSync } from "node:crypto"
import type { Clock } from "effect"
import { AgeingClock } from "./ageing-clock.ts"

/** Threads that may write, each with a number from 1: 256 workers, their supervisor, some to spare. */
export const MAX_WRITERS = 272
/** A table is never smaller: a shard has to hold the largest answer. */
export const MIN_OCTETS = 256 * 1024

export const UNIT = 8
/** A line of the index: 12 slots and their usage octets. */
export const LINE_WORDS = 16
export const LINE_SLOTS = 12
const BUCKET_OCTETS = 128
const GHOSTS_PER_BUCKET = 16
const RING_OCTETS_PER_BUCKET = 2048
const SHARD_HEADER_OCTETS = 128
const MAX_SHARD_OCTETS = 32 * 1024 * 1024
const MAX_PREFERRED_SHARDS = 512
const PREFERRED_SHARD_OCTETS = 2 * 1024 * 1024

/** Words of the header. */
export const Header = {
  Magic: 0,
  Shards: 1,
  ShardOctets: 2,
  HashKey: 3,
  SumKey: 5,
  /** Counts flushes of the whole table: what was sealed under another count is void. */
  Epoch: 16,
  ClockLock: 17,
  /** Time in ticks, as all threads see it. */
  Ticks: 18,
  /** Counts flushes of any kind, each as it begins. */
  Flushes: 19
} as const
const CLOCK_AT = 128
const COUNTERS_AT = 256
/** A cache line. */
export const COUNTERS_PER_WRITER = 8
const SHARDS_AT = COUNTERS_AT + MAX_WRITERS * COUNTERS_PER_WRITER * 8
const MAGIC = 0x53_74_72_31

/** Words of a shard's header. */
export const ShardHeader = {
  Lock: 0,
  Epoch: 1,
  SmallHead: 2,
  SmallTail: 3,
  MainHead: 4,
  MainTail: 5,
  Entries: 6,
  Units: 7
} as const

/** Where things are in a shard. */
export interface ShardLayout {
  readonly buckets: number
  /** The first bucket's word. */
  readonly bucketsAt: number
  /** The first unit of each ring and the one past its last. */
  readonly smallStart: number
  readonly mainStart: number
  readonly end: number
}

/** A shard's memory, in the widths in which it is read. */
export interface ShardMemory {
  readonly lock: Int32Array
  readonly words: Int32Array
  readonly octets: Uint8Array
  readonly ghostQueue: Uint16Array
  readonly layout: ShardLayout
}

export class TableMemory {
  readonly buffer: SharedArrayBuffer
  readonly header: Int32Array
  /** The state of the clock: `AgeingClock`. */
  readonly clock: Float64Array
  /** `COUNTERS_PER_WRITER` for each writer. */
  readonly counters: Float64Array
  readonly shards: number
  readonly layout: ShardLayout
  private readonly shardOctets: number

  constructor(buffer: SharedArrayBuffer) {
    this.buffer = buffer
    this.header = new Int32Array(buffer, 0, CLOCK_AT / 4)
    this.clock = new Float64Array(buffer, CLOCK_AT, (COUNTERS_AT - CLOCK_AT) / 8)
    this.counters = new Float64Array(buffer, COUNTERS_AT, MAX_WRITERS * COUNTERS_PER_WRITER)
    if (this.header[Header.Magic] !== MAGIC) throw new Error("not the memory of an answer table")
    this.shards = this.header[Header.Shards]!
    this.shardOctets = this.header[Header.ShardOctets]!
    this.layout = layoutOf(this.shardOctets)
  }

  /** Memory of at most `octets` for a new table, with keys of its own. */
  static create(octets: number, clock: Clock.Clock): TableMemory {
    const size = Math.max(octets, MIN_OCTETS)
    const shards = shardsOf(size)
    const shardOctets = Math.floor((size - SHARDS_AT) / shards / 128) * 128
    const buffer = new SharedArrayBuffer(SHARDS_AT + shards * shardOctets)
    const header = new Int32Array(buffer, 0, CLOCK_AT / 4)
    header[Header.Magic] = MAGIC
    header[Header.Shards] = shards
    header[Header.ShardOctets] = shardOctets
    header.set(randomFillSync(new Int32Array(4)), Header.HashKey)
    const memory = new TableMemory(buffer)
    AgeingClock.started(clock, memory.clock)
    const { smallStart, mainStart } = memory.layout
    for (let shard = 0; shard < shards; shard++) {
      const { words } = memory.shardMemory(shard)
      words.fill(smallStart, ShardHeader.SmallHead, ShardHeader.SmallTail + 1)
      words.fill(mainStart, ShardHeader.MainHead, ShardHeader.MainTail + 1)
    }
    return memory
  }

  /** Memory of another size that takes this one's place: same keys, same time, same counts. */
  resized(octets: number, clock: Clock.Clock): TableMemory {
    const next = TableMemory.create(octets, clock)
    next.header.set(this.header.subarray(Header.HashKey, Header.SumKey + 2), Header.HashKey)
    next.header[Header.Epoch] = this.header[Header.Epoch]!
    next.header[Header.Ticks] = this.header[Header.Ticks]!
    next.header[Header.Flushes] = this.header[Header.Flushes]!
    next.clock.set(this.clock)
    next.counters.set(this.counters)
    return next
  }

  countersOf(writer: number): Float64Array {
    return this.counters.subarray((writer - 1) * COUNTERS_PER_WRITER, writer * COUNTERS_PER_WRITER)
  }

  shardMemory(shard: number): ShardMemory {
    const start = SHARDS_AT + shard * this.shardOctets
    const { buckets, bucketsAt, smallStart } = this.layout
    const ghostsAt = start + bucketsAt * 4 + buckets * BUCKET_OCTETS
    return {
      lock: new Int32Array(this.buffer, start + ShardHeader.Lock * 4, 1),
      words: new Int32Array(this.buffer, start, this.shardOctets / 4),
      octets: new Uint8Array(this.buffer, start, this.shardOctets),
      ghostQueue: new Uint16Array(this.buffer, ghostsAt, (start + smallStart * UNIT - ghostsAt) / 2),
      layout: this.layout
    }
  }
}

/** A power of two: enough that writers seldom meet, not so many that a large answer fills a shard. */
const shardsOf = (octets: number): number => {
  let shards = 2
  while (shards < MAX_PREFERRED_SHARDS && shards * 2 * PREFERRED_SHARD_OCTETS <= octets) shards *= 2
  while (octets / shards > MAX_SHARD_OCTETS) shards *= 2
  return shards
}

/**
 * A tenth of the rings is the small one (Yang et al., "FIFO queues are all you need for cache eviction", SOSP 2023).
 */
const layoutOf = (shardOctets: number): ShardLayout => {
  const room = shardOctets - SHARD_HEADER_OCTETS
  const buckets = Math.floor(room / (BUCKET_OCTETS + GHOSTS_PER_BUCKET * 2 + RING_OCTETS_PER_BUCKET))
  const smallStart = (SHARD_HEADER_OCTETS + buckets * (BUCKET_OCTETS + GHOSTS_PER_BUCKET * 2)) / UNIT
  const end = shardOctets / UNIT
  return {
    buckets,
    bucketsAt: SHARD_HEADER_OCTETS / 4,
    smallStart,
    mainStart: smallStart + Math.floor((end - smallStart) / 10),
    end
  }
}
