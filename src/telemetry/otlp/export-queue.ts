/**
 * What is on its way to a collector: units that are sent whole or not at all, such as the spans of one trace.
 *
 * One export is under way at a time, and has a time limit; while more waits the next follows at once. What waits is
 * bounded: what does not fit is dropped, and counted. The end has a time limit for everything.
 */
import { type ExportResult, ExportResultCode } from "@opentelemetry/core"

export interface QueueOptions<Unit> {
  readonly send: (units: ReadonlyArray<Unit>, done: (result: ExportResult) => void) => void
  /** Milliseconds that one export may take. */
  readonly timeoutMs: number
  /** Milliseconds for all of the end: what waits, and what is under way. */
  readonly endMs: number
  /** How much room a unit takes. */
  readonly sizeOf: (unit: Unit) => number
  /** Room for what waits. */
  readonly maxWaiting: number
  /** Enough for an export: it does not wait for the next tick, and takes no further unit. */
  readonly enough: number
  /** Ends all that is under way: its connections. */
  readonly abort: () => void
  readonly onSent: (units: number) => void
  /** @param reason empty where there was no room */
  readonly onDropped: (units: number, reason: string) => void
}

const EXPORT_EVERY_MS = 1_000

export class ExportQueue<Unit> {
  private readonly options: QueueOptions<Unit>
  private readonly waiting: Array<Unit> = []
  private waitingSize = 0
  private draining: Promise<void> | undefined
  private abandon: ((reason: string) => void) | undefined
  private isOver = false
  private readonly timer: NodeJS.Timeout

  constructor(options: QueueOptions<Unit>) {
    this.options = options
    this.timer = setInterval(() => void this.drain(), EXPORT_EVERY_MS)
    this.timer.unref()
  }

  add(unit: Unit): void {
    const { enough, maxWaiting, onDropped, sizeOf } = this.options
    const size = sizeOf(unit)
    if (this.isOver || this.waitingSize + size > maxWaiting) {
      onDropped(1, "")
      return
    }
    this.waiting.push(unit)
    this.waitingSize += size
    if (this.waitingSize >= enough) void this.drain()
  }

  async end(): Promise<void> {
    clearInterval(this.timer)
    const timer = setTimeout(() => {
      this.isOver = true
      this.abandon?.("the server ends")
    }, this.options.endMs)
    // What is under way; then what it left.
    await this.draining
    await this.drain()
    clearTimeout(timer)
    this.isOver = true
    if (this.waiting.length > 0) this.options.onDropped(this.waiting.length, "")
    this.waiting.length = 0
    this.options.abort()
  }

  /** Sends what waits; over when it is sent, or the collector fails. */
  drain(): Promise<void> {
    this.draining ??= this.exportAll().finally(() => {
      this.draining = undefined
    })
    return this.draining
  }

  /** A collector that fails is left alone until the next tick. */
  private async exportAll(): Promise<void> {
    while (!this.isOver && this.waiting.length > 0 && (await this.exportBatch())) {}
  }

  private exportBatch(): Promise<boolean> {
    const units = this.takeBatch()
    const { abort, onDropped, onSent, send, timeoutMs } = this.options
    return new Promise((resolve) => {
      let isSettled = false
      const settle = (result: ExportResult): void => {
        if (isSettled) return
        isSettled = true
        clearTimeout(timer)
        this.abandon = undefined
        const isSent = result.code === ExportResultCode.SUCCESS
        if (isSent) onSent(units.length)
        else onDropped(units.length, reasonOf(result.error))
        resolve(isSent)
      }
      const fail = (reason: string): void => {
        settle({ code: ExportResultCode.FAILED, error: new Error(reason) })
        abort()
      }
      const timer = setTimeout(() => fail(`no answer within ${timeoutMs} ms`), timeoutMs)
      this.abandon = fail
      try {
        send(units, settle)
      } catch (cause) {
        fail(reasonOf(cause))
      }
    })
  }

  private takeBatch(): ReadonlyArray<Unit> {
    const { enough, sizeOf } = this.options
    let count = 0
    let size = 0
    while (count < this.waiting.length && size < enough) size += sizeOf(this.waiting[count++]!)
    this.waitingSize -= size
    return this.waiting.splice(0, count)
  }
}

const reasonOf = (error: unknown): string => {
  if (!(error instanceof Error)) return "it failed"
  const { code } = error as { readonly code?: unknown }
  const status = typeof code === "number" ? `HTTP status ${code} ` : ""
  return `${status}${error.message || String(code ?? error.name)}`.trim()
}
