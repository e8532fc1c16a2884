/** Queries on streams, whatever is spoken on them: connections, how many there may be, and how long. */
import { Effect, Schedule, type Scope } from "effect"
import { Configuration } from "../../config/configuration.ts"
import type { BindTarget, SocketError } from "../../io/datagram.ts"
import { formatEndpoint } from "../../io/endpoint.ts"
import type { Peer } from "../../io/peer.ts"
import { isHttp } from "../../io/protocols.ts"
import { type StreamHandler, type StreamSocket, StreamTransport } from "../../io/stream-transport.ts"
import type { TlsTerms } from "../../io/tls-server.ts"
import type { Packet } from "../../query/packet.ts"
import { countedBy, type Transport } from "../../query/transport.ts"
import { runGuarded } from "../../runtime/guard.ts"
import { Incidents } from "../../runtime/incidents.ts"
import { LoopClock } from "../../runtime/loop-clock.ts"
import { Counters } from "../../telemetry/counters.ts"
import type { Listening } from "../listening.ts"
import { QueryFibers } from "../query-fibers.ts"
import { ClientConnection, type StreamTimes, type Unread } from "./client-connection.ts"
import { CONNECTION, makeConnectionRates } from "./connection-rates.ts"
import type { Converse } from "./conversation.ts"

/** Between two looks at whose time is over. */
const SWEEP_MS = 250

/** The connections of all listeners: the limits are theirs together. */
export class StreamClients {
  readonly clients = new Set<ClientConnection>()
  /** How many each client has: an IPv4 address, or an IPv6 /64. */
  readonly byClient = new Map<string, number>()
  readonly unread: Unread = { octets: 0 }
}

/** What is spoken at a listener. */
export interface Spoken {
  readonly transport: Transport
  readonly converse: Converse
  /** By which it is encrypted; undefined where it is not. */
  readonly terms: TlsTerms | undefined
  /** Whether a peer is a proxy that says first who is behind it. */
  readonly announces: (peer: Peer) => boolean
  /** With whom it is spoken. */
  readonly mayConnect: (peer: Peer) => boolean
}

/**
 * Listens at `local` for as long as the scope lives.
 *
 * When there are as many connections as there may be, the one that has been idle longest makes room; where none is
 * idle, the new one is closed.
 *
 * @param everyone the connections that count against the limits: of this listener and the others
 */
export const listenStream = (
  local: BindTarget,
  everyone: StreamClients,
  { announces, converse, mayConnect, terms, transport: kind }: Spoken
): Effect.Effect<
  Listening,
  SocketError,
  Configuration | StreamTransport | LoopClock | QueryFibers | Counters | Scope.Scope
