/**
 * Answers that are kept, as wire bytes ready to send.
 *
 * Hot path: a lookup reads the name where it stands in the packet, and allocates nothing. In this process's heap; the
 * size is bounded in octets. What goes first is what was not asked again since the hand last passed it (SIEVE,
 * Zhang et al., NSDI 2024): a scan of names asked once does not push out what is asked often.
 */
import { Clock, Context, Effect, Layer } from "effect"
import { Configuration } from "../config/configuration.ts"
import { sameName } from "../dns/name.ts"
import type { Query } from "../dns/query.ts"
import type { Question } from "../dns/question.ts"
import type { AnswerMessage } from "../dns/reply.ts"
import { HEADER_SIZE } from "../dns/wire.ts"
import { Counters } from "../telemetry/counters.ts"
import { AgeingClock } from "./clock.ts"
import { hashName } from "./hash.ts"

/** What an entry takes besides its octets: the object, its place in map and list. Measured on V8, rounded up. */
const ENTRY_OVERHEAD = 256

export class AnswerCache extends Context.Service<
  AnswerCache,
  {
    /** The answer to the query, if one is kept and still lives. Valid until the next lookup. */
    readonly lookup: (query: Query) => AnswerMessage | undefined
    /** The same for a question that is no packet's. */
    readonly peek: (question: Question) => AnswerMessage | undefined
    /** Keeps an answer for `ttlSeconds`; 0 keeps nothing. */
    readonly store: (question: Question, wire: Uint8Array, ttlSeconds: number) => void
    /** Octets in use, as bounded by `cache_size_mb`. */
    readonly size: () => number
  }
>()("strand/cache/AnswerCache") {
  static readonly layer: Layer.Layer<AnswerCache, never, Configuration | Counters> = Layer.effect(
    AnswerCache,
    Effect.gen(function* () {
      const config = yield* Configuration
      const counters = yield* Counters
      const clock = new AgeingClock(yield* Clock.clockWith(Effect.succeed))
      if (!config.enableCaching) return disabled
      const table = new Table(config.cacheSizeMb * 1024 * 1024, clock, () => counters.add("cache.evictions"))
      return AnswerCache.of({
        lookup: (query) =>
          table.lookup(
            query.wire,
            HEADER_SIZE,
            query.nameLength,
            query.type,
            flagsOf(query.dnssecOk, query.checkingDisabled)
          ),
        peek: (question) =>
          table.lookup(
            question.name,
            0,
            question.name.length,
            question.type,
            flagsOf(question.dnssecOk, question.checkingDisabled)
          ),
        store: (question, wire, ttlSeconds) => table.store(question, wire, ttlSeconds),
        size: () => table.size
      })
    })
  )
}

const disabled: AnswerCache["Service"] = {
  lookup: () => undefined,
  peek: () => undefined,
  store: () => {},
  size: () => 0
}

const flagsOf = (dnssecOk: boolean, checkingDisabled: boolean): number =>
  (dnssecOk ? 1 : 0) | (checkingDisabled ? 2 : 0)

interface Entry {
  readonly wire: Uint8Array
  readonly nameLength: number
  readonly type: number
  readonly flags: number
  readonly hash: number
  readonly storedMs: number
  readonly expiresMs: number
  turn: number
  wasAsked: boolean
  /** The next entry of the same hash. */
  sibling: Entry | undefined
  newer: Entry | undefined
  older: Entry | undefined
}

class Table {
  size = 0
  private readonly capacity: number
  private readonly clock: AgeingClock
  private readonly onEviction: () => void
  private readonly entries = new Map<number, Entry>()
  private newest: Entry | undefined
  private oldest: Entry | undefined
  private hand: Entry | undefined
  private readonly hit = { wire: new Uint8Array(0) as Uint8Array, length: 0, ageSeconds: 0, turn: 0 }

  constructor(capacity: number, clock: AgeingClock, onEviction: () => void) {
    this.capacity = capacity
    this.clock = clock
    this.onEviction = onEviction
  }

  lookup(wire: Uint8Array, at: number, length: number, type: number, flags: number): AnswerMessage | undefined {
    const entry = this.find(wire, at, length, type, flags)
    if (entry === undefined) return undefined
    const nowMs = this.clock.nowMs()
    if (nowMs >= entry.expiresMs) {
      this.remove(entry)
      return undefined
    }
    entry.wasAsked = true
    this.hit.wire = entry.wire
    this.hit.length = entry.wire.length
    this.hit.ageSeconds = Math.floor((nowMs - entry.storedMs) / 1000)
    this.hit.turn = entry.turn++
    return this.hit
  }

  store(question: Question, wire: Uint8Array, ttlSeconds: number): void {
    const cost = wire.length + ENTRY_OVERHEAD
    if (ttlSeconds <= 0 || cost > this.capacity) return
    const { name, type } = question
    const flags = flagsOf(question.dnssecOk, question.checkingDisabled)
    const present = this.find(name, 0, name.length, type, flags)
    if (present !== undefined) this.remove(present)
    while (this.size + cost > this.capacity) this.evict()
    const storedMs = this.clock.nowMs()
    const hash = hashOf(name, 0, name.length, type, flags)
    const entry: Entry = {
      wire,
      nameLength: name.length,
      type,
      flags,
      hash,
      storedMs,
      expiresMs: storedMs + ttlSeconds * 1000,
      turn: 1,
      wasAsked: false,
      sibling: this.entries.get(hash),
      newer: undefined,
      older: this.newest
    }
    this.entries.set(hash, entry)
    if (this.newest !== undefined) this.newest.newer = entry
    this.newest = entry
    this.oldest ??= entry
    this.size += cost
  }

  private find(wire: Uint8Array, at: number, length: number, type: number, flags: number): Entry | undefined {
    let entry = this.entries.get(hashOf(wire, at, length, type, flags))
    while (entry !== undefined) {
      const same =
        entry.nameLength === length &&
        entry.type === type &&
        entry.flags === flags &&
        sameName(entry.wire, HEADER_SIZE, wire, at, length)
      if (same) return entry
      entry = entry.sibling
    }
    return undefined
  }

  /** The hand goes from old to new: what was asked since it last came by stays, the first that was not goes. */
  private evict(): void {
    let entry = this.hand ?? this.oldest
    while (entry?.wasAsked) {
      entry.wasAsked = false
      entry = entry.newer ?? this.oldest
    }
    if (entry === undefined) return
    this.hand = entry.newer
    this.remove(entry)
    this.onEviction()
  }

  private remove(entry: Entry): void {
    const head = this.entries.get(entry.hash)
    if (head === entry) {
      if (entry.sibling === undefined) this.entries.delete(entry.hash)
      else this.entries.set(entry.hash, entry.sibling)
    } else {
      let before = head
      while (before !== undefined && before.sibling !== entry) before = before.sibling
      if (before !== undefined) before.sibling = entry.sibling
    }
    if (this.hand === entry) this.hand = entry.newer
    if (entry.newer === undefined) this.newest = entry.older
    else entry.newer.older = entry.older
    if (entry.older === undefined) this.oldest = entry.newer
    else entry.older.newer = entry.newer
    this.size -= entry.wire.length + ENTRY_OVERHEAD
  }
}

const hashOf = (wire: Uint8Array, at: number, length: number, type: number, flags: number): number =>
  hashName(wire, at, length, (type << 2) | flags)
