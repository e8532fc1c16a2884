/** The ring of a thread's last queries: what is written is what is read, and nothing torn. */
import { assert, describe, it } from "@effect/vitest"
import { formatName, parseName } from "../../../src/dns/name.ts"
import { Query, readQuery, Verdict } from "../../../src/dns/query.ts"
import { questionOf } from "../../../src/dns/question.ts"
import { namedPeer, TextPeer } from "../../../src/io/peer.ts"
import { RecentQueryReader } from "../../../src/telemetry/recent-queries/reader.ts"
import { RECENT_QUERIES, recentMemory } from "../../../src/telemetry/recent-queries/ring.ts"
import { RecentQueryWriter } from "../../../src/telemetry/recent-queries/writer.ts"
import type { QueryRecord } from "../../../src/telemetry/record.ts"
import { encodeQuestion } from "../../support/servers/server.ts"

const queryFor = (name: string): Query => {
  const query = new Query()
  const wire = encodeQuestion({ name }, 7)
  assert.strictEqual(readQuery(query, wire, wire.length), Verdict.Accept)
  return query
}

const client = (address = "192.0.2.7"): TextPeer => new TextPeer({ address, port: 4711 })

const recordOf = (of: Partial<QueryRecord>): QueryRecord => ({
  question: questionOf(queryFor("www.example.test")),
  client: { address: "192.0.2.7", port: 4711 },
  transport: "tcp",
  server: "127.0.0.1:53",
  rule: undefined,
  startedMs: 100,
  lookedUpMs: 101,
  outcome: "miss",
  refreshes: false,
  admittedMs: 0,
  coalesced: false,
  resolution: undefined,
  endedMs: 150,
  rcode: 0,
  flags: 0,
  reason: undefined,
  error: "",
  errorType: undefined,
  trace: undefined,
  ...of
})

const SLOW_MS = 1_000

const ring = (isOn = () => true) => {
  const memory = recentMemory()
  return {
    writer: new RecentQueryWriter(
      memory,
      (ms) => ms + 1_000,
      isOn,
      (ms) => ms >= SLOW_MS
    ),
    reader: new RecentQueryReader(memory),
    memory
  }
}

describe("a query that was answered at once", () => {
  it("is read when its batch is over, with the time that the batch took", () => {
    const { writer, reader } = ring()
    writer.note(client(), "udp", queryFor("WwW.example.test"), "hit", 3, 60, 5)
    assert.strictEqual(reader.written(), 0)
    assert.isUndefined(reader.read(0))
    writer.endBatch(0.25)
    assert.strictEqual(reader.written(), 1)
    const found = reader.read(0)!
    assert.strictEqual(formatName(found.name), "WwW.example.test")
    assert.deepInclude(found, {
      startedAtMs: 1_005,
      durationMs: 0.25,
      type: 1,
      isIPv4: true,
      port: 4711,
      protocol: "udp",
      outcome: "hit",
      rcode: 3,
      replySize: 60,
      attempts: [],
      error: ""
    })
    assert.deepStrictEqual(found.address, [0, 0, 0, 0xc0000207])
  })

  it("has an IPv6 client as it is, and no rcode where it got no reply", () => {
    const { writer, reader } = ring()
    writer.note(client("2001:db8::1:2"), "udp", queryFor("a.test"), "denied", -1, 0, 5)
    writer.endBatch(0)
    const found = reader.read(0)!
    assert.isFalse(found.isIPv4)
    assert.deepStrictEqual(found.address, [0x20010db8, 0, 0, 0x10002])
    assert.strictEqual(found.rcode, -1)
  })

  it("has what its client calls itself, as much as there is room for beside the name", () => {
    const { writer, reader } = ring()
    const long = `${"x".repeat(62)}.${"y".repeat(62)}.${"z".repeat(40)}`
    for (const name of ["a.test", long, `${long}.${"w".repeat(40)}`]) {
      writer.note(namedPeer(client(), "the-laptop-of-somebody"), "https", queryFor(name), "hit", 0, 60, 5)
    }
    writer.note(client(), "https", queryFor("a.test"), "hit", 0, 60, 5)
    writer.endBatch(0)
    assert.deepStrictEqual(
      [0, 1, 2, 3].map((number) => reader.read(number)!.clientName),
      ["the-laptop-of-somebody", "the-laptop-of-somebody", "", ""].map((name, i) =>
        i === 1 ? name.slice(0, 24) : name
      )
    )
    assert.isTrue([0, 1, 2, 3].every((number) => reader.read(number)!.error === ""))
  })

  it("is not written while nothing is to be remembered", () => {
    let isOn = false
    const { writer, reader } = ring(() => isOn)
    writer.note(client(), "udp", queryFor("a.test"), "hit", 0, 60, 5)
    writer.noteRecord(client(), recordOf({}), 60)
    writer.endBatch(0)
    assert.strictEqual(reader.written(), 0)
    isOn = true
    writer.note(client(), "udp", queryFor("a.test"), "hit", 0, 60, 5)
    writer.endBatch(0)
    assert.strictEqual(reader.written(), 1)
  })
})

