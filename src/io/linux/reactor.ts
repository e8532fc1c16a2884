/**
 * Drains all batched sockets of a thread, and sends what each turn of the event loop has to send.
 *
 * Idle, it waits for the wakeup. After a turn that brought much it polls again in the next turn, the wakeup muted, until
 * two turns in a row were empty. When datagrams come so fast that a short pause gathers many more of them for the
 * next calls, it pauses first: until a batch is full at that rate, within bounds, and never below the rate at which the
 * pause pays. Timers, TCP and fibers run between the turns.
 *
 * An exception of one socket's callback is reported; the other sockets are served all the same.
 */
import { runGuarded } from "../../runtime/guard.ts"
import type { Incidents } from "../../runtime/incidents.ts"
import type { Descriptors } from "./descriptors.ts"
import { EPOLLERR, EPOLLHUP, type Libc } from "./libc.ts"
import { Wakeup } from "./wakeup.ts"

/** How long a pause gathers, at least and at most. */
const GATHER_MS = 0.1
const MAX_GATHER_MS = 0.2
/** Datagrams that the shortest pause must promise to be worth it. */
const WORTH_GATHERING = 12
/** And so many are gathered where the longest allows it: beyond that, a batch costs no less. */
const ENOUGH = 45
/** No pause after a turn that brought so many: more of them are waiting already. */
const FULL_TURN = 48
const EMPTY_TURNS = 2
/** Messages that have shared calls, after which it polls again without being woken: with fewer, to be woken costs less. */
const MUCH = 8
/** Times that a turn looks again. */
const MAX_ROUNDS = 16
/** Weight of the newest turn in the estimate of the rate. */
const NEWEST = 0.2
/** Who calls, as the log says it. */
const BORDER = "a socket"

export interface Drained {
  readonly fd: number
  /** Whether a pause lets one message share calls with others: on a stream only those of one client do. */
  readonly isShared: boolean
  /** Receives and handles what is there; returns how many messages came. */
  readonly drain: () => number
  /** Sends what waits to be sent. */
  readonly flush: () => void
  /**
   * The socket is broken, or closed on both sides: EPOLLERR, EPOLLHUP. The kernel says so whatever is watched for, and
   * goes on saying so until something is done about it. Told after `drain`.
   *
   * @param isHungUp whether both sides are closed
   */
  readonly onBroken: (isHungUp: boolean) => void
  /** Ends what cannot go on after one of these calls threw. */
  readonly onDefect: () => void
}

export class Reactor {
  private readonly wakeup: Wakeup
  private readonly incidents: Incidents
  private readonly sockets = new Map<number, Drained>()
  /** Sockets that came in this round: what was said before of their descriptors is of others, closed meanwhile. */
  private readonly newcomers = new Set<Drained>()
  private dirty: Array<Drained> = []
  private isInTurn = false
  private isLooping = false
  private isClosed = false
  private isFlushScheduled = false
  private emptyTurns = 0
  private lastTurnMs = 0
  /** Messages of the last turn that shared calls, and their rate a millisecond. */
  private gathered = 0
  private rate = 0
  private readonly cell = new Int32Array(new SharedArrayBuffer(4))

  constructor(libc: Libc, descriptors: Descriptors, incidents: Incidents) {
    this.incidents = incidents
    this.wakeup = new Wakeup(libc, descriptors, () => this.wake())
  }

  add(socket: Drained): void {
    this.sockets.set(socket.fd, socket)
    if (this.isInTurn) this.newcomers.add(socket)
    this.wakeup.add(socket.fd)
  }

  /** What is waited for from now on, as epoll_ctl(2) has it: EPOLLIN, as at first, EPOLLOUT, both or neither. */
  watch(socket: Drained, events: number): void {
    this.wakeup.watch(socket.fd, events)
  }

  remove(socket: Drained): void {
    if (this.sockets.delete(socket.fd)) this.wakeup.remove(socket.fd)
  }

  /** The socket has something to send: at the end of this turn. */
  markDirty(socket: Drained): void {
    this.dirty.push(socket)
    if (this.isInTurn || this.isFlushScheduled) return
    this.isFlushScheduled = true
    queueMicrotask(this.flushScheduled)
  }

  /** The socket has something to give of which the kernel does not know: it is served in the next turn. */
  serveLater(socket: Drained): void {
    setImmediate(() => {
      if (this.isClosed || this.sockets.get(socket.fd) !== socket) return
      this.serve(socket, 0)
      this.flush()
    })
  }

  /** The wakeup's descriptors may be another's by the next turn: there is none. */
  close(): void {
    this.isClosed = true
    this.wakeup.close()
  }

  private wake(): void {
    if (this.isLooping) return
    this.turn()
    if (this.gathered < MUCH) return
    this.lastTurnMs = performance.now()
    this.rate = 0
    this.isLooping = true
    this.emptyTurns = 0
    this.wakeup.mute()
    setImmediate(this.loop)
  }

  private readonly loop = (): void => {
    if (this.isClosed) return
    const count = this.turn()
    this.emptyTurns = count === 0 ? this.emptyTurns + 1 : 0
    if (this.emptyTurns >= EMPTY_TURNS) {
      this.isLooping = false
      this.wakeup.unmute()
      return
    }
    this.gather(this.gathered)
    setImmediate(this.loop)
  }

  private gather(count: number): void {
    const nowMs = performance.now()
    const elapsedMs = Math.max(nowMs - this.lastTurnMs, 0.001)
    this.lastTurnMs = nowMs
    this.rate += NEWEST * (count / elapsedMs - this.rate)
    if (count >= FULL_TURN || this.rate * GATHER_MS < WORTH_GATHERING) return
    Atomics.wait(this.cell, 0, 0, Math.min(MAX_GATHER_MS, Math.max(GATHER_MS, ENOUGH / this.rate)))
  }

  /** Handles what is there, and what has come meanwhile, up to a turn's measure; returns how many messages that was. */
  private turn(): number {
    let count = 0
    this.gathered = 0
    for (let round = 0; round < MAX_ROUNDS && count < FULL_TURN; round++) {
      const ready = this.wakeup.poll()
      if (ready === 0) break
      this.isInTurn = true
      for (let i = 0; i < ready; i++) {
        const socket = this.sockets.get(this.wakeup.ready[i]!)
        if (socket === undefined) continue
        const came = this.serve(socket, this.wakeup.said[i]!)
        count += came
        if (socket.isShared || came > 1) this.gathered += came
      }
      this.isInTurn = false
      if (this.newcomers.size > 0) this.newcomers.clear()
      this.flush()
    }
    return count
  }

  /** Returns how many messages came. */
  private serve(socket: Drained, said: number): number {
    try {
      const came = socket.drain()
      if ((said & (EPOLLERR | EPOLLHUP)) !== 0 && !this.newcomers.has(socket)) socket.onBroken((said & EPOLLHUP) !== 0)
      return came
    } catch (thrown) {
      this.report(socket, thrown)
      return 0
    }
  }

  private report(socket: Drained, thrown: unknown): void {
    this.incidents.onDefect(BORDER, thrown)
    runGuarded(this.incidents, BORDER, () => socket.onDefect())
  }

  private readonly flushScheduled = (): void => {
    this.isFlushScheduled = false
    this.flush()
  }

  private flush(): void {
    if (this.dirty.length === 0) return
    const dirty = this.dirty
    this.dirty = []
    for (const socket of dirty) {
      try {
        socket.flush()
      } catch (thrown) {
        this.report(socket, thrown)
      }
    }
  }
}
