/**
 * A circuit breaker: keeps queries from an upstream that does not answer.
 *
 * Closed: all pass. Failures in a row make it suspect, no more: they may be the questions' own, of one zone that nobody
 * can resolve. Whoever told it of the failure has the upstream checked then (`health.ts`), and says what came of it.
 * Open: none passes. HalfOpen: one question is under way as a trial; its answer closes the breaker.
 *
 * It is the same for all threads of a process: its state is one word in memory that they share, each transition one
 * atomic operation on it, and who made it is told so, nobody else. A thread that dies leaves a state that the others go
 * on from: a trial whose end nobody tells of is over after a time.
 *
 * Pure: it is told the time.
 */
import { ownState, SILENCE, Time, type UpstreamState, Word } from "./shared-state.ts"

export { SILENCE } from "./shared-state.ts"

/** Failures in a row that make it suspect. */
const THRESHOLD = 5
/** An upstream that answered well so short a time ago is not down. */
const RECENT_MS = 500
/** Between two trials of one that answers with errors. */
const BETWEEN_TRIALS_MS = 1_500
/** A trial that nobody told the end of: whoever began it is gone, or waits for very long. */
const TRIAL_MS = 5_000
/** Good answers are noted so often at most: threads that write to one place hold each other up. */
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
  private readonly onTransition: OnTransition

  constructor({ words, times }: UpstreamState = ownState(), onTransition: OnTransition = () => {}) {
    this.words = words
    this.times = times
    this.onTransition = onTransition
  }

  get state(): BreakerState {
    return STATES[Atomics.load(this.words, Word.State)]!
  }

  /** On every miss's way: a plain read, which may be a moment behind. */
  get isClosed(): boolean {
    return this.words[Word.State] === CLOSED
  }

  /** What it is suspected, or open, for: an rcode or `SILENCE`; as the thread saw it that was the last to see a failure. */
  get fault(): number {
    return this.words[Word.Fault]!
  }

  /** Whether it has answered any question well since then, a few milliseconds more or less. */
  hasAnsweredSince(ms: number): boolean {
    return this.times[Time.LastGood]! >= ms
  }

  /**
   * Whether a trial would be let through now that others could be asked too.
   *
   * One that answers, if only with errors, costs next to nothing to try: a question is tried every now and then. One that
   * is silent is left to the probes.
   */
  mayTry(nowMs: number): boolean {
    const state = Atomics.load(this.words, Word.State)
    if (state === CLOSED || (state === HALF_OPEN && nowMs - this.times[Time.Trial]! < TRIAL_MS)) return false
    return this.fault !== SILENCE && nowMs - this.times[Time.Broken]! >= BETWEEN_TRIALS_MS
  }

  /** A question is sent as a trial. Where two threads send one at the same time, either of them may end it. */
  beginTrial(nowMs: number): void {
    this.times[Time.Trial] = nowMs
    Atomics.compareExchange(this.words, Word.State, OPEN, HALF_OPEN)
  }

  onGoodAnswer(nowMs: number): void {
    if (nowMs - this.times[Time.LastGood]! >= GRAIN_MS) this.times[Time.LastGood] = nowMs
    this.forgetFailures()
    if (this.isClosed) return
    if (Atomics.exchange(this.words, Word.State, CLOSED) !== CLOSED) this.onTransition("Closed")
  }

  /** An error that says nothing of the upstream but that it is there. */
  onError(nowMs: number): void {
    if (this.isClosed) {
      if (this.fault === SILENCE) this.forgetFailures()
    } else if (this.fault === SILENCE) {
      this.onGoodAnswer(nowMs)
    } else {
      this.onUndecided()
    }
  }

  /**
   * It failed a question, `fault` being how.
   *
   * @returns whether it has become suspect and ought to be checked
   */
  onFailure(nowMs: number, fault: number): boolean {
    if (!this.isClosed) {
      if (this.state === "HalfOpen") this.remainOpen(nowMs)
      return false
    }
    this.words[Word.Fault] = fault
    return Atomics.add(this.words, Word.Failures, 1) + 1 >= THRESHOLD && nowMs - this.times[Time.LastGood]! > RECENT_MS
  }

  /** A trial ended without telling anything. */
  onUndecided(): void {
    if (!this.isClosed) Atomics.compareExchange(this.words, Word.State, HALF_OPEN, OPEN)
  }

  /** It was checked, and is broken. */
  open(nowMs: number): void {
    this.times[Time.Broken] = nowMs
    this.forgetFailures()
    if (Atomics.exchange(this.words, Word.State, OPEN) === CLOSED) this.onTransition("Open")
  }

  /** It was found broken once more; one that was closed meanwhile stays so. */
  remainOpen(nowMs: number): void {
    this.times[Time.Broken] = nowMs
    this.onUndecided()
  }

  private forgetFailures(): void {
    if (this.words[Word.Failures] !== 0) Atomics.store(this.words, Word.Failures, 0)
  }
}
