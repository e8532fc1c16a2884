/**
 * Ended spans on their way to an exporter, trace by trace: a trace is sent whole or not at all.
 *
 * One export is under way at a time, and has a time limit; while more waits the next follows at once. What waits is
 * bounded: what does not fit is dropped, and counted. The end has a time limit for everything.
 */
import { type ExportResult, ExportResultCode } from "@opentelemetry/core"
import type { ReadableSpan, SpanExporter, SpanProcessor } from "@opentelemetry/sdk-trace-base"

const MAX_WAITING_SPANS = 8_192
/** Enough for an export: it does not wait for the next tick, and takes no further trace. */
const EXPORT_SPANS = 512
const EXPORT_EVERY_MS = 1_000
/** For all of the end: what waits, and what is under way. */
export const END_MS = 3_000

type Trace = ReadonlyArray<ReadableSpan>

export interface ProcessorOptions {
  readonly exporter: SpanExporter
  /** Milliseconds that one export may take. */
  readonly timeoutMs: number
  /** Ends all that the exporter has under way: its connections. */
  readonly abort: () => void
  readonly onSent: (traces: number) => void
  readonly onDropped: (traces: number, reason: string) => void
}

export class TraceProcessor implements SpanProcessor {
  private readonly options: ProcessorOptions
  /** Of the trace that is being built: its root ends last. */
  private building: Array<ReadableSpan> = []
  private readonly waiting: Array<Trace> = []
  private waitingSpans = 0
  private draining: Promise<void> | undefined
  private abandon: ((reason: string) => void) | undefined
  private isOver = false
  private readonly timer: NodeJS.Timeout

  constructor(options: ProcessorOptions) {
    this.options = options
    this.timer = setInterval(() => void this.drain(), EXPORT_EVERY_MS)
    this.timer.unref()
  }

  onStart(): void {}

  onEnd(span: ReadableSpan): void {
    this.building.push(span)
    if (span.parentSpanContext !== undefined) return
    const trace = this.building
    this.building = []
    if (this.waitingSpans + trace.length > MAX_WAITING_SPANS) {
      this.options.onDropped(1, "")
      return
    }
    this.waiting.push(trace)
    this.waitingSpans += trace.length
    if (this.waitingSpans >= EXPORT_SPANS) void this.drain()
  }

  forceFlush(): Promise<void> {
    return this.drain()
  }

  async shutdown(): Promise<void> {
    clearInterval(this.timer)
    const end = setTimeout(() => {
      this.isOver = true
      this.abandon?.("the server ends")
    }, END_MS)
    // What is under way; then what it left.
    await this.draining
    await this.drain()
    clearTimeout(end)
    this.dropWaiting()
    this.options.abort()
    // It waits for whatever it has under way.
    this.options.exporter.shutdown().catch(() => {})
  }

  private drain(): Promise<void> {
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
    const traces = this.takeBatch()
    const { abort, exporter, onDropped, onSent, timeoutMs } = this.options
    return new Promise((resolve) => {
      let isSettled = false
      const settle = (result: ExportResult): void => {
        if (isSettled) return
        isSettled = true
        clearTimeout(timer)
        this.abandon = undefined
        const isSent = result.code === ExportResultCode.SUCCESS
        if (isSent) onSent(traces.length)
        else onDropped(traces.length, reasonOf(result.error))
        resolve(isSent)
      }
      const fail = (reason: string): void => {
        settle({ code: ExportResultCode.FAILED, error: new Error(reason) })
        abort()
      }
      const timer = setTimeout(() => fail(`no answer within ${timeoutMs} ms`), timeoutMs)
      this.abandon = fail
      try {
        exporter.export(traces.flat(), settle)
      } catch (cause) {
        fail(reasonOf(cause))
      }
    })
  }

  private takeBatch(): ReadonlyArray<Trace> {
    let count = 0
    let spans = 0
    while (count < this.waiting.length && spans < EXPORT_SPANS) spans += this.waiting[count++]!.length
    this.waitingSpans -= spans
    return this.waiting.splice(0, count)
  }

  private dropWaiting(): void {
    if (this.waiting.length > 0) this.options.onDropped(this.waiting.length, "")
    this.waiting.length = 0
    this.waitingSpans = 0
  }
}

const reasonOf = (error: unknown): string => {
  if (!(error instanceof Error)) return "it failed"
  const { code } = error as { readonly code?: unknown }
  const status = typeof code === "number" ? `HTTP status ${code} ` : ""
  return `${status}${error.message || String(code ?? error.name)}`.trim()
}
