/**
 * Writes the ring of one thread.
 *
 * Hot path: a hit costs one slot of plain stores.
 */
import { Context, Effect, Layer } from "effect"
import { Configuration, ofCurrent } from "../../config/configuration.ts"
import { Rcode } from "../../dns/codes.ts"
import type { Query } from "../../dns/query.ts"
import type { Question } from "../../dns/question.ts"
import { HEADER_SIZE } from "../../dns/wire.ts"
import type { Peer } from "../../io/peer.ts"
import { LoopClock } from "../../runtime/loop-clock.ts"
import { isLogging } from "../query-log/plan.ts"
import { type QueryOutcome, queryOutcomes } from "../query-outcome.ts"
import type { AttemptRecord, ClientProtocol, QueryRecord } from "../record.ts"
import { SlowQueries } from "../slow-queries.ts"
import { nowhere, type QueryNotes, RecentQueries } from "./notes.ts"
import {
  ATTEMPT_OCTETS,
  attemptCells,
  BY_TCP,
  Double,
  Float,
  HAS_REPLY,
  HAS_WAITED,
  IS_COALESCED,
  IS_IPV4,
  IS_SHARED,
  lengthsOf,
  NAME_AT,
  NOTABLE_AT,
  NOTABLE_COUNT_AT,
  NOTABLE_SLOTS,
  outcomeCells,
  PROTOCOL_BITS,
  protocolCells,
  ROOM_OCTETS,
  SLOT_OCTETS,
  SLOTS_AT,
  slotAt,
  Word
} from "./ring.ts"

/** The ring of this thread; undefined where nobody reads it. */
export const RecentMemory: Context.Reference<SharedArrayBuffer | undefined> = Context.Reference<
  SharedArrayBuffer | undefined
>("strand/telemetry/RecentMemory", { defaultValue: () => undefined })

/** Writes the ring of this thread, while the configuration says so: for the admin side, or for the query log. */
export const layerRecentQueries: Layer.Layer<never, never, Configuration | LoopClock> = Layer.effect(
  RecentQueries,
  Effect.gen(function* () {
    const memory = yield* RecentMemory
    const configuration = yield* Configuration
    const clock = yield* LoopClock
    if (memory === undefined) return nowhere
    const isOn = ofCurrent(configuration, (settings) => settings.recentQueries || isLogging(settings))
    const slow = yield* SlowQueries
    return new RecentQueryWriter(memory, clock.wallMs, isOn, (durationMs) => slow.isExceededBy(durationMs))
  })
).pipe(Layer.provide(SlowQueries.layer))

/** The duration of a query whose batch is not over yet. */
const UNKNOWN = -1
const encoder = new TextEncoder()

const words = new Uint32Array(4)

/** What one thread writes. */
export class RecentQueryWriter implements QueryNotes {
  /** How many were written, and which of them are notable. */
  private readonly head: Int32Array
  private readonly octets: Uint8Array
  private readonly words: Int32Array
  private readonly doubles: Float64Array
  private readonly floats: Float32Array
  private readonly view: DataView
  private readonly wallMs: (ms: number) => number
  private readonly isOn: () => boolean
  private readonly isSlow: (durationMs: number) => boolean
  private next: number
  private nextNotable: number
  /** The first that was noted in this batch. */
  private batchFrom: number

  /**
   * @param wallMs milliseconds since 1970 of a time of the loop clock
   * @param isOn whether anything is to be written
   * @param isSlow whether a query that took so many milliseconds is slow
   */
  constructor(
    memory: SharedArrayBuffer,
    wallMs: (ms: number) => number,
    isOn: () => boolean,
    isSlow: (durationMs: number) => boolean
  ) {
    this.head = new Int32Array(memory, 0, NOTABLE_AT + NOTABLE_SLOTS)
    this.octets = new Uint8Array(memory, SLOTS_AT)
    this.words = new Int32Array(memory, SLOTS_AT)
    this.doubles = new Float64Array(memory, SLOTS_AT)
    this.floats = new Float32Array(memory, SLOTS_AT)
    this.view = new DataView(memory, SLOTS_AT)
    this.wallMs = wallMs
    this.isOn = isOn
    this.isSlow = isSlow
    // One that a thread before this one was in the middle of is written again.
    this.next = this.head[0]!
    this.nextNotable = this.head[NOTABLE_COUNT_AT]!
    this.batchFrom = this.next
  }

