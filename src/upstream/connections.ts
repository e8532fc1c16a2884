/**
 * The connections to one upstream: few, kept, and shared by all who ask.
 *
 * Each lives in a fiber of its own, from its opening to its end (docs/decisions/0011-encrypted-upstreams.md says why
 * not in a `Pool`). A question takes the first connection that is not busy; where all are, another is opened, up to a
 * number. Where none has room, questions stand in line.
 */
import { Deferred, Effect, FiberSet, type Scope } from "effect"
import type { Option } from "../dns/question.ts"
import type { SocketError } from "../io/datagram.ts"
import type { TimerWheel } from "../io/timer-wheel.ts"
import { type Exchange, NetworkFailure } from "./attempt.ts"
import { Call, type Connection, type Owner } from "./connection.ts"

/** Open and not to be left. Suspect ones that are probed are besides. */
const MAX_OPEN = 4
const MAX_ALIVE = 8
/** Questions that wait on a connection before another is opened. */
const BUSY = 64
/** Connections that may end under one question until it counts as the upstream's failure, where they had answered. */
const MAX_LOSSES = 2
/** And where they had not: an upstream that is broken is left soon. */
const MAX_LOSSES_OF_FRESH = 1
/** A server that closes after fewer answers than this is taken to allow no more on a connection, for a while. */
const SHORT_LIFE = 10
const SHORT_LIFE_KNOWN_MS = 600_000
/** So long after a failure no connection is opened beside others that work. */
const NO_MORE_MS = 1_000

/** Opens a connection; its owner is told what becomes of it. It takes so many questions in all as `lifetime` says. */
export type OpenConnection = (owner: Owner, lifetime: number) => Effect.Effect<Connection, SocketError, Scope.Scope>

export interface ConnectionsOptions {
  readonly open: OpenConnection
  readonly wheel: TimerWheel["Service"]
  readonly onBatch: () => void
  readonly silenceMs: () => number
  /** Told why a connection could not be opened. */
  readonly onRefused: (error: SocketError) => Effect.Effect<void>
  readonly onOpened: Effect.Effect<void>
}

interface Member {
  readonly connection: Connection
  readonly isOver: Deferred.Deferred<void>
}

export class Connections implements Owner {
  readonly wheel: TimerWheel["Service"]
  readonly onBatch: () => void
  readonly silenceMs: () => number
  private members: ReadonlyArray<Member> = []
  private opening = 0
  private refusedMs = Number.NEGATIVE_INFINITY
  private shortLife = Number.POSITIVE_INFINITY
  private shortLifeUntilMs = 0
  private readonly line = new Line()
  private readonly options: ConnectionsOptions
  private readonly run: (effect: Effect.Effect<void>) => unknown

  private constructor(options: ConnectionsOptions, run: (effect: Effect.Effect<void>) => unknown) {
    this.options = options
    this.wheel = options.wheel
    this.onBatch = options.onBatch
    this.silenceMs = options.silenceMs
    this.run = run
  }

  /** None is open yet; those that open live no longer than the scope. */
  static make(options: ConnectionsOptions): Effect.Effect<Connections, never, Scope.Scope> {
    return Effect.map(FiberSet.makeRuntime<never, void, never>(), (run) => new Connections(options, run))
  }

  /** How many there are. */
  get size(): number {
    return this.members.length
  }

  ask(exchange: Exchange, edns: boolean, options: ReadonlyArray<Option>): Call {
    const call = new Call(exchange, edns, options)
    this.place(call)
    return call
  }

  /** Nobody waits for it any more. */
  giveUp(call: Call): void {
    call.isGivenUp = true
    call.connection?.forget(call)
  }

  onRoom(): void {
    while (!this.line.isEmpty) {
      const connection = this.choose()
      if (connection === undefined) break
      this.give(connection, this.line.take()!)
    }
    if (!this.line.isEmpty) this.grow()
  }

  onClosed(connection: Connection): void {
    const member = this.members.find((member) => member.connection === connection)
    if (member === undefined) return
    this.members = this.members.filter((other) => other !== member)
    Deferred.doneUnsafe(member.isOver, Effect.void)
    this.grow()
  }

  onLost(call: Call, message: string, wasGood: boolean): void {
    call.connection = undefined
    if (call.losses++ < (wasGood ? MAX_LOSSES : MAX_LOSSES_OF_FRESH)) this.place(call)
    else call.exchange.onFailure(new NetworkFailure({ message }))
  }

