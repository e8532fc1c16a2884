import { assert, describe, it } from "@effect/vitest"
import { type ExportResult, ExportResultCode } from "@opentelemetry/core"
import { ExportQueue } from "../../../src/telemetry/otlp/export-queue.ts"

const END_MS = 3_000

/** A trace: as many spans as it has, each with the trace's id. */
type Trace = ReadonlyArray<string>

/** An exporter that takes spans, and answers when it is told to. */
class FakeExporter {
  readonly batches: Array<ReadonlyArray<string>> = []
  answer: "at once" | "when told" | "never" | "failing" = "at once"
  private pending: Array<(result: ExportResult) => void> = []
  export(spans: ReadonlyArray<string>, done: (result: ExportResult) => void): void {
    this.batches.push(spans)
    if (this.answer === "at once") setImmediate(() => done({ code: ExportResultCode.SUCCESS }))
    else if (this.answer === "failing") done({ code: ExportResultCode.FAILED, error: new Error("refused") })
    else this.pending.push(done)
  }
  tell(): void {
    for (const done of this.pending.splice(0)) done({ code: ExportResultCode.SUCCESS })
  }
}

interface Watched {
  readonly queue: ExportQueue<Trace>
  readonly exporter: FakeExporter
  sent: number
  dropped: number
  reasons: Array<string>
  aborted: number
}

const watched = (timeoutMs = 3_000): Watched => {
  const exporter = new FakeExporter()
  const all: Omit<Watched, "queue"> & { queue?: ExportQueue<Trace> } = {
    exporter,
    sent: 0,
    dropped: 0,
    reasons: [],
    aborted: 0
  }
  all.queue = new ExportQueue<Trace>({
    send: (traces, done) => exporter.export(traces.flat(), done),
    timeoutMs,
    endMs: END_MS,
    sizeOf: (spans) => spans.length,
    maxWaiting: 8_192,
    enough: 512,
    abort: () => {
      all.aborted++
    },
    onSent: (traces) => {
      all.sent += traces
    },
    onDropped: (traces, reason) => {
      all.dropped += traces
      all.reasons.push(reason)
    }
  })
  return all as Watched
}

/** A trace of so many spans. */
const trace = (queue: ExportQueue<Trace>, id: string, spans: number): void => {
  queue.add(new Array<string>(spans).fill(id))
}

const spansOf = ({ exporter }: Watched): Map<string, number> => {
  const counts = new Map<string, number>()
  for (const traceId of exporter.batches.flat()) {
    counts.set(traceId, (counts.get(traceId) ?? 0) + 1)
  }
  return counts
}

describe("traces on their way to the collector", () => {
  it("of three seconds at 300 a second with up to nine spans each all leave, without a wait for a tick", async () => {
    const all = watched()
    const sizes = Array.from({ length: 900 }, (_, i) => 2 + (i % 8))
    for (const [i, size] of sizes.entries()) {
      trace(all.queue, `${i}`, size)
      if (i % 100 === 99) await new Promise(setImmediate)
    }
    await all.queue.drain()
    assert.strictEqual(all.dropped, 0)
    assert.strictEqual(all.sent, sizes.length)
    assert.deepStrictEqual([...spansOf(all).values()], sizes)
    await all.queue.end()
  })

  it("begin to leave as soon as there are enough for an export", () => {
    const all = watched()
    for (let i = 0; i < 64; i++) trace(all.queue, `${i}`, 8)
    assert.strictEqual(all.exporter.batches.length, 1)
    void all.queue.end()
  })

  it("are never torn: what does not fit is dropped by whole traces, and counted", async () => {
    const all = watched()
    all.exporter.answer = "when told"
    for (let i = 0; i < 3_000; i++) trace(all.queue, `${i}`, 7)
    assert.isAbove(all.dropped, 0)
    all.exporter.answer = "at once"
    all.exporter.tell()
    await all.queue.drain()
    assert.strictEqual(all.sent + all.dropped, 3_000)
    const counts = spansOf(all)
    assert.strictEqual(counts.size, all.sent)
    assert.isTrue([...counts.values()].every((count) => count === 7))
    for (const batch of all.exporter.batches) assert.isBelow(batch.length, 512 + 7)
    await all.queue.end()
  })

  it("of a batch that fails are dropped with the reason; the collector is left alone until the next tick", async () => {
    const all = watched()
    all.exporter.answer = "failing"
    for (let i = 0; i < 300; i++) trace(all.queue, `${i}`, 4)
    await all.queue.drain()
    assert.deepStrictEqual(all.reasons[0], "refused")
    assert.isAtMost(all.exporter.batches.length, 3)
    all.exporter.answer = "at once"
    await all.queue.drain()
    assert.strictEqual(all.sent + all.dropped, 300)
    assert.isAbove(all.sent, 0)
    await all.queue.end()
  })

  it("that are not answered in time are dropped, and what is under way is ended", async () => {
    const all = watched(20)
    all.exporter.answer = "never"
    trace(all.queue, "a", 3)
    await all.queue.drain()
    assert.strictEqual(all.dropped, 1)
    assert.strictEqual(all.aborted, 1)
    await all.queue.end()
  })

  it("have three seconds at the end for all together, however many wait and whatever the exporter's end takes", async () => {
    const all = watched(60_000)
    all.exporter.answer = "never"
    for (let i = 0; i < 500; i++) trace(all.queue, `${i}`, 5)
    const begun = performance.now()
    await all.queue.end()
    assert.isAtLeast(performance.now() - begun, END_MS - 50)
    assert.strictEqual(all.exporter.batches.length, 1)
    assert.strictEqual(all.sent + all.dropped, 500)
    assert.isAbove(all.aborted, 0)
  })

  it("that an exporter throws at are dropped as if it had failed", async () => {
    const all = watched()
    all.exporter.export = () => {
      throw new Error("broken")
    }
    trace(all.queue, "a", 2)
    await all.queue.drain()
    assert.deepStrictEqual(all.reasons, ["broken"])
    await all.queue.end()
  })
})
