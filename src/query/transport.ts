/**
 * By what a query came, as far as its answer depends on it.
 *
 * Hot path: each listener's packets carry one object of these, so that nothing is allocated or compared by name.
 */
import type { Query } from "../dns/query.ts"
import { leastReplySize, MAX_UDP_SIZE, PAD_BLOCK } from "../dns/reply.ts"
import { MAX_MESSAGE_SIZE } from "../dns/wire.ts"
import type { CounterName } from "../telemetry/counters.ts"
import type { ClientProtocol } from "../telemetry/record.ts"
import { type ListenerTraffic, uncounted } from "../telemetry/traffic.ts"
import type { JudgeReply } from "./reply-rates.ts"

export interface Transport {
  /** As traces and the log name it. */
  readonly protocol: ClientProtocol
  /** Encrypted: nobody on the way reads a message, only how long it is (RFC 8467 §1). */
  readonly isSecure: boolean
  /** The client has answered from its address, so that the address is not forged (RFC 5358 §3). */
  readonly isAddressProven: boolean
  /** Octets of a reply at most. */
  readonly maxReplySize: number
  /** Whether a query says in its OPT that it takes less: datagrams only (RFC 6891 §6.2.5). */
  readonly isBoundByClient: boolean
  /** How long a connection may be idle, in tenths of a second, for clients that ask (RFC 7828); 0 where it is not said. */
  readonly keepaliveTenths: () => number
  /** Says which replies are too many; undefined where any number is right. */
  readonly judgeReply: () => JudgeReply | undefined
  /** Counts the queries that come by it. */
  readonly counter: CounterName
  /** Counts what comes in and goes out by the listener. */
  readonly traffic: ListenerTraffic
  /** Where the listener is, as `127.0.0.1:53`; empty where it does not say. */
  readonly server: string
}

const unjudged = (): undefined => undefined

export const UDP: Transport = Object.freeze({
  protocol: "udp",
  isSecure: false,
  isAddressProven: false,
  maxReplySize: MAX_UDP_SIZE,
  isBoundByClient: true,
  keepaliveTenths: () => 0,
  judgeReply: unjudged,
  counter: "queries.udp",
  traffic: uncounted,
  server: ""
})

export const TCP: Transport = Object.freeze({
  protocol: "tcp",
  isSecure: false,
  isAddressProven: true,
  maxReplySize: MAX_MESSAGE_SIZE,
  isBoundByClient: false,
  keepaliveTenths: () => 0,
  judgeReply: unjudged,
  counter: "queries.tcp",
  traffic: uncounted,
  server: ""
})

/** RFC 7858. */
export const TLS: Transport = Object.freeze({ ...TCP, protocol: "tls", isSecure: true, counter: "queries.tls" })

/** RFC 8484. */
export const HTTPS: Transport = Object.freeze({ ...TCP, protocol: "https", isSecure: true, counter: "queries.https" })

/** The same behind a proxy that has ended the encryption. */
export const HTTP: Transport = Object.freeze({ ...HTTPS, protocol: "http", isSecure: false })

/** The same, of a listener that is counted by itself, and says how long its connections may be idle. */
export const countedBy = (
  transport: Transport,
  traffic: ListenerTraffic,
  server = "",
  keepaliveTenths = transport.keepaliveTenths
): Transport => Object.freeze({ ...transport, traffic, server, keepaliveTenths })

/** What the reply to this query says beside the answer, because of how the query came. */
export const readTransportOptions = (query: Query, { isSecure, keepaliveTenths }: Transport): void => {
  if (query.asksKeepalive) query.keepaliveTenths = keepaliveTenths()
  if (query.asksPadding && isSecure) query.padBlock = PAD_BLOCK
}

/** Octets that the reply to this query may measure. */
export const replyLimit = ({ isBoundByClient, maxReplySize }: Transport, query: Query): number => {
  const limit = isBoundByClient ? Math.min(query.udpSize, maxReplySize) : maxReplySize
  return query.sizeBound > 0 ? Math.min(Math.max(query.sizeBound, leastReplySize(query)), limit) : limit
}
