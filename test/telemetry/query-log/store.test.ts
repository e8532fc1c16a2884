import { mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { DatabaseSync } from "node:sqlite"
import { assert, describe, it } from "@effect/vitest"
import { Effect, type Scope } from "effect"
import type { LoggedQuery } from "../../../src/telemetry/query-log/logged-query.ts"
import type { SearchFilter } from "../../../src/telemetry/query-log/search.ts"
import { SearchThread } from "../../../src/telemetry/query-log/search-thread.ts"
import { storeOutput } from "../../../src/telemetry/query-log/store-output.ts"
import { partitionsIn } from "../../../src/telemetry/query-log/store-schema.ts"
import { searchStore } from "../../../src/telemetry/query-log/store-search.ts"
import { until } from "../../support/machine/until.ts"
import { KEY, loggedOf, queriesBy, recentOf, reported } from "../../support/servers/logged.ts"

const MIB = 1 << 20
const START_MS = Date.UTC(2026, 0, 2)

const folder: Effect.Effect<string, never, Scope.Scope> = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "strand-test-"))),
  (path) => Effect.sync(() => rmSync(path, { recursive: true }))
)

const opened = (path: string, maxOctets = 64 * MIB) =>
  Effect.gen(function* () {
    const { report, counts, said } = reported("store")
    const output = storeOutput(path, maxOctets, report)
    yield* Effect.addFinalizer(() => output.close)
    return { write: output.write, close: output.close, counts, said }
  })

const storeWith = (queries: ReadonlyArray<LoggedQuery>) =>
  Effect.gen(function* () {
    const path = yield* folder
    const { write } = yield* opened(path)
    write(queries)
    return (filter: SearchFilter) => searchStore(path, filter, KEY)
  })

/** A second apart, the oldest first. */
const spaced = (given: ReadonlyArray<Parameters<typeof recentOf>[0]>): ReadonlyArray<LoggedQuery> =>
  given.map((one, i) => loggedOf({ startedAtMs: START_MS + i * 1_000, ...one }))

const indexesOf = (partition: string): number => {
  const database = new DatabaseSync(partition, { readOnly: true, timeout: 5_000 })
  const { count } = database.prepare("SELECT count(*) AS count FROM sqlite_master WHERE type = 'index'").get()!
  database.close()
  return Number(count)
}

const octetsIn = (path: string): number =>
  readdirSync(path).reduce((sum, name) => sum + (statSync(join(path, name), { throwIfNoEntry: false })?.size ?? 0), 0)

