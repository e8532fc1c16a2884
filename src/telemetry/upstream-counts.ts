/**
 * Outcomes of the attempts at each upstream, counted: numbers in shared memory, a row for each thread, summed when they
 * are read.
 *
 * The outcomes are few and fixed, and so are the upstreams once they are registered: no packet of a client or an
 * upstream makes a new counter. The name of an upstream is in the memory beside its counters.
 *
 * Hot path of a query that is asked upstream: counting is one addition here, and one to the total.
 */
import { Rcode } from "../dns/codes.ts"
import type { Question } from "../dns/question.ts"
import { stableHash } from "../runtime/stable-hash.ts"
import type { CounterName } from "./counters.ts"
import type { AttemptRecord } from "./record.ts"

/** Every outcome, and the counter of all upstreams together that it is part of. */
const totals = {
  answered: "upstream.answered",
  overtaken: "upstream.overtaken",
  timeout: "upstream.timeouts",
  "network-error": "upstream.errors",
  garbage: "upstream.rejected",
  FORMERR: "upstream.rejected",
  SERVFAIL: "upstream.rejected",
  NOTIMP: "upstream.rejected",
  REFUSED: "upstream.rejected",
  /** Another rcode that is an error. */
  "other-error": "upstream.rejected",
  /** No error and no answer: a referral, CNAMEs in a circle, too long for TCP. */
  unusable: "upstream.rejected",
  /** A retry that was put off. */
  withheld: "upstream.withheld"
} as const satisfies Record<string, CounterName>

export type OutcomeName = keyof typeof totals
export const outcomeNames = Object.keys(totals) as ReadonlyArray<OutcomeName>
const counterOf = Object.fromEntries(outcomeNames.map((name, cell) => [name, cell])) as Record<OutcomeName, number>

/** Rcodes of replies that are counted apart; all others come last. */
export const replyRcodes = ["NOERROR", "NXDOMAIN", "SERVFAIL", "REFUSED", "other"] as const
const rcodeCells: ReadonlyMap<number, number> = new Map([
  [Rcode.NoError, 0],
  [Rcode.NXDomain, 1],
  [Rcode.ServFail, 2],
  [Rcode.Refused, 3]
])
const OTHER_RCODE = replyRcodes.length - 1

/** Seconds that a reply took, the upper ends of the steps in which they are counted; what took longer comes last. */
export const durationSteps: ReadonlyArray<number> = [
  0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10
]
const STEPS = durationSteps.length + 1
/** The steps, and the sum of the seconds. */
const DURATION_CELLS = STEPS + 1

/** The cells of a row, behind the outcomes. */
const IN_FLIGHT_AT = outcomeNames.length
const RETRIES_AT = IN_FLIGHT_AT + 1
const HEDGES_AT = RETRIES_AT + 1
/** Tells whose counts a row has: a slot is another upstream's once its own is configured no more. */
const IDENTITY_AT = HEDGES_AT + 1
const DURATIONS_AT = IDENTITY_AT + 1
const COUNTERS = DURATIONS_AT + replyRcodes.length * DURATION_CELLS
const NAME_OCTETS = 128
/**
 * Behind the names, for each slot: the identity of the upstream that has it, and when it was named last, as a count. Of
 * several with one name, or one identity, the one that was named last is meant.
 */
const IDENTITY_OCTETS = 2 * Float64Array.BYTES_PER_ELEMENT

const stepOf = (seconds: number): number => {
  let step = 0
  while (step < durationSteps.length && seconds > durationSteps[step]!) step++
  return step
}

export const upstreamCountsOctets = (threads: number, upstreams: number): number =>
  upstreams * (NAME_OCTETS + IDENTITY_OCTETS + threads * COUNTERS * Float64Array.BYTES_PER_ELEMENT)

export interface EndedAttempt extends Omit<AttemptRecord, "upstream"> {
  readonly question: Question
}

