/**
 * What connections of all protocols share: a pending request, and the events that the pool of connections is told of.
 */
import type { Option } from "../../dns/question.ts"
import type { Response } from "../../dns/response.ts"
import type { Incidents } from "../../runtime/incidents.ts"
import type { TimerWheel } from "../../runtime/timer-wheel.ts"
import { type AttemptFailure, GarbageReceived, type Requester } from "../requester.ts"
import type { Order, SeenOrder } from "./answer-order.ts"

/** A question that waits for a connection, or for its answer on one. */
export class PendingRequest {
  readonly requester: Requester
  readonly edns: boolean
  readonly options: ReadonlyArray<Option>
  /** Of the message, or the stream, that carries it. */
  id = 0
  /** Its position among all requests of its connection. */
  position = 0
  /** How many connections ended while it waited on them. */
  losses = 0
  /** It was answered, has failed or was given up. */
  isOver = false
  isAnswered = false
  connection: Connection | undefined
  /** The same question on another connection: the first answer of either counts, and the last failure. */
  twin: PendingRequest | undefined
  /** How often it was copied to another connection because it waited behind others; 0 for the original. */
  moves = 0
  /** When it was copied; 0 for the original. */
  copiedMs = 0
  /** A copy took its place. */
  isMoved = false
  /** How often it was the oldest on a silent connection when it was copied. */
  timesOldest = 0
  /** The requests of later attempts for the same question, which are not sent: what comes of this one comes of them. */
  private joined: Array<PendingRequest> | undefined

  constructor(requester: Requester, edns: boolean, options: ReadonlyArray<Option>) {
    this.requester = requester
    this.edns = edns
    this.options = options
  }

  /** Whether it is a copy, and answers to others have come since it was made. */
  isOvertaken(heardMs: number): boolean {
    return this.moves > 0 && heardMs > this.copiedMs
  }

  /** Whether it waits twice: on another connection, or for one. */
  get isAskedElsewhere(): boolean {
    return this.twin !== undefined && !this.twin.isOver
  }

  /** Whether it was sent on another connection too, and may be answered there. */
  get isSentElsewhere(): boolean {
    const other = this.isAskedElsewhere ? this.twin!.connection : undefined
    return other !== undefined && !other.isOver && other !== this.connection
  }

  onResponse(response: Response): void {
    this.isOver = true
    this.isAnswered = true
    this.twin?.abandon()
    this.requester.onResponse(response)
    for (const request of this.allJoined) if (!request.isOver) request.onResponse(response)
  }

  onFailure(failure: AttemptFailure): void {
    this.isOver = true
    if (this.isAskedElsewhere) {
      this.handJoinedTo(this.twin!)
      return
    }
    this.requester.onFailure(failure)
    for (const request of this.allJoined) if (!request.isOver) request.onFailure(failure)
  }

  /** The code that was told of the answer threw: everything that was not told yet is told of a failure. */
  onDefect(): void {
    this.isOver = true
    this.twin?.abandon()
    for (const request of [this, ...this.allJoined]) {
      request.isOver = true
      request.requester.onFailure(new GarbageReceived())
    }
  }

  /** Whether both send the same message, or would. */
  isLike({ edns, options }: PendingRequest): boolean {
    const isSent = this.connection !== undefined
    return !isSent || (this.edns === edns && this.options.length === options.length)
  }

  /** The other waits for what comes of this one. */
  join(other: PendingRequest): void {
    this.joined ??= []
    this.joined.push(other)
  }

  /** Those that wait for what comes of this one, or of its twin. */
  private get allJoined(): ReadonlyArray<PendingRequest> {
    const ofTwin = this.twin?.joined
    if (ofTwin === undefined) return this.joined ?? NONE
    return this.joined === undefined ? ofTwin : [...this.joined, ...ofTwin]
  }

  private handJoinedTo(other: PendingRequest): void {
    for (const request of this.joined ?? NONE) other.join(request)
    this.joined = undefined
  }