  note(
    client: Peer,
    protocol: ClientProtocol,
    query: Query,
    outcome: QueryOutcome,
    rcode: number,
    replySize: number,
    startedMs: number
  ): void {
    if (!this.isOn()) return
    const start = this.begin(client, protocol, query.type, outcome, rcode, replySize, startedMs, 0)
    const length = Math.min(query.nameLength, ROOM_OCTETS)
    const { wire } = query
    const { octets } = this
    const to = start + NAME_AT
    for (let i = 0; i < length; i++) octets[to + i] = wire[HEADER_SIZE + i]!
    const { clientName } = client
    const clientOctets = clientName === undefined ? 0 : this.writeText(clientName, to + length, start + SLOT_OCTETS)
    this.words[(start >> 2) + Word.Lengths] = lengthsOf(length, 0, 0, clientOctets)
    if (isFailed(outcome, rcode)) this.noteNotable(this.next - 1)
  }

  noteRecord(client: Peer, record: QueryRecord, replySize: number): void {
    if (!this.isOn()) return
    const { question, resolution, rcode, outcome, startedMs, endedMs } = record
    const start = this.begin(
      client,
      record.transport,
      question.type,
      outcome,
      rcode,
      replySize,
      startedMs,
      HAS_WAITED | (record.coalesced ? IS_COALESCED : 0) | (resolution?.isShared === true ? IS_SHARED : 0)
    )
    const float = start >> 2
    this.doubles[(start >> 3) + Double.Duration] = endedMs - startedMs
    this.floats[float + Float.LookedUp] = record.lookedUpMs - startedMs
    this.floats[float + Float.Admitted] = record.admittedMs === 0 ? 0 : record.admittedMs - startedMs
    const toldMs = resolution === undefined || resolution.endedMs === 0 ? endedMs : resolution.endedMs
    this.floats[float + Float.Asked] = resolution === undefined ? 0 : resolution.startedMs - startedMs
    this.floats[float + Float.Told] = resolution === undefined ? 0 : toldMs - startedMs
    const name = this.writeName(question, start + NAME_AT)
    const { clientName } = client
    const behindName = start + NAME_AT + name
    const clientOctets = clientName === undefined ? 0 : this.writeText(clientName, behindName, start + SLOT_OCTETS)
    let used = name + clientOctets
    let attempts = 0
    if (resolution !== undefined) {
      for (const attempt of resolution.attempts) {
        if (used + ATTEMPT_OCTETS > ROOM_OCTETS) break
        this.writeAttempt(attempt, start + NAME_AT + used, startedMs, endedMs)
        used += ATTEMPT_OCTETS
        attempts++
      }
    }
    const error = record.error === "" ? 0 : this.writeText(record.error, start + NAME_AT + used, start + SLOT_OCTETS)
    this.words[(start >> 2) + Word.Lengths] = lengthsOf(name, attempts, error, clientOctets)
    if (isFailed(outcome, rcode) || (isTimed(outcome) && this.isSlow(endedMs - startedMs))) {
      this.noteNotable(this.next - 1)
    }
    if (this.batchFrom === ((this.next - 1) | 0)) this.publish()
  }