/** What is counted of one upstream by one thread. */
export interface UpstreamCounts {
  readonly slot: number
  readonly ended: (attempt: EndedAttempt) => void
  readonly withheld: () => void
  readonly retried: () => void
  readonly hedged: () => void
  /** So many exchanges with it are under way in this thread now. */
  readonly noteInFlight: (count: number) => void
  /** The configuration in use has it, and calls it so: to be told when it comes into use. */
  readonly rename: (name: string) => void
}

/** How long replies of one rcode took. */
export interface ReplyDurations {
  readonly rcode: (typeof replyRcodes)[number]
  /** One more than `durationSteps`. */
  readonly counts: ReadonlyArray<number>
  readonly seconds: number
}

/** What was counted of one upstream, by all threads together. */
export interface UpstreamSums {
  readonly upstream: string
  readonly slot: number
  /** All that are not zero. */
  readonly outcomes: Partial<Record<OutcomeName, number>>
  readonly inFlight: number
  readonly retries: number
  readonly hedges: number
  readonly durations: ReadonlyArray<ReplyDurations>
}

/** Questions sent that have ended; a retry that was put off was not sent. */
export const attemptsOf = ({ outcomes }: UpstreamSums): number =>
  Object.entries(outcomes).reduce((sum, [name, count]) => (name === "withheld" ? sum : sum + count), 0)

export class UpstreamCountsTable {
  private readonly names: Uint8Array
  private readonly identities: Float64Array
  private readonly named: Float64Array
  private readonly counts: Float64Array
  private readonly threads: number
  private readonly upstreams: number
  private readonly row: number

  /** @param start of `upstreamCountsOctets` in the memory; `row` is this thread's */
  constructor(memory: SharedArrayBuffer, start: number, threads: number, upstreams: number, row: number) {
    this.names = new Uint8Array(memory, start, upstreams * NAME_OCTETS)
    const identitiesAt = start + upstreams * NAME_OCTETS
    this.identities = new Float64Array(memory, identitiesAt, upstreams)
    this.named = new Float64Array(memory, identitiesAt + upstreams * Float64Array.BYTES_PER_ELEMENT, upstreams)
    this.counts = new Float64Array(memory, identitiesAt + upstreams * IDENTITY_OCTETS, upstreams * threads * COUNTERS)
    this.threads = threads
    this.upstreams = upstreams
    this.row = row
  }

  /**
   * Registers the upstream at a slot, the same in every thread; past the last slot only the totals are counted. It has no
   * row in the table until it is named.
   *
   * @param key tells it from others that had the slot before
   * @param addTotal counts for all upstreams together
   */
  countsFor(slot: number, key: string, addTotal: (name: CounterName) => void): UpstreamCounts {
    const identity = stableHash(Buffer.from(key))
    const own = this.ownRow(slot)
    if (own[IDENTITY_AT] !== identity) own.fill(0)
    own[IDENTITY_AT] = identity
    // Those of a thread before this one are over.
    own[IN_FLIGHT_AT] = 0
    if (slot < this.upstreams && this.identities[slot] !== identity) {
      this.identities[slot] = identity
      this.named[slot] = 0
    }
    const add = (outcome: OutcomeName): void => {
      own[counterOf[outcome]]! += 1
      addTotal(totals[outcome])
    }
    return {
      slot,
      ended: ({ outcome, rcode, startedMs, endedMs }) => {
        if (outcome === "waiting") return
        add(outcome === "error-response" ? errorOf(rcode) : outcome)
        if (rcode < 0) return
        const seconds = Math.max(0, endedMs - startedMs) / 1000
        const start = DURATIONS_AT + (rcodeCells.get(rcode) ?? OTHER_RCODE) * DURATION_CELLS
        own[start + stepOf(seconds)]! += 1
        own[start + STEPS]! += seconds
      },
      withheld: () => add("withheld"),
      retried: () => {
        own[RETRIES_AT]! += 1
      },
      hedged: () => {
        own[HEDGES_AT]! += 1
      },
      noteInFlight: (count) => {
        own[IN_FLIGHT_AT] = count
      },
      rename: (given) => {
        // The slot may be another's, whose configuration has come since.
        if (slot >= this.upstreams || this.identities[slot] !== identity) return
        this.write(slot, given)
        this.named[slot] = Math.max(...this.named) + 1
      }
    }
  }

