/**
 * What all threads of a process know together of the upstreams, in one `SharedArrayBuffer`:
 *
 * ```
 *   common      when a query found no upstream to ask, and how many health checks may still be sent
 *   upstream 0  a cache line: breaker, probe lease │ a cache line: latency, flags │ a question that it has answered
 *   upstream 1  …
 * ```
 *
 * The slot of an upstream is found by a hash of its key: the first thread that knows the upstream takes a free slot,
 * the others find it there. What decides anything is a word, changed by an atomic operation. Times and estimates are
 * doubles at multiples of 8 octets, which a 64-bit processor writes in one piece. Where two threads write at once one
 * value is lost, as if that answer had not been seen (docs/decisions/0016-shared-breakers.md).
 *
 * Times are those of the monotonic clock, which all threads of a process share.
 */
import { Context } from "effect"
import type { Settings } from "../../config/schema/settings.ts"
import { stableHash } from "../../runtime/stable-hash.ts"

/** The fault of an attempt that no answer came to; otherwise the fault is the rcode of the answer. */
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
/** Words behind them. */
export const Flag = { Drained: 0, Silent: 1 } as const
const FLAGS = 2
/** What is common to all upstreams. */
export const Common = { Demand: 0, Room: 1, RoomAt: 2 } as const
const COMMON = 3

export interface UpstreamState {
  readonly words: Int32Array
  readonly times: Float64Array
  readonly estimates: Float64Array
  readonly flags: Int32Array
  /** `KnownQuestion`. */
  readonly question: Uint8Array
}

/** Room for so many upstreams of which nothing is known yet. */
export const upstreamMemory = (upstreams: number): SharedArrayBuffer => {
  const memory = new SharedArrayBuffer(LINE_OCTETS + upstreams * OCTETS_PER_UPSTREAM)
  const common = commonState(memory)
  common[Common.Demand] = Number.NEGATIVE_INFINITY
  common[Common.RoomAt] = Number.NEGATIVE_INFINITY
  for (let slot = 0; slot < upstreams; slot++) forget(upstreamStateAt(memory, slot))
  return memory
}

/** Of an upstream of which nothing is known. Its identity stays. */
const forget = ({ words, times, estimates, flags, question }: UpstreamState): void => {
  words.fill(0, 0, Word.Identity)
  words[Word.Fault] = SILENCE
  times.fill(Number.NEGATIVE_INFINITY)
  estimates[Estimate.Mean] = -1
  estimates[Estimate.Cost] = -1
  estimates[Estimate.Observed] = Number.NEGATIVE_INFINITY
  flags.fill(0)
  question.fill(0)
}

/** Slots for system resolvers that come into use later. */
const SPARE_SLOTS = 128

/** Upstreams that a configuration has at most; those in several groups are counted more than once. */
export const slotsFor = ({ upstreams, groups }: Pick<Settings, "upstreams" | "groups">): number =>
  groups.reduce((sum, group) => sum + group.upstreams.length, upstreams.length) + SPARE_SLOTS

export const commonState = (memory: SharedArrayBuffer): Float64Array => new Float64Array(memory, 0, COMMON)

/** @param slot of the upstream, from 0 */
export const upstreamStateAt = (memory: SharedArrayBuffer, slot: number): UpstreamState => {
  const start = LINE_OCTETS + slot * OCTETS_PER_UPSTREAM
  return {
    words: new Int32Array(memory, start, WORDS),
    times: new Float64Array(memory, start + WORDS * Int32Array.BYTES_PER_ELEMENT, TIMES),
    estimates: new Float64Array(memory, start + LINE_OCTETS, ESTIMATES),
    flags: new Int32Array(memory, start + LINE_OCTETS + ESTIMATES * Float64Array.BYTES_PER_ELEMENT, FLAGS),
    question: new Uint8Array(memory, start + 2 * LINE_OCTETS, KNOWN_QUESTION_OCTETS)
  }
}

/**
 * The slot of the upstream with this key, the same for all threads. Where no slot is left the state is this thread's
 * own.
 *
 * @param taken slots that this thread uses for other upstreams
 */
export const claimSlot = (
  memory: SharedArrayBuffer,
  key: string,
  taken: ReadonlySet<number>
): { readonly slot: number; readonly state: UpstreamState } => {
  const identity = identityOf(key)
  const slots = slotsIn(memory)
  // One before it may have become free since another thread has claimed its slot.
  for (let slot = 0; slot < slots; slot++) {
    const state = upstreamStateAt(memory, slot)
    if (Atomics.load(state.words, Word.Identity) === identity && !taken.has(slot)) return { slot, state }
  }
  for (let slot = 0; slot < slots; slot++) {
    const state = upstreamStateAt(memory, slot)
    const before = Atomics.compareExchange(state.words, Word.Identity, 0, identity)
    if ((before === 0 || before === identity) && !taken.has(slot)) return { slot, state }
  }
  return { slot: slots, state: ownState() }
}

/**
 * Frees the slots of upstreams that no thread uses any more, for others.
 *
 * @param keys of those that are in use
 */
export const freeSlots = (memory: SharedArrayBuffer, keys: Iterable<string>): void => {
  const inUse = new Set(Array.from(keys, identityOf))
  for (let slot = 0; slot < slotsIn(memory); slot++) {
    const state = upstreamStateAt(memory, slot)
    const identity = Atomics.load(state.words, Word.Identity)
    if (identity === 0 || inUse.has(identity)) continue
    forget(state)
    Atomics.store(state.words, Word.Identity, 0)
  }
}

/** The slot that the upstream with this key has; undefined where no thread has asked for it yet. */
export const findSlot = (memory: SharedArrayBuffer, key: string): number | undefined => {
  const identity = identityOf(key)
  for (let slot = 0; slot < slotsIn(memory); slot++) {
    if (Atomics.load(upstreamStateAt(memory, slot).words, Word.Identity) === identity) return slot
  }
  return undefined
}

const identityOf = (key: string): number => stableHash(Buffer.from(key)) | 1

const slotsIn = (memory: SharedArrayBuffer): number => (memory.byteLength - LINE_OCTETS) / OCTETS_PER_UPSTREAM

/** State that no other thread sees. */
export const ownState = (): UpstreamState => upstreamStateAt(upstreamMemory(1), 0)

/** The shared memory, and this thread's number, from 1. */
export interface SharedUpstreams {
  readonly memory: SharedArrayBuffer
  readonly worker: number
}

/** Undefined for a server of one thread. */
export const SharedUpstreams: Context.Reference<SharedUpstreams | undefined> = Context.Reference<
  SharedUpstreams | undefined
>("strand/upstream/SharedUpstreams", { defaultValue: () => undefined })
