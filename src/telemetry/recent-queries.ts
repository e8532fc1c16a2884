/**
 * The last queries of each thread, in memory that the supervisor reads: what was asked, by whom, what came of it.
 *
 * A ring of slots of one size. The thread writes a slot for each query and tells how many it has written once for a
 * batch; the reader copies slots and then looks whether the writer has come round meanwhile. Neither waits for the other.
 *
 * ```
 *   count │ slot 0: times, numbers, address │ name │ attempts │ error │ slot 1 …
 * ```
 *
 * Hot path: a hit costs one slot of plain stores.
 */
import { Context, Effect, Layer } from "effect"
import { Configuration, ofCurrent } from "../config/configuration.ts"
import { Rcode } from "../dns/codes.ts"
import type { Query } from "../dns/query.ts"
import type { Question } from "../dns/question.ts"
import { HEADER_SIZE } from "../dns/wire.ts"
import type { Peer } from "../io/peer.ts"
import { LoopClock } from "../runtime/loop-clock.ts"
import { isLogging } from "./query-log/plan.ts"
import { type QueryOutcome, queryOutcomes } from "./query-outcome.ts"
import type { AttemptOutcome, AttemptRecord, ClientProtocol, QueryRecord } from "./record.ts"

/** A power of two, and more than are shown: those beyond are what a writer may be in the middle of. */
const SLOTS = 16_384
/** Queries that a reader may look back at. */
export const RECENT_QUERIES = 10_000
const SLOT_OCTETS = 256
const HEAD_OCTETS = 64
/** Where in a slot its name begins; behind it the attempts, and what went wrong: what has no room is cut. */
const NAME_AT = 64
const ROOM_OCTETS = SLOT_OCTETS - NAME_AT
/** Octets of a name at most; what is longer is cut. */
export const RING_NAME_OCTETS = ROOM_OCTETS
/** An attempt: the upstream's slot, outcome and transport, rcode, and when it began and ended. */
const ATTEMPT_OCTETS = 12

export const recentMemory = (): SharedArrayBuffer => new SharedArrayBuffer(HEAD_OCTETS + SLOTS * SLOT_OCTETS)

/** Doubles of a slot. */
const Double = { StartedAt: 0, Duration: 1 } as const
/** Words of a slot, behind the doubles. */
const Word = { Numbers: 4, Client: 5, Sizes: 6, Lengths: 7, Address: 8 } as const
/** Single floats of a slot of a query that waited: milliseconds from its start; 0 for what did not happen. */
const Float = { LookedUp: 12, Admitted: 13, Asked: 14, Told: 15 } as const

const outcomeCells = Object.fromEntries(queryOutcomes.map((name, cell) => [name, cell])) as Record<QueryOutcome, number>

const attemptOutcomes = [
  "waiting",
  "answered",
  "timeout",
  "overtaken",
  "network-error",
  "error-response",
  "garbage"
] as const satisfies ReadonlyArray<AttemptOutcome>
const attemptCells = Object.fromEntries(attemptOutcomes.map((name, cell) => [name, cell])) as Record<
  AttemptOutcome,
  number
>
/** Beside the outcome of an attempt. */
const BY_TCP = 0x80

const protocols = ["udp", "tcp"] as const satisfies ReadonlyArray<ClientProtocol>

/** Bits of the word `Client`, beside the port. */
const IS_IPV4 = 1 << 16
const IS_COALESCED = 1 << 17
const IS_SHARED = 1 << 18
const HAS_REPLY = 1 << 19
const HAS_WAITED = 1 << 20
const PROTOCOL_BITS = 24

/** One question to one upstream; times are milliseconds from the start of the query. */
export interface RecentAttempt {
  /** The upstream's slot (`Counters.upstreamAt`). */
  readonly upstream: number
  readonly transport: "udp" | "tcp"
  readonly outcome: AttemptOutcome
  /** -1 where no reply came. */
  readonly rcode: number
  readonly startedMs: number
  readonly endedMs: number
}

/** One of the last queries. */
export interface RecentQuery {
  /** Counts up within the thread. */
  readonly sequence: number
  /** Milliseconds since 1970. */
  readonly startedAtMs: number
  readonly durationMs: number
  /** Wire form, as it was asked; cut after 192 octets; empty where no question could be read. */
  readonly name: Uint8Array
  readonly type: number
  /** Four words of an IPv6 address, or an IPv4 address in the last. */
  readonly address: readonly [number, number, number, number]
  readonly isIPv4: boolean
  readonly port: number
  readonly protocol: ClientProtocol
  readonly outcome: QueryOutcome
  /** -1 where it got no reply. */
  readonly rcode: number
  /** Octets. */
  readonly replySize: number
  /** It shared the exchange of an equal question. */
  readonly isCoalesced: boolean
  /** The answer came from the tier that servers share. */
  readonly isShared: boolean
  /** When the cache had been asked, and when it was let in to wait: milliseconds from its start; 0 where it was not. */
  readonly lookedUpMs: number
  readonly admittedMs: number
  /** When upstreams, or the shared tier, were asked and had answered: milliseconds from its start; both 0 where not. */
  readonly askedMs: number
  readonly toldMs: number
  /** The first of them, as many as there was room for. */
  readonly attempts: ReadonlyArray<RecentAttempt>
  /** Why it failed; empty where it did not. */
  readonly error: string
}