  endBatch(durationMs: number): void {
    const isSlow = this.isSlow(durationMs)
    for (let at = this.batchFrom; at !== this.next; at = (at + 1) | 0) {
      const start = slotAt(at)
      const double = (start >> 3) + Double.Duration
      if (this.doubles[double] !== UNKNOWN) continue
      this.doubles[double] = durationMs
      if (isSlow && this.isSlowToBeNoted(start)) this.noteNotable(at)
    }
    this.publish()
  }

  /** Whether a slow query is not noted yet: one that failed is. */
  private isSlowToBeNoted(start: number): boolean {
    const numbers = this.words[(start >> 2) + Word.Numbers]!
    const outcome = queryOutcomes[numbers >>> 24]!
    return isTimed(outcome) && !isFailed(outcome, (numbers >>> 16) & 0xff)
  }

  private noteNotable(sequence: number): void {
    this.head[NOTABLE_AT + (this.nextNotable & (NOTABLE_SLOTS - 1))] = sequence
    this.nextNotable = (this.nextNotable + 1) | 0
  }

  private publish(): void {
    if (this.batchFrom === this.next) return
    this.batchFrom = this.next
    Atomics.store(this.head, 0, this.next)
    // Behind the count: whose number is read can be read.
    if (this.head[NOTABLE_COUNT_AT] !== this.nextNotable) Atomics.store(this.head, NOTABLE_COUNT_AT, this.nextNotable)
  }

  /** @returns where the slot begins, in octets */
  private begin(
    client: Peer,
    protocol: ClientProtocol,
    type: number,
    outcome: QueryOutcome,
    rcode: number,
    replySize: number,
    startedMs: number,
    flags: number
  ): number {
    const start = slotAt(this.next)
    this.next = (this.next + 1) | 0
    const double = start >> 3
    this.doubles[double + Double.StartedAt] = this.wallMs(startedMs)
    this.doubles[double + Double.Duration] = UNKNOWN
    const word = start >> 2
    const own = this.words
    const isIPv4 = client.readWords(words)
    own[word + Word.Numbers] = type | ((rcode & 0xff) << 16) | (outcomeCells[outcome] << 24)
    own[word + Word.Client] =
      client.port |
      flags |
      (isIPv4 ? IS_IPV4 : 0) |
      (rcode < 0 ? 0 : HAS_REPLY) |
      (protocolCells[protocol] << PROTOCOL_BITS)
    own[word + Word.Sizes] = replySize
    own[word + Word.Address + 3] = words[3]!
    if (!isIPv4) {
      own[word + Word.Address] = words[0]!
      own[word + Word.Address + 1] = words[1]!
      own[word + Word.Address + 2] = words[2]!
    }
    return start
  }

  private writeName({ name }: Question, to: number): number {
    const length = Math.min(name.length, ROOM_OCTETS)
    for (let i = 0; i < length; i++) this.octets[to + i] = name[i]!
    return length
  }

  private writeText(text: string, from: number, to: number): number {
    return encoder.encodeInto(text, this.octets.subarray(from, to)).written
  }

  private writeAttempt(attempt: AttemptRecord, at: number, startedMs: number, endedMs: number): void {
    const view = this.view
    view.setUint16(at, attempt.upstream.slot)
    view.setUint8(at + 2, attemptCells[attempt.outcome] | (attempt.transport === "tcp" ? BY_TCP : 0))
    view.setInt8(at + 3, attempt.rcode)
    view.setFloat32(at + 4, attempt.startedMs - startedMs)
    view.setFloat32(at + 8, (attempt.endedMs === 0 ? endedMs : attempt.endedMs) - startedMs)
  }
}

/** Whether a query is kept longer however fast it was: it failed, or got an answer past its life. */
const isFailed = (outcome: QueryOutcome, rcode: number): boolean =>
  outcome === "failure" || outcome === "stale" || (isTimed(outcome) && rcode === Rcode.ServFail)

/** Whether a query is kept longer where it was slow: it was looked for in the cache, or upstream. */
const isTimed = (outcome: QueryOutcome): boolean => outcome === "hit" || outcome === "miss"
