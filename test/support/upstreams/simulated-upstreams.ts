/** Upstreams that are nothing but numbers, asked in simulated time: for policies over many thousand questions. */
import type { Policy } from "../../../src/config/codec/policy.ts"
import { stableHash } from "../../../src/runtime/stable-hash.ts"
import { Latency } from "../../../src/upstream/select/latency.ts"
import { type Candidate, Ranker } from "../../../src/upstream/select/policy.ts"
import { seeded } from "../wire/messages.ts"

/** Milliseconds that an answer takes at this time; undefined where none comes. */
export type Behaviour = (nowMs: number, random: () => number) => number | undefined

export const steady =
  (meanMs: number): Behaviour =>
  (_now, random) =>
    meanMs * (0.8 + 0.4 * random())

export const losing =
  (share: number, inner: Behaviour): Behaviour =>
  (nowMs, random) =>
    random() < share ? undefined : inner(nowMs, random)

/** One behaviour up to a time, another from then on. */
export const until =
  (ms: number, before: Behaviour, after: Behaviour): Behaviour =>
  (nowMs, random) =>
    (nowMs < ms ? before : after)(nowMs, random)

class Simulated implements Candidate {
  readonly latency = new Latency()
  readonly weight: number
  readonly salt: number
  readonly behaviour: Behaviour
  readonly coordinates = undefined
  inFlight = 0
  asked = 0

  constructor(location: number, behaviour: Behaviour, weight: number) {
    this.behaviour = behaviour
    this.weight = weight
    this.salt = stableHash(Buffer.from(`udp://192.0.2.${location}:53`))
  }

  get costMs(): number {
    return this.latency.costMs
  }

  get observedMs(): number {
    return this.latency.observedMs
  }
}

export interface Asked {
  readonly atMs: number
  /** Which upstream was first. */
  readonly first: number
  /** Milliseconds until the client had its answer. */
  readonly tookMs: number
}

const LIMIT_MS = 800

/**
 * Asks `count` questions, `perSecond` of them; the next upstream follows when the first is overdue.
 *
 * What is simulated is what `resolution.ts` does: attempts that go on, the first answer wins, silence is told.
 */
export const simulate = (
  policy: Policy,
  behaviours: ReadonlyArray<Behaviour>,
  options: {
    readonly count: number
    readonly perSecond: number
    readonly weights?: ReadonlyArray<number>
    readonly parallel?: number
    readonly seed?: number
  }
): { readonly asked: ReadonlyArray<Asked>; readonly sent: ReadonlyArray<number> } => {
  const below = seeded(options.seed ?? 1)
  const random = (): number => below(1_000_000) / 1_000_000
  const upstreams = behaviours.map((behaviour, i) => new Simulated(i, behaviour, options.weights?.[i] ?? 1))
  const ranker = new Ranker(policy, upstreams, options.parallel ?? 2, random)
  const asked: Array<Asked> = []
  /** What will be, soonest first. */
  let coming: Array<{ readonly atMs: number; readonly happen: () => void }> = []
  const pass = (nowMs: number): void => {
    coming.sort((a, b) => a.atMs - b.atMs)
    const due = coming.filter(({ atMs }) => atMs <= nowMs)
    coming = coming.filter(({ atMs }) => atMs > nowMs)
    for (const { happen } of due) happen()
  }
  for (let n = 0; n < options.count; n++) {
    const nowMs = (n * 1000) / options.perSecond
    pass(nowMs)
    const { order, atOnce } = ranker.rank(nowMs, () => stableHash(Buffer.from(`name${n % 5000}`)))
    // Each attempt: whom, when, and when its answer comes.
    const attempts: Array<{ readonly upstream: Simulated; readonly fromMs: number; readonly answerMs: number }> = []
    let startMs = nowMs
    let answeredMs = Number.POSITIVE_INFINITY
    for (let i = 0; i < order.length && startMs < answeredMs; i++) {
      const upstream = order[i]!
      const takes = upstream.behaviour(startMs, random) ?? Number.POSITIVE_INFINITY
      attempts.push({ upstream, fromMs: startMs, answerMs: startMs + takes })
      answeredMs = Math.min(answeredMs, startMs + takes)
      upstream.asked++
      upstream.inFlight++
      if (i + 1 >= atOnce) startMs += upstream.latency.patienceMs(LIMIT_MS)
    }
    const overMs = Math.min(answeredMs, nowMs + 5_000)
    for (const { upstream, fromMs, answerMs } of attempts) {
      coming.push({
        atMs: overMs,
        happen: () => {
          upstream.inFlight--
          if (answerMs === overMs) upstream.latency.onAnswer(answerMs - fromMs, overMs)
          else upstream.latency.onSilence(overMs - fromMs, overMs)
        }
      })
    }
    asked.push({ atMs: nowMs, first: upstreams.indexOf(order[0]!), tookMs: overMs - nowMs })
  }
  return { asked, sent: upstreams.map(({ asked: sent }) => sent) }
}

/** Share of the questions that came to each upstream first. */
export const sharesOf = (asked: ReadonlyArray<Asked>, upstreams: number): ReadonlyArray<number> =>
  Array.from({ length: upstreams }, (_, i) => asked.filter(({ first }) => first === i).length / asked.length)

export const quantile = (asked: ReadonlyArray<Asked>, at: number): number => {
  const sorted = asked.map(({ tookMs }) => tookMs).sort((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * at))]!
}
