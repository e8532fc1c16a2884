/**
 * The table of answers that all threads share, as one of them sees it.
 *
 * Everything that is shared is in its `TableMemory`; what is here is this thread's way in: views, keys and memory for
 * one entry that comes and one that goes. How readers and writers get along is said in
 * docs/decisions/0007-shared-table.md.
 */
import type { Clock } from "effect"
import type { AnswerMessage } from "../../dns/reply.ts"
import { MAX_MESSAGE_SIZE } from "../../dns/wire.ts"
import { sharedMemoryReleased } from "../../runtime/released-memory.ts"
import { Checksum } from "./checksum.ts"
import { Entry, EXPIRES, STORED } from "./entry.ts"
import { flushNames, type NameTest } from "./flush.ts"
import { NameHash } from "./hash.ts"
import { afterHit, rotationOf, usageAt } from "./hash-index.ts"
import { FOR_NETWORK, type Key } from "./key.ts"
import { Header, MAX_WRITERS, type TableMemory, UNIT } from "./memory.ts"
import { migrate } from "./migrate.ts"
import { Reader } from "./reader.ts"
import { Shard } from "./shard.ts"
import { SharedClock, TICKS_PER_SECOND } from "./shared-clock.ts"
import { countsOf, type TableCounts, TableStat } from "./table-stats.ts"

/** Longer lives would not fit the arithmetic of ticks; three years are enough. */
const MAX_LIFE_SECONDS = 100_000_000

/** An answer from the table. Valid until the next lookup. */
export interface CachedAnswer extends AnswerMessage {
  /** Seconds that it still lives; 0 or less if it is over. */
  readonly remainingSeconds: number
}

export interface TableStatistics extends TableCounts {
  /** Answers that are kept. */
  readonly entries: number
  /** Octets that they take. */
  readonly bytes: number
  /** Octets of the whole table. */
  readonly capacity: number
}

class Hit implements CachedAnswer {
  wire: Uint8Array
  length = 0
  ageSeconds = 0
  remainingSeconds = 0
  rotation = 0
  scope = 0

  constructor(wire: Uint8Array) {
    this.wire = wire
  }
}

export class AnswerTable {
  memory: TableMemory
  private readonly writer: number
  private readonly source: Clock.Clock
  private readonly onEviction: () => void
  private readonly coming = new Entry()
  private clock!: SharedClock
  private hasher!: NameHash
  private reader!: Reader
  private shards!: ReadonlyArray<Shard>
  private shardShift = 0
  private counters!: Float64Array
  private hit!: Hit

  /**
   * @param writer this thread's number, from 1; no other living thread has the same
   * @param onEviction called for each answer that leaves for room
   */
  constructor(memory: TableMemory, writer: number, clock: Clock.Clock, onEviction: () => void) {
    if (writer < 1 || writer > MAX_WRITERS) throw new RangeError(`no writer has the number ${writer}`)
    this.writer = writer
    this.source = clock
    this.onEviction = onEviction
    this.memory = memory
    this.enter(memory)
  }

  /** Takes the key's hash: the same in all threads, and in a memory that was resized. */
  hash(key: Key): void {
    const kind = (key.type << 2) | (key.flags & 3)
    const view = key.view ^ key.networkHash
    key.hash = this.hasher.of(key.wire, key.nameAt, key.nameLength, kind, view, key.lowerName)
  }

  /** The answer for the key, whose hash was taken, alive or not; counted as a hit if it is alive. */
  lookup(key: Key): CachedAnswer | undefined {
    const shard = this.shardOf(key.hash)
    const { reader } = this
    if (!reader.find(shard, key)) {
      this.counters[TableStat.Misses]!++
      return undefined
    }
    const { entry, slotAt } = reader
    const { words } = entry
    const stored = words[STORED]!
    const now = this.clock.now
    const { hit } = this
    const ageSeconds = (((now - stored) | 0) / TICKS_PER_SECOND) | 0
    const lifeSeconds = (((words[EXPIRES]! - stored) | 0) / TICKS_PER_SECOND) | 0
    hit.length = entry.length
    hit.scope = 0
    if ((key.flags & FOR_NETWORK) !== 0) {
      hit.length = entry.answerLength
      hit.scope = entry.scope
    }
    hit.ageSeconds = ageSeconds
    hit.remainingSeconds = lifeSeconds - ageSeconds
    const usageOctet = usageAt(slotAt)
    const usage = shard.octets[usageOctet]!
    hit.rotation = rotationOf(usage)
    if (ageSeconds < lifeSeconds) {
      shard.octets[usageOctet] = afterHit(usage)
      this.counters[TableStat.Hits]!++
    } else {
      this.counters[TableStat.Misses]!++
    }
    return hit
  }

