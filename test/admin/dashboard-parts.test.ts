/** Parts of the dashboard that need no browser: where time went, what queries have in common, what is kept of them, texts. */
import { assert, describe, it } from "@effect/vitest"
import { failedShare } from "../../src/admin/dashboard/failed-share.ts"
import {
  formatBytes,
  formatCount,
  formatMs,
  formatPercent,
  formatRate,
  formatSeconds
} from "../../src/admin/dashboard/format.ts"
import { KEPT, QueryBuffer } from "../../src/admin/dashboard/query-buffer.ts"
import { editedText, givenValue } from "../../src/admin/dashboard/setting-text.ts"
import type { QueryShape, SettingShape, StepShape } from "../../src/admin/dashboard/shapes.ts"
import { summarize } from "../../src/admin/dashboard/summary.ts"
import { compareUpstreams, whereTimeWent } from "../../src/admin/dashboard/where-time-went.ts"
import { codingFor } from "../../src/admin/dashboard-files.ts"
import { statusOfAttempt } from "../../src/admin/views/steps.ts"

const query = (changes: Partial<QueryShape>): QueryShape => ({
  id: "1-1",
  atMs: 0,
  tookMs: 1,
  name: "www.example.com",
  type: "A",
  client: "127.0.0.1",
  clientPort: 5_000,
  clientName: null,
  protocol: "udp",
  outcome: "miss",
  rcode: "NOERROR",
  octets: 60,
  upstream: null,
  attempts: 0,
  isCoalesced: false,
  isShared: false,
  worker: 1,
  error: null,
  ...changes
})

const step = (name: string, fromMs: number, toMs: number, detail = "", status: "ok" | "error" = "ok"): StepShape => ({
  name,
  fromMs,
  toMs,
  status,
  detail,
  depth: name === "dns.query" ? 0 : name === "upstream.attempt" ? 2 : 1
})

describe("where a query's time went", () => {
  const told = (tookMs: number, steps: ReadonlyArray<StepShape>, changes: Partial<QueryShape> = {}): string =>
    whereTimeWent({ query: query({ tookMs, ...changes }), steps: [step("dns.query", 0, tookMs), ...steps] })

  it("names the cache for a hit, and nobody for an answer of its own", () => {
    assert.strictEqual(told(0.05, [], { outcome: "hit" }), "Answered from the cache in 0.050 ms.")
    assert.strictEqual(told(0.2, [], { outcome: "local" }), "Answered here in 0.20 ms: nobody else was asked.")
  })

  it("names the attempt that took longest, and not the step that it is part of", () => {
    const steps = [
      step("cache.lookup", 0, 1),
      step("upstream.resolve", 1, 200),
      step("upstream.attempt", 2, 200, "udp://192.0.2.1 udp answered NOERROR")
    ]
    assert.strictEqual(
      told(200, steps),
      "198 ms of 200 ms (99.0 %) went into attempt 1: udp://192.0.2.1 udp answered NOERROR."
    )
  })

  it("names the line where that was longer", () => {
    const steps = [
      step("queue.wait", 0, 900),
      step("upstream.attempt", 900, 910, "udp://192.0.2.1 udp answered NOERROR")
    ]
    assert.match(told(910, steps), /^900 ms of 910 ms .* were spent in line/)
  })

  it("counts an attempt that failed up to the one that was answered, however long it was waited for", () => {
    const steps = [
      step("upstream.attempt", 0, 340, "udp://192.0.2.1 udp timeout", "error"),
      step("upstream.attempt", 300, 340, "udp://192.0.2.2 udp answered NOERROR"),
      step("upstream.attempt", 335, 340, "udp://192.0.2.3 udp overtaken")
    ]
    assert.strictEqual(
      told(340, steps),
      "Attempt 1 failed: udp://192.0.2.1 udp timeout. Attempt 2 began 300 ms after the query came, and took 40.0 ms: udp://192.0.2.2 udp answered NOERROR."
    )
    assert.match(
      told(340, steps.slice(0, 1)),
      /^No attempt was answered. The first: udp:\/\/192.0.2.1 udp timeout, after 340 ms/
    )
    const silent = [
      step("upstream.attempt", 0, 340, "a udp no reply by then"),
      step("upstream.attempt", 90, 340, "a udp no reply by then")
    ]
    assert.strictEqual(told(340, silent), "No attempt was answered. The first: a udp no reply by then, after 340 ms.")
  })

  it("counts of an attempt that began before the query came what the query waited", () => {
    const steps = [
      step("upstream.resolve", -1_800, 200),
      step("upstream.attempt", -1_800, 200, "udp://192.0.2.1 udp answered NOERROR")
    ]
    assert.strictEqual(
      told(200, steps),
      "It joined an equal question that was asked 1,800 ms before. 200 ms of 200 ms (100 %) went into attempt 1: udp://192.0.2.1 udp answered NOERROR."
    )
  })

  it("says so where an equal question was waited for", () => {
    const steps = [step("upstream.resolve", 0, 50, "shared with an equal question that was asked before")]
    assert.match(told(50, steps), /went into waiting: shared with an equal question/)
  })

  it("compares the upstream with the others of its groups", () => {
    const upstreams = [
      { id: "a", groups: ["upstreams", "far"], latencyMs: 400 },
      { id: "b", groups: ["far"], latencyMs: 6 },
      { id: "c", groups: ["upstreams"], latencyMs: null },
      { id: "d", groups: ["upstreams"], latencyMs: 30 },
      { id: "e", groups: ["home"], latencyMs: 1 }
    ]
    assert.strictEqual(compareUpstreams("a", upstreams), "On average a takes 400 ms; the others 6.0 ms to 30.0 ms.")
    assert.strictEqual(compareUpstreams("a", upstreams.slice(0, 2)), "On average a takes 400 ms; b 6.0 ms.")
    assert.strictEqual(compareUpstreams("a", upstreams.slice(0, 1)), "On average a takes 400 ms.")
    assert.strictEqual(compareUpstreams("e", upstreams), "On average e takes 1.0 ms.")
    assert.isUndefined(compareUpstreams("c", upstreams))
    assert.isUndefined(compareUpstreams(null, upstreams))
  })
})

