/**
 * A circuit breaker: keeps queries from an upstream that does not answer.
 *
 * Closed: all questions pass. Several failures in a row only make the upstream suspect, for one zone that nobody can
 * resolve may be the reason. The caller that reported the failure then has the upstream checked (`monitor.ts`), and
 * reports the result. Open: no question passes. HalfOpen: one question is under way as a trial; its answer closes the
 * breaker.
 *
 * All threads of a process share it: its state is one word in shared memory, each transition one atomic operation on
 * it, and only the thread that made a transition is told so. A thread that dies leaves a state that the others can go
 * on from: a trial whose end nobody reports is over after a time.
 *
 * Pure: it is told the time.
 */
import { Flag, ownState, SILENCE, Time, type UpstreamState, Word } from "./shared-state.ts"

export { SILENCE } from "./shared-state.ts"

/** Failures in a row after which the upstream is suspect. */
const THRESHOLD = 5
/** An upstream that answered well within this time is not suspect. */
const RECENT_MS = 500
/** The time between two trials of an upstream that answers with errors. */
const BETWEEN_TRIALS_MS = 1_500
/** After this time a trial is over though nobody reported its end: its thread is gone, or waits for very long. */
const TRIAL_MS = 5_000
/** The shortest time between two notes of a good answer: threads that write to one place slow each other down. */
const GRAIN_MS = 10

export type BreakerState = "Closed" | "Open" | "HalfOpen"

const CLOSED = 0
const OPEN = 1
const HALF_OPEN = 2
const STATES: ReadonlyArray<BreakerState> = ["Closed", "Open", "HalfOpen"]

/** Told of an upstream that has become broken or well, by the thread that found it out. */
export type OnTransition = (to: "Closed" | "Open") => void

export class Breaker {
  private readonly words: Int32Array
  private readonly times: Float64Array
  private readonly flags: Int32Array
  private readonly onTransition: OnTransition

  constructor({ words, times, flags }: UpstreamState = ownState(), onTransition: OnTransition = () => {}) {
    this.words = words
    this.times = times
    this.flags = flags
    this.onTransition = onTransition
  }

  get state(): BreakerState {
    return STATES[Atomics.load(this.words, Word.State)]!
  }

  /** Read for every question asked upstream: a plain read, which may be a moment behind. */
  get isClosed(): boolean {
    return this.words[Word.State] === CLOSED
  }

  /** The reason why it is suspect or open: an rcode or `SILENCE`, of the last failure that any thread noted. */
  get fault(): number {
    return this.words[Word.Fault]!
  }

  /** Whether it has answered any question well since then, a few milliseconds more or less. */
  hasAnsweredSince(ms: number): boolean {
    return this.times[Time.LastGood]! >= ms
  }

  /**
   * Whether a trial may be sent now although other upstreams could be asked.
   *
   * An upstream that answers, if only with errors, costs next to nothing to try, so a question is tried from time to
   * time. A silent one is left to the health check.
   */
  mayTry(nowMs: number): boolean {
    const state = Atomics.load(this.words, Word.State)
    if (state === CLOSED || (state === HALF_OPEN && nowMs - this.times[Time.Trial]! < TRIAL_MS)) return false
    if (this.flags[Flag.Silent] !== 0) return false
    return this.fault !== SILENCE && nowMs - this.times[Time.Broken]! >= BETWEEN_TRIALS_MS
  }

  /** A question is sent as a trial. Where two threads send one at the same time, either of them may end it. */
  beginTrial(nowMs: number): void {
    this.times[Time.Trial] = nowMs
    Atomics.compareExchange(this.words, Word.State, OPEN, HALF_OPEN)
  }

  /** It has said anything at all. */
  onHeard(): void {
    if (this.flags[Flag.Silent] !== 0) this.flags[Flag.Silent] = 0
  }

  onGoodAnswer(nowMs: number): void {
    this.onHeard()
    if (nowMs - this.times[Time.LastGood]! >= GRAIN_MS) this.times[Time.LastGood] = nowMs
    this.forgetFailures()
    if (this.isClosed) return
    if (Atomics.exchange(this.words, Word.State, CLOSED) !== CLOSED) this.onTransition("Closed")
  }

  /** The upstream answered with an error that shows only that it is there. */
  onError(nowMs: number): void {
    this.onHeard()
    if (this.isClosed) {
      if (this.fault === SILENCE) this.forgetFailures()
    } else if (this.fault === SILENCE) {
      this.onGoodAnswer(nowMs)
    } else {
      this.onUndecided()
    }
  }

  /**
   * A question failed; `fault` says how.
   *
   * @returns whether the upstream has become suspect and should be checked
   */
  onFailure(nowMs: number, fault: number): boolean {
    if (!this.isClosed) {
      if (this.state !== "HalfOpen") return false
      // What answered with errors may be silent by now: then it is left to the health check, until it says anything.
      if (fault === SILENCE) this.flags[Flag.Silent] = 1
      this.remainOpen(nowMs)
      return false
    }
    this.words[Word.Fault] = fault
    return Atomics.add(this.words, Word.Failures, 1) + 1 >= THRESHOLD && nowMs - this.times[Time.LastGood]! > RECENT_MS
  }

  /** A trial ended without a result. */
  onUndecided(): void {
    if (!this.isClosed) Atomics.compareExchange(this.words, Word.State, HALF_OPEN, OPEN)
  }

  /** The check found it broken. */
  open(nowMs: number): void {
    this.times[Time.Broken] = nowMs
    this.onHeard()
    this.forgetFailures()
    if (Atomics.exchange(this.words, Word.State, OPEN) === CLOSED) this.onTransition("Open")
  }

  /** Another check found it broken; a breaker that was closed meanwhile stays closed. */
  remainOpen(nowMs: number): void {
    this.times[Time.Broken] = nowMs
    this.onUndecided()
  }

  private forgetFailures(): void {
    if (this.words[Word.Failures] !== 0) Atomics.store(this.words, Word.Failures, 0)
  }
}
