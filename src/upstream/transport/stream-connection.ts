/**
 * One TCP or TLS connection to an upstream: many questions wait on it at once, answers come in any order
 * (RFC 7766 §6.2.1.1, RFC 7858 §3.3).
 *
 * Hot: what is asked in one turn of the event loop leaves in one write, what arrives in one read is handled in one turn.
 */
import type { Socket } from "node:net"
import { Flag } from "../../dns/codes.ts"
import { PADDED_BLOCK } from "../../dns/question.ts"
import { matchReply, normalise, ReplyMatch, type TtlBounds } from "../../dns/response.ts"
import { HEADER_SIZE, u16 } from "../../dns/wire.ts"
import { FrameReader } from "../../io/frames.ts"
import { guarded, runGuarded } from "../../runtime/guard.ts"
import { OpenTable } from "../../runtime/open-table.ts"
import { randomU16 } from "../../runtime/random.ts"
import { rootServers } from "../health/known-question.ts"
import { type Exchange, GarbageReceived } from "../requester.ts"
import { Call, type Connection, IDLE_MS, type Owner } from "./connection.ts"
import { Vigil, WatchedConnection } from "./liveness-monitor.ts"
import { QuestionWriter } from "./question-writer.ts"
import { RecentIds } from "./recent-ids.ts"

/** Questions on one connection: so few of 65,536 ids that a free one is found at once. */
const MAX_WAITING = 2048
/** Questions that were given up and never answered: past that another connection serves better. */
const MAX_UNANSWERED = 256
/** Answers to no question: after the first no more is asked here, after so many the connection is closed. */
const MAX_STRANGERS = 8
/** Answers that come again, for each that was awaited. */
const MAX_REPEATS = 2
/** A connection that is closed so long after its last answer was closed for being idle, not for its answers' number. */
const CLOSED_AFTER_ANSWER_MS = 2_000
/** Who calls, as the log says it. */
const BORDER = "a connection to an upstream"
const nobody: Exchange = {
  question: rootServers,
  onResponse: () => {},
  onFailure: () => {},
  onTrouble: () => {},
  onHeld: () => {}
}

export interface StreamOptions {
  readonly owner: Owner
  readonly ttl: TtlBounds
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
  /** The turn of the latest that was answered. */
  private latest = -1
  private probed: Call | undefined
  private strangers = 0
  private repeats = 0
  private readonly recent = new RecentIds()
  /** Given up, and not answered yet: their ids are not free. */
  private unanswered = 0
  private readonly calls = new OpenTable<Call, number>(
    ({ id }) => id,
    (call, id) => call.id === id
  )
  private readonly frames = new FrameReader()
  private readonly socket: Socket
  private readonly options: StreamOptions
  private readonly writer: QuestionWriter
  private readonly vigil: Vigil

