/** Tries an upstream, for people who want to know whether it answers. */
import { Effect } from "effect"
import type { Question } from "../../dns/question.ts"
import type { Response } from "../../dns/response.ts"
import type { ToldProbe } from "../../runtime/operations.ts"
import type { Timer, TimerTarget, TimerWheel } from "../../runtime/timer-wheel.ts"
import type { Attempt, AttemptFailure } from "../requester.ts"
import type { Upstream } from "../upstream.ts"
import { rootServers } from "./known-question.ts"

/** @param begin sends the question of an attempt */
export const probeByHand = (
  upstream: Upstream,
  wheel: TimerWheel["Service"],
  withinMs: number,
  begin: (attempt: Attempt) => { readonly abandon: () => void }
): Effect.Effect<ToldProbe> =>
  Effect.suspend(() => {
    const endings: Array<() => void> = []
    const told = Effect.callback<ToldProbe>((resume) => {
      const probe = new Probe(upstream, wheel, withinMs, (outcome) => resume(Effect.succeed(outcome)))
      endings.push(() => probe.end())
      const exchange = begin(probe)
      endings.push(() => exchange.abandon())
    })
    // Told or not: without a reply the exchange would go on for ever.
    return Effect.ensuring(
      told,
      Effect.sync(() => {
        for (const end of endings) end()
      })
    )
  })

class Probe implements Attempt, TimerTarget {
  readonly upstream: Upstream
  readonly question: Question
  readonly failures = 0
  readonly startedMs: number
  transport: Attempt["transport"]
  endedMs = 0
  outcome: Attempt["outcome"] = "waiting"
  rcode = -1
  private readonly wheel: TimerWheel["Service"]
  private readonly tell: (told: ToldProbe) => void
  private readonly timer: Timer
  private isOver = false

  constructor(upstream: Upstream, wheel: TimerWheel["Service"], withinMs: number, tell: (told: ToldProbe) => void) {
    this.upstream = upstream
    // A question object of its own makes sure that it is sent (`asked-once.ts`).
    this.question = { ...(upstream.known.read() ?? rootServers) }
    this.transport = upstream.transport
    this.wheel = wheel
    this.tell = tell
    this.startedMs = wheel.nowMs()
    this.timer = wheel.after(withinMs, this)
  }

  onResponse({ rcode }: Response): void {
    this.over(rcode, undefined)
  }

  onFailure(failure: AttemptFailure): void {
    this.over(undefined, failure._tag === "NetworkFailure" ? failure.message : "its reply cannot be read")
  }

  onTrouble(message: string): void {
    this.over(undefined, message)
  }

  onHeld(): void {
    this.over(undefined, "it says that it is asked too much")
  }

  fire(): void {
    this.over(undefined, "no reply in time")
  }

  onDefect(thrown: unknown): void {
    this.over(undefined, String(thrown))
  }

  /** Nobody waits any more. */
  end(): void {
    this.isOver = true
    this.wheel.cancel(this.timer)
  }

  private over(rcode: number | undefined, error: string | undefined): void {
    if (this.isOver) return
    this.end()
    this.tell({ rcode, tookMs: this.wheel.nowMs() - this.startedMs, error })
  }
}