describe("a search in the store", () => {
  it.live("gives all that is known of a query", () =>
    Effect.gen(function* () {
      const search = yield* storeWith([
        loggedOf({
          startedAtMs: START_MS,
          durationMs: 12.5,
          named: "WWW.Example.test",
          outcome: "miss",
          isCoalesced: true,
          attempts: [
            { upstream: 1, transport: "udp", outcome: "timeout", rcode: -1, startedMs: 0, endedMs: 5 },
            { upstream: 2, transport: "udp", outcome: "answered", rcode: 0, startedMs: 5, endedMs: 12 }
          ]
        })
      ])
      const { id, ...found } = search({}).queries[0]!
      assert.isAbove(id, 0)
      assert.deepStrictEqual(found, {
        atMs: START_MS,
        durationMs: 12.5,
        name: "www.example.test",
        type: "A",
        client: "192.0.2.7",
        port: 5353,
        clientName: "",
        protocol: "udp",
        outcome: "miss",
        rcode: "NOERROR",
        replySize: 50,
        worker: 1,
        upstream: "upstream 2",
        attempts: 2,
        isCoalesced: true,
        isShared: false,
        error: ""
      })
    })
  )

  it.live("finds who has a name by it, and by the address", () =>
    Effect.gen(function* () {
      const search = yield* storeWith(spaced([{ clientName: "laptop" }, { clientName: "phone" }, {}]))
      const found = (client: string) => search({ client }).queries.map(({ clientName }) => clientName)
      assert.deepStrictEqual(found("Laptop"), ["laptop"])
      assert.deepStrictEqual(found("tablet"), [])
      assert.deepStrictEqual(found("192.0.2.7"), ["", "phone", "laptop"])
    })
  )

  it.live("finds names, and names below others, and no others", () =>
    Effect.gen(function* () {
      const all = [
        "a.example.test",
        "example.test",
        "badexample.test",
        "example-x.test",
        "b.a.example.test",
        ".",
        String.raw`x\.y.test`
      ]
      const search = yield* storeWith(spaced(all.map((named) => ({ named }))))
      const named = (filter: SearchFilter): ReadonlyArray<string> =>
        search(filter)
          .queries.map(({ name }) => name)
          .sort()
      assert.deepStrictEqual(named({ name: "EXAMPLE.test." }), ["example.test"])
      assert.deepStrictEqual(named({ suffix: "example.test" }), ["a.example.test", "b.a.example.test", "example.test"])
      assert.deepStrictEqual(named({ suffix: "." }), [...all].sort())
      assert.deepStrictEqual(named({ suffix: "test" }).length, 6)
      assert.deepStrictEqual(named({ name: String.raw`x\.y.test` }), [String.raw`x\.y.test`])
      assert.deepStrictEqual(named({ suffix: "y.test" }), [])
      assert.deepStrictEqual(named({ name: "not..a.name" }), [])
    })
  )

  it.live("finds by type, rcode, outcome, time taken, and when", () =>
    Effect.gen(function* () {
      const search = yield* storeWith(
        spaced([{ type: 28 }, { rcode: 2 }, { outcome: "stale" }, { durationMs: 5_000 }, { rcode: -1 }])
      )
      const seconds = (filter: SearchFilter): ReadonlyArray<number> =>
        search(filter).queries.map(({ atMs }) => (atMs - START_MS) / 1000)
      assert.deepStrictEqual(seconds({ type: "aaaa" }), [0])
      assert.deepStrictEqual(seconds({ rcode: "servfail" }), [1])
      assert.deepStrictEqual(seconds({ outcome: "stale" }), [2])
      assert.deepStrictEqual(seconds({ slowerThan: 5_000 }), [3])
      assert.deepStrictEqual([...seconds({ from: START_MS + 1_000, to: START_MS + 4_000 })].sort(), [1, 2, 3])
      assert.deepStrictEqual(seconds({ type: "A", from: START_MS + 4_000 }), [4])
      assert.deepStrictEqual(seconds({ type: "MX" }), [])
    })
  )

  it.live("finds those that an upstream answered, or was asked last for, by a part of its name", () =>
    Effect.gen(function* () {
      const attemptAt = (upstream: number, outcome: "timeout" | "answered") =>
        ({ upstream, transport: "udp", outcome, rcode: -1, startedMs: 0, endedMs: 5 }) as const
      const search = yield* storeWith(
        spaced([
          { attempts: [attemptAt(1, "timeout"), attemptAt(2, "answered")] },
          { attempts: [attemptAt(1, "answered")] },
          { attempts: [attemptAt(2, "timeout"), attemptAt(1, "timeout")] },
          {}
        ])
      )
      const seconds = (upstream: string): ReadonlyArray<number> =>
        search({ upstream })
          .queries.map(({ atMs }) => (atMs - START_MS) / 1000)
          .sort()
      assert.deepStrictEqual(seconds("upstream 2"), [0])
      assert.deepStrictEqual(seconds("STREAM 1"), [1, 2])
      assert.deepStrictEqual(seconds("upstream"), [0, 1, 2])
      assert.deepStrictEqual(seconds("%"), [])
    })
  )

  it.live("finds clients in whatever form they stand there", () =>
    Effect.gen(function* () {
      const forms = (["full", "truncated", "hashed"] as const).map(
        (clients) => queriesBy({ clients }).of(recentOf(), 1)!
      )
      const search = yield* storeWith([...forms, loggedOf({ address: [0, 0, 0, 0x0a000001] })])
      assert.strictEqual(search({ client: "192.0.2.7" }).queries.length, 3)
      assert.strictEqual(search({ client: "192.0.2.0/24" }).queries.length, 1)
      assert.strictEqual(search({ client: "192.0.2.8" }).queries.length, 1)
    })
  )

  it.live("goes through all pages, over files and starts, each query once, the newest first", () =>
    Effect.gen(function* () {
      const path = yield* folder
      const all = spaced(Array.from({ length: 12_000 }, (_, i) => ({ replySize: i })))
      for (let part = 0; part < 6; part++) {
        const { write, close } = yield* opened(path, 32 * MIB)
        for (let i = 0; i < 4; i++) {
          const from = part * 2_000 + i * 500
          write(all.slice(from, from + 500))
        }
        yield* close
      }
      const sizes: Array<number> = []
      let before: number | undefined
      do {
        const page: SearchFilter = { suffix: "test", limit: 999, ...(before === undefined ? {} : { before }) }
        const result = searchStore(path, page, KEY)
        sizes.push(...result.queries.map(({ replySize }) => replySize))
        before = result.before
      } while (before !== undefined)
      assert.deepStrictEqual(
        sizes,
        Array.from({ length: 12_000 }, (_, i) => 11_999 - i)
      )
    })
  )

  it.live("is done by a thread of its own, more than one at a time", () =>
    Effect.gen(function* () {
      const path = yield* folder
      const { write } = yield* opened(path)
      write(spaced(Array.from({ length: 50 }, (_, i) => ({ named: `n${i}.test` }))))
      const thread = yield* Effect.acquireRelease(
        Effect.sync(() => new SearchThread({ folder: path, key: KEY })),
        (one) => Effect.sync(() => one.end("over"))
      )
      const found = yield* Effect.forEach([3, 7, 11], (i) => thread.search({ name: `n${i}.test` }), { concurrency: 3 })
      assert.deepStrictEqual(
        found.map(({ queries }) => queries[0]?.name),
        ["n3.test", "n7.test", "n11.test"]
      )
      const absent = new SearchThread({ folder: join(path, "not-there"), key: KEY })
      assert.match((yield* Effect.flip(absent.search({}))).message, /ENOENT/)
      absent.end("over")
    })
  )
})

