/**
 * What all threads of a process know together of the upstreams: one `SharedArrayBuffer`, cut up.
 *
 * ```
 *   common      when somebody found nobody to ask, and the room that is left for probes
 *   upstream 0  a cache line: breaker, probing thread │ a cache line: latency │ a question that it has answered
 *   upstream 1  …
 * ```
 *
 * The place of an upstream is found by a hash of its key: the first thread that knows the upstream takes a free place,
 * the others find it there. What threads decide by is a word, changed by an atomic operation. Times and estimates are
 * doubles of 8 octets in their places, which a processor of 64 bits writes in one piece; where two threads write at
 * once one of them is lost, and what follows is as if its answer had not been seen
 * (docs/decisions/0016-shared-breakers.md).
 *
 * Times are those of the monotonic clock that all threads of a process have in common.
 */
import { Context } from "effect"
import type { Settings } from "../../config/schema.ts"
import { stableHash } from "../../runtime/stable-hash.ts"

/** How an attempt failed that no answer came to; otherwise the rcode that it was answered with. */
export const SILENCE = -1

const LINE_OCTETS = 64
/** A checksum, a type and a name. */
const KNOWN_QUESTION_OCTETS = 5 * LINE_OCTETS
const OCTETS_PER_UPSTREAM = 2 * LINE_OCTETS + KNOWN_QUESTION_OCTETS

/** Words of an upstream's first line. */
export const Word = { State: 0, Fault: 1, Failures: 2, LeaseHolder: 3, Address: 4, Identity: 5 } as const
/** An even number: doubles stand behind them. */
const WORDS = 6
/** Times behind them. */
export const Time = { LastGood: 0, Broken: 1, Trial: 2, LeaseRenewed: 3, Noted: 4 } as const
const TIMES = 5
/** What is in the second line. */
export const Estimate = { Mean: 0, Variation: 1, Cost: 2, Observed: 3 } as const
const ESTIMATES = 4
/** What is common to all upstreams. */
export const Common = { Demand: 0, Room: 1, RoomAt: 2 } as const
const COMMON = 3

export interface UpstreamState {
  readonly words: Int32Array
  readonly times: Float64Array
  readonly estimates: Float64Array
  /** `KnownQuestion`. */
  readonly question: Uint8Array
}

/** Room for so many upstreams of which nothing is known yet. */
export const upstreamMemory = (upstreams: number): SharedArrayBuffer => {
  const memory = new SharedArrayBuffer(LINE_OCTETS + upstreams * OCTETS_PER_UPSTREAM)
  const common = commonState(memory)
  common[Common.Demand] = Number.NEGATIVE_INFINITY
  common[Common.RoomAt] = Number.NEGATIVE_INFINITY
  for (let slot = 0; slot < upstreams; slot++) {
    const { words, times, estimates } = upstreamStateAt(memory, slot)
    words[Word.Fault] = SILENCE
    times.fill(Number.NEGATIVE_INFINITY)
    estimates[Estimate.Mean] = -1
    estimates[Estimate.Cost] = -1
    estimates[Estimate.Observed] = Number.NEGATIVE_INFINITY
  }
  return memory
}

/** Places for resolvers of the system's that come to be asked later. */
const SPARE_SLOTS = 128

/** Upstreams that a configuration has at most; those in several groups are counted more than once. */
export const slotsFor = ({ upstreams, groups }: Pick<Settings, "upstreams" | "groups">): number =>
  groups.reduce((sum, group) => sum + group.upstreams.length, upstreams.length) + SPARE_SLOTS

export const commonState = (memory: SharedArrayBuffer): Float64Array => new Float64Array(memory, 0, COMMON)

/** @param place of the upstream, from 0 */
export const upstreamStateAt = (memory: SharedArrayBuffer, slot: number): UpstreamState => {
  const start = LINE_OCTETS + slot * OCTETS_PER_UPSTREAM
  return {
    words: new Int32Array(memory, start, WORDS),
    times: new Float64Array(memory, start + WORDS * Int32Array.BYTES_PER_ELEMENT, TIMES),
    estimates: new Float64Array(memory, start + LINE_OCTETS, ESTIMATES),
    question: new Uint8Array(memory, start + 2 * LINE_OCTETS, KNOWN_QUESTION_OCTETS)
  }
}

/**
 * The cells of the upstream with this key, the same for all threads. Where no place is left they are this thread's own.
 *
 * @param taken places that this thread has for other upstreams
 */
export const claimSlot = (
  memory: SharedArrayBuffer,
  key: string,
  taken: ReadonlySet<number>
): { readonly slot: number; readonly state: UpstreamState } => {
  const identity = stableHash(Buffer.from(key)) | 1
  const slots = (memory.byteLength - LINE_OCTETS) / OCTETS_PER_UPSTREAM
  for (let slot = 0; slot < slots; slot++) {
    const state = upstreamStateAt(memory, slot)
    const before = Atomics.compareExchange(state.words, Word.Identity, 0, identity)
    if ((before === 0 || before === identity) && !taken.has(slot)) return { slot, state }
  }
  return { slot: slots, state: ownState() }
}

/** Cells that no other thread sees. */
export const ownState = (): UpstreamState => upstreamStateAt(upstreamMemory(1), 0)

/** The memory in which this thread finds what the others know, and its number among them, from 1. */
export interface SharedUpstreams {
  readonly memory: SharedArrayBuffer
  readonly worker: number
}

/** Undefined for a server of one thread, which knows for itself alone. */
export const SharedUpstreams: Context.Reference<SharedUpstreams | undefined> = Context.Reference<
  SharedUpstreams | undefined
>("strand/upstream/SharedUpstreams", { defaultValue: () => undefined })
