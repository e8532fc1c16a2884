/**
 * Which queries leave a trace, and the trace built from a query's record, off the query's way.
 *
 * The sampler picks queries at their start, whatever becomes of them; failed and slow ones are kept besides, up to a
 * number a second. The tree:
 * `dns.query` → `cache.lookup`, `queue.wait`, `upstream.resolve` → `upstream.attempt`, one each try.
 */
import { Cause, Context, Effect, Exit, Layer, Option, type Tracer } from "effect"
import type { Sampling } from "../config/codec/sampling.ts"
import { Configuration } from "../config/configuration.ts"
import { rcodeName, typeName } from "../dns/codes.ts"
import { formatName } from "../dns/name.ts"
import { formatQuestion } from "../dns/question.ts"
import { LoopClock } from "../runtime/loop-clock.ts"
import { Counters } from "./counters.ts"
import { EventLog } from "./event-log.ts"
import { type AttemptOutcome, type AttemptRecord, type EarlyOutcome, NO_RCODE, type QueryRecord } from "./record.ts"
import { TRACER_SETTINGS, tracerFor } from "./tracer.ts"

/** Failed and slow queries that are traced a second at most: an outage must not become a flood of traces. */
const MAX_NOTABLE_PER_SECOND = 100
/** Traces that wait to be built at most. */
const MAX_WAITING = 2048
/** Traces built in one turn of the event loop. */
const BUILD_SLICE = 16

export class Traces extends Context.Service<
  Traces,
  {
    /** Whether the query that begins now is picked. */
    readonly picks: () => boolean
    /** Takes the record of a query that is over; `isPicked` is what `picks` said at its start. */
    readonly finish: (record: QueryRecord, isPicked: boolean) => void
  }
>()("strand/telemetry/Traces") {
  static readonly layer: Layer.Layer<Traces, never, Configuration | Counters | LoopClock> = Layer.effect(
    Traces,
    Effect.gen(function* () {
      const configuration = yield* Configuration
      const counters = yield* Counters
      const clock = yield* LoopClock
      const events = yield* EventLog
      const sampler = yield* configuration.derive(["traceSampling"], ({ traceSampling }) =>
        Effect.sync(() => makeSampler(traceSampling, clock.nowMs))
      )
      // Without a collector nobody would see them.
      const tracer = yield* configuration.derive(TRACER_SETTINGS, tracerFor)
      const notable = makeSampler({ kind: "rate", perSecond: MAX_NOTABLE_PER_SECOND }, clock.nowMs)
      const waiting: Array<QueryRecord> = []
      let isScheduled = false

      const buildAll = (records: ReadonlyArray<QueryRecord>): void => {
        if (tracer.current === undefined) return
        for (const record of records) buildTrace(tracer.current, clock, record)
      }
      const build = (): void => {
        isScheduled = false
        buildAll(waiting.splice(0, BUILD_SLICE))
        schedule()
      }
      const schedule = (): void => {
        if (isScheduled || waiting.length === 0) return
        isScheduled = true
        setImmediate(build)
      }
      yield* Effect.addFinalizer(() =>
        Effect.sync(() => {
          buildAll(waiting.splice(0))
        })
      )
      return Traces.of({
        picks: () => tracer.current !== undefined && sampler.current(),
        finish: (record, isPicked) => {
          if (events.trace !== undefined && isAskedFor(record)) events.trace(...lineOf(record))
          if (tracer.current === undefined) return
          const isNotable =
            record.error !== "" || record.endedMs - record.startedMs >= configuration.current().slowQueryMs
          if (!isPicked && !(isNotable && notable())) return
          if (waiting.length >= MAX_WAITING) return counters.add("traces.dropped")
          waiting.push(record)
          schedule()
        }
      })
    })
  )
}

const early: ReadonlySet<QueryRecord["outcome"]> = new Set<EarlyOutcome>([
  "local",
  "special",
  "denied",
  "looped",
  "malformed"
])

/** Whether the query was not over with the policy or with a hit: those leave a record only where they are picked. */
const isAskedFor = ({ outcome }: QueryRecord): boolean => outcome !== "hit" && !early.has(outcome)

/** A query that was not answered from the cache alone, for the log at the level `trace`. */
const lineOf = (record: QueryRecord): readonly [message: string, fields: Record<string, unknown>] => [
  `query: ${formatQuestion(record.question)}`,
  {
    client: record.client.address,
    transport: record.transport,
    cache: record.outcome,
    rcode: rcodeName(record.rcode),
    milliseconds: Math.round(record.endedMs - record.startedMs),
    attempts: record.resolution?.attempts.map(({ upstream, outcome }) => `${upstream.name} ${outcome}`),
    reason: record.error
  }
]