describe("the store", () => {
  it.live("never has more octets than it may; the oldest queries leave, the newest stay", () =>
    Effect.gen(function* () {
      const path = yield* folder
      const { write, counts } = yield* opened(path, 8 * MIB)
      const named = Array.from({ length: 1_000 }, (_, i) => `${i}.${"x".repeat(50)}.example.test`)
      let most = 0
      for (let batch = 0; batch < 60; batch++) {
        write(
          named.map((name, i) =>
            loggedOf({ named: name, startedAtMs: START_MS + batch * 1_000, replySize: batch * 1_000 + i })
          )
        )
        most = Math.max(most, octetsIn(path))
        yield* Effect.sleep(0)
      }
      yield* until("all but the last is indexed", () =>
        partitionsIn(path)
          .slice(0, -1)
          .every((partition) => indexesOf(partition) === 3)
      )
      most = Math.max(most, octetsIn(path))
      assert.isAtMost(most, 8 * MIB)
      assert.isAbove(most, 4 * MIB)
      assert.strictEqual(counts.get("log.store.written"), 60_000)
      assert.strictEqual(searchStore(path, {}, KEY).queries[0]?.replySize, 59_999)
      assert.isEmpty(searchStore(path, { to: START_MS + 5_000 }, KEY).queries)
    })
  )

  it.live("is not readable by all", () =>
    Effect.gen(function* () {
      const path = yield* folder
      const { write } = yield* opened(join(path, "new"))
      write([loggedOf()])
      for (const name of readdirSync(join(path, "new"))) {
        assert.strictEqual(statSync(join(path, "new", name)).mode & 0o007, 0, name)
      }
    })
  )

  it.live("that another locks costs rows, which are counted, and is said once, as is its end", () =>
    Effect.gen(function* () {
      const path = yield* folder
      const { write, counts, said } = yield* opened(path)
      write([loggedOf()])
      const other = new DatabaseSync(partitionsIn(path)[0]!)
      other.exec("BEGIN EXCLUSIVE")
      write([loggedOf(), loggedOf()])
      write([loggedOf()])
      assert.deepStrictEqual([counts.get("log.store.written"), counts.get("log.store.lost")], [1, 3])
      assert.match(String(said[0]?.fields["reason"]), /locked/)
      other.exec("COMMIT")
      other.close()
      yield* until("it is written again", () => {
        write([loggedOf()])
        return said.length === 2
      })
      assert.deepInclude(said[1], { level: "info", message: "the query log writes to there again" })
      assert.strictEqual(searchStore(path, {}, KEY).queries.length, counts.get("log.store.written"))
    })
  )

  it.live("leaves a file that is damaged, or another version's, and goes on in a new one", () =>
    Effect.gen(function* () {
      const path = yield* folder
      writeFileSync(join(path, "queries-20260101T000000000Z.sqlite"), "no database at all ".repeat(500))
      const { write, counts, said } = yield* opened(path)
      write([loggedOf()])
      assert.deepStrictEqual([[...counts], said], [[["log.store.written", 1]], []])
      assert.strictEqual(partitionsIn(path).length, 2)
      assert.strictEqual(searchStore(path, {}, KEY).queries.length, 1)
    })
  )

  it.live("is begun anew where its folder was removed", () =>
    Effect.gen(function* () {
      const path = join(yield* folder, "store")
      const { write } = yield* opened(path)
      write([loggedOf()])
      rmSync(path, { recursive: true })
      yield* until("it is there again", () => {
        write([loggedOf()])
        return readdirSync(join(path, "..")).length === 1
      })
      write([loggedOf()])
      assert.isAtLeast(searchStore(path, {}, KEY).queries.length, 1)
    })
  )
})