  onShortLife(answers: number): void {
    if (answers === 0 || answers >= SHORT_LIFE) return
    this.shortLife = answers
    this.shortLifeUntilMs = this.wheel.nowMs() + SHORT_LIFE_KNOWN_MS
  }

  private get lifetime(): number {
    return this.wheel.nowMs() < this.shortLifeUntilMs ? this.shortLife : Number.POSITIVE_INFINITY
  }

  private place(call: Call): void {
    const connection = this.choose()
    if (connection === undefined) this.line.add(call)
    else this.give(connection, call)
    if (connection === undefined || connection.waiting > BUSY) this.grow()
  }

  private give(connection: Connection, call: Call): void {
    call.connection = connection
    connection.ask(call)
  }

  /** The first that is not busy, else the least busy; undefined where none has room. */
  private choose(): Connection | undefined {
    let least: Connection | undefined
    for (const { connection } of this.members) {
      if (connection.room <= 0) continue
      if (connection.waiting < BUSY) return connection
      if (least === undefined || connection.waiting < least.waiting) least = connection
    }
    return least
  }

  /** Opens connections where those that are there, or are being opened, will not do. */
  private grow(): void {
    let usable = 0
    let isCrowded = true
    for (const { connection } of this.members) {
      if (!connection.isUsable) continue
      usable++
      isCrowded &&= connection.waiting >= BUSY || connection.room <= 0
    }
    const inLine = this.line.isEmpty ? 0 : this.line.size
    const crowd = usable > 0 && isCrowded ? 1 : 0
    if (usable > 0 && this.wheel.nowMs() - this.refusedMs < NO_MORE_MS) return
    const wanted = Math.max(crowd, Math.ceil(inLine / Math.min(BUSY, this.lifetime)))
    const allowed = Math.min(MAX_OPEN - usable, MAX_ALIVE - this.members.length)
    while (this.opening < Math.min(wanted, allowed)) {
      this.opening++
      this.run(this.live)
    }
  }

  /** A connection's life, from its opening to its end. */
  private readonly live: Effect.Effect<void> = Effect.suspend(() => {
    let isOpening = true
    const opened = (): void => {
      if (isOpening) this.opening--
      isOpening = false
    }
    const life = Effect.flatMap(this.options.open(this, this.lifetime), (connection) => {
      opened()
      if (connection.isOver) return Effect.void
      const member: Member = { connection, isOver: Deferred.makeUnsafe<void>() }
      this.members = [...this.members, member]
      this.onRoom()
      return Effect.andThen(this.options.onOpened, Deferred.await(member.isOver))
    })
    // In a later turn: whoever asked is not told of a failure before the asking is over.
    return Effect.andThen(Effect.yieldNow, Effect.scoped(life)).pipe(
      Effect.catch((error) => {
        opened()
        this.onRefused(error)
        return this.options.onRefused(error)
      }),
      Effect.ensuring(Effect.sync(opened))
    )
  })

  private onRefused({ message }: SocketError): void {
    this.refusedMs = this.wheel.nowMs()
    // Where others are open or on their way, those in line wait for them.
    if (this.opening > 0 || this.members.some(({ connection }) => connection.isUsable)) return
    // Those who come back at once wait for the next connection.
    for (const call of this.line.takeAll()) call.exchange.onFailure(new NetworkFailure({ message }))
  }
}

/** First come, first served; those who have given up are passed over. */
class Line {
  private calls: Array<Call> = []
  private head = 0

  /** With those who have given up. */
  get size(): number {
    return this.calls.length - this.head
  }

  get isEmpty(): boolean {
    while (this.head < this.calls.length && this.calls[this.head]!.isGivenUp) this.head++
    if (this.head < this.calls.length) return false
    this.calls = []
    this.head = 0
    return true
  }

  add(call: Call): void {
    this.calls.push(call)
  }

  take(): Call | undefined {
    return this.isEmpty ? undefined : this.calls[this.head++]
  }

  takeAll(): ReadonlyArray<Call> {
    const waiting = this.calls.slice(this.head).filter(({ isGivenUp }) => !isGivenUp)
    this.calls = []
    this.head = 0
    return waiting
  }
}
