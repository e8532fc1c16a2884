/** A group of upstreams that give the same answers, and the policy that ranks them. */

import type { Policy } from "../../config/codec/policy.ts"
import { formatUpstream } from "../../config/codec/upstream-address.ts"
import { MAX_ATTEMPTS_AT_ONE } from "../../config/codec/weighted-upstream.ts"
import type { Coordinates } from "../../dns/client-context.ts"
import type { Question } from "../../dns/question.ts"
import { stableHash } from "../../runtime/stable-hash.ts"
import type { Upstream } from "../upstream.ts"
import { type Candidate, Ranker, type Ranking } from "./policy.ts"

/** An upstream as one of a group: the same upstream may be in several, with another weight in each. */
export class Member implements Candidate {
  readonly upstream: Upstream
  readonly weight: number
  readonly salt: number
  private readonly coordinatesOf: () => Coordinates | undefined

  /** @param coordinatesOf says where it is */
  constructor(upstream: Upstream, weight: number, coordinatesOf: () => Coordinates | undefined = () => undefined) {
    this.upstream = upstream
    this.weight = weight
    this.coordinatesOf = coordinatesOf
    this.salt = stableHash(Buffer.from(formatUpstream(upstream.address)))
  }

  get coordinates(): Coordinates | undefined {
    return this.coordinatesOf()
  }

  get inFlight(): number {
    return this.upstream.busyWith
  }

  get costMs(): number {
    return this.upstream.latency.costMs
  }

  get observedMs(): number {
    return this.upstream.latency.observedMs
  }
}

export class UpstreamGroup {
  readonly members: ReadonlyArray<Member>
  private readonly ranker: Ranker<Member>

  constructor(policy: Policy, members: ReadonlyArray<Member>, parallel: number, random: () => number) {
    this.members = members
    this.ranker = new Ranker(policy, members, parallel, random)
  }

  /**
   * @param name asked for, in lower case
   * @param client where it is, if that is known
   */
  rank(nowMs: number, name: Uint8Array, client?: Coordinates): Ranking<Member> {
    const ranking = this.ranker.rank(nowMs, () => stableHash(name), client)
    return this.members.some(isDrained) ? withoutDrained(ranking) : ranking
  }
}

const isDrained = ({ upstream }: Member): boolean => upstream.isDrained

/** Those that are drained come last, and only where nothing better can be asked. */
const withoutDrained = ({ order, atOnce }: Ranking<Member>): Ranking<Member> => {
  const inUse = order.filter((member) => !isDrained(member))
  const canAnswer = inUse.some(({ upstream }) => upstream.breaker.isClosed)
  const asked = canAnswer ? inUse : [...inUse, ...order.filter(isDrained)]
  return { order: asked, atOnce: Math.min(atOnce, asked.length) }
}

/** A question, and what became of it so far. */
export interface History {
  readonly question: Question
  readonly timesAsked: (upstream: Upstream) => number
  /** Whether it has answered by an error: once more it would most likely say the same. */
  readonly hasFailed: (upstream: Upstream) => boolean
}

/**
 * The upstream to ask next: of those that may be asked now, the one that was asked least often, in the order of the
 * ranking. One that has answered this question by an error comes after those that were silent, for a datagram may have
 * been lost. One whose breaker is not closed is asked once at most, as a trial; a silent one only where all breakers
 * are open (`trials.ts`).
 *
 * @param maxInFlight questions that one upstream may have under way
 * @returns undefined where none may be asked
 */
export const nextUpstream = (
  ranked: ReadonlyArray<Member>,
  history: History,
  nowMs: number,
  maxInFlight: number
): Upstream | undefined => {
  let best: Upstream | undefined
  let fewest = Number.POSITIVE_INFINITY
  let areAllBroken = true
  for (const { upstream } of ranked) {
    const { breaker } = upstream
    if (breaker.isClosed) areAllBroken = false
    const times = history.timesAsked(upstream)
    if (times >= MAX_ATTEMPTS_AT_ONE || upstream.busyWith >= maxInFlight) continue
    if (!breaker.isClosed && (times > 0 || !breaker.mayTry(nowMs))) continue
    const rank = times > 0 && history.hasFailed(upstream) ? times + MAX_ATTEMPTS_AT_ONE : times
    if (rank >= fewest) continue
    fewest = rank
    best = upstream
  }
  if (best !== undefined || !areAllBroken) return best
  const { name } = history.question
  return ranked.find(({ upstream }) => history.timesAsked(upstream) === 0 && upstream.trials.mayBegin(name, nowMs))
    ?.upstream
}