  constructor(socket: Socket, options: StreamOptions) {
    this.socket = socket
    this.options = options
    const { owner } = options
    /** What throws ends the connection: what waits on it is asked elsewhere. */
    const guard = <Arguments extends ReadonlyArray<unknown>>(callback: (...args: Arguments) => void) =>
      guarded(owner.incidents, BORDER, callback, () => this.break("internal error"))
    this.writer = new QuestionWriter(socket, options.isEncrypted ? PADDED_BLOCK : 1, guard)
    this.vigil = new Vigil(owner.wheel, new WatchedConnection(this, owner.silenceMs), IDLE_MS)
    const onData = (chunk: Buffer): void => {
      owner.onBatch()
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
    return this.calls.size
  }

  get awaited(): number {
    return this.calls.size - this.unanswered
  }

  get isUsable(): boolean {
    return !this.isOver && !this.vigil.isSuspect && !this.isSpent
  }

  get room(): number {
    if (!this.isUsable) return 0
    return Math.min(MAX_WAITING - this.calls.size, this.options.lifetime - this.asked)
  }

  ask(call: Call): void {
    call.turn = this.asked++
    this.write(call)
    this.vigil.asked()
  }

  forget(call: Call): void {
    this.unanswered++
    // It waited for its whole time here, on another connection too, and nothing came: the server was busy with it.
    if (this.vigil.isSuspect && call.twin?.isOver === false && call === this.first) this.options.owner.onOrder("kept")
    this.leaveWhenDone()
  }

  /**
   * Nothing comes in: it is dead, or the first question on it is slow and the server answers in order.
   *
   * It is asked a question that any server can answer at once. Where that is answered, the others are slow for a reason
   * of their own. Else those behind the first are asked on another connection, and then the first too.
   */
  onSilence(times: number): void {
    const { owner } = this.options
    const { order } = owner
    const step = order === "kept" ? times + 1 : times
    const { first } = this
    if (order !== "any" && times === 1 && first?.isOver === false) owner.onHeldUp(first)
    if (step === 1) this.probe()
    if (step === 2) owner.onSilent(order === "any" ? this.calls.values() : this.behindFirst)
    if (step === 3) owner.onSilent(this.calls.values())
  }

  /** Ends it, whatever waits on it. */
  break(message: string): void {
    if (this.isOver) return
    this.isOver = true
    this.vigil.end()
    this.socket.destroy()
    const { owner } = this.options
    runGuarded(owner.incidents, BORDER, () => owner.onClosed(this))
    for (const call of this.calls.values()) {
      if (!call.isOver) runGuarded(owner.incidents, BORDER, () => owner.onLost(call, message, this.answered > 0))
    }
  }

  private get isSpent(): boolean {
    return this.unanswered >= MAX_UNANSWERED || this.strangers > 0 || this.asked >= this.options.lifetime
  }

  private get first(): Call | undefined {
    let first: Call | undefined
    for (const call of this.calls.values()) if (first === undefined || call.turn < first.turn) first = call
    return first
  }

  private get behindFirst(): ReadonlyArray<Call> {
    const { first } = this
    return this.calls.values().filter((call) => call !== first)
  }

  /** The server has ended it, in order or by a reset. */
  private onEnd(message = "the upstream closed the connection"): void {
    if (this.isOver) return
    const { owner } = this.options
    const isForAnswers = owner.wheel.nowMs() - this.answeredMs < CLOSED_AFTER_ANSWER_MS
    if (this.awaited > 0 && isForAnswers) owner.onShortLife(this.answered)
    this.break(message)
  }

  private probe(): void {
    const call = new Call(nobody, false, [])
    call.isOver = true
    call.turn = this.asked
    this.probed = call
    this.unanswered++
    this.write(call)
  }

  private write(call: Call): void {
    call.id = randomU16()
    while (this.calls.get(call.id, call.id) !== undefined) call.id = randomU16()
    this.calls.add(call)
    this.writer.write(call)
  }

  private read(chunk: Buffer): void {
    this.frames.push(chunk, (message) => this.receive(message))
    if (this.isOver) return
    this.vigil.heard()
    this.answeredMs = this.options.owner.wheel.nowMs()
    this.options.owner.onRoom()
    this.leaveWhenDone()
  }

  private receive(message: Uint8Array): void {
    if (this.isOver) return
    const id = message.length < 2 ? -1 : u16(message, 0)
    const call = this.calls.get(id, id)
    if (call === undefined || matchReply(message, message.length, id, call.exchange.question) === ReplyMatch.Stranger) {
      this.onStranger(message, id)
      return
    }
    this.calls.delete(call)
    this.recent.add(id)
    this.lookAtOrder(call)
    this.answered++
    if (call.isOver) {
      this.unanswered--
      return
    }
    try {
      const response = normalise(message, message.length, call.exchange.question, this.options.ttl)
      if (response === undefined) call.onFailure(new GarbageReceived())
      else call.onResponse(response)
    } catch (thrown) {
      const { incidents } = this.options.owner
      incidents.onDefect(BORDER, thrown)
      runGuarded(incidents, BORDER, () => call.onDefect())
    }
  }

  /**
   * An answer that comes again is ignored. After one to no question, a question, or a message too short to be either, no
   * more is asked here: the questions that wait may still be answered, else they are asked on another connection. Any
   * other message is of another protocol, or its beginning was missed: it ends the connection at once.
   */
  private onStranger(message: Uint8Array, id: number): void {
    this.options.owner.onStranger()
    const flags = message.length < HEADER_SIZE ? 0 : u16(message, 2)
    const isAnswer = (flags & Flag.QR) !== 0
    if (isAnswer && this.recent.has(id) && ++this.repeats <= MAX_REPEATS * this.answered) return
    const isForeign = !isAnswer && (flags & Flag.OpcodeMask) !== 0
    if (!isForeign && ++this.strangers <= MAX_STRANGERS) return
    this.break("an answer that nobody asked for")
  }

  private lookAtOrder({ turn }: Call): void {
    if (turn < this.latest) this.options.owner.onOrder("any")
    else this.latest = turn
    if (this.vigil.isSuspect) this.lookAtQueue(turn)
  }

  /**
   * After a silence the first answer shows the order: it is the oldest question's, or the probe's before older ones.
   */
  private lookAtQueue(turn: number): void {
    const { probed, first } = this
    if (first === undefined) return
    if (first.turn < turn) this.options.owner.onOrder("any")
    else if (probed !== undefined && probed.turn > turn && this.calls.get(probed.id, probed.id) === probed) {
      this.options.owner.onOrder("kept")
    }
  }

  /** One that takes no more questions is closed when nobody waits on it. */
  private leaveWhenDone(): void {
    if (this.isSpent && this.awaited === 0) this.break("its time is over")
  }
}