describe("a query that waited", () => {
  const upstream = { name: "one", endpoint: { address: "192.0.2.1", port: 53 }, slot: 3 }
  it("is read at once, with its way and its attempts", () => {
    const { writer, reader } = ring()
    const attempts = [
      { upstream, startedMs: 110, transport: "udp" as const, endedMs: 130, outcome: "timeout" as const, rcode: -1 },
      {
        upstream: { ...upstream, slot: 4 },
        startedMs: 130,
        transport: "tcp" as const,
        endedMs: 0,
        outcome: "answered" as const,
        rcode: 3
      }
    ]
    const resolution = { startedMs: 105, endedMs: 145, attempts, isShared: true as const }
    const record = recordOf({
      resolution,
      admittedMs: 104,
      coalesced: true,
      rcode: 2,
      error: "no upstream answered in time"
    })
    writer.noteRecord(client(), record, 80)
    const found = reader.read(0)!
    assert.deepInclude(found, {
      durationMs: 50,
      lookedUpMs: 1,
      admittedMs: 4,
      askedMs: 5,
      toldMs: 45,
      isCoalesced: true,
      isShared: true,
      error: "no upstream answered in time",
      protocol: "tcp"
    })
    assert.deepStrictEqual(found.attempts, [
      { upstream: 3, transport: "udp", outcome: "timeout", rcode: -1, startedMs: 10, endedMs: 30 },
      { upstream: 4, transport: "tcp", outcome: "answered", rcode: 3, startedMs: 30, endedMs: 50 }
    ])
  })

  it("has as many attempts, and as much of its error, as there is room for", () => {
    const { writer, reader } = ring()
    const long = "l".repeat(60)
    const name = parseName(`${long}.${long}.${long}`)!
    const attempt = {
      upstream,
      startedMs: 110,
      transport: "udp" as const,
      endedMs: 130,
      outcome: "timeout" as const,
      rcode: -1
    }
    const resolution = { startedMs: 105, endedMs: 145, attempts: Array.from({ length: 40 }, () => attempt) }
    const question = { ...questionOf(queryFor("a.test")), name }
    writer.noteRecord(client(), recordOf({ question, resolution, error: "é".repeat(100) }), 80)
    writer.noteRecord(client(), recordOf({ resolution, error: "é".repeat(300) }), 80)
    const [first, second] = [reader.read(0)!, reader.read(1)!]
    assert.strictEqual(first.name.length, name.length)
    assert.isEmpty(first.attempts)
    assert.match(first.error, /^é+$/)
    assert.lengthOf(second.attempts, 14)
    assert.match(second.error, /^é*$/)
  })
})

