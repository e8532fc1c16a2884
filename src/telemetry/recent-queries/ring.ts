/**
 * The last queries of each thread, in memory that other threads read: what was asked, by whom, what came of it.
 *
 * A ring of slots of one size. The thread writes a slot for each query and tells how many it has written once for a
 * batch; the reader copies slots and then looks whether the writer has come round meanwhile. Neither waits for the other.
 * The numbers of those worth keeping longer stand in a small ring of their own, so that a reader finds them without
 * looking at all the others.
 *
 * ```
 *   count │ notable count │ notable numbers │ slot 0: times, numbers, address │ name │ client's name │ attempts │ error │ slot 1 …
 * ```
 */
import { listenProtocols } from "../../io/protocols.ts"
import type { AddressWords } from "../client-address.ts"
import { type QueryOutcome, queryOutcomes } from "../query-outcome.ts"
import type { AttemptOutcome, ClientProtocol } from "../record.ts"

/** A power of two, and more than are shown: those beyond are what a writer may be in the middle of. */
const SLOTS = 16_384
/** Queries that a reader may look back at. */
export const RECENT_QUERIES = 10_000
export const SLOT_OCTETS = 256
/** A line of the processor's cache: what is written for every query does not share one with what seldom is. */
const LINE_OCTETS = 64
/** Where, in words, the count of the notable stands, and behind it their numbers, round and round. */
export const NOTABLE_COUNT_AT = LINE_OCTETS / Int32Array.BYTES_PER_ELEMENT
export const NOTABLE_AT = NOTABLE_COUNT_AT + LINE_OCTETS / Int32Array.BYTES_PER_ELEMENT
/** Numbers of notable queries that there is room for: a power of two. */
export const NOTABLE_SLOTS = 512
/** Where, in octets, the slots begin. */
export const SLOTS_AT = NOTABLE_AT * Int32Array.BYTES_PER_ELEMENT + NOTABLE_SLOTS * Int32Array.BYTES_PER_ELEMENT
/**
 * Where in a slot its name begins; behind it what the client calls itself, the attempts, and what went wrong: what has no
 * room is cut.
 */
export const NAME_AT = 64
export const ROOM_OCTETS = SLOT_OCTETS - NAME_AT
/** Octets of a name at most; what is longer is cut. */
export const RING_NAME_OCTETS = ROOM_OCTETS
/** An attempt: the upstream's slot, outcome and transport, rcode, and when it began and ended. */
export const ATTEMPT_OCTETS = 12

export const recentMemory = (): SharedArrayBuffer => new SharedArrayBuffer(SLOTS_AT + SLOTS * SLOT_OCTETS)

/** Where, in octets behind the first slot, the slot of the query of this number begins. */
export const slotAt = (sequence: number): number => (sequence & (SLOTS - 1)) * SLOT_OCTETS

/** Doubles of a slot. */
export const Double = { StartedAt: 0, Duration: 1 } as const
/** Words of a slot, behind the doubles. */
export const Word = { Numbers: 4, Client: 5, Sizes: 6, Lengths: 7, Address: 8 } as const
/** Single floats of a slot of a query that waited: milliseconds from its start; 0 for what did not happen. */
export const Float = { LookedUp: 12, Admitted: 13, Asked: 14, Told: 15 } as const

export const outcomeCells = Object.fromEntries(queryOutcomes.map((name, cell) => [name, cell])) as Record<
  QueryOutcome,
  number
>

export const attemptOutcomes = [
  "waiting",
  "answered",
  "timeout",
  "overtaken",
  "network-error",
  "error-response",
  "garbage"
] as const satisfies ReadonlyArray<AttemptOutcome>
export const attemptCells = Object.fromEntries(attemptOutcomes.map((name, cell) => [name, cell])) as Record<
  AttemptOutcome,
  number
>
/** Beside the outcome of an attempt. */
export const BY_TCP = 0x80

/** The word `Lengths`: octets of the name, number of attempts, octets of the error, and of what the client calls itself. */
export const lengthsOf = (name: number, attempts: number, error: number, clientName: number): number =>
  name | (attempts << 8) | (error << 16) | (clientName << 24)

export const protocolCells = Object.fromEntries(listenProtocols.map((name, cell) => [name, cell])) as Record<
  ClientProtocol,
  number
>

/** Bits of the word `Client`, beside the port. */
export const IS_IPV4 = 1 << 16
export const IS_COALESCED = 1 << 17
export const IS_SHARED = 1 << 18
export const HAS_REPLY = 1 << 19
export const HAS_WAITED = 1 << 20
export const PROTOCOL_BITS = 24

/** One question to one upstream; times are milliseconds from the start of the query. */
export interface RecentAttempt {
  /** The upstream's slot (`Counters.upstreamAt`). */
  readonly upstream: number
  readonly transport: "udp" | "tcp"
  readonly outcome: AttemptOutcome
  /** -1 where no reply came. */
  readonly rcode: number
  readonly startedMs: number
  readonly endedMs: number
}

/** One of the last queries. */
export interface RecentQuery {
  /** Counts up within the thread. */
  readonly sequence: number
  /** Milliseconds since 1970. */
  readonly startedAtMs: number
  readonly durationMs: number
  /** Wire form, as it was asked; cut after 192 octets; empty where no question could be read. */
  readonly name: Uint8Array
  readonly type: number
  readonly address: AddressWords
  readonly isIPv4: boolean
  readonly port: number
  /** What the client calls itself, as much of it as there was room for; empty where it does not. */
  readonly clientName: string
  readonly protocol: ClientProtocol
  readonly outcome: QueryOutcome
  /** -1 where it got no reply. */
  readonly rcode: number
  /** Octets. */
  readonly replySize: number
  /** It shared the exchange of an equal question. */
  readonly isCoalesced: boolean
  /** The answer came from the tier that servers share. */
  readonly isShared: boolean
  /** When the cache had been asked, and when it was let in to wait: milliseconds from its start; 0 where it was not. */
  readonly lookedUpMs: number
  readonly admittedMs: number
  /** When upstreams, or the shared tier, were asked and had answered: milliseconds from its start; both 0 where not. */
  readonly askedMs: number
  readonly toldMs: number
  /** The first of them, as many as there was room for. */
  readonly attempts: ReadonlyArray<RecentAttempt>
  /** Why it failed; empty where it did not. */
  readonly error: string
}
