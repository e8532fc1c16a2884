/**
 * One TCP or TLS connection to an upstream: many questions wait on it at once, answers come in any order (RFC 7766
 * §6.2.1.1, RFC 7858 §3.3).
 *
 * Hot: what is asked in one turn of the event loop leaves in one write, what arrives in one read is handled in one
 * turn.
 */
import type { Socket } from "node:net"
import { Flag } from "../../dns/codes.ts"
import { PADDED_BLOCK } from "../../dns/question.ts"
import { type AnswerRules, matchReply, normalise, ReplyMatch } from "../../dns/response.ts"
import { HEADER_SIZE, u16 } from "../../dns/wire.ts"
import { FrameReader } from "../../io/frames.ts"
import { guarded, runGuarded } from "../../runtime/guard.ts"
import { OpenTable } from "../../runtime/open-table.ts"
import { randomU16 } from "../../runtime/random.ts"
import { rootServers } from "../health/known-question.ts"
import { GarbageReceived, type Requester } from "../requester.ts"
import { areElsewhere, type Connection, type ConnectionEvents, IDLE_MS, PendingRequest } from "./connection.ts"
import { LivenessMonitor, MonitoredConnection } from "./liveness-monitor.ts"
import { QuestionWriter } from "./question-writer.ts"
import { RecentIds } from "./recent-ids.ts"

/** Questions on one connection: so few of 65,536 ids that a free one is found at once. */
const MAX_WAITING = 2048
/** Questions that were given up and never answered: past that another connection serves better. */
const MAX_UNANSWERED = 256
/** Answers to no question after which the connection is closed; after the first one no more is asked on it. */
const MAX_MISMATCHES = 8
/** Repeated answers that are tolerated, for each answer. */
const MAX_REPEATS = 2
/**
 * A connection that the server closes later than this after its last answer was closed for being idle, not because of a
 * limit on answers.
 */
const CLOSED_AFTER_ANSWER_MS = 2_000
/** Who calls, as the log says it. */
const BORDER = "a connection to an upstream"
const noOp: Requester = {
  question: rootServers,
  onResponse: () => {},
  onFailure: () => {},
  onTrouble: () => {},
  onHeld: () => {}
}

export interface StreamOptions {
  readonly events: ConnectionEvents
  readonly rules: AnswerRules
  /** Whether nobody but the server can see what is sent: then its length says little either. */
  readonly isEncrypted: boolean
  /** Questions that it takes in all. */
  readonly lifetime: number
}

export class StreamConnection implements Connection {
  isOver = false
  private asked = 0
  private answered = 0
  private answeredMs = Number.NEGATIVE_INFINITY
  /** The position of the latest question that was answered. */
  private latest = -1
  private probed: PendingRequest | undefined
  private mismatches = 0
  private repeats = 0
  private readonly recent = new RecentIds()
  /** Given up, and not answered yet: their ids are not free. */
  private unanswered = 0
  private readonly requests = new OpenTable<PendingRequest, number>(
    ({ id }) => id,
    (request, id) => request.id === id
  )
  private readonly frames = new FrameReader()
  private readonly socket: Socket
  private readonly options: StreamOptions
  private readonly writer: QuestionWriter
  private readonly liveness: LivenessMonitor

  constructor(socket: Socket, options: StreamOptions) {
    this.socket = socket
    this.options = options
    const { events } = options
    /** An exception ends the connection: its questions are asked on another one. */
    const guard = <Arguments extends ReadonlyArray<unknown>>(callback: (...args: Arguments) => void) =>
      guarded(events.incidents, BORDER, callback, () => this.break("internal error"))
    this.writer = new QuestionWriter(socket, options.isEncrypted ? PADDED_BLOCK : 1, guard)
    this.liveness = new LivenessMonitor(events.wheel, new MonitoredConnection(this, events.silenceMs), IDLE_MS)
    const onData = (chunk: Buffer): void => {
      events.onBatch()
      this.read(chunk)
    }
    socket.on("data", guard(onData))
    socket.on(
      "error",
      guard((error: Error) => this.onEnd(error.message))
    )
    const onEnd = guard(() => this.onEnd())
    socket.on("end", onEnd)
    socket.on("close", onEnd)
  }

  get waiting(): number {
    return this.requests.size
  }

  get awaited(): number {
    return this.requests.size - this.unanswered
  }

  get isSpare(): boolean {
    return this.liveness.isSuspect && areElsewhere(this.requests.values())
  }

  get isSuspect(): boolean {
    return this.liveness.isSuspect
  }

  get isLively(): boolean {
    return this.liveness.isLively
  }

  get isUsable(): boolean {
    return !this.isOver && !this.liveness.isSuspect && !this.isSpent
  }

  get room(): number {
    if (!this.isUsable) return 0
    return Math.min(MAX_WAITING - this.requests.size, this.options.lifetime - this.asked)
  }

  ask(request: PendingRequest): void {
    request.position = this.asked++
    this.write(request)
    this.liveness.asked()
  }

  forget(request: PendingRequest): void {
    this.unanswered++
    if (this.liveness.isSuspect) this.noteAbandoned(request)
    this.leaveWhenDone()
  }

  /**
   * What an abandoned question shows of the order. The oldest one waited for its whole time, here and on another connection:
   * the server seems to be busy with it. One that stood behind was answered on another, while not even the probe is answered
   * here: so it seems, too. But this connection, or the server, may be dead.
   */
  private noteAbandoned(request: PendingRequest): void {
    const { probed, first } = this
    const { events } = this.options
    if (request.isMoved) return
    if (request === first) {
      if (request.isAskedElsewhere) events.onOrder("seems kept")
      return
    }
    const isProbed = probed !== undefined && this.requests.get(probed.id, probed.id) === probed
    if (isProbed && request.twin?.isAnswered === true) events.onOrder("seems kept")
  }

