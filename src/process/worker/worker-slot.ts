/**
 * The life of one worker: a thread, and the next one when it dies or hangs.
 *
 * What a thread leaves behind when it ends in the middle of something is put in order before its successor begins:
 * descriptors are closed, its locks in the cache freed. What it was working on is lost, and counted.
 */
import { Worker as NodeThread } from "node:worker_threads"
import * as NodeWorker from "@effect/platform-node/NodeWorker"
import { Deferred, Effect, Schedule } from "effect"
import { Worker, type WorkerError } from "effect/workers"
import type { SocketError } from "../../io/datagram.ts"
import { Descriptors, descriptorMemory } from "../../io/linux/descriptors.ts"
import type { GivenSocket } from "../../listener/inherited-sockets.ts"
import { programAt } from "../../runtime/entry-points.ts"
import { TakenOnce } from "../../runtime/taken-once.ts"
import type { LogEntry } from "../logging/log-entry.ts"
import type { Acknowledgement, Change, FromWorker, ListeningAt, Told, ToWorker, WorkerData } from "./protocol.ts"
import { cpuWaitMsOf, isStuck, isSuspect, type Look } from "./watchdog.ts"

const WORKER = programAt("process/worker/worker")
/** The time between two looks at the heartbeat. */
const LOOK_MS = 250
/** A thread that ends sooner than this after it was ready, or before, is not replaced at once. */
const SHORT_LIFE_MS = 1_000
const FIRST_PAUSE_MS = 50
const LONGEST_PAUSE_MS = 5_000
/** A thread that was told to stop gets so long beyond the time for its queries: telemetry has three seconds of it. */
const STOP_GRACE_MS = 4_000

export type SlotState = "starting" | "ready" | "stopped"

/** What a thread begins with. */
type BirthData = Omit<WorkerData, "descriptors">

export interface SlotOptions {
  readonly number: number
  /** What the next thread is born with, but for its descriptors' notes. */
  readonly data: Effect.Effect<BirthData, SocketError>
  readonly heartbeats: Int32Array
  readonly closeDescriptor: (fd: number) => void
  /** Called when a thread has ended, before the next begins. */
  readonly onEnd: () => Effect.Effect<void>
  /** Called when it looks as if a thread hung, and when it goes on. */
  readonly onSuspicion: (isSuspect: boolean) => Effect.Effect<void>
  readonly onReady: () => Effect.Effect<void>
  readonly onAcknowledged: (message: Acknowledgement) => void
  readonly onLog: (entry: LogEntry) => void
  /** Called with what the thread says to something that it was asked. */
  readonly onTold: (id: number, told: Told) => void
}

export class WorkerSlot {
  state: SlotState = "starting"
  /** Threads that took the place of one that died. */
  replacements = 0
  listening: ReadonlyArray<ListeningAt> = []
  /** Done when the first thread is ready; fails where it ended before. Another takes its place even then. */
  readonly started = Deferred.makeUnsafe<void, Error>()
  private readonly options: SlotOptions
  private thread: NodeThread | undefined
  /** What the thread has open. */
  private noted = new Descriptors(undefined)
  private sendToThread: ((message: ToWorker) => Effect.Effect<void>) | undefined
  private task = 0
  /** When the thread became ready; undefined before. */
  private readyMs: number | undefined
  private isStopping = false
  /** Why the supervisor ends the thread: what the thread itself reports then says less. */
  private endReason: string | undefined

  constructor(options: SlotOptions) {
    this.options = options
  }

  get number(): number {
    return this.options.number
  }

  /** Sends to the thread that is there; one that is about to end gets nothing. */
  send(message: ToWorker): Effect.Effect<void> {
    return this.sendToThread?.(message) ?? Effect.void
  }

  /** Has the thread answer for another worker, at duplicates of its sockets. */
  standIn(worker: number, sockets: ReadonlyArray<GivenSocket>): Effect.Effect<void> {
    for (const { fd } of sockets) this.noted.opened(fd)
    return this.send({ kind: "stand-in", worker, sockets })
  }

  /** Asks the thread to prepare a change. */
  prepare(id: number, change: Change): Effect.Effect<void> {
    if (change.kind === "settings") for (const { fd } of change.sockets) this.noted.opened(fd)
    return this.send({ kind: "prepare", id, change })
  }

  /** Ends the thread, for another to take its place. */
  replace(why: string): Effect.Effect<void> {
    this.endReason = why
    return Effect.promise(() => this.thread?.terminate() ?? Promise.resolve(0))
  }

  /** Threads one after the other, until `stop`. */
  readonly live: Effect.Effect<void> = Effect.gen({ self: this }, function* () {
    let pauseMs = FIRST_PAUSE_MS
    while (!this.isStopping) {
      this.readyMs = undefined
      this.state = "starting"
      const { wasBorn, why } = yield* this.runNext
      this.state = "stopped"
      if (wasBorn) yield* this.options.onEnd()
      if (this.isStopping) return
      if (!Deferred.isDoneUnsafe(this.started)) {
        Deferred.doneUnsafe(this.started, Effect.fail(new Error(`worker ${this.number} could not start: ${why}`)))
      } else if (wasBorn) {
        this.replacements++
        yield* Effect.logError(`worker ${this.number} is replaced: ${why}`)
      } else {
        yield* Effect.logError(`no thread takes the place of worker ${this.number} yet: ${why}`)
      }
      if (this.readyMs !== undefined && performance.now() - this.readyMs >= SHORT_LIFE_MS) {
        pauseMs = FIRST_PAUSE_MS
      } else {
        yield* Effect.sleep(pauseMs)
        pauseMs = Math.min(pauseMs * 2, LONGEST_PAUSE_MS)
      }
    }
  })

