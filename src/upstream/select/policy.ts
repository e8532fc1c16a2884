/**
 * Which upstreams a question tries, in which order.
 *
 * Over numbers alone: weights, questions under way, expected costs. Chance is handed in, so that everything here can be
 * tried out on simulated upstreams.
 */
import type { Policy } from "../../config/codec/policy.ts"
import type { Coordinates } from "../../dns/client-context.ts"
import { distanceKm } from "../../geo/location.ts"

/** What a policy looks at. */
export interface Candidate {
  /** Its share beside others, from 1. */
  readonly weight: number
  /** Questions under way. */
  readonly inFlight: number
  /** Milliseconds that asking it is expected to take; `UNKNOWN_COST` before anything was seen. */
  readonly costMs: number
  /** When that was observed last. */
  readonly observedMs: number
  /** Any number of 32 bits, the same on every start. */
  readonly salt: number
  /** Where it is; undefined where that is not known. */
  readonly coordinates: Coordinates | undefined
}

export interface Ranking<C> {
  readonly order: ReadonlyArray<C>
  /** How many of the first are asked at the same time. */
  readonly atOnce: number
}

export const UNKNOWN_COST = 0
/** So many questions under way make an upstream twice as dear. */
const BUSY = 32
/** One question in so many also asks an upstream that is not the fastest known. */
const EXPLORE_EVERY = 64
/** What was observed so short a time ago need not be explored. */
const EXPLORED_FOR_MS = 100

/**
 * Ranks the candidates of one group, question by question.
 *
 * | policy | first |
 * | --- | --- |
 * | `ordered` | as written |
 * | `round-robin` | in turn, by weight, evenly spread |
 * | `least-busy` | fewest questions under way for its weight; among equals in turn |
 * | `fastest` | the lower expected cost of two: the one that won last and another at random |
 * | `parallel` | the same, and the next ones at the same time |
 * | `hash` | the same for the same name, by weight (rendezvous hashing) |
 * | `geo` | the nearest to the client, of equally near ones the fastest; without coordinates of the client, the fastest |
 *
 * The others follow in an order in which they make sense as second choice.
 */
export class Ranker<C extends Candidate> {
  private readonly policy: Policy
  private readonly candidates: ReadonlyArray<C>
  private readonly parallel: number
  private readonly random: () => number
  private readonly asWritten: Ranking<C>
  private readonly credits: Float64Array
  private readonly totalWeight: number
  private turn = 0
  private winner = 0

  /** @param parallel how many the policy `parallel` asks at once */
  constructor(policy: Policy, candidates: ReadonlyArray<C>, parallel: number, random: () => number) {
    this.policy = policy
    this.candidates = candidates
    this.parallel = parallel
    this.random = random
    this.asWritten = { order: candidates, atOnce: 1 }
    this.credits = new Float64Array(candidates.length)
    this.totalWeight = candidates.reduce((sum, { weight }) => sum + weight, 0)
  }

  /**
   * @param nameHash of the name asked for; only `hash` looks at it
   * @param client where it is, if that is known; only `geo` looks at it
   */
  rank(nowMs: number, nameHash: () => number, client?: Coordinates): Ranking<C> {
    if (this.candidates.length === 1) return this.asWritten
    switch (this.policy) {
      case "ordered":
        return this.asWritten
      case "round-robin":
        return { order: this.beginningWith(this.nextInTurn()), atOnce: 1 }
      case "least-busy":
        this.turn = (this.turn + 1) % this.candidates.length
        return { order: sortedBy(this.beginningWith(this.turn), busyness), atOnce: 1 }
      case "fastest":
        return this.fastest(nowMs, 1)
      case "parallel":
        return this.fastest(nowMs, Math.min(this.parallel, this.candidates.length))
      case "hash": {
        const hash = nameHash()
        return { order: sortedBy([...this.candidates], (candidate) => -affinity(hash, candidate)), atOnce: 1 }
      }
      case "geo":
        return client === undefined ? this.fastest(nowMs, 1) : this.nearest(nowMs, client)
    }
  }

