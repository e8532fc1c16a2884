/**
 * One connected UDP socket to one upstream, and the exchanges that wait on it, by id.
 *
 * The kernel passes on only what comes from the address and port that was asked; here id and question are compared
 * (RFC 5452 §9.1). What does not match is counted and dropped, and never ends the wait.
 */
import { Effect, type Scope } from "effect"
import type { TtlBounds } from "../../dns/classify-response.ts"
import { type Option, writeQuery } from "../../dns/question.ts"
import { MAX_UDP_SIZE } from "../../dns/reply.ts"
import { matchReply, normalise, ReplyMatch, truncatedResponse } from "../../dns/response.ts"
import { u16 } from "../../dns/wire.ts"
import { type Datagram, type DatagramSocket, DatagramTransport, type SocketError } from "../../io/datagram.ts"
import type { Endpoint } from "../../io/endpoint.ts"
import { Incidents } from "../../runtime/incidents.ts"
import { OpenTable } from "../../runtime/open-table.ts"
import { randomU16 } from "../../runtime/random.ts"
import { GarbageReceived, type Requester } from "../requester.ts"
import type { AddressResolver } from "./address-resolver.ts"

interface Waiting extends Requester {
  /** Of the message that was sent. */
  id: number
  /** The address is given up: the exchange may go to another. */
  readonly onLeft: () => void
}

/** Exchanges that one socket carries at most: so few of 65,536 ids that a free one is found at once. */
const MAX_EXCHANGES = 8192

export class UdpPort {
  readonly openedMs: number
  readonly address: string
  private readonly exchanges = new OpenTable<Waiting, number>(
    ({ id }) => id,
    (waiting, id) => waiting.id === id
  )
  private readonly ttl: TtlBounds
  private readonly onMismatch: () => void
  /** Undefined where the upstream is configured by address. */
  readonly addressResolver: AddressResolver | undefined
  private readonly incidents: Incidents
  private socket: DatagramSocket | undefined

  private constructor(
    address: string,
    ttl: TtlBounds,
    nowMs: number,
    onMismatch: () => void,
    addressResolver: AddressResolver | undefined,
    incidents: Incidents
  ) {
    this.address = address
    this.incidents = incidents
    this.ttl = ttl
    this.openedMs = nowMs
    this.onMismatch = onMismatch
    this.addressResolver = addressResolver
  }

  static open(
    remote: Endpoint,
    ttl: TtlBounds,
    nowMs: number,
    onBatch: () => void,
    onMismatch: () => void,
    addressResolver?: AddressResolver
  ): Effect.Effect<UdpPort, SocketError, DatagramTransport | Scope.Scope> {
    return Effect.gen(function* () {
      const transport = yield* DatagramTransport
      const port = new UdpPort(remote.address, ttl, nowMs, onMismatch, addressResolver, yield* Incidents)
      port.socket = yield* transport.connect(remote, {
        onBatch: (batch, count) => {
          onBatch()
          for (let i = 0; i < count; i++) port.receive(batch[i]!)
        },
        onError: (error) => {
          addressResolver?.demote(remote.address)
          for (const exchange of port.exchanges.values()) {
            // An exchange before it may have moved this one to another address.
            if (port.exchanges.get(exchange.id, exchange.id) === exchange) exchange.onTrouble(error.message)
          }
        },
        onUnsent: () => {}
      })
      return port
    })
  }

  get isIdle(): boolean {
    return this.exchanges.size === 0
  }

  get isFull(): boolean {
    return this.exchanges.size >= MAX_EXCHANGES
  }

  /** Sends the question, with an id that the exchange keeps from then on. `forget` ends the wait. */
  ask(exchange: Waiting, edns: boolean, options: ReadonlyArray<Option>): void {
    exchange.id = randomU16()
    while (this.exchanges.get(exchange.id, exchange.id) !== undefined) exchange.id = randomU16()
    this.exchanges.add(exchange)
    const socket = this.socket!
    socket.send(writeQuery(socket.reserve(), exchange.id, exchange.question, MAX_UDP_SIZE, edns, options))
  }

  forget(exchange: Waiting): void {
    this.exchanges.delete(exchange)
  }

  /** The socket is given up: its exchanges may move. */
  leave(): void {
    for (const exchange of this.exchanges.values()) exchange.onLeft()
  }

  private receive(datagram: Datagram): void {
    let exchange: Waiting | undefined
    try {
      const { payload, length } = datagram
      const id = length < 2 ? -1 : u16(payload, 0)
      exchange = this.exchanges.get(id, id)
      const match = exchange === undefined ? ReplyMatch.Mismatch : matchReply(payload, length, id, exchange.question)
      if (exchange === undefined || match === ReplyMatch.Mismatch) {
        this.onMismatch()
        return
      }
      this.exchanges.delete(exchange)
      this.addressResolver?.heard(this.address)
      // A datagram that was cut off counts as truncated by the upstream (RFC 2181 §9).
      const response = datagram.isTruncated
        ? truncatedResponse(u16(payload, 2))
        : normalise(payload, length, exchange.question, this.ttl)
      if (response === undefined) exchange.onFailure(new GarbageReceived())
      else exchange.onResponse(response)
    } catch (thrown) {
      this.incidents.onDefect("a datagram of an upstream", thrown)
      exchange?.onFailure(new GarbageReceived())
    }
  }
}
