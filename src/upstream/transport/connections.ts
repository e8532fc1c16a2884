/**
 * The connections to one upstream: few, kept open, and shared by all resolvers of the thread.
 *
 * Each lives in a fiber of its own, from its opening to its end (docs/decisions/0011-encrypted-upstreams.md says why
 * not in a `Pool`). A question takes the first connection that is not busy; where all are busy, another is opened, up
 * to a number. Where none has room, questions wait in a queue.
 */
import { Deferred, Effect, FiberSet, type Scope } from "effect"
import type { Option } from "../../dns/question.ts"
import type { SocketError } from "../../io/datagram.ts"
import { guarded, runGuarded } from "../../runtime/guard.ts"
import type { Incidents } from "../../runtime/incidents.ts"
import type { Timer, TimerTarget, TimerWheel } from "../../runtime/timer-wheel.ts"
import { NetworkFailure, type Requester } from "../requester.ts"
import { AnswerOrder, type Order, type SeenOrder } from "./answer-order.ts"
import { AskedOnce } from "./asked-once.ts"
import { type Connection, type ConnectionEvents, PendingRequest } from "./connection.ts"
import { Lifetime } from "./lifetime.ts"
import { RequestQueue } from "./request-queue.ts"
import { Throttle } from "./throttle.ts"

/** Usable connections at most. Suspect ones, on which answers may still come, are not counted. */
const MAX_OPEN = 4
/** Usable connections at most where one serves few questions well: its answers come in order, or it is closed after a few. */
const MAX_OPEN_OF_POOR = 8
/** Connections at most, suspect ones among them. */
const MAX_ALIVE = 12
/** Questions that wait on a connection before another is opened. */
const BUSY = 64
/** Questions that wait on a connection before another is opened, where its answers come in order: they wait for each other. */
const BUSY_IN_ORDER = 1
/** Questions on a connection whose answers come in order, at most, while others are being opened. */
const SHARE_IN_ORDER = 8
/**
 * How many connections may end while a question waits on them until the question fails, where they had answered before:
 * a server that closes after each answer goes on being asked.
 */
const MAX_LOSSES = 16
/** As `MAX_LOSSES`, where the connections had not answered: a broken upstream is left soon. */
const MAX_LOSSES_OF_FRESH = 1
/** How often a question that waits on a silent connection is copied to another one. */
const MAX_MOVES = 4
/** As `MAX_MOVES`, where the upstream answers in order, and has answered others since the last copy: as its time allows. */
const MAX_MOVES_IN_ORDER = 16
/** As `MAX_MOVES`, for the oldest, which the server may be busy with: each copy of it holds up another connection. */
const MAX_MOVES_OF_OLDEST = 2
/** Who calls, as the log says it. */
const BORDER = "the connections to an upstream"
/** For this long after a failure to connect, no connection is opened beside others that work. */
const NO_MORE_MS = 1_000

/** Opens a connection, which reports to `events`. `lifetime` is the number of questions that it may take in all. */
export type OpenConnection = (
  events: ConnectionEvents,
  lifetime: number
) => Effect.Effect<Connection, SocketError, Scope.Scope>

export interface ConnectionsOptions {
  readonly open: OpenConnection
  readonly incidents: Incidents
  readonly wheel: TimerWheel["Service"]
  readonly onBatch: () => void
  readonly silenceMs: () => number
  /** A question that would have to wait this long before it may be sent fails at once. */
  readonly patientMs: () => number
  readonly onMismatch: () => void
  /** A question has to wait because the upstream is asked too much. */
  readonly onHeld: () => void
  /** Told why a connection could not be opened. */
  readonly onRefused: (error: SocketError) => Effect.Effect<void>
  readonly onOpened: Effect.Effect<void>
}

interface Member {
  readonly connection: Connection
  readonly isOver: Deferred.Deferred<void>
}

export class Connections implements ConnectionEvents, TimerTarget {
  readonly wheel: TimerWheel["Service"]
  readonly incidents: Incidents
  readonly onBatch: () => void
  readonly silenceMs: () => number
  readonly onMismatch: () => void
  private members: ReadonlyArray<Member> = []
  private opening = 0
  private refusedMs = Number.NEGATIVE_INFINITY
  heardMs = Number.NEGATIVE_INFINITY
  private readonly answerOrder = new AnswerOrder()
  private pause: Timer | undefined
  private readonly once = new AskedOnce()
  private readonly lifetime = new Lifetime()
  private readonly throttle = new Throttle()
  private readonly queue = new RequestQueue()
  private readonly options: ConnectionsOptions
  private readonly run: (effect: Effect.Effect<void>) => unknown