  /** In one piece: others read it meanwhile. */
  private write(slot: number, name: string): void {
    if (slot >= this.upstreams || this.nameAt(slot) === name) return
    const room = new Uint8Array(NAME_OCTETS)
    new TextEncoder().encodeInto(name, room.subarray(0, NAME_OCTETS - 1))
    this.names.set(room, slot * NAME_OCTETS)
  }

  /** The slots of all upstreams that there were, by their names. */
  private slots(): ReadonlyMap<string, number> {
    const slots = new Map<string, number>()
    const seen = new Set<number>()
    const latestFirst = [...this.named.keys()].sort((one, other) => this.named[other]! - this.named[one]!)
    for (const slot of latestFirst) {
      const name = this.nameAt(slot)
      const identity = this.identities[slot]!
      if (name === "" || this.named[slot] === 0 || slots.has(name) || seen.has(identity)) continue
      slots.set(name, slot)
      seen.add(identity)
    }
    return slots
  }

  /** Of all upstreams that there were; of several that have had one name, of the last. */
  table(): ReadonlyArray<UpstreamSums> {
    const rows: Array<UpstreamSums> = []
    for (const [upstream, slot] of [...this.slots()].sort(([, one], [, other]) => one - other)) {
      const sums = this.sumsOf(slot)
      const counts = outcomeNames.map((name) => [name, sums[counterOf[name]]!] as const)
      rows.push({
        upstream,
        slot,
        outcomes: Object.fromEntries(counts.filter(([, count]) => count !== 0)),
        inFlight: sums[IN_FLIGHT_AT]!,
        retries: sums[RETRIES_AT]!,
        hedges: sums[HEDGES_AT]!,
        durations: replyRcodes.map((rcode, cell) => {
          const start = DURATIONS_AT + cell * DURATION_CELLS
          return { rcode, counts: [...sums.subarray(start, start + STEPS)], seconds: sums[start + STEPS]! }
        })
      })
    }
    return rows
  }

  private sumsOf(slot: number): Float64Array {
    const sums = new Float64Array(COUNTERS)
    for (let row = 0; row < this.threads; row++) {
      const start = (slot * this.threads + row) * COUNTERS
      // A thread that is there no more may have counted for the one before.
      if (this.counts[start + IDENTITY_AT] !== this.identities[slot]) continue
      for (let cell = 0; cell < COUNTERS; cell++) sums[cell]! += this.counts[start + cell]!
    }
    return sums
  }

  /** Empty where none was registered. */
  nameAt(slot: number): string {
    const octets = this.names.slice(slot * NAME_OCTETS, (slot + 1) * NAME_OCTETS)
    return Buffer.from(octets.subarray(0, octets.indexOf(0))).toString("utf8")
  }

  private ownRow(slot: number): Float64Array {
    if (slot >= this.upstreams) return new Float64Array(COUNTERS)
    const start = (slot * this.threads + this.row) * COUNTERS
    return this.counts.subarray(start, start + COUNTERS)
  }
}

const errorOf = (rcode: number): OutcomeName => {
  switch (rcode) {
    case Rcode.NoError:
    case Rcode.NXDomain:
      return "unusable"
    case Rcode.FormErr:
      return "FORMERR"
    case Rcode.ServFail:
      return "SERVFAIL"
    case Rcode.NotImp:
      return "NOTIMP"
    case Rcode.Refused:
      return "REFUSED"
    default:
      return "other-error"
  }
}