describe("a notable query", () => {
  /** The sizes of the replies of those that are notable: by them the tests tell one from another. */
  const notableSizes = (reader: RecentQueryReader, from = 0): ReadonlyArray<number | undefined> =>
    Array.from({ length: reader.notable() - from }, (_, i) => reader.readNotable(from + i)?.replySize)

  it("failed, was slow or got what is past its life", () => {
    const { writer, reader } = ring()
    const cases: ReadonlyArray<readonly [Partial<QueryRecord>, boolean]> = [
      [{}, false],
      [{ endedMs: 1_200 }, true],
      [{ rcode: 2 }, true],
      [{ rcode: 3 }, false],
      [{ outcome: "stale" }, true],
      [{ outcome: "failure", rcode: 2 }, true],
      [{ outcome: "denied", rcode: 5, endedMs: 1_200 }, false]
    ]
    for (const [i, [of]] of cases.entries()) writer.noteRecord(client(), recordOf(of), i)
    const expected = cases.flatMap(([, isNotable], i) => (isNotable ? [i] : []))
    assert.deepStrictEqual(notableSizes(reader), expected)
  })

  it("is one of a batch too: by its rcode at once, by its time when the batch is over", () => {
    const { writer, reader } = ring()
    const query = queryFor("www.example.test")
    writer.note(client(), "udp", query, "hit", 0, 1, 0)
    writer.note(client(), "udp", query, "hit", 2, 2, 0)
    writer.note(client(), "udp", query, "local", 0, 3, 0)
    assert.strictEqual(reader.notable(), 0)
    writer.endBatch(0.1)
    assert.deepStrictEqual(notableSizes(reader), [2])
    writer.note(client(), "udp", query, "hit", 0, 4, 0)
    writer.note(client(), "udp", query, "stale", 0, 5, 0)
    writer.note(client(), "udp", query, "special", 3, 6, 0)
    writer.endBatch(SLOW_MS)
    assert.sameMembers([...notableSizes(reader, 1)], [4, 5])
  })

  it("is gone when many others have come, and when its slot has been written over", () => {
    const { writer, reader } = ring()
    for (let i = 0; i < 1_000; i++) writer.noteRecord(client(), recordOf({ rcode: 2 }), i)
    assert.isUndefined(reader.readNotable(0))
    assert.strictEqual(reader.readNotable(999)?.replySize, 999)
    const query = queryFor("www.example.test")
    for (let i = 0; i < RECENT_QUERIES; i++) writer.note(client(), "udp", query, "hit", 0, 1, 0)
    writer.endBatch(0.1)
    assert.strictEqual(reader.notable(), 1_000)
    assert.isUndefined(reader.readNotable(999))
    assert.isUndefined(reader.readNotable(1_000))
  })
})

describe("a ring that has gone round", () => {
  it("has the last ten thousand, each as it was written", () => {
    const { writer, reader } = ring()
    const names = ["a.test", "bb.test", "ccc.test"].map(queryFor)
    const total = 40_000
    for (let i = 0; i < total; i++) {
      writer.note(client(), "udp", names[i % 3]!, "hit", i % 6, i & 0xfff, i)
      if (i % 37 === 0) writer.endBatch(1)
    }
    writer.endBatch(1)
    assert.strictEqual(reader.written(), total)
    assert.isUndefined(reader.read(total - RECENT_QUERIES - 1))
    assert.isUndefined(reader.read(total))
    for (let i = total - RECENT_QUERIES; i < total; i++) {
      const found = reader.read(i)!
      assert.strictEqual(found.startedAtMs, 1_000 + i)
      assert.strictEqual(found.replySize, i & 0xfff)
      assert.strictEqual(found.name.length, names[i % 3]!.nameLength)
    }
  })

  it("counts on beyond 31 bits", () => {
    const { memory } = ring()
    new Int32Array(memory)[0] = 0x7fffffff
    const writer = new RecentQueryWriter(
      memory,
      (ms) => ms,
      () => true,
      (ms) => ms >= SLOW_MS
    )
    const reader = new RecentQueryReader(memory)
    for (let i = 0; i < 3; i++) writer.noteRecord(client(), recordOf({ rcode: i }), 1)
    const last = reader.written()
    assert.isBelow(last, 0)
    assert.deepStrictEqual(
      [3, 2, 1].map((back) => reader.read((last - back) | 0)?.rcode),
      [0, 1, 2]
    )
  })
})