  /** Lets the thread answer what is in flight, for so long; then ends it. */
  stop(withinMs: number): Effect.Effect<void> {
    return Effect.suspend(() => {
      this.isStopping = true
      const { thread } = this
      if (thread === undefined) return Effect.void
      const ended = Effect.callback<void>((resume) => {
        thread.once("exit", () => resume(Effect.void))
      })
      return this.send({ kind: "stop" }).pipe(
        Effect.andThen(ended),
        Effect.timeoutOption(withinMs + STOP_GRACE_MS),
        Effect.andThen(Effect.promise(() => thread.terminate()))
      )
    })
  }

  /** One thread's life, or none where there are no descriptors for its sockets; says why it is over. */
  private readonly runNext: Effect.Effect<{ readonly wasBorn: boolean; readonly why: string }> = Effect.suspend(() =>
    Effect.matchEffect(this.options.data, {
      onSuccess: (data) => Effect.map(Effect.flip(this.runOneThread(data)), (why) => ({ wasBorn: true, why })),
      onFailure: ({ message }) => Effect.succeed({ wasBorn: false, why: message })
    })
  )

  /** One thread's life; fails with what ended it. */
  private runOneThread(data: BirthData): Effect.Effect<never, string> {
    this.endReason = undefined
    const notes = descriptorMemory()
    const noted = new Descriptors(notes)
    this.noted = noted
    const startThread = (workerData: WorkerData): NodeThread => {
      this.thread = new NodeThread(WORKER, { workerData, name: `worker ${this.number}` })
      return this.thread
    }
    const talking = Effect.gen({ self: this }, function* () {
      const platform = yield* Worker.WorkerPlatform
      const worker = yield* platform.spawn<FromWorker, ToWorker>(this.number)
      this.sendToThread = (message) => Effect.ignore(worker.send(message))
      const messages = worker.run((message) => this.receive(message))
      return yield* Effect.raceFirst(messages, this.watchHeartbeat)
    })
    // These descriptors belong to no thread until the new one takes them.
    for (const { fd } of data.sockets) noted.opened(fd)
    const born = new TakenOnce<WorkerData>({ ...data, descriptors: notes })
    return Effect.provide(
      talking,
      NodeWorker.layer(() => startThread(born.take()))
    ).pipe(
      Effect.mapError((error) => this.endReason ?? describe(error)),
      Effect.catchDefect((defect) => Effect.fail(`it could not be started: ${defect}`)),
      Effect.ensuring(
        Effect.suspend(() => {
          const { thread } = this
          this.thread = undefined
          this.sendToThread = undefined
          const ended = thread === undefined ? Effect.void : Effect.promise(() => thread.terminate())
          return Effect.andThen(
            ended,
            Effect.sync(() => {
              for (const fd of noted.takeAll()) this.options.closeDescriptor(fd)
            })
          )
        })
      )
    )
  }

  private receive(message: FromWorker): Effect.Effect<void, string> {
    switch (message.kind) {
      case "ready":
        this.task = message.task
        this.listening = message.listening
        this.state = "ready"
        this.readyMs = performance.now()
        return Effect.andThen(this.options.onReady(), Deferred.succeed(this.started, undefined))
      case "failed":
        return Effect.fail(message.message)
      case "committed":
        this.listening = message.listening
        this.options.onAcknowledged(message)
        return Effect.void
      case "prepared":
        this.options.onAcknowledged(message)
        return Effect.void
      case "told":
        this.options.onTold(message.id, message.told)
        return Effect.void
      case "log":
        this.options.onLog(message.entry)
        return Effect.void
      default:
        return Effect.fail(
          "it says what this server does not know: its files are another version's; restart the server"
        )
    }
  }

  /** Fails when the thread is stuck, after ending it. */
  private readonly watchHeartbeat: Effect.Effect<never, string> = Effect.suspend(() => {
    const look = (): Look => ({
      atMs: performance.now(),
      heartbeat: Atomics.load(this.options.heartbeats, this.number - 1),
      cpuWaitMs: cpuWaitMsOf(this.task)
    })
    let since = look()
    let ownMs = 0
    let lastMs = since.atMs
    let isAway = false
    const check = Effect.suspend(() => {
      const now = look()
      ownMs += Math.max(0, now.atMs - lastMs - 2 * LOOK_MS)
      lastMs = now.atMs
      if (this.state === "ready" && isStuck(since, now, ownMs)) {
        this.endReason = "its event loop did not turn for seconds"
        return Effect.fail(this.endReason)
      }
      const isWorthNoting = now.heartbeat !== since.heartbeat || this.state !== "ready"
      if (isWorthNoting) {
        since = now
        ownMs = 0
      }
      const wasAway = isAway
      isAway = isSuspect(since, now, ownMs)
      return isAway === wasAway ? Effect.void : this.options.onSuspicion(isAway)
    })
    return Effect.andThen(Effect.repeat(check, Schedule.spaced(LOOK_MS)), Effect.never)
  }).pipe(Effect.tapError(() => Effect.promise(() => this.thread?.terminate() ?? Promise.resolve(0))))
}

const describe = (error: string | WorkerError.WorkerError): string => {
  if (typeof error === "string") return error
  const cause = "cause" in error.reason ? error.reason.cause : undefined
  const detail = cause instanceof Error ? `: ${cause.stack ?? cause.message}` : ""
  return `${error.reason.message}${detail}`
}