  /** Smooth weighted round-robin: each candidate gains its weight, the richest is chosen and pays what all gained. */
  private nextInTurn(): number {
    let richest = 0
    for (let i = 0; i < this.credits.length; i++) {
      this.credits[i]! += this.candidates[i]!.weight
      if (this.credits[i]! > this.credits[richest]!) richest = i
    }
    this.credits[richest]! -= this.totalWeight
    return richest
  }

  /**
   * The winner of two, one of them remembered: with a few candidates two at random would often both be slow ones.
   *
   * Now and then another one is asked at the same time, so that one that has become faster is found, and nobody waits
   * for one that has not.
   */
  private fastest(nowMs: number, atOnce: number): Ranking<C> {
    const { candidates } = this
    const other = this.otherThan(this.winner)
    if (expected(candidates[other]!) < expected(candidates[this.winner]!)) this.winner = other
    const order = sortedBy([...candidates], expected)
    moveTo(order, order.indexOf(candidates[this.winner]!), 0)
    if (++this.turn % EXPLORE_EVERY !== 0) return { order, atOnce }
    const explored = order.indexOf(candidates[this.otherThan(this.winner)]!)
    if (nowMs - order[explored]!.observedMs < EXPLORED_FOR_MS) return { order, atOnce }
    moveTo(order, explored, 1)
    return { order, atOnce: Math.max(2, atOnce) }
  }

  /** Candidates without coordinates come last. */
  private nearest(nowMs: number, client: Coordinates): Ranking<C> {
    if (this.candidates.every(({ coordinates }) => coordinates === undefined)) return this.fastest(nowMs, 1)
    const distances = new Map(this.candidates.map((candidate) => [candidate, distanceTo(client, candidate)]))
    const order = sortedBy(sortedBy([...this.candidates], expected), (candidate) => distances.get(candidate)!)
    return { order, atOnce: 1 }
  }

  private otherThan(index: number): number {
    const other = Math.floor(this.random() * (this.candidates.length - 1))
    return other < index ? other : other + 1
  }

  private beginningWith(first: number): Array<C> {
    return [...this.candidates.slice(first), ...this.candidates.slice(0, first)]
  }
}

/** In steps of ten kilometres: databases know no better, and two servers of one town are equally near. */
const distanceTo = (client: Coordinates, { coordinates }: Candidate): number =>
  coordinates === undefined ? Number.POSITIVE_INFINITY : Math.round(distanceKm(client, coordinates) / 10)

const busyness = ({ inFlight, weight }: Candidate): number => (inFlight + 1) / weight

/**
 * Questions under way count: they show a stall before any answer could. An upstream that nothing is known of is tried,
 * with a few questions at a time.
 */
const expected = ({ costMs, inFlight, weight }: Candidate): number =>
  (costMs === UNKNOWN_COST ? inFlight + 1 : costMs * (1 + inFlight / BUSY)) / weight

/** Weighted rendezvous hashing: the largest wins; who leaves takes only its own names along. */
const affinity = (nameHash: number, { salt, weight }: Candidate): number => {
  const mixed = mix(nameHash ^ salt) >>> 0
  return -weight / Math.log((mixed + 0.5) / 2 ** 32)
}

/** The last step of MurmurHash3: every bit of the input moves every bit of the output. */
const mix = (value: number): number => {
  let h = value
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b)
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35)
  return h ^ (h >>> 16)
}

/** Sorts a few in place, stable. */
const sortedBy = <C>(order: Array<C>, measure: (candidate: C) => number): Array<C> => {
  for (let i = 1; i < order.length; i++) {
    const candidate = order[i]!
    const value = measure(candidate)
    let at = i
    while (at > 0 && measure(order[at - 1]!) > value) {
      order[at] = order[at - 1]!
      at--
    }
    order[at] = candidate
  }
  return order
}

const moveTo = <C>(order: Array<C>, from: number, to: number): void => {
  const [moved] = order.splice(from, 1)
  order.splice(to, 0, moved!)
}
