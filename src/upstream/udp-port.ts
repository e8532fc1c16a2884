/**
 * One connected UDP socket to one upstream, and the exchanges that wait on it, by id.
 *
 * The kernel passes on only what comes from the address and port that was asked; here id and question are compared
 * (RFC 5452 §9.1). What does not match is counted and dropped, and never ends the wait.
 */
import { Effect, type Scope } from "effect"
import { encodeQuery, type Option, type Question } from "../dns/question.ts"
import { MAX_UDP_SIZE } from "../dns/reply.ts"
import { matchReply, normalise, ReplyMatch, type Response, type TtlBounds } from "../dns/response.ts"
import { u16 } from "../dns/wire.ts"
import { type Datagram, type DatagramSocket, DatagramTransport, type SocketError } from "../io/datagram.ts"
import type { Endpoint } from "../io/endpoint.ts"
import { randomU16 } from "../io/random.ts"
import { type AttemptFailure, GarbageReceived } from "./attempt.ts"

interface Exchange {
  readonly question: Question
  readonly resume: (result: Effect.Effect<Response, AttemptFailure>) => void
  readonly onTrouble: (error: Error) => void
}

/** Exchanges that one socket carries at most: so few of 65,536 ids that a free one is found at once. */
const MAX_EXCHANGES = 8192

export class UdpPort {
  readonly openedMs: number
  private readonly exchanges = new Map<number, Exchange>()
  private readonly remote: Endpoint
  private readonly ttl: TtlBounds
  private readonly onStranger: () => void
  private socket: DatagramSocket | undefined

  private constructor(remote: Endpoint, ttl: TtlBounds, nowMs: number, onStranger: () => void) {
    this.remote = remote
    this.ttl = ttl
    this.openedMs = nowMs
    this.onStranger = onStranger
  }

  static open(
    remote: Endpoint,
    ttl: TtlBounds,
    nowMs: number,
    onStranger: () => void
  ): Effect.Effect<UdpPort, SocketError, DatagramTransport | Scope.Scope> {
    return Effect.gen(function* () {
      const transport = yield* DatagramTransport
      const port = new UdpPort(remote, ttl, nowMs, onStranger)
      port.socket = yield* transport.connect(remote, {
        onBatch: (batch) => {
          for (const datagram of batch) port.receive(datagram)
        },
        onError: (error) => {
          for (const exchange of [...port.exchanges.values()]) exchange.onTrouble(error)
        }
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

  /**
   * Sends the question and waits for its reply, for as long as the caller does.
   *
   * @param onTrouble told of an ICMP error; the wait goes on, for such a message can be forged (RFC 5927)
   */
  ask(
    question: Question,
    edns: boolean,
    options: ReadonlyArray<Option>,
    onTrouble: (error: Error) => void
  ): Effect.Effect<Response, AttemptFailure> {
    return Effect.callback((resume) => {
      let id = randomU16()
      while (this.exchanges.has(id)) id = randomU16()
      this.exchanges.set(id, { question, resume, onTrouble })
      const message = encodeQuery(id, question, MAX_UDP_SIZE, edns, options)
      const socket = this.socket!
      const payload = socket.reserve(message.length)
      payload.set(message)
      socket.send([{ payload, length: message.length, peer: this.remote }])
      return Effect.sync(() => {
        this.exchanges.delete(id)
      })
    })
  }

  private receive({ payload, length }: Datagram): void {
    const id = length < 2 ? -1 : u16(payload, 0)
    const exchange = this.exchanges.get(id)
    const match = exchange === undefined ? ReplyMatch.Stranger : matchReply(payload, length, id, exchange.question)
    if (exchange === undefined || match === ReplyMatch.Stranger) {
      this.onStranger()
      return
    }
    this.exchanges.delete(id)
    const response = normalise(payload, length, exchange.question, this.ttl)
    exchange.resume(response === undefined ? Effect.fail(new GarbageReceived()) : Effect.succeed(response))
  }
}