> =>
  Effect.gen(function* () {
    const configuration = yield* Configuration
    const fibers = yield* QueryFibers
    const counters = yield* Counters
    const transport = yield* StreamTransport
    const { preciseMs } = yield* LoopClock
    const start = (packet: Packet): void => fibers.start(fibers.handling(packet))
    const incidents = yield* Incidents
    const rates = yield* makeConnectionRates
    const { clients, byClient } = everyone
    const own = new Set<ClientConnection>()
    const times = (): StreamTimes => {
      const { tcpIdleTimeoutSecs, tcpReceiveTimeoutSecs, tcpSendTimeoutSecs } = configuration.current()
      return {
        idleMs: tcpIdleTimeoutSecs * 1000,
        receiveMs: tcpReceiveTimeoutSecs * 1000,
        sendMs: tcpSendTimeoutSecs * 1000
      }
    }

    const isFull = (whose: string): boolean => {
      const { maxTcpConnections, maxTcpConnectionsPerClient } = configuration.current()
      return clients.size >= maxTcpConnections || (byClient.get(whose) ?? 0) >= maxTcpConnectionsPerClient
    }

    const accept = (socket: StreamSocket): StreamHandler | undefined => {
      if (!mayConnect(socket.via)) {
        counters.add("tcp.refused")
        socket.destroy()
        return undefined
      }
      const whose = clientKey(socket.peer)
      if (rates.current?.admits(socket.peer, CONNECTION, preciseMs()) === false) {
        counters.add("tcp.limited")
        socket.destroy()
        return undefined
      }
      if (isFull(whose)) {
        counters.add("tcp.refused")
        const ofWhom = clients.size >= configuration.current().maxTcpConnections ? undefined : whose
        const longestIdle = longestIdleOf(clients, ofWhom)
        if (longestIdle === undefined) {
          socket.destroy()
          return undefined
        }
        longestIdle.destroy()
      }
      counters.add("tcp.accepted")
      byClient.set(whose, (byClient.get(whose) ?? 0) + 1)
      const onClose = (): void => {
        clients.delete(client)
        own.delete(client)
        const left = (byClient.get(whose) ?? 1) - 1
        if (left > 0) byClient.set(whose, left)
        else byClient.delete(whose)
      }
      const client: ClientConnection = new ClientConnection(socket, whose, converse, {
        transport: counted,
        start,
        nowMs: preciseMs,
        unreadInAll: everyone.unread,
        onBatch: fibers.beginBatch,
        onBatchEnd: fibers.endBatch,
        onClose,
        maxQueries: () => configuration.current().tcpMaxQueries,
        onWorn: () => counters.add("tcp.worn"),
        onDefect: (thrown) => incidents.onDefect("a client's connection", thrown)
      })
      clients.add(client)
      own.add(client)
      return client.handler
    }

    const sweep = Effect.sync(() => {
      const now = preciseMs()
      const allowed = times()
      const livesMs = configuration.current().tcpMaxSecs * 1000
      for (const client of own) {
        runGuarded(incidents, "a look at the connections", () => {
          if (client.isExpired(now, allowed)) {
            counters.add("tcp.expired")
            client.destroy()
          } else if (livesMs > 0 && now - client.openedMs >= livesMs) {
            client.retire()
          }
        })
      }
    })
    yield* Effect.addFinalizer(() =>
      Effect.sync(() => {
        for (const client of own) client.destroy()
      })
    )
    yield* Effect.forkScoped(Effect.repeat(sweep, Schedule.spaced(SWEEP_MS)))
    const { endpoint, stop } = yield* transport.listen(local, accept, { terms, announces })
    const server = formatEndpoint(endpoint)
    // HTTP has ways of its own to say so (RFC 7828 §3).
    const keepaliveTenths = (): number =>
      isHttp(kind.protocol) ? 0 : Math.round(configuration.current().tcpIdleTimeoutSecs * 10)
    const counted = countedBy(kind, counters.trafficAt(kind.protocol, server), server, keepaliveTenths)
    return {
      protocol: kind.protocol,
      endpoint,
      stop: () => {
        stop()
        for (const client of own) client.leave()
      }
    }
  })

const words = new Uint32Array(4)
/** The first ten bits of fe80::/10. */
const LINK_LOCAL = 0xfe80 >>> 6

/**
 * The key by which a client's connections are counted: its IPv4 address, also where it is mapped into IPv6, or its IPv6
 * /64, all of which one host may have. Link-local addresses share one /64: there each address counts for itself.
 */
const clientKey = (peer: Peer): string => {
  if (peer.readWords(words)) return `${words[3]}`
  const isLinkLocal = words[0]! >>> 22 === LINK_LOCAL
  return isLinkLocal ? words.join(":") : `${words[0]}:${words[1]}`
}

const longestIdleOf = (
  clients: ReadonlySet<ClientConnection>,
  whose: string | undefined
): ClientConnection | undefined => {
  let found: ClientConnection | undefined
  for (const client of clients) {
    if (!client.isIdle || (whose !== undefined && client.whose !== whose)) continue
    if (found === undefined || client.activeMs < found.activeMs) found = client
  }
  return found
}
