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

const NAME_OCTETS = 128
const COUNTERS = outcomeNames.length

export const upstreamCountsOctets = (threads: number, upstreams: number): number =>
  upstreams * (NAME_OCTETS + threads * COUNTERS * Float64Array.BYTES_PER_ELEMENT)

export interface EndedAttempt extends Omit<AttemptRecord, "upstream"> {
  readonly question: Question
}

/** What is counted of one upstream by one thread. */
export interface UpstreamCounts {
  readonly slot: number
  readonly ended: (attempt: EndedAttempt) => void
  readonly withheld: () => void
}

export class UpstreamCountsTable {
  private readonly names: Uint8Array
  private readonly counts: Float64Array
  private readonly threads: number
  private readonly upstreams: number
  private readonly row: number

  /** @param start of `upstreamCountsOctets` in the memory; `row` is this thread's */
  constructor(memory: SharedArrayBuffer, start: number, threads: number, upstreams: number, row: number) {
    this.names = new Uint8Array(memory, start, upstreams * NAME_OCTETS)
    this.counts = new Float64Array(memory, start + upstreams * NAME_OCTETS, upstreams * threads * COUNTERS)
    this.threads = threads
    this.upstreams = upstreams
    this.row = row
  }

  /**
   * Registers the upstream at a slot, the same in every thread; past the last slot only the totals are counted.
   *
   * @param addTotal counts for all upstreams together
   */
  countsFor(slot: number, name: string, addTotal: (name: CounterName) => void): UpstreamCounts {
    if (slot < this.upstreams) {
      const start = slot * NAME_OCTETS
      new TextEncoder().encodeInto(name, this.names.subarray(start, start + NAME_OCTETS - 1))
    }
    const own = this.ownRow(slot)
    const add = (outcome: OutcomeName): void => {
      own[counterOf[outcome]]! += 1
      addTotal(totals[outcome])
    }
    return {
      slot,
      ended: ({ outcome, rcode }) => {
        if (outcome !== "waiting") add(outcome === "error-response" ? errorOf(rcode) : outcome)
      },
      withheld: () => add("withheld")
    }
  }

  /** All that are not zero, of all threads together, by upstream. */
  table(): ReadonlyArray<{ readonly upstream: string; readonly outcomes: Partial<Record<OutcomeName, number>> }> {
    const rows = []
    for (let slot = 0; slot < this.upstreams; slot++) {
      const upstream = this.nameAt(slot)
      if (upstream === "") continue
      const counts = outcomeNames.map((name) => [name, this.sumOf(slot, name)] as const)
      rows.push({ upstream, outcomes: Object.fromEntries(counts.filter(([, count]) => count !== 0)) })
    }
    return rows
  }

  private sumOf(slot: number, name: OutcomeName): number {
    let sum = 0
    for (let row = 0; row < this.threads; row++)
      sum += this.counts[(slot * this.threads + row) * COUNTERS + counterOf[name]]!
    return sum
  }

  private nameAt(slot: number): string {
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