  /**
   * Keeps the answer for the key, whose hash was taken; 0 seconds keep nothing.
   *
   * @param scope that came with an answer for one client network
   * @param ageSeconds of its life that have passed already, all of it and more for one that is stale
   * @returns whether it is kept: not while another writer holds its shard, nor where it is too large
   */
  store(key: Key, answer: Uint8Array, ttlSeconds: number, scope = 0, ageSeconds = 0): boolean {
    if (ttlSeconds <= 0 || answer.length > MAX_MESSAGE_SIZE) return false
    this.clock.tick()
    const stored = (this.clock.now - Math.min(ageSeconds, MAX_LIFE_SECONDS) * TICKS_PER_SECOND) | 0
    const lifeTicks = Math.min(ttlSeconds, MAX_LIFE_SECONDS) * TICKS_PER_SECOND
    this.coming.fill(key, answer, stored, (stored + lifeTicks) | 0, scope)
    const isKept = this.shardOf(key.hash).store(this.coming)
    this.counters[isKept ? TableStat.Stores : TableStat.Unstored]!++
    return isKept
  }

  /**
   * Forgets the answer for the key, whose hash was taken, if it was stored before `before`.
   *
   * @param question a message that has no more than a header and the key's question
   * @param before in ticks
   * @returns whether no such answer is there: one may be while another writer holds its shard
   */
  remove(key: Key, question: Uint8Array, before: number): boolean {
    this.coming.fill(key, question, before, before, 0)
    return this.shardOf(key.hash).remove(this.coming)
  }

  /** The time, in ticks. */
  get now(): number {
    this.clock.tick()
    return this.clock.now
  }

  /**
   * Puts a mark in the answer's place: a message whose whole life is zero seconds. So answers for wider and narrower
   * networks, which cannot be listed, are known to be older than the last answer.
   *
   * @param question a message that has no more than a header and the key's question
   * @returns whether it is there: not while another writer holds its shard
   */
  mark(key: Key, question: Uint8Array, scope: number): boolean {
    this.clock.tick()
    const { now } = this.clock
    this.coming.fill(key, question, now, now, scope)
    return this.shardOf(key.hash).store(this.coming)
  }

  /** Flushes that any thread has begun. */
  get flushes(): number {
    return Atomics.load(this.memory.header, Header.Flushes)
  }

  /** Moves the time on, cheaply: once for each batch of packets. */
  tick(): void {
    this.clock.tick()
  }

  /** Moves the time on, exactly. */
  refresh(): void {
    this.clock.refresh()
  }

  /**
   * Forgets what passes the test, in slices of less than a millisecond.
   *
   * @returns how many answers
   */
  flush(test: NameTest): Generator<void, number> {
    Atomics.add(this.memory.header, Header.Flushes, 1)
    return flushNames(this.shards, test)
  }

  /** Voids all that is kept, at once: what was sealed before is never served again. Its room is used as stores come. */
  flushAll(): void {
    Atomics.add(this.memory.header, Header.Flushes, 1)
    Atomics.add(this.memory.header, Header.Epoch, 1)
  }

  /** Frees what a thread held that has died. To be called before its number is given to another. */
  recover(writer: number): void {
    for (const shard of this.shards) shard.lock.recover(writer)
    Atomics.compareExchange(this.memory.header, Header.ClockLock, writer, 0)
  }

  statistics(): TableStatistics {
    let entries = 0
    let units = 0
    for (const shard of this.shards) {
      entries += shard.entries
      units += shard.units
    }
    return { ...countsOf(this.memory), entries, bytes: units * UNIT, capacity: this.memory.buffer.byteLength }
  }

  /**
   * Makes memory of another size with this table's answers, in slices of a few milliseconds; `adopt` it then, in every
   * thread. Both are in use until the last has: what is stored meanwhile may be lost.
   */
  *resized(octets: number): Generator<void, TableMemory> {
    const memory = this.memory.resized(octets, this.source)
    const next = new AnswerTable(memory, this.writer, this.source, () => {})
    const { header } = this.memory
    const epoch = header[Header.Epoch]
    const reader = new Reader(new Checksum(this.memory))
    yield* migrate(
      this.shards,
      reader,
      (hash) => next.shardOf(hash),
      () => this.clock.now
    )
    if (header[Header.Epoch] !== epoch) next.flushAll()
    return memory
  }

  /** Works on other memory from now on, which was made of this one by `resized`. */
  adopt(memory: TableMemory): void {
    memory.countersOf(this.writer).set(this.counters)
    this.enter(memory)
    sharedMemoryReleased()
  }

  private shardOf(hash: number): Shard {
    return this.shards[hash >>> this.shardShift]!
  }

  private enter(memory: TableMemory): void {
    const checksum = new Checksum(memory)
    const shardBits = Math.log2(memory.shards)
    const { header } = memory
    this.memory = memory
    this.clock = new SharedClock(memory, this.source, this.writer)
    this.hasher = new NameHash(header[Header.HashKey]!, header[Header.HashKey + 1]!)
    this.reader = new Reader(checksum)
    this.hit = new Hit(this.reader.entry.wire)
    this.counters = memory.countersOf(this.writer)
    this.shardShift = 32 - shardBits
    this.shards = Array.from(
      { length: memory.shards },
      (_, shard) =>
        new Shard(memory.shardMemory(shard), header, shardBits, checksum, this.writer, () => {
          this.counters[TableStat.Evictions]!++
          this.onEviction()
        })
    )
  }
}