  /** The same question on another connection; where there was one already, it takes the place of this one. */
  copy(nowMs: number): PendingRequest {
    const copy = new PendingRequest(this.requester, this.edns, this.options)
    copy.moves = this.moves + 1
    copy.copiedMs = nowMs
    // A question is on two connections at most: the copy that waits behind a slow one is dropped, the original stays.
    const stays = this.isAskedElsewhere ? this.twin! : this
    if (stays !== this) {
      this.isMoved = true
      this.abandon()
      this.handJoinedTo(stays)
    }
    stays.twin = copy
    copy.twin = stays
    return copy
  }

  /** With its twin, and the twin of that: where a request was lost on its connection, its copy may have been copied. */
  abandonAll(): void {
    let request: PendingRequest | undefined = this
    for (;;) {
      request.abandon()
      const { twin }: PendingRequest = request
      if (twin === undefined) return
      if (twin.twin === request) {
        twin.abandon()
        return
      }
      request = twin
    }
  }

  abandon(): void {
    if (this.isOver) return
    this.isOver = true
    this.connection?.forget(this)
  }
}

const NONE: ReadonlyArray<PendingRequest> = []

/** Whether each of them is over, or was sent on another connection too. */
export const areElsewhere = (requests: ReadonlyArray<PendingRequest>): boolean =>
  requests.every(({ isOver, isSentElsewhere }) => isOver || isSentElsewhere)

export interface Connection {
  /** It has ended. */
  readonly isOver: boolean
  /** It takes questions, now or when others have left. */
  readonly isUsable: boolean
  /** Questions that it takes now. */
  readonly room: number
  /** Questions that wait on it, those that were given up among them. */
  readonly waiting: number
  /** It is silent, and each question that waits on it was sent on another connection too. */
  readonly isSpare: boolean
  /** Nothing has come on it for longer than answers take. */
  readonly isSuspect: boolean
  /** An answer is due on it for less than half of the time that it may be silent. */
  readonly isLively: boolean
  readonly ask: (request: PendingRequest) => void
  /** The request was abandoned. */
  readonly forget: (request: PendingRequest) => void
  /** Ends it, whatever waits on it. */
  readonly break: (message: string) => void
}

/** What a connection tells the `Connections` that it belongs to, and asks of them. */
export interface ConnectionEvents {
  readonly wheel: TimerWheel["Service"]
  readonly incidents: Incidents
  /** Octets have come in: time has passed. */
  readonly onBatch: () => void
  /** Answers have come. */
  readonly onHeard: () => void
  /** When answers came last, on any of the connections. */
  readonly heardMs: number
  /** A question has left the connection: there may be room for another. */
  readonly onRoom: () => void
  /** The connection is over; told before `onLost` is for what waited on it. */
  readonly onClosed: (connection: Connection) => void
  /**
   * A question was not answered, for its connection ended.
   *
   * @param wasGood the connection had answered before, or the server said that it did not look at the question
   */
  readonly onLost: (request: PendingRequest, message: string, wasGood: boolean) => void
  /** The server ended a connection on which questions waited, after so many answers. */
  readonly onShortLife: (answers: number) => void
  /** A question is the oldest on a connection that is silent: the server may be busy with it. */
  readonly onHeldUp: (by: PendingRequest) => void
  /**
   * Questions on a connection that is silent: they are asked on another too.
   *
   * @param oldest the one among them that the server may be busy with; undefined where it answers in any order
   */
  readonly onSilent: (requests: ReadonlyArray<PendingRequest>, oldest?: PendingRequest) => void
  /**
   * The server did not look at a question: it is asked too much.
   *
   * @param waitMs milliseconds until it wants to be asked again; undefined where it did not say
   */
  readonly onBusy: (request: PendingRequest, waitMs: number | undefined, message: string) => void
  /** A question was answered as it should be. */
  readonly onAnswered: () => void
  /** A message came that answers no question. */
  readonly onMismatch: () => void
  /** What the server's answers show of its order. */
  readonly onOrder: (order: SeenOrder) => void
  readonly order: Order
  /** How long a connection on which questions wait may be silent, in milliseconds. */
  readonly silenceMs: () => number
}

/** How long an idle connection is kept: longer than servers of today keep it. */
export const IDLE_MS = 30_000
