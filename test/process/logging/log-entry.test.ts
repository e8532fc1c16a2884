import { assert, describe, it } from "@effect/vitest"
import { Cause, Effect, Logger } from "effect"
import type { LineWriter } from "../../../src/process/logging/line-writer.ts"
import { entryOf, formatJson, formatPretty, type LogEntry } from "../../../src/process/logging/log-entry.ts"
import { layerEntries, outputTo } from "../../../src/process/logging/logging.ts"

/** The entries that the effect logs. */
const entriesOf = (effect: Effect.Effect<void>, worker?: number): Effect.Effect<ReadonlyArray<LogEntry>> =>
  Effect.suspend(() => {
    const entries: Array<LogEntry> = []
    const logger = Logger.make((options) => entries.push(entryOf(options, worker)))
    return Effect.as(Effect.provide(effect, Logger.layer([logger])), entries)
  })

const parsed = (entry: LogEntry): Record<string, unknown> => JSON.parse(formatJson(entry))

describe("a line of the log in JSON", () => {
  it.effect("has the same shape whatever was logged: a time, a level, a text, and flat fields", () =>
    Effect.gen(function* () {
      const entries = yield* entriesOf(
        Effect.gen(function* () {
          yield* Effect.logInfo("a text")
          yield* Effect.logWarning("with fields", { name: "x", nested: { p50: 1, deep: { er: true } } }, { more: 2 })
          yield* Effect.logError("two", "texts")
          yield* Effect.logInfo("a list", ["192.0.2.1", "192.0.2.2"])
          yield* Effect.logInfo("annotated").pipe(Effect.annotateLogs("by", "whom"))
        })
      )
      assert.deepStrictEqual(
        entries.map(parsed).map(({ time, ...rest }) => rest),
        [
          { level: "info", message: "a text" },
          { level: "warn", message: "with fields", name: "x", "nested.p50": 1, "nested.deep.er": true, more: 2 },
          { level: "error", message: "two texts" },
          { level: "info", message: "a list 192.0.2.1, 192.0.2.2" },
          { level: "info", message: "annotated", by: "whom" }
        ]
      )
      for (const entry of entries) assert.match(String(parsed(entry)["time"]), /^\d{4}-\d\d-\d\dT.*Z$/)
    })
  )

  it.effect("has no empty fields, and names the worker whose it is", () =>
    Effect.gen(function* () {
      const fields = { text: "", list: [], nothing: undefined, none: null, object: {}, zero: 0, no: false }
      const [entry] = yield* entriesOf(Effect.logInfo("said", fields), 3)
      const { time, ...rest } = parsed(entry!)
      assert.deepStrictEqual(rest, { level: "info", message: "said", worker: 3, zero: 0, no: false })
    })
  )

  it.effect("keeps its own names for itself, and has errors and causes in one field", () =>
    Effect.gen(function* () {
      const entries = yield* entriesOf(
        Effect.gen(function* () {
          yield* Effect.logInfo("clash", { level: "high", message: "other", worker: 9, time: 1 })
          yield* Effect.logError("died", Cause.die(new Error("of this")), { where: "here" })
          yield* Effect.logError("failed", new Error("of that"))
        })
      )
      const [clash, died, failed] = entries.map(parsed)
      assert.deepStrictEqual(
        [clash!["level"], clash!["message"], clash!["field.level"], clash!["field.worker"], clash!["worker"]],
        ["info", "clash", "high", 9, undefined]
      )
      assert.match(String(died!["error"]), /of this/)
      assert.strictEqual(died!["where"], "here")
      assert.match(String(failed!["error"]), /of that/)
    })
  )
})

describe("a line of the log for people", () => {
  it("shows what others sent without control characters, and keeps to one line", () => {
    const entry: LogEntry = {
      timeMs: 0,
      level: "warn",
      message: "said: \x1b[2J\nforged line",
      fields: { reason: "a\r\nb", count: 2, list: ["x", "\u0007"] }
    }
    assert.strictEqual(
      formatPretty(false)(entry),
      "00:00:00.000 WARN  said: \\x1b[2J\\x0aforged line reason=a\\x0d\\x0ab count=2 list=[x, \\x07]"
    )
  })
})

describe("the log of several threads", () => {
  it("is in the order of its times, whenever an entry arrives", () => {
    const lines: Array<string> = []
    const { write } = outputTo(
      formatJson,
      () => ({ line: (text: string) => lines.push(text) }) as unknown as LineWriter
    )
    for (const timeMs of [1000, 1003, 1001, 1003, 1010, 900]) {
      write({ timeMs, level: "info", message: "", fields: {} })
    }
    const times = lines.map((line) => Date.parse(JSON.parse(line).time))
    assert.deepStrictEqual(times, [1000, 1003, 1003, 1003, 1010, 1010])
  })

  it("follows a clock that is set back", () => {
    const lines: Array<string> = []
    const { write } = outputTo(
      formatJson,
      () => ({ line: (text: string) => lines.push(text) }) as unknown as LineWriter
    )
    for (const timeMs of [3_600_000, 1_000]) write({ timeMs, level: "info", message: "", fields: {} })
    assert.strictEqual(JSON.parse(lines[1]!).time, new Date(1_000).toISOString())
  })

  it.effect("leaves out what is below its level", () =>
    Effect.gen(function* () {
      const entries: Array<LogEntry> = []
      const logged = Effect.andThen(Effect.logDebug("fine"), Effect.logWarning("coarse"))
      yield* Effect.provide(
        logged,
        layerEntries(
          () => ({ logLevel: "info" }),
          (entry) => entries.push(entry)
        )
      )
      assert.deepStrictEqual(
        entries.map(({ message }) => message),
        ["coarse"]
      )
    })
  )
})
