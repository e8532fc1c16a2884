/**
 * One connected UDP socket to one upstream, and the exchanges that wait on it, by id.
 *
 * The kernel passes on only what comes from the address and port that was asked; here id and question are compared
 * (RFC 5452 §9.1), its letters as they were sent, and the cookie. What does not match is counted and dropped, and never
 * ends the wait; an id that this socket never sent is guessed.
 */
import { Effect, type Scope } from "effect"
import { hasMixedCase, mixCase } from "../../dns/mixed-case.ts"
import { type Option, writeQuery } from "../../dns/question.ts"
import { MAX_UDP_SIZE } from "../../dns/reply.ts"
import {
  type AnswerRules,
  matchReply,
  normalise,
  ReplyMatch,
  type Response,
  truncatedResponse
} from "../../dns/response.ts"
import { HEADER_SIZE, u16 } from "../../dns/wire.ts"
import { type Datagram, type DatagramSocket, DatagramTransport, type SocketError } from "../../io/datagram.ts"
import type { Endpoint } from "../../io/endpoint.ts"
import { Incidents } from "../../runtime/incidents.ts"
import { OpenTable } from "../../runtime/open-table.ts"
import { randomU16, randomU32 } from "../../runtime/random.ts"
import { GarbageReceived, type Requester } from "../requester.ts"
import type { AddressResolver } from "./address-resolver.ts"
import type { CookieJar, Proof } from "./cookie-jar.ts"

interface Waiting extends Requester {
  /** Of the message that was sent. */
  id: number
  /** Which letters of the message were raised; 0 where none were. */
  caseBits: number
  /** Whether the question's letters are to be mixed. */
  readonly mixesCase: boolean
  /** What the cookie of a reply shows. */
  readonly proofOf: (response: Response) => Proof
  /** A reply came that may be forged: the exchange may find out another way. */
  readonly onUnproven: (what: "case" | "cookie") => void
  /** Somebody is guessing: the exchange may go on by a connection. */
  readonly onSpoofed: () => void
  /** The address is given up: the exchange may go to another. */
  readonly onLeft: () => void
}

/** Exchanges that one socket carries at most: so few of 65,536 ids that a free one is found at once. */
const MAX_EXCHANGES = 8192

export interface UdpPortOptions {
  readonly rules: AnswerRules
  readonly nowMs: number
  /** Called before the datagrams of a batch are read. */
  readonly onBatch: () => void
  /** A datagram came that is no reply to what was asked. */
  readonly onMismatch: () => void
  /** One of them has an id that was never sent; says whether there were too many of these lately. */
  readonly onForged: () => boolean
  /** Those of the address. */
  readonly cookies: CookieJar
  /** Undefined where the upstream is configured by address. */
  readonly addressResolver: AddressResolver | undefined
}

export class UdpPort {
  readonly address: string
  private readonly exchanges = new OpenTable<Waiting, number>(
    ({ id }) => id,
    (waiting, id) => waiting.id === id
  )
  private readonly options: UdpPortOptions
  private readonly incidents: Incidents
  private socket: DatagramSocket | undefined
  /** The ids that were sent from here, one bit each: late replies have them. */
  private readonly sent = new Uint8Array(65_536 / 8)

  private constructor(address: string, options: UdpPortOptions, incidents: Incidents) {
    this.address = address
    this.options = options
    this.incidents = incidents
  }

  static open(
    remote: Endpoint,
    options: UdpPortOptions
  ): Effect.Effect<UdpPort, SocketError, DatagramTransport | Scope.Scope> {
    return Effect.gen(function* () {
      const transport = yield* DatagramTransport
      const port = new UdpPort(remote.address, options, yield* Incidents)
      port.socket = yield* transport.connect(remote, {
        onBatch: (batch, count) => {
          options.onBatch()
          for (let i = 0; i < count; i++) port.receive(batch[i]!)
        },
        onError: (error) => {
          options.addressResolver?.demote(remote.address)
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

  get openedMs(): number {
    return this.options.nowMs
  }

  get cookies(): CookieJar {
    return this.options.cookies
  }

  get addressResolver(): AddressResolver | undefined {
    return this.options.addressResolver
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
    this.sent[exchange.id >>> 3]! |= 1 << (exchange.id & 7)
    const socket = this.socket!
    const out = socket.reserve()
    const { question } = exchange
    const length = writeQuery(out, exchange.id, question, MAX_UDP_SIZE, edns, options)
    const bits = exchange.mixesCase ? randomU32() : 0
    exchange.caseBits = bits !== 0 && mixCase(out, HEADER_SIZE, question.name.length, bits) ? bits : 0
    socket.send(length)
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
        this.noteMismatch(id)
        return
      }
      // A datagram that was cut off counts as truncated by the upstream (RFC 2181 §9).
      const response = datagram.isTruncated
        ? truncatedResponse(u16(payload, 2))
        : normalise(payload, length, exchange.question, this.options.rules)
      // What is truncated is asked for by TCP in any case.
      if (response !== undefined && !response.truncated) {
        const hasCase =
          exchange.caseBits === 0 ||
          match === ReplyMatch.BareError ||
          hasMixedCase(payload, HEADER_SIZE, exchange.question.name, exchange.caseBits)
        const proof = hasCase ? exchange.proofOf(response) : "unproven"
        if (proof === "forged") {
          this.options.onMismatch()
          this.noteForged()
          return
        }
        if (proof === "unproven") {
          this.exchanges.delete(exchange)
          exchange.onUnproven(hasCase ? "cookie" : "case")
          return
        }
      }
      this.exchanges.delete(exchange)
      this.addressResolver?.heard(this.address)
      if (response === undefined) exchange.onFailure(new GarbageReceived())
      else exchange.onResponse(response)
    } catch (thrown) {
      this.incidents.onDefect("a datagram of an upstream", thrown)
      exchange?.onFailure(new GarbageReceived())
    }
  }

  /** Late replies and second ones have an id that was sent. */
  private noteMismatch(id: number): void {
    this.options.onMismatch()
    if (id >= 0 && (this.sent[id >>> 3]! & (1 << (id & 7))) === 0) this.noteForged()
  }

  private noteForged(): void {
    if (!this.options.onForged() || this.exchanges.size === 0) return
    for (const exchange of this.exchanges.values()) exchange.onSpoofed()
  }
}