/** A rate is kept second by second: the first N of each are picked. */
const makeSampler = (sampling: Sampling, nowMs: () => number): (() => boolean) => {
  switch (sampling.kind) {
    case "always":
      return () => true
    case "never":
      return () => false
    case "ratio":
      return () => Math.random() < sampling.ratio
    case "rate": {
      let endMs = Number.NEGATIVE_INFINITY
      let picked = 0
      return () => {
        if (picked >= sampling.perSecond || endMs === Number.NEGATIVE_INFINITY) {
          const now = nowMs()
          if (now < endMs) return false
          endMs = now + 1000
          picked = 0
        }
        picked++
        return true
      }
    }
  }
}

/** Begins a span and notes when it ends; an empty `error` is success. */
type MakeSpan = (
  name: string,
  kind: Tracer.SpanKind,
  parent: Tracer.Span | undefined,
  startMs: number,
  endMs: number,
  attributes: Record<string, unknown>,
  error: string
) => Tracer.Span

const buildTrace = (tracer: Tracer.Tracer, clock: LoopClock["Service"], record: QueryRecord): void => {
  const nanos = (ms: number): bigint => BigInt(Math.round(clock.wallMs(ms) * 1e6))
  const span: MakeSpan = (name, kind, parent, startMs, endMs, attributes, error) => {
    const made = tracer.span({
      name,
      kind,
      parent: Option.fromUndefinedOr(parent),
      annotations: Context.empty(),
      links: [],
      startTime: nanos(startMs),
      root: parent === undefined,
      sampled: true
    })
    for (const [key, value] of Object.entries(attributes)) made.attribute(key, value)
    ends.push(() =>
      made.end(nanos(Math.max(endMs, startMs)), error === "" ? Exit.void : Exit.failCause(Cause.fail(error)))
    )
    return made
  }
  const ends: Array<() => void> = []
  const { question, resolution } = record
  const isEarly = early.has(record.outcome)
  const root = span(
    "dns.query",
    "server",
    undefined,
    record.startedMs,
    record.endedMs,
    {
      // Where no question could be read, there is none.
      ...(question.name.length === 0
        ? {}
        : { "dns.question.name": formatName(question.name), "dns.question.type": typeName(question.type) }),
      ...(record.rcode === NO_RCODE ? {} : { "dns.response_code": rcodeName(record.rcode) }),
      "client.address": record.client.address,
      "network.transport": record.transport,
      ...(isEarly ? { "strand.outcome": record.outcome } : {})
    },
    record.error
  )
  if (!isEarly) {
    span(
      "cache.lookup",
      "internal",
      root,
      record.startedMs,
      record.lookedUpMs,
      {
        "cache.outcome": resolution?.isShared === true ? "shared" : record.outcome,
        ...(record.refreshes ? { "strand.refreshes": true } : {})
      },
      ""
    )
  }
  if (record.admittedMs > 0) {
    span("queue.wait", "internal", root, record.lookedUpMs, record.admittedMs, {}, "")
  }
  if (resolution !== undefined) {
    const endedMs = resolution.endedMs === 0 ? record.endedMs : resolution.endedMs
    // An exchange that was joined began before; and its times are those of turns, which begin before what happens in
    // them.
    const startMs = Math.max(resolution.startedMs, record.lookedUpMs, record.admittedMs)
    const coalesced = { "strand.coalesced": record.coalesced }
    const attributes = { ...coalesced, "strand.attempts": resolution.attempts.length }
    const resolve =
      resolution.isShared === true
        ? span("cache.shared", "internal", root, startMs, endedMs, coalesced, record.error)
        : span("upstream.resolve", "internal", root, startMs, endedMs, attributes, record.error)
    for (const attempt of resolution.attempts) attemptSpan(span, resolve, attempt, startMs, endedMs)
  }
  // Children end before their parents.
  for (const end of ends.reverse()) end()
}

/** Outcomes that are nobody's fault. */
const succeeded: ReadonlySet<AttemptOutcome> = new Set(["answered", "waiting", "overtaken"])

const attemptSpan = (
  span: MakeSpan,
  parent: Tracer.Span,
  attempt: AttemptRecord,
  notBeforeMs: number,
  overMs: number
): void => {
  span(
    "upstream.attempt",
    "client",
    parent,
    Math.max(attempt.startedMs, notBeforeMs),
    attempt.endedMs === 0 ? overMs : attempt.endedMs,
    {
      "server.address": attempt.upstream.endpoint.address,
      "server.port": attempt.upstream.endpoint.port,
      "network.transport": attempt.transport,
      "strand.upstream": attempt.upstream.name,
      "strand.outcome": attempt.outcome,
      ...(attempt.rcode < 0 ? {} : { "dns.response_code": rcodeName(attempt.rcode) })
    },
    succeeded.has(attempt.outcome) ? "" : attempt.outcome
  )
}