  private constructor(options: ConnectionsOptions, run: (effect: Effect.Effect<void>) => unknown) {
    this.options = options
    this.wheel = options.wheel
    this.incidents = options.incidents
    this.onBatch = options.onBatch
    this.silenceMs = options.silenceMs
    this.onMismatch = options.onMismatch
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

  ask(requester: Requester, edns: boolean, options: ReadonlyArray<Option>): PendingRequest {
    const request = new PendingRequest(requester, edns, options)
    const before = this.once.find(request)
    if (before === undefined) {
      this.assign(request)
    } else {
      before.join(request)
      if (before.connection === undefined) requester.onHeld()
    }
    return request
  }

  /** Nobody waits for it any more. */
  abandon(request: PendingRequest): void {
    request.abandonAll()
  }

  onHeard(): void {
    this.heardMs = this.wheel.nowMs()
  }

  onRoom(): void {
    for (let request = this.queue.first; request !== undefined; request = this.queue.first) {
      const connection = this.choose(request)
      if (connection === undefined) break
      this.queue.take()
      this.give(connection, request)
    }
    if (!this.queue.isEmpty) this.grow()
  }

  onClosed(connection: Connection): void {
    const member = this.members.find((member) => member.connection === connection)
    if (member === undefined) return
    this.members = this.members.filter((other) => other !== member)
    Deferred.doneUnsafe(member.isOver, Effect.void)
    this.grow()
  }

  onLost(request: PendingRequest, message: string, wasGood: boolean): void {
    request.connection = undefined
    if (!request.isAskedElsewhere && request.losses++ < (wasGood ? MAX_LOSSES : MAX_LOSSES_OF_FRESH))
      this.assign(request)
    else request.onFailure(new NetworkFailure({ message }))
  }

  onShortLife(answers: number): void {
    this.lifetime.onClosedAfter(answers, this.wheel.nowMs())
  }

  onHeldUp(by: PendingRequest): void {
    this.once.add(by)
  }

  onSilent(requests: ReadonlyArray<PendingRequest>, oldest?: PendingRequest): void {
    for (const request of requests) {
      const isTwice = request.isAskedElsewhere
      const isInOrder = this.order === "kept" && request.isOvertaken(this.heardMs)
      const isMovedOut = request.moves >= (isInOrder ? MAX_MOVES_IN_ORDER : MAX_MOVES)
      const mayMove = !isMovedOut && (request !== oldest || request.timesOldest < MAX_MOVES_OF_OLDEST)
      if (request.isOver || !mayMove || (isTwice && request.moves === 0)) continue
      const copy = request.copy(this.wheel.nowMs())
      copy.timesOldest = request.timesOldest + (request === oldest ? 1 : 0)
      this.assign(copy)
    }
  }

  onBusy(request: PendingRequest, waitMs: number | undefined, message: string): void {
    const nowMs = this.wheel.nowMs()
    request.connection = undefined
    this.throttle.onRefused(this.waiting, waitMs, nowMs)
    if (this.throttle.waitMs(nowMs) < this.options.patientMs()) {
      this.hold(request, true)
      return
    }
    // The pause is longer than any query may take: those that are queued fail now, too.
    for (const one of [request, ...this.queue.takeAll()]) {
      runGuarded(this.incidents, BORDER, () => one.onFailure(new NetworkFailure({ message })))
    }
  }

  onAnswered(): void {
    if (this.throttle.isSet) this.throttle.onAnswered(this.wheel.nowMs())
  }

  onOrder(order: SeenOrder): void {
    this.answerOrder.onSeen(order, this.wheel.nowMs())
  }

  get order(): Order {
    return this.answerOrder.at(this.wheel.nowMs())
  }

  /** The upstream may be asked again. */
  fire(): void {
    this.pause = undefined
    this.onRoom()
    this.goOnLater()
  }

  private goOnLater(): void {
    if (this.pause !== undefined || this.queue.isEmpty) return
    const waitMs = this.throttle.waitMs(this.wheel.nowMs())
    if (waitMs > 0) this.pause = this.wheel.after(waitMs, this)
  }

  /** Questions that the upstream may be busy with: on a connection that seems to be dead they do not count. */
  private get waiting(): number {
    let waiting = 0
    for (const { connection } of this.members) if (!connection.isSuspect) waiting += connection.waiting
    return waiting
  }

  private get mayAsk(): boolean {
    return !this.throttle.isSet || this.throttle.hasRoom(this.waiting, this.wheel.nowMs())
  }

  private get busy(): number {
    return this.order === "kept" ? BUSY_IN_ORDER : BUSY
  }

  private assign(request: PendingRequest): void {
    if (this.throttle.isSet && this.throttle.waitMs(this.wheel.nowMs()) >= this.options.patientMs()) {
      this.refuse(request)
      return
    }
    const connection = this.choose(request)
    if (connection !== undefined) {
      this.give(connection, request)
      if (connection.waiting > this.busy) this.grow()
    } else if (this.mayAsk) {
      this.queue.add(request)
      this.grow()
    } else {
      this.hold(request)
    }
  }

  /** Queues the request until the upstream may be asked more. */
  private hold(request: PendingRequest, hasWaited = false): void {
    if (hasWaited) this.queue.addFirst(request)
    else this.queue.add(request)
    this.once.add(request)
    this.options.onHeld()
    request.requester.onHeld()
    this.goOnLater()
  }

  /** In a later microtask: the caller must not be told of a failure while it is still in `ask`. */
  private refuse(request: PendingRequest): void {
    queueMicrotask(
      guarded(this.incidents, BORDER, () => {
        if (!request.isOver) request.onFailure(new NetworkFailure({ message: "the upstream is asked too much" }))
      })
    )
  }

  private give(connection: Connection, request: PendingRequest): void {
    request.connection = connection
    connection.ask(request)
  }

  /**
   * The first that is not busy, else the least busy; undefined where none has room. At a server that answers in order, a
   * request that has been copied twice already, because nothing came on its connection, goes only where answers come:
   * elsewhere it may wait behind a question that is never answered.
   */
  private choose({ moves }: PendingRequest): Connection | undefined {
    if (!this.mayAsk) return undefined
    const { busy } = this
    const isCareful = moves >= 2 && this.order === "kept"
    const most = busy < BUSY && this.opening > 0 ? SHARE_IN_ORDER : Number.POSITIVE_INFINITY
    let least: Connection | undefined
    for (const { connection } of this.members) {
      if (connection.room <= 0 || connection.waiting >= most) continue
      if (connection.waiting < busy) return connection
      if (isCareful && !connection.isLively) continue
      if (least === undefined || connection.waiting < least.waiting) least = connection
    }
    return least
  }

  /** Opens connections where the present ones, and those being opened, are not enough. */
  private grow(): void {
    const { busy } = this
    const nowMs = this.wheel.nowMs()
    const lifetime = this.lifetime.at(nowMs)
    let usable = 0
    let isCrowded = true
    for (const { connection } of this.members) {
      if (!connection.isUsable) continue
      usable++
      isCrowded &&= connection.waiting >= busy || connection.room <= 0
    }
    if (usable > 0 && nowMs - this.refusedMs < NO_MORE_MS) return
    if (!this.mayAsk) return
    const inQueue = this.queue.isEmpty ? 0 : this.queue.size
    const crowd = usable > 0 && isCrowded ? 1 : 0
    const wanted = Math.max(crowd, Math.ceil(inQueue / Math.min(busy, lifetime)))
    const most = busy < BUSY || lifetime < BUSY ? MAX_OPEN_OF_POOR : MAX_OPEN
    if (this.opening < Math.min(wanted, most - usable)) this.makeRoom()
    const allowed = Math.min(most - usable, MAX_ALIVE - this.members.length)
    while (this.opening < Math.min(wanted, allowed)) {
      this.opening++
      this.run(this.live)
    }
  }

  /** Where there are too many to open another, a silent one goes that nobody needs. */
  private makeRoom(): void {
    if (this.members.length + this.opening < MAX_ALIVE) return
    this.members.find(({ connection }) => connection.isSpare)?.connection.break("others are needed more")
  }

  /** A connection's life, from its opening to its end. */
  private readonly live: Effect.Effect<void> = Effect.suspend(() => {
    let isOpening = true
    const opened = (): void => {
      if (isOpening) this.opening--
      isOpening = false
    }
    const life = Effect.flatMap(this.options.open(this, this.lifetime.at(this.wheel.nowMs())), (connection) => {
      opened()
      if (connection.isOver) return Effect.void
      const member: Member = { connection, isOver: Deferred.makeUnsafe<void>() }
      this.members = [...this.members, member]
      this.onRoom()
      return Effect.andThen(this.options.onOpened, Deferred.await(member.isOver))
    })
    // In a later turn: a requester must not be told of a failure while it is still in `ask`.
    return Effect.andThen(Effect.yieldNow, Effect.scoped(life)).pipe(
      Effect.catch((error) => {
        opened()
        this.onRefused(error)
        return this.options.onRefused(error)
      }),
      Effect.catchDefect((thrown) => Effect.sync(() => this.incidents.onDefect(BORDER, thrown))),
      Effect.ensuring(Effect.sync(opened))
    )
  })

  private onRefused({ message }: SocketError): void {
    this.refusedMs = this.wheel.nowMs()
    // Where other connections are open or being opened, queued requests wait for them.
    if (this.opening > 0 || this.members.some(({ connection }) => connection.isUsable)) return
    // Requests that come back at once wait for the next connection.
    for (const request of this.queue.takeAll()) {
      runGuarded(this.incidents, BORDER, () => request.onFailure(new NetworkFailure({ message, isUnsent: true })))
    }
  }
}
