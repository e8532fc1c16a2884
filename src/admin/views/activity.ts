/**
 * Follows the rings of the workers: what of the new queries is notable is kept longer, a sample of them is counted for the
 * top lists, and those who watch are told.
 *
 * Its work for a look is bounded, whatever the rate: beyond that, queries are counted by those that stand for them, and
 * those who watch are told how many they did not see.
 */
import { Effect, Schedule, type Scope } from "effect"
import { formatName, lowerCased } from "../../dns/name.ts"
import { typeName } from "../../dns/record-types.ts"
import { formatClient } from "../../telemetry/client-address.ts"
import type { LatencyName } from "../../telemetry/latencies.ts"
import { stepOfDuration } from "../../telemetry/metrics/duration-steps.ts"
import type { Exemplar } from "../../telemetry/metrics/family.ts"
import type { RecentQueryReader } from "../../telemetry/recent-queries/reader.ts"
import type { RecentQuery } from "../../telemetry/recent-queries/ring.ts"
import { type Found, idOf, type Matches, type RecentView } from "./recent-view.ts"
import { TopLists } from "./top-lists.ts"

/** Between two looks: what watchers are shown is at most so old. */
const LOOK_MS = 250
/** Queries of a worker that are counted at a look, at most. */
const SAMPLE = 100
/** Queries of a worker that watchers are shown at a look, at most. */
const SHOWN = 500
/** Notable queries of a worker that are copied at a look, at most. */
const NOTABLE_AT_ONCE = 50
/** Notable queries that are kept. */
const NOTABLE = 1_000

export interface Watcher {
  readonly matches: Matches
  /** @param dropped queries that came and were not looked at */
  readonly onQueries: (found: ReadonlyArray<Found>, dropped: number) => void
}

export class Activity {
  readonly top: TopLists
  private readonly view: RecentView
  /** Up to where each worker's ring was looked at. */
  private readonly seen = new Map<number, number>()
  private readonly seenNotable = new Map<number, number>()
  private readonly notable: Array<Found> = []
  private readonly watchers = new Set<Watcher>()
  /** The last query that was counted of each outcome and step of its duration. */
  readonly exemplars = new Map<LatencyName, Map<number, Exemplar>>()

  private constructor(view: RecentView) {
    this.view = view
    this.top = new TopLists(() => performance.now())
  }

  /** Looks as long as the scope lives. */
  static make(view: RecentView): Effect.Effect<Activity, never, Scope.Scope> {
    return Effect.gen(function* () {
      const activity = new Activity(view)
      const look = Effect.sync(() => activity.look())
      yield* Effect.forkScoped(Effect.repeat(look, Schedule.spaced(LOOK_MS)))
      return activity
    })
  }

  /** Tells of new queries until the returned function is called. */
  watch(watcher: Watcher): () => void {
    this.watchers.add(watcher)
    return () => this.watchers.delete(watcher)
  }

  get watching(): number {
    return this.watchers.size
  }

  /** Those that are kept longer than the others, the newest first. */
  latestNotable(limit: number, matches: Matches): ReadonlyArray<Found> {
    const found: Array<Found> = []
    for (let i = this.notable.length - 1; i >= 0 && found.length < limit; i--) {
      if (matches(this.notable[i]!.query)) found.push(this.notable[i]!)
    }
    return found
  }

  findNotable(worker: number, sequence: number): Found | undefined {
    return this.notable.find((found) => found.worker === worker && found.query.sequence === sequence)
  }

  /** Looks at what came since the last time. */
  look(): void {
    const shown: Array<Found> = []
    let dropped = 0
    for (const [worker, reader] of this.view.all()) {
      this.keepNotable(worker, reader)
      const to = reader.written()
      // What was answered before the first look counts where it is little: a start is looked at a moment late.
      const from = this.seen.get(worker) ?? (to > 0 && to <= SAMPLE ? 0 : to)
      this.seen.set(worker, to)
      const count = (to - from) | 0
      if (count <= 0) continue
      this.sample(worker, reader, from, to)
      if (this.watchers.size === 0) continue
      const shownFrom = count > SHOWN ? (to - SHOWN) | 0 : from
      dropped += Math.max(0, count - SHOWN)
      for (let at = shownFrom; at !== to; at = (at + 1) | 0) {
        const query = reader.read(at)
        if (query !== undefined) shown.push({ worker, query })
      }
    }
    if (shown.length === 0 && dropped === 0) return
    for (const watcher of this.watchers) {
      watcher.onQueries(
        shown.filter(({ query }) => watcher.matches(query)),
        dropped
      )
    }
  }

  private keepNotable(worker: number, reader: RecentQueryReader): void {
    const to = reader.notable()
    const from = this.seenNotable.get(worker) ?? 0
    this.seenNotable.set(worker, to)
    const count = Math.min((to - from) | 0, NOTABLE_AT_ONCE)
    for (let at = (to - count) | 0; at !== to; at = (at + 1) | 0) {
      const query = reader.readNotable(at)
      if (query !== undefined) this.notable.push({ worker, query })
    }
    if (this.notable.length > NOTABLE) this.notable.splice(0, this.notable.length - NOTABLE)
  }

  private sample(worker: number, reader: RecentQueryReader, from: number, to: number): void {
    const count = (to - from) | 0
    const samples = Math.min(count, SAMPLE)
    const weight = count / samples
    for (let i = 0; i < samples; i++) {
      const query = reader.read((to - 1 - Math.floor(i * weight)) | 0)
      if (query === undefined) continue
      this.count(query, weight)
      this.noteExemplar(worker, query)
    }
  }

  private noteExemplar(worker: number, { durationMs, error, outcome, sequence, startedAtMs }: RecentQuery): void {
    // Whatever was looked for: one that failed is counted as a failure.
    const name = error === "" ? latencyNameOf(outcome) : "failure"
    const value = durationMs / 1000
    const ofName = this.exemplars.get(name) ?? new Map<number, Exemplar>()
    this.exemplars.set(name, ofName)
    ofName.set(stepOfDuration(value), { traceId: idOf(worker, sequence), value, atMs: startedAtMs })
  }

  private count({ address, attempts, clientName, isIPv4, name, outcome, type }: RecentQuery, weight: number): void {
    if (name.length > 0) {
      this.top.add("name", formatName(lowerCased(name, 0, name.length)), weight)
      this.top.add("type", typeName(type), weight)
    }
    const client = formatClient(address, isIPv4)
    // Who has a name has one address today and another tomorrow.
    this.top.add("client", clientName === "" ? client : clientName, weight)
    if (outcome === "limited") this.top.add("limited", client, weight)
    const last = attempts.at(-1)
    if (last !== undefined) this.top.add("upstream", this.view.upstreamAt(last.upstream), weight)
  }
}

/** By what name its duration is counted. */
const latencyNameOf = (outcome: RecentQuery["outcome"]): LatencyName => {
  switch (outcome) {
    case "hit":
    case "miss":
    case "stale":
    case "failure":
      return outcome
    default:
      return "local"
  }
}
