/**
 * A connection to a reader of Frame Streams: the handshake in both directions, again and again after a pause when the
 * reader is not there or goes away.
 *
 * Chunks wait here, so many octets of them, while the reader is slow or gone; beyond that the oldest are lost. What was
 * handed to the kernel counts as written.
 */
import { connect, type NetConnectOpts, type Socket } from "node:net"
import { Effect } from "effect"
import { Control, ControlReader, controlFrame } from "./frame-streams.ts"
import type { Report } from "./report.ts"

/** Octets that wait at most. */
export const MAX_WAITING_OCTETS = 4 << 20
/** Octets that the socket holds of them at most. */
const IN_SOCKET_OCTETS = 256 << 10
/** A reader has so long to say that it takes this content. */
const HANDSHAKE_MS = 5_000
const FIRST_PAUSE_MS = 250
const LONGEST_PAUSE_MS = 15_000
/** At the end: what waits may be read for so long, then the reader may say that it has read it. */
const DRAIN_MS = 750
const FINISH_MS = 250
const LOOK_MS = 5

interface Waiting {
  readonly octets: Uint8Array
  readonly queries: number
}

export class FrameConnection {
  private readonly target: NetConnectOpts
  private readonly report: Report
  private readonly waiting: Array<Waiting> = []
  private waitingOctets = 0
  /** Queries handed to the socket and not yet to the kernel. */
  private inSocket = 0
  private socket: Socket | undefined
  /** The reader takes frames. */
  private isOpen = false
  private pauseMs = FIRST_PAUSE_MS
  private timer: NodeJS.Timeout | undefined
  private isClosing = false
  private onFinish: (() => void) | undefined

  constructor(target: NetConnectOpts, report: Report) {
    this.target = target
    this.report = report
    this.connect()
  }

  write(chunk: Waiting): void {
    this.waiting.push(chunk)
    this.waitingOctets += chunk.octets.length
    this.pump()
    while (this.waitingOctets > MAX_WAITING_OCTETS) {
      this.drop()
      if (this.isOpen) this.report.trouble("its reader is slow")
    }
  }

  /** Whether all is well. */
  look(): void {
    if (this.isOpen && this.waiting.length === 0) this.report.over()
  }

  /** Waits a moment for the reader to read what waits, and to say so. */
  readonly close: Effect.Effect<void> = Effect.suspend(() => {
    this.isClosing = true
    clearTimeout(this.timer)
    return this.socket === undefined ? Effect.void : this.finish()
  }).pipe(
    Effect.ensuring(
      Effect.sync(() => {
        while (this.waiting.length > 0) this.drop()
        this.end()
      })
    )
  )

  private finish(): Effect.Effect<void> {
    return Effect.callback<void>((resume) => {
      const end = (): void => resume(Effect.void)
      const isDrained = (): boolean => this.waiting.length === 0 && this.inSocket === 0
      const timers = [setTimeout(() => (isDrained() ? undefined : end()), DRAIN_MS)]
      const look = setInterval(() => {
        if (!isDrained()) return
        clearInterval(look)
        if (!this.isOpen) return end()
        timers.push(setTimeout(end, FINISH_MS))
        this.socket?.write(controlFrame(Control.Stop))
      }, LOOK_MS)
      this.onFinish = end
      return Effect.sync(() => {
        clearInterval(look)
        for (const timer of timers) clearTimeout(timer)
      })
    })
  }

  private connect(): void {
    const socket = connect(this.target)
    const control = new ControlReader()
    this.socket = socket
    this.timer = setTimeout(() => this.fail(socket, "its reader does not answer"), HANDSHAKE_MS)
    socket.on("connect", () => socket.write(controlFrame(Control.Ready)))
    socket.on("data", (chunk: Buffer) => {
      const types = control.read(chunk)
      if (types === undefined) return this.fail(socket, "its reader takes no dnstap")
      for (const type of types) this.receive(socket, type)
    })
    socket.on("drain", () => this.pump())
    socket.on("error", (error: NodeJS.ErrnoException) => this.fail(socket, error.code ?? error.message))
    socket.on("close", () => this.fail(socket, "its reader went away"))
  }

  private receive(socket: Socket, type: number): void {
    if (socket !== this.socket) return
    if (type === Control.Accept && !this.isOpen) {
      clearTimeout(this.timer)
      socket.write(controlFrame(Control.Start))
      this.isOpen = true
      this.pauseMs = FIRST_PAUSE_MS
      this.pump()
    }
    if (type === Control.Finish) this.onFinish?.()
  }

  private pump(): void {
    const { socket } = this
    if (!this.isOpen || socket === undefined) return
    while (socket.writableLength < IN_SOCKET_OCTETS) {
      const chunk = this.waiting.shift()
      if (chunk === undefined) {
        this.look()
        return
      }
      this.waitingOctets -= chunk.octets.length
      this.inSocket += chunk.queries
      socket.write(chunk.octets, (error) => {
        // What a connection had that is gone was counted then.
        if (socket !== this.socket) return
        this.inSocket -= chunk.queries
        if (error === undefined || error === null) this.report.written(chunk.queries)
        else this.report.lost(chunk.queries)
      })
    }
  }

  private drop(): void {
    const chunk = this.waiting.shift()!
    this.waitingOctets -= chunk.octets.length
    this.report.lost(chunk.queries)
  }

  private fail(socket: Socket, reason: string): void {
    if (socket !== this.socket) return
    this.end()
    if (this.isClosing) return
    this.report.trouble(reason)
    this.timer = setTimeout(() => this.connect(), this.pauseMs)
    this.pauseMs = Math.min(this.pauseMs * 2, LONGEST_PAUSE_MS)
  }

  private end(): void {
    clearTimeout(this.timer)
    const { socket } = this
    this.socket = undefined
    this.isOpen = false
    this.report.lost(this.inSocket)
    this.inSocket = 0
    this.onFinish?.()
    socket?.on("error", () => {})
    socket?.destroy()
  }
}
