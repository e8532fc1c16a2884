import { spawnSync } from "node:child_process"
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync
} from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { gunzipSync } from "node:zlib"
import { assert, describe, it } from "@effect/vitest"
import { Effect, type Scope } from "effect"
import { fileOutput } from "../../../src/telemetry/query-log/file-output.ts"
import type { Rotation } from "../../../src/telemetry/query-log/plan.ts"
import { until } from "../../support/machine/until.ts"
import { loggedOf, reported } from "../../support/servers/logged.ts"

const HOUR_MS = 3_600_000
const usual: Rotation = { maxOctets: 1 << 20, maxAgeMs: HOUR_MS, keep: 3 }
const query = loggedOf()

/** A file in a folder of its own. */
const logFile: Effect.Effect<string, never, Scope.Scope> = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "strand-test-"))),
  (folder) => Effect.sync(() => rmSync(folder, { recursive: true }))
).pipe(Effect.map((folder) => join(folder, "queries.jsonl")))

const linesIn = (text: string): number => {
  const lines = text.split("\n")
  assert.strictEqual(lines.pop(), "")
  for (const line of lines) JSON.parse(line)
  return lines.length
}
const asideOf = (file: string): ReadonlyArray<string> => {
  const folder = join(file, "..")
  return readdirSync(folder)
    .filter((name) => name !== "queries.jsonl")
    .sort()
    .map((name) => join(folder, name))
}
const linesAt = (path: string): number =>
  linesIn(path.endsWith(".gz") ? gunzipSync(readFileSync(path)).toString() : readFileSync(path, "utf8"))

const opened = (file: string, rotation: Partial<Rotation> = {}) =>
  Effect.gen(function* () {
    const { report, counts, said } = reported("file")
    const output = fileOutput(file, { ...usual, ...rotation }, report)
    yield* Effect.addFinalizer(() => output.close)
    const write = (count: number): void => output.write(Array(count).fill(query))
    return { write, look: () => output.write([]), close: output.close, counts, said }
  })

describe("the query log's file", () => {
  it.live("gets a line for each query, behind those that are there", () =>
    Effect.gen(function* () {
      const file = yield* logFile
      const first = yield* opened(file)
      first.write(3)
      yield* first.close
      const { write, counts } = yield* opened(file)
      write(2)
      assert.strictEqual(linesAt(file), 5)
      assert.deepStrictEqual([...counts], [["log.file.written", 2]])
    })
  )

  it.live("is put aside and compressed when it is large; the newest are kept, and no line is lost or cut", () =>
    Effect.gen(function* () {
      const file = yield* logFile
      const { write } = yield* opened(file, { maxOctets: 5_000 })
      for (let i = 0; i < 10; i++) write(20)
      yield* until("three are kept, compressed", () => {
        const aside = asideOf(file)
        return aside.length === 3 && aside.every((path) => path.endsWith(".gz"))
      })
      for (const path of [...asideOf(file), file]) assert.strictEqual(linesAt(path), 20)
    })
  )

  it.live("is put aside when it is old, also when nothing is written", () =>
    Effect.gen(function* () {
      const file = yield* logFile
      const { write, look } = yield* opened(file, { maxAgeMs: 1_000 })
      write(1)
      yield* until("it was put aside", () => {
        look()
        return asideOf(file).some((path) => path.endsWith(".gz"))
      })
      assert.strictEqual(linesAt(asideOf(file)[0]!), 1)
      assert.strictEqual(readFileSync(file, "utf8"), "")
    })
  )

  it.live("is not kept at all where none is to be", () =>
    Effect.gen(function* () {
      const file = yield* logFile
      const { write } = yield* opened(file, { maxOctets: 1_000, keep: 0 })
      for (let i = 0; i < 4; i++) write(5)
      yield* until("none is kept", () => asideOf(file).length === 0)
    })
  )

  it.live("is begun anew where it was moved away or removed", () =>
    Effect.gen(function* () {
      const file = yield* logFile
      const { write, look } = yield* opened(file)
      write(2)
      renameSync(file, `${file}.moved`)
      yield* until("it is there again", () => {
        look()
        return existsSync(file)
      })
      write(3)
      assert.deepStrictEqual([linesAt(file), linesAt(`${file}.moved`)], [3, 2])
    })
  )

  it.live("leaves what others keep beside it, and removes what was half compressed", () =>
    Effect.gen(function* () {
      const file = yield* logFile
      const others = ["queries.jsonl.1", "queries.jsonl.20260101T000000000Z.bak", "other"].map((name) =>
        join(file, "..", name)
      )
      for (const path of others) writeFileSync(path, "")
      const half = `${file}.20260101T000000000Z.gz.part`
      writeFileSync(half, "")
      const { write } = yield* opened(file, { maxOctets: 1_000, keep: 0 })
      for (let i = 0; i < 3; i++) write(5)
      yield* until("what was put aside is gone", () => asideOf(file).length === others.length)
      assert.isFalse(existsSync(half))
      for (const path of others) assert.isTrue(existsSync(path), path)
    })
  )

  it.live("that takes nothing costs lines, which are counted, and is said once; so is that it is over", () =>
    Effect.gen(function* () {
      const file = yield* logFile
      const folder = join(file, "..", "not-there")
      const { write, look, counts, said } = yield* opened(join(folder, "queries.jsonl"))
      write(2)
      write(3)
      assert.strictEqual(counts.get("log.file.lost"), 5)
      assert.deepStrictEqual(said, [
        { level: "error", message: "the query log cannot write to there", fields: { reason: "ENOENT" } }
      ])
      mkdirSync(folder)
      yield* until("it is over", () => {
        look()
        return said.length === 2
      })
      assert.deepStrictEqual(said[1], {
        level: "info",
        message: "the query log writes to there again",
        fields: { lost: 5 }
      })
      write(1)
      assert.strictEqual(counts.get("log.file.written"), 1)
    })
  )

  it.live.skipIf(!existsSync("/dev/full"))("may be a device that is full", () =>
    Effect.gen(function* () {
      const { write, counts, said } = yield* opened("/dev/full")
      write(4)
      assert.deepStrictEqual([...counts], [["log.file.lost", 4]])
      assert.strictEqual(said[0]?.fields["reason"], "ENOSPC")
    })
  )

  it.live("may be a pipe that nobody reads: nothing waits for it", () =>
    Effect.gen(function* () {
      const file = yield* logFile
      spawnSync("mkfifo", [file])
      const { write, counts, said } = yield* opened(file)
      write(4)
      assert.deepStrictEqual([...counts], [["log.file.lost", 4]])
      assert.strictEqual(said[0]?.fields["reason"], "ENXIO")
    })
  )
})
