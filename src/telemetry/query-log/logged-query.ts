/** A query as the log writes it: texts for what the ring has as numbers. */
import { Rcode, rcodeName } from "../../dns/codes.ts"
import { formatName, LOWER } from "../../dns/name.ts"
import { typeName } from "../../dns/record-types.ts"
import { type RecentQuery, RING_NAME_OCTETS } from "../recent-queries/ring.ts"
import type { AttemptOutcome, ClientProtocol } from "../record.ts"
import { SlowLimit } from "../slow-queries.ts"
import { LoggedClients } from "./logged-client.ts"
import type { LogFilter, LogPlan } from "./plan.ts"

export interface LoggedAttempt {
  readonly upstream: string
  readonly transport: "udp" | "tcp"
  readonly outcome: AttemptOutcome
  /** From the start of the query. */
  readonly startedMs: number
  readonly endedMs: number
}

export interface LoggedQuery {
  /** Milliseconds since 1970. */
  readonly atMs: number
  readonly durationMs: number
  /** In lower case; empty where no question could be read, and with `…` at its end where it was cut. */
  readonly name: string
  /** The same with its labels from the last to the first: `com.example.www`. */
  readonly reversedName: string
  readonly type: string
  /** Empty where clients are not logged. */
  readonly client: string
  /** 0 where clients do not stand in the log as they are. */
  readonly port: number
  /** What the client calls itself; empty where it does not, or where clients do not stand in the log as they are. */
  readonly clientName: string
  readonly protocol: ClientProtocol
  readonly outcome: RecentQuery["outcome"]
  /** Empty where it got no reply. */
  readonly rcode: string
  readonly replySize: number
  readonly worker: number
  readonly isCoalesced: boolean
  readonly isShared: boolean
  readonly attempts: ReadonlyArray<LoggedAttempt>
  readonly error: string
  /** For those who write messages. */
  readonly raw: RecentQuery
  readonly address: Uint8Array
}

interface LoggedName {
  readonly text: string
  readonly reversed: string
}

/** Names whose texts are remembered: most are asked for again. */
const REMEMBERED = 20_000

/** Makes what is logged of what the rings have. */
export class LoggedQueries {
  private readonly filter: LogFilter
  private readonly isWanted: (query: RecentQuery) => boolean
  private readonly clients: LoggedClients
  private readonly upstreamAt: (slot: number) => string
  private readonly names = new Map<string, LoggedName>()

  /** @param upstreamAt the name of the upstream that is counted at this slot */
  constructor(plan: Pick<LogPlan, "filter" | "clients">, key: Uint8Array, upstreamAt: (slot: number) => string) {
    this.filter = plan.filter
    this.clients = new LoggedClients(plan.clients, key)
    this.isWanted = wantedBy(plan.filter)
    this.upstreamAt = upstreamAt
  }

  /** Undefined for one that is not to be logged. */
  of(query: RecentQuery, worker: number): LoggedQuery | undefined {
    const { sample } = this.filter
    if ((sample < 1 && Math.random() >= sample) || !this.isWanted(query)) return undefined
    const name = this.nameOf(query.name)
    const { text: client, octets: address } = this.clients.of(query)
    return {
      atMs: query.startedAtMs,
      durationMs: query.durationMs,
      name: name.text,
      reversedName: name.reversed,
      type: query.name.length === 0 ? "" : typeName(query.type),
      client,
      port: this.clients.areAsTheyAre ? query.port : 0,
      clientName: this.clients.areAsTheyAre ? query.clientName : "",
      protocol: query.protocol,
      outcome: query.outcome,
      rcode: query.rcode < 0 ? "" : rcodeName(query.rcode),
      replySize: query.replySize,
      worker,
      isCoalesced: query.isCoalesced,
      isShared: query.isShared,
      attempts: query.attempts.map(({ upstream, transport, outcome, startedMs, endedMs }) => ({
        upstream: this.upstreamAt(upstream),
        transport,
        outcome,
        startedMs,
        endedMs
      })),
      error: query.error,
      raw: query,
      address
    }
  }

  private nameOf(wire: Uint8Array): LoggedName {
    const key = Buffer.from(wire.buffer, wire.byteOffset, wire.length).toString("latin1")
    const before = this.names.get(key)
    if (before !== undefined) return before
    if (this.names.size >= REMEMBERED) this.names.clear()
    const name = namesIn(wire.map((octet) => LOWER[octet]!))
    this.names.set(key, name)
    return name
  }
}

/** Of a name in wire form and lower case. */
export const namesIn = (wire: Uint8Array): LoggedName => {
  if (wire.length === 0) return { text: "", reversed: "" }
  const isCut = wire.length === RING_NAME_OCTETS && wire.at(-1) !== 0
  return { text: formatName(wire) + (isCut ? "…" : ""), reversed: reversedName(wire) }
}

const reversedName = (wire: Uint8Array): string => {
  const labels: Array<string> = []
  for (let at = 0; at < wire.length && wire[at] !== 0; at += wire[at]! + 1) {
    labels.unshift(formatName(wire.subarray(at, at + wire[at]! + 1)))
  }
  return labels.length === 0 ? "." : labels.join(".")
}

const wantedBy = ({ only, slowFrom, names }: LogFilter): ((query: RecentQuery) => boolean) => {
  const outcomes = new Set(only)
  const hasFailed = outcomes.has("failed")
  const hasSlow = outcomes.has("slow")
  const slow = new SlowLimit(() => slowFrom)
  const isOutcome = ({ attempts, durationMs, isCoalesced, outcome, rcode }: RecentQuery): boolean => {
    const isSlow = hasSlow && slow.isExceededBy(durationMs)
    if (hasSlow && outcome === "miss" && !isCoalesced && attempts.length > 0) slow.observe(durationMs)
    return outcomes.has(outcome) || isSlow || (hasFailed && rcode === Rcode.ServFail)
  }
  const isAny = outcomes.has("all")
  const ends = names.map((name) => Buffer.from(name))
  const isNamed = (query: RecentQuery): boolean => ends.some((end) => isBelow(query.name, end))
  return (query) => (isAny || isOutcome(query)) && (ends.length === 0 || isNamed(query))
}

/** Whether a name, which may be cut, is `suffix` or below it. */
const isBelow = (name: Uint8Array, suffix: Uint8Array): boolean => {
  for (let at = 0; at < name.length; at += name[at]! + 1) {
    if (name.length - at !== suffix.length) continue
    return suffix.every((octet, i) => LOWER[name[at + i]!] === octet)
  }
  return false
}