describe("an upstream", () => {
  it("is said to fail where that is much of many attempts", () => {
    assert.strictEqual(failedShare({ attempts: 200, failures: { timeout: 90, servfail: 10 } }), 0.5)
    assert.strictEqual(failedShare({ attempts: 10, failures: { timeout: 9 } }), 0)
  })
})

describe("what queries have in common", () => {
  it("is counted by outcome and upstream, without those that waited for another's attempt", () => {
    const sum = summarize([
      query({ tookMs: 10, upstream: "a" }),
      query({ tookMs: 30, upstream: "a" }),
      query({ tookMs: 90, upstream: "a", isCoalesced: true }),
      query({ tookMs: 1, outcome: "hit" })
    ])
    assert.deepStrictEqual([sum.count, sum.medianMs, sum.slowestMs], [4, 30, 90])
    assert.deepStrictEqual(
      sum.outcomes.map(([name, { count }]) => [name, count]),
      [
        ["miss", 3],
        ["hit", 1]
      ]
    )
    assert.deepStrictEqual(sum.upstreams, [["a", { count: 2, medianMs: 30, p95Ms: 30, slowestMs: 30 }]])
  })
})

describe("the queries that the page keeps", () => {
  const numbered = (from: number, to: number): ReadonlyArray<QueryShape> =>
    Array.from({ length: to - from }, (_, i) => query({ id: `1-${from + i}`, atMs: from + i }))

  it("are the newest, newest first, each once", () => {
    const buffer = new QueryBuffer()
    buffer.add(numbered(0, 5))
    buffer.flush()
    buffer.add(numbered(3, 8))
    buffer.flush()
    assert.deepStrictEqual(
      buffer.queries.map(({ atMs }) => atMs),
      [7, 6, 5, 4, 3, 2, 1, 0]
    )
  })

  it("are each there once, though one came twice between two redraws", () => {
    const buffer = new QueryBuffer()
    buffer.add(numbered(2, 4))
    buffer.add(numbered(0, 4))
    buffer.flush()
    assert.deepStrictEqual(
      buffer.queries.map(({ atMs }) => atMs),
      [3, 2, 1, 0]
    )
    buffer.add(numbered(3, 5))
    buffer.flush()
    assert.strictEqual(buffer.queries.length, 5)
  })

  it("are in order though the first answer comes behind what was streamed", () => {
    const buffer = new QueryBuffer()
    buffer.add(numbered(4, 6))
    buffer.flush()
    buffer.add(numbered(0, 5))
    buffer.flush()
    assert.deepStrictEqual(
      buffer.queries.map(({ atMs }) => atMs),
      [5, 4, 3, 2, 1, 0]
    )
  })

  it("are told apart from those of a server that was started again, which have the same ids", () => {
    const buffer = new QueryBuffer()
    buffer.add([query({ id: "1-0", atMs: 1 }), query({ id: "1-0", atMs: 9 })])
    buffer.flush()
    assert.strictEqual(buffer.queries.length, 2)
  })

  it("are so many at most, however many come, and wait where they are held", () => {
    const buffer = new QueryBuffer()
    for (let at = 0; at < 20_000; at += 500) buffer.add(numbered(at, at + 500))
    assert.strictEqual(buffer.waitingCount, KEPT)
    assert.strictEqual(buffer.queries.length, 0)
    buffer.flush()
    assert.strictEqual(buffer.queries.length, KEPT)
    assert.strictEqual(buffer.queries[0]!.atMs, 19_999)
    assert.strictEqual(buffer.waitingCount, 0)
  })
})