/** Where the path of queries says what came of each. */
export interface QueryNotes {
  /** Of a query that is over within its batch. */
  readonly note: (
    client: Peer,
    protocol: ClientProtocol,
    query: Query,
    outcome: QueryOutcome,
    rcode: number,
    replySize: number,
    startedMs: number
  ) => void
  /** Of one that waited. */
  readonly noteRecord: (client: Peer, record: QueryRecord, replySize: number) => void
  /** The batch is over: those that were noted without a duration took so long. */
  readonly endBatch: (durationMs: number) => void
}

const nowhere: QueryNotes = { note: () => {}, noteRecord: () => {}, endBatch: () => {} }

/** Nobody looks at them, unless a layer provides a ring. */
export const RecentQueries: Context.Reference<QueryNotes> = Context.Reference("strand/telemetry/RecentQueries", {
  defaultValue: () => nowhere
})

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
    return new RecentQueryWriter(memory, clock.wallMs(0), isOn)
  })
)

const words = new Uint32Array(4)

/** What one thread writes. */
export class RecentQueryWriter implements QueryNotes {
  private readonly count: Int32Array
  private readonly octets: Uint8Array
  private readonly words: Int32Array
  private readonly doubles: Float64Array
  private readonly floats: Float32Array
  private readonly view: DataView
  private readonly wallOffsetMs: number
  private readonly isOn: () => boolean
  private next: number
  /** The first that was noted in this batch. */
  private batchFrom: number

  /**
   * @param wallOffsetMs what a time of the loop clock lacks to be milliseconds since 1970
   * @param isOn whether anything is to be written
   */
  constructor(memory: SharedArrayBuffer, wallOffsetMs: number, isOn: () => boolean) {
    this.count = new Int32Array(memory, 0, 1)
    this.octets = new Uint8Array(memory, HEAD_OCTETS)
    this.words = new Int32Array(memory, HEAD_OCTETS)
    this.doubles = new Float64Array(memory, HEAD_OCTETS)
    this.floats = new Float32Array(memory, HEAD_OCTETS)
    this.view = new DataView(memory, HEAD_OCTETS)
    this.wallOffsetMs = wallOffsetMs
    this.isOn = isOn
    // One that a thread before this one was in the middle of is written again.
    this.next = this.count[0]!
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
    this.words[(start >> 2) + Word.Lengths] = length
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
    let used = name
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
    this.words[(start >> 2) + Word.Lengths] = name | (attempts << 8) | (error << 16)
    if (this.batchFrom === ((this.next - 1) | 0)) this.publish()
  }

  endBatch(durationMs: number): void {
    for (let at = this.batchFrom; at !== this.next; at = (at + 1) | 0) {
      const double = ((at & (SLOTS - 1)) * SLOT_OCTETS) >> 3
      if (this.doubles[double + Double.Duration] === UNKNOWN) this.doubles[double + Double.Duration] = durationMs
    }
    this.publish()
  }