  /**
   * Nothing comes in: the connection is dead, or its first question is slow and the server answers in order.
   *
   * First the server is asked a question that it can answer at once (a probe). If that is answered, the other questions
   * are slow for reasons of their own. Else the questions behind the first are asked on another connection, and then
   * the first too.
   */
  onSilence(times: number): void {
    const { events } = this.options
    const { order } = events
    const step = order === "kept" ? times + 1 : times
    const { first } = this
    if (order !== "any" && times === 1 && first?.isOver === false) events.onHeldUp(first)
    if (step === 1) this.probe()
    // What was moved here stands behind something once more, and the upstream is there: it has answered others since.
    if (step === 2 && order === "unknown" && this.behindFirst.some((request) => request.isOvertaken(events.heardMs))) {
      events.onOrder("seems kept")
    }
    if (step === 2) events.onSilent(order === "any" ? this.requests.values() : this.behindFirst)
    if (step === 3) events.onSilent(this.requests.values(), order === "any" ? undefined : first)
  }

  /** Ends the connection, whatever waits on it. */
  break(message: string): void {
    if (this.isOver) return
    this.isOver = true
    this.liveness.end()
    this.socket.destroy()
    const { events } = this.options
    runGuarded(events.incidents, BORDER, () => events.onClosed(this))
    for (const request of this.requests.values()) {
      if (!request.isOver)
        runGuarded(events.incidents, BORDER, () => events.onLost(request, message, this.answered > 0))
    }
  }

  private get isSpent(): boolean {
    return this.unanswered >= MAX_UNANSWERED || this.mismatches > 0 || this.asked >= this.options.lifetime
  }

  private get first(): PendingRequest | undefined {
    let first: PendingRequest | undefined
    for (const request of this.requests.values())
      if (first === undefined || request.position < first.position) first = request
    return first
  }

  private get behindFirst(): ReadonlyArray<PendingRequest> {
    const { first } = this
    return this.requests.values().filter((request) => request !== first)
  }

  /** The server has ended it, in order or by a reset. */
  private onEnd(message = "the upstream closed the connection"): void {
    if (this.isOver) return
    const { events } = this.options
    const isForAnswers = events.wheel.nowMs() - this.answeredMs < CLOSED_AFTER_ANSWER_MS
    if (this.awaited > 0 && isForAnswers) events.onShortLife(this.answered)
    this.break(message)
  }

  private probe(): void {
    const request = new PendingRequest(noOp, false, [])
    request.isOver = true
    request.position = this.asked
    this.probed = request
    this.unanswered++
    this.write(request)
  }

  private write(request: PendingRequest): void {
    request.id = randomU16()
    while (this.requests.get(request.id, request.id) !== undefined) request.id = randomU16()
    this.requests.add(request)
    this.writer.write(request)
  }

  private read(chunk: Buffer): void {
    this.frames.push(chunk, (message) => this.receive(message))
    if (this.isOver) return
    this.liveness.heard()
    this.answeredMs = this.options.events.wheel.nowMs()
    this.options.events.onHeard()
    this.options.events.onRoom()
    this.leaveWhenDone()
  }

  private receive(message: Uint8Array): void {
    if (this.isOver) return
    const id = message.length < 2 ? -1 : u16(message, 0)
    const request = this.requests.get(id, id)
    if (
      request === undefined ||
      matchReply(message, message.length, id, request.requester.question) === ReplyMatch.Mismatch
    ) {
      this.onMismatch(message, id)
      return
    }
    this.requests.delete(request)
    this.recent.add(id)
    this.noteOrder(request)
    this.answered++
    if (request.isOver) {
      this.unanswered--
      return
    }
    try {
      const response = normalise(message, message.length, request.requester.question, this.options.rules)
      if (response === undefined) request.onFailure(new GarbageReceived())
      else request.onResponse(response)
    } catch (thrown) {
      const { incidents } = this.options.events
      incidents.onDefect(BORDER, thrown)
      runGuarded(incidents, BORDER, () => request.onDefect())
    }
  }

  /**
   * An answer that comes again is ignored. After one to no question, a question, or a message too short to be either,
   * no more is asked here: the questions that wait may still be answered, else they are asked on another connection.
   * Any other message is of another protocol, or its beginning was missed: it ends the connection at once.
   */
  private onMismatch(message: Uint8Array, id: number): void {
    this.options.events.onMismatch()
    const flags = message.length < HEADER_SIZE ? 0 : u16(message, 2)
    const isAnswer = (flags & Flag.QR) !== 0
    if (isAnswer && this.recent.has(id) && ++this.repeats <= MAX_REPEATS * this.answered) return
    const isForeign = !isAnswer && (flags & Flag.OpcodeMask) !== 0
    if (!isForeign && ++this.mismatches <= MAX_MISMATCHES) return
    this.break("an answer that nobody asked for")
  }

  private noteOrder({ position }: PendingRequest): void {
    if (position < this.latest) this.options.events.onOrder("any")
    else this.latest = position
    if (this.liveness.isSuspect) this.noteQueue(position)
  }

  /**
   * After a silence the first answer shows the order: it is the oldest question's, or the probe's before older ones.
   */
  private noteQueue(position: number): void {
    const { probed, first } = this
    if (first === undefined) return
    if (first.position < position) this.options.events.onOrder("any")
    else if (probed !== undefined && probed.position > position && this.requests.get(probed.id, probed.id) === probed) {
      this.options.events.onOrder("kept")
    }
  }

  /** One that takes no more questions is closed when nobody waits on it. */
  private leaveWhenDone(): void {
    if (this.isSpent && this.awaited === 0) this.break("its time is over")
  }
}