describe("texts", () => {
  it("of numbers are as long as they need to be", () => {
    assert.deepStrictEqual([0, 0.0512, 0.512, 5.12, 51.2, 512, 5_120, 51_200].map(formatMs), [
      "0 ms",
      "0.051 ms",
      "0.51 ms",
      "5.1 ms",
      "51.2 ms",
      "512 ms",
      "5,120 ms",
      "51.2 s"
    ])
    assert.deepStrictEqual([0, 0.0001, 0.5, 0.99999, 1].map(formatPercent), [
      "0 %",
      "< 0.1 %",
      "50.0 %",
      "100 %",
      "100 %"
    ])
    assert.deepStrictEqual([0, 1.25, 12.5, 12_500].map(formatRate), ["0", "1.3", "13", "12,500"])
    assert.deepStrictEqual([10, 2_048, 3 * 1024 ** 2, 2 * 1024 ** 3].map(formatBytes), [
      "10 B",
      "2.0 KiB",
      "3.0 MiB",
      "2.00 GiB"
    ])
    assert.deepStrictEqual([30, 200, 7_300, 200_000].map(formatSeconds), ["30 s", "3 min 20 s", "2 h 1 min", "2 d 7 h"])
    assert.strictEqual(formatCount(1_234_567), "1,234,567")
  })

  it("of settings are edited item by item, and nothing that is hidden is sent back", () => {
    const setting = (value: SettingShape["value"], kind: SettingShape["kind"]): SettingShape => ({
      value,
      kind,
      source: "file",
      place: "",
      touches: [],
      section: "",
      meaning: "",
      words: []
    })
    const list = setting("10.0.0.0/8, 192.168.0.0/16", "list")
    assert.strictEqual(editedText(list), "10.0.0.0/8\n192.168.0.0/16")
    assert.deepStrictEqual(givenValue(list, " 10.0.0.0/8 \n\n192.168.0.0/16\n"), ["10.0.0.0/8", "192.168.0.0/16"])
    assert.strictEqual(editedText(setting("…", "text")), "")
    assert.strictEqual(editedText(setting(["https://…@dns.example/…"], "list")), "")
    assert.strictEqual(editedText(setting(null, "text")), "")
    assert.strictEqual(givenValue(setting("5", "number"), " 7 "), "7")
  })
})

describe("an attempt", () => {
  it("that was overtaken by another is no failure", () => {
    assert.deepStrictEqual(["answered", "overtaken", "waiting", "timeout"].map(statusOfAttempt), [
      "ok",
      "ok",
      "ok",
      "error"
    ])
  })
})

describe("the coding of what is sent", () => {
  it("is the smallest that the browser takes", () => {
    assert.strictEqual(codingFor("gzip, deflate, br, zstd"), "br")
    assert.strictEqual(codingFor("gzip;q=1.0, br;q=0"), "gzip")
    assert.strictEqual(codingFor("*"), "br")
    assert.strictEqual(codingFor("identity"), "identity")
    assert.strictEqual(codingFor("BR"), "br")
    assert.strictEqual(codingFor(""), "identity")
    assert.strictEqual(codingFor(undefined), "identity")
  })
})