  private publish(): void {
    if (this.batchFrom === this.next) return
    this.batchFrom = this.next
    Atomics.store(this.count, 0, this.next)
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
    const start = (this.next & (SLOTS - 1)) * SLOT_OCTETS
    this.next = (this.next + 1) | 0
    const double = start >> 3
    this.doubles[double + Double.StartedAt] = startedMs + this.wallOffsetMs
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
      ((protocol === "udp" ? 0 : 1) << PROTOCOL_BITS)
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

/** The duration of a query whose batch is not over yet. */
const UNKNOWN = -1
const encoder = new TextEncoder()

/** What one thread has written, as another reads it. */
export class RecentQueryReader {
  private readonly count: Int32Array
  private readonly octets: Uint8Array
  private readonly words: Uint32Array
  private readonly doubles: Float64Array
  /** Those before this one are not shown. */
  private first: number | undefined

  constructor(memory: SharedArrayBuffer) {
    this.count = new Int32Array(memory, 0, 1)
    this.octets = new Uint8Array(memory, HEAD_OCTETS)
    this.words = new Uint32Array(memory, HEAD_OCTETS)
    this.doubles = new Float64Array(memory, HEAD_OCTETS)
  }

  /** Numbers come round: what is out of the ring need not be hidden any more. */
  private isHidden(sequence: number, first: number): boolean {
    if (((this.written() - first) | 0) > RECENT_QUERIES) this.first = undefined
    return ((sequence - first) | 0) < 0
  }

  /** Shows nothing of what has been written so far. */
  hide(): void {
    this.first = this.written()
  }

  /** Whether the query of this number is one to be kept longer: it failed, was slow, or got an answer past its life. */
  isNotable(sequence: number, slowMs: number): boolean {
    const start = (sequence & (SLOTS - 1)) * SLOT_OCTETS
    const numbers = this.words[(start >> 2) + Word.Numbers]!
    const outcome = queryOutcomes[numbers >>> 24]
    if (outcome === "failure" || outcome === "stale") return true
    if (outcome !== "miss" && outcome !== "hit") return false
    return ((numbers >>> 16) & 0xff) === Rcode.ServFail || this.doubles[(start >> 3) + Double.Duration]! >= slowMs
  }

  /** How many have been written, round and round in 32 bits. */
  written(): number {
    return Atomics.load(this.count, 0)
  }

  /** The query of this number; undefined where it has been written over, or where there was none. */
  read(sequence: number): RecentQuery | undefined {
    const start = (sequence & (SLOTS - 1)) * SLOT_OCTETS
    // A copy: what is decoded does not change meanwhile.
    copied.octets.set(this.octets.subarray(start, start + SLOT_OCTETS))
    const behind = (this.written() - sequence) | 0
    if (behind <= 0 || behind > RECENT_QUERIES) return undefined
    if (this.first !== undefined && this.isHidden(sequence, this.first)) return undefined
    return decodeCopied(sequence)
  }
}

/** The slot that was copied last. */
const copied = (() => {
  const memory = new ArrayBuffer(SLOT_OCTETS)
  return {
    octets: new Uint8Array(memory),
    view: new DataView(memory),
    doubles: new Float64Array(memory, 0, 2),
    words: new Uint32Array(memory),
    floats: new Float32Array(memory)
  }
})()

const decodeCopied = (sequence: number): RecentQuery | undefined => {
  const { octets, view, doubles, words: own, floats } = copied
  const numbers = own[Word.Numbers]!
  const client = own[Word.Client]!
  const lengths = own[Word.Lengths]!
  const outcome = queryOutcomes[numbers >>> 24]
  if (outcome === undefined || doubles[Double.StartedAt] === 0) return undefined
  const nameEnd = NAME_AT + (lengths & 0xff)
  const attempts: Array<RecentAttempt> = []
  let at = nameEnd
  for (let left = (lengths >>> 8) & 0xff; left > 0 && at + ATTEMPT_OCTETS <= SLOT_OCTETS; left--) {
    attempts.push(attemptAt(view, at))
    at += ATTEMPT_OCTETS
  }
  const errorEnd = at + (lengths >>> 16)
  const isIPv4 = (client & IS_IPV4) !== 0
  const hasWaited = (client & HAS_WAITED) !== 0
  return {
    sequence,
    startedAtMs: doubles[Double.StartedAt]!,
    durationMs: Math.max(0, doubles[Double.Duration]!),
    name: octets.slice(NAME_AT, nameEnd),
    type: numbers & 0xffff,
    address: [
      isIPv4 ? 0 : own[Word.Address]!,
      isIPv4 ? 0 : own[Word.Address + 1]!,
      isIPv4 ? 0 : own[Word.Address + 2]!,
      own[Word.Address + 3]!
    ],
    isIPv4,
    port: client & 0xffff,
    protocol: protocols[client >>> PROTOCOL_BITS] ?? "udp",
    outcome,
    rcode: (client & HAS_REPLY) === 0 ? -1 : (numbers >>> 16) & 0xff,
    replySize: own[Word.Sizes]!,
    isCoalesced: (client & IS_COALESCED) !== 0,
    isShared: (client & IS_SHARED) !== 0,
    lookedUpMs: hasWaited ? floats[Float.LookedUp]! : 0,
    admittedMs: hasWaited ? floats[Float.Admitted]! : 0,
    askedMs: hasWaited ? floats[Float.Asked]! : 0,
    toldMs: hasWaited ? floats[Float.Told]! : 0,
    attempts,
    error: errorEnd === at ? "" : Buffer.from(copied.octets.buffer, at, errorEnd - at).toString("utf8")
  }
}

const attemptAt = (view: DataView, at: number): RecentAttempt => {
  const kind = view.getUint8(at + 2)
  return {
    upstream: view.getUint16(at),
    transport: (kind & BY_TCP) === 0 ? "udp" : "tcp",
    outcome: attemptOutcomes[kind & ~BY_TCP] ?? "waiting",
    rcode: view.getInt8(at + 3),
    startedMs: view.getFloat32(at + 4),
    endedMs: view.getFloat32(at + 8)
  }
}
