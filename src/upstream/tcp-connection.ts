/**
 * One TCP connection to an upstream: many questions wait on it at once, answers come in any order (RFC 7766 §6.2.1.1).
 */
import type { Socket } from "node:net"
import { Effect, type Scope } from "effect"
import { type Option, type Question, writeQuery } from "../dns/question.ts"
import { MAX_UDP_SIZE } from "../dns/reply.ts"
import { matchReply, normalise, ReplyMatch, type Response, type TtlBounds } from "../dns/response.ts"
import { u16 } from "../dns/wire.ts"
import { MAX_SENT, type SocketError } from "../io/datagram.ts"
import type { Endpoint } from "../io/endpoint.ts"
import { FrameReader, frame } from "../io/frames.ts"
import { randomU16 } from "../io/random.ts"
import { dial } from "../io/stream.ts"
import { type AttemptFailure, GarbageReceived, NetworkFailure } from "./attempt.ts"

interface Waiting {
  readonly question: Question
  readonly resume: (result: Effect.Effect<Response, AttemptFailure>) => void
}

const room = new Uint8Array(MAX_SENT)

export class TcpConnection {
  isBroken = false
  private readonly exchanges = new Map<number, Waiting>()
  private readonly frames = new FrameReader()
  private readonly socket: Socket
  private readonly ttl: TtlBounds

  private constructor(socket: Socket, ttl: TtlBounds, onBatch: () => void) {
    this.socket = socket
    this.ttl = ttl
    socket.on("data", (chunk: Buffer) => {
      onBatch()
      this.frames.push(chunk, (message) => this.receive(message))
    })
    socket.on("error", (error) => this.break(error.message))
    socket.on("close", () => this.break("the upstream closed the connection"))
  }

  static open(
    remote: Endpoint,
    ttl: TtlBounds,
    onBatch: () => void
  ): Effect.Effect<TcpConnection, SocketError, Scope.Scope> {
    return Effect.map(dial(remote), (socket) => new TcpConnection(socket, ttl, onBatch))
  }

  ask(question: Question, edns: boolean, options: ReadonlyArray<Option>): Effect.Effect<Response, AttemptFailure> {
    return Effect.callback((resume) => {
      if (this.isBroken) return resume(Effect.fail(new NetworkFailure({ message: "the connection is gone" })))
      let id = randomU16()
      while (this.exchanges.has(id)) id = randomU16()
      this.exchanges.set(id, { question, resume })
      const length = writeQuery(room, id, question, MAX_UDP_SIZE, edns, options)
      this.socket.write(frame(room.subarray(0, length)))
      return Effect.sync(() => {
        this.exchanges.delete(id)
      })
    })
  }

  private receive(message: Uint8Array): void {
    const id = message.length < 2 ? -1 : u16(message, 0)
    const exchange = this.exchanges.get(id)
    // One that was given up may still be answered; what cannot be read at all may not.
    if (exchange === undefined) return
    if (matchReply(message, message.length, id, exchange.question) === ReplyMatch.Stranger) {
      this.break("an answer that nobody asked for")
      return
    }
    this.exchanges.delete(id)
    const response = normalise(message, message.length, exchange.question, this.ttl)
    exchange.resume(response === undefined ? Effect.fail(new GarbageReceived()) : Effect.succeed(response))
  }

  private break(message: string): void {
    if (this.isBroken) return
    this.isBroken = true
    this.socket.destroy()
    const waiting = [...this.exchanges.values()]
    this.exchanges.clear()
    for (const exchange of waiting) exchange.resume(Effect.fail(new NetworkFailure({ message })))
  }
}
