import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync
} from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { DatabaseSync } from "node:sqlite"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Logger, type Scope } from "effect"
import { layerSupervisor, Supervisor } from "../../src/process/supervisor.ts"
import { Counters } from "../../src/telemetry/counters.ts"
import { QueryLog } from "../../src/telemetry/query-log/query-log.ts"
import type { SearchFilter } from "../../src/telemetry/query-log/search.ts"
import { askMany } from "../support/clients/bulk-client.ts"
import { decodeFrame, frameReader, framesIn } from "../support/external/dnstap.ts"
import { until, untilSo } from "../support/machine/until.ts"
import { startWithAdmin, untilAdmin } from "../support/servers/admin.ts"
import { mayMount, type Started, type StartOptions, startListening } from "../support/servers/process.ts"
import { ask, encodeQuestion, rcodeOf } from "../support/servers/server.ts"
import { loadedOf } from "../support/servers/settings.ts"
import { address, failing, fakeUpstream, nameOf } from "../support/upstreams/fake-upstream.ts"

const folder: Effect.Effect<string, never, Scope.Scope> = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "strand-test-"))),
  (path) => Effect.sync(() => rmSync(path, { recursive: true, force: true }))
)

const serverWith = (settings: Record<string, string>, options: StartOptions = {}) =>
  Effect.gen(function* () {
    const upstream = yield* fakeUpstream((query, transport, count) =>
      (nameOf(query).startsWith("bad") ? failing(2) : address("192.0.2.1"))(query, transport, count)
    )
    return yield* startListening({ DNS_SERVER_UPSTREAMS: upstream.address, ...settings }, [], options)
  })

/** Each name is asked four times, by UDP and by TCP. */
const askAbout = (port: number, names: number) => {
  const questions = Array.from({ length: names * 4 }, (_, i) => ({
    wire: encodeQuestion({ name: `n${i >> 2}.example.test` }, i),
    transport: i % 4 === 3 ? ("tcp" as const) : ("udp" as const)
  }))
  return Effect.map(askMany(port, questions), (answers) => {
    assert.isTrue(answers.every((answer) => answer !== undefined))
  })
}

const stop = ({ child, exit }: Started): Effect.Effect<void> =>
  Effect.promise(async () => {
    child.kill("SIGTERM")
    assert.strictEqual(await exit, 0)
  })

type Counts = Readonly<Record<string, number>>

/** What was counted by the time that the server was told to end. */
const counted = ({ output }: Started): Counts =>
  JSON.parse(
    output()
      .split("\n")
      .find((line) => line.includes("shutting down"))!
  )

/** What came late for somebody who had this port before is no query. */
const queriesIn = (counts: Counts): number =>
  (counts["queries.udp"] ?? 0) + (counts["queries.tcp"] ?? 0) - (counts["queries.dropped"] ?? 0)
const queriesOf = (server: Started): number => queriesIn(counted(server))

/** Those that an output of the query log has written, and those that it could not write. */
const seenBy = (output: "file" | "store", counts: Counts): number =>
  (counts[`log.${output}.written`] ?? 0) + (counts[`log.${output}.lost`] ?? 0)

const linesIn = (file: string): ReadonlyArray<Record<string, unknown>> => {
  const lines = readFileSync(file, "utf8").split("\n")
  assert.strictEqual(lines.pop(), "")
  return lines.map((line) => JSON.parse(line))
}

const rowsIn = (store: string): number =>
  readdirSync(store)
    .filter((name) => name.endsWith(".sqlite"))
    .reduce((sum, name) => {
      const database = new DatabaseSync(join(store, name), { readOnly: true })
      const count = Number(database.prepare("SELECT count(*) AS count FROM queries").get()?.["count"])
      database.close()
      return sum + count
    }, 0)

describe("the query log", () => {
  it.live("has each query once, of all workers, in each of its outputs, also the last ones before the end", () =>
    Effect.gen(function* () {
      const path = yield* folder
      const [file, dnstap, store] = ["queries.jsonl", "queries.dnstap", "store"].map((name) => join(path, name)) as [
        string,
        string,
        string
      ]
      const reader = yield* frameReader({ path: join(path, "reader.sock") })
      const server = yield* serverWith({
        DNS_SERVER_WORKERS: "2",
        DNS_SERVER_QUERY_LOG_FILE: file,
        DNS_SERVER_QUERY_LOG_DNSTAP: `file:${dnstap}`,
        DNS_SERVER_QUERY_LOG_STORE: store
      })
      yield* askAbout(server.port, 500)
      assert.strictEqual(rcodeOf(yield* ask(server.port, { name: "bad.example.test" })), "SERVFAIL")
      yield* stop(server)
      const queries = queriesOf(server)
      assert.isAtLeast(queries, 2_001)
      const lines = linesIn(file)
      assert.strictEqual(lines.length, queries)
      assert.strictEqual(rowsIn(store), queries)
      const frames = framesIn(readFileSync(dnstap)).frames.flatMap((frame) =>
        "data" in frame ? [decodeFrame(frame.data)] : []
      )
      assert.strictEqual(frames.length, 2 * queries)
      assert.deepStrictEqual([...new Set(lines.map(({ worker }) => worker))].sort(), [1, 2])
      assert.deepStrictEqual([...new Set(lines.map(({ protocol }) => protocol))].sort(), ["tcp", "udp"])
      for (let i = 0; i < 500; i++) {
        const own = lines.filter(({ name }) => name === `n${i}.example.test`)
        assert.isAtLeast(own.length, 4)
        assert.isTrue(own.some(({ outcome, attempts }) => outcome === "miss" && Array.isArray(attempts)))
      }
      const bad = lines.find(({ name }) => name === "bad.example.test")
      assert.deepInclude(bad, { rcode: "SERVFAIL", outcome: "miss" })
      assert.isString(bad?.["error"])
      assert.isEmpty(reader.controls)
    })
  )

  it.live("is switched on, changed and switched off while the server runs", () =>
    Effect.gen(function* () {
      const path = yield* folder
      const [config, first, second] = ["strand.yaml", "first.jsonl", "second.jsonl"].map((name) =>
        join(path, name)
      ) as [string, string, string]
      const upstream = yield* fakeUpstream(address("192.0.2.1"))
      const write = (text: string): void => {
        writeFileSync(`${config}.new`, `upstreams: ${upstream.address}\nlisten: 127.0.0.1:0\n${text}`)
        renameSync(`${config}.new`, config)
      }
      write("")
      const server = yield* startListening({ DNS_SERVER_LISTEN: "" }, ["--config", config])
      const change = (text: string) => {
        const before = server.output().length
        write(text)
        return until("it is changed", () => /configuration read again/.test(server.output().slice(before)))
      }
      const askFor = (name: string) => ask(server.port, { name: `${name}.example.test` })
      const namesIn = (file: string): ReadonlyArray<unknown> => linesIn(file).map(({ name }) => name)
      yield* askFor("before")
      yield* change(`query_log_file: ${first}\n`)
      yield* askFor("one")
      yield* until("it is logged", () => readdirSync(path).includes("first.jsonl") && namesIn(first).length === 1)
      yield* change(`query_log_file: ${second}\nquery_log_clients: none\nquery_log_names: [two.example.test]\n`)
      yield* until("another file is written", () => readdirSync(path).includes("second.jsonl"))
      yield* askFor("three")
      yield* askFor("two")
      yield* until("it is logged", () => namesIn(second).length === 1)
      yield* change("")
      yield* askFor("after")
      yield* stop(server)
      assert.deepStrictEqual(namesIn(first), ["one.example.test"])
      assert.deepStrictEqual(namesIn(second), ["two.example.test"])
      assert.notProperty(linesIn(second)[0], "client")
    })
  )

  it.live("is searched by the admin API, page by page", () =>
    Effect.gen(function* () {
      const upstream = yield* fakeUpstream(address("192.0.2.1"))
      const { admin, port } = yield* startWithAdmin({
        DNS_SERVER_UPSTREAMS: upstream.address,
        DNS_SERVER_QUERY_LOG_STORE: join(yield* folder, "store")
      })
      const since = new Date().toISOString()
      yield* askAbout(port, 5)
      const page = (query: string) => admin(`/api/v1/query-log?${query}`)
      type Page = { readonly queries: ReadonlyArray<{ readonly name: string }>; readonly before: number | null }
      const found = yield* untilAdmin(
        page(`suffix=example.test&from=${since}`),
        ({ json, status }) => status === 200 && (json as Page).queries.length === 20
      )
      assert.isNull((found.json as Page).before)
      const first = (yield* page("name=n3.example.test&limit=3")).json as Page
      assert.deepStrictEqual(
        first.queries.map(({ name }) => name),
        Array(3).fill("n3.example.test")
      )
      const next = (yield* page(`name=n3.example.test&limit=3&before=${first.before}`)).json as Page
      assert.lengthOf(next.queries, 1)
      assert.lengthOf(((yield* page("client=192.0.2.9")).json as Page).queries, 0)
      assert.lengthOf(((yield* page(`to=${since}`)).json as Page).queries, 0)
      assert.strictEqual((yield* page("from=yesterday")).status, 400)
      assert.lengthOf(((yield* page("limit=1.5")).json as Page).queries, 1)
      yield* admin("/api/v1/config", { method: "PATCH", body: { query_log_store: null, log_level: "info" } })
    })
  )

  it.live("is written where threads may not change their priority", () =>
    Effect.gen(function* () {
      const path = yield* folder
      const file = join(path, "queries.jsonl")
      const server = yield* serverWith({
        DNS_SERVER_QUERY_LOG_FILE: file,
        NODE_OPTIONS: `--import ${new URL("../support/faults/without-priority.ts", import.meta.url)}`
      })
      yield* askAbout(server.port, 5)
      yield* until("they are written", () => existsSync(file) && linesIn(file).length === 20)
    })
  )

  it.live("goes on where its thread has ended: what was asked meanwhile is there", () =>
    Effect.gen(function* () {
      const path = yield* folder
      const file = join(path, "queries.jsonl")
      const faults = join(path, "faults")
      mkdirSync(faults)
      const server = yield* serverWith({
        DNS_SERVER_QUERY_LOG_FILE: file,
        NODE_OPTIONS: `--import ${new URL("../support/faults/worker-fault.ts", import.meta.url)}`,
        STRAND_TEST_FAULTS: faults
      })
      yield* askAbout(server.port, 10)
      writeFileSync(join(faults, "worker-query log"), "throw")
      yield* until("the thread has ended", () => /query log has ended: a fault/.test(server.output()))
      yield* askAbout(server.port, 10)
      yield* until("another writes", () => linesIn(file).length >= 80)
      yield* stop(server)
      assert.strictEqual(linesIn(file).length, queriesOf(server))
    })
  )

  it.live.skipIf(!mayMount)("on a full disk costs lines and no answer; none is cut, and all are counted", () =>
    Effect.gen(function* () {
      const path = yield* folder
      const upstream = yield* fakeUpstream(address("192.0.2.1"))
      const server = yield* startWithAdmin(
        {
          DNS_SERVER_UPSTREAMS: upstream.address,
          DNS_SERVER_QUERY_LOG_FILE: join(path, "queries.jsonl"),
          DNS_SERVER_QUERY_LOG_STORE: join(path, "store"),
          DNS_SERVER_QUERY_LOG_MAX_MB: "10"
        },
        [],
        { disk: { folder: path, kib: 1024 } }
      )
      // As the server sees it.
      const disk = `/proc/${server.child.pid}/root${path}`
      const file = join(disk, "queries.jsonl")
      const said = (text: string): number => server.output().split(text).length - 1
      let asked = 0
      const askMore = Effect.suspend(() => {
        asked += 400
        return askAbout(server.port, 100)
      })
      yield* untilSo(
        "both are full",
        Effect.map(askMore, () => said("cannot write to") === 2)
      )
      yield* askMore
      assert.strictEqual(said("cannot write to the file"), 1)
      const kept = linesIn(file).length
      // A full disk leaves no heap of files that could not be begun.
      for (let tries = 0; tries < 4; tries++) {
        yield* askMore
        yield* Effect.sleep(1_000)
      }
      assert.isAtMost(readdirSync(join(disk, "store")).length, 3)
      rmSync(join(disk, "store"), { recursive: true, force: true })
      let removed = 0
      const makeRoom = Effect.sync(() => {
        // What was waiting may fill the disk again, where the log is far behind.
        if (!existsSync(file) || statSync(file).size < 256 << 10) return
        removed += linesIn(file).length
        rmSync(file)
      })
      yield* untilSo(
        "both are written again",
        Effect.andThen(
          makeRoom,
          Effect.map(ask(server.port, { name: "again.example.test" }), () => said("again") >= 2)
        ),
        () => server.output().slice(-2_000)
      )
      const isLast = (name: string): boolean => existsSync(file) && linesIn(file).at(-1)?.["name"] === name
      yield* untilSo(
        "all that waited is logged",
        Effect.andThen(
          makeRoom,
          Effect.map(ask(server.port, { name: "late.example.test" }), () => isLast("late.example.test"))
        )
      )
      yield* ask(server.port, { name: "last.example.test" })
      yield* until("the last is logged", () => isLast("last.example.test"))
      const lines = linesIn(file).length
      // The store comes after the file.
      const totals = Effect.map(server.admin("/api/v1/status"), ({ json }) => (json as { totals: Counts }).totals)
      let seen = yield* totals
      yield* untilSo(
        "all are counted",
        Effect.map(totals, (counts) => {
          seen = counts
          return seenBy("store", counts) >= queriesIn(counts)
        }),
        () => JSON.stringify(seen)
      )
      yield* stop(server)
      const counts = counted(server)
      const queries = queriesIn(counts)
      assert.isAtLeast(queries, asked)
      assert.strictEqual(seenBy("file", counts), queries)
      assert.strictEqual(seenBy("store", counts), queries)
      assert.isAtLeast(removed, kept)
      assert.isAtLeast(counts["log.file.written"]!, removed + lines)
      assert.isUndefined(counts["log.overwritten"])
    })
  )

  it.live("whose reader hangs costs no answer, and no slow end", () =>
    Effect.gen(function* () {
      const reader = yield* frameReader()
      const server = yield* serverWith({ DNS_SERVER_QUERY_LOG_DNSTAP: `tcp:127.0.0.1:${reader.port}` })
      yield* askAbout(server.port, 1)
      yield* until("it reads", () => reader.frames().length >= 8)
      reader.pause(true)
      yield* askAbout(server.port, 1_000)
      const startedMs = performance.now()
      yield* stop(server)
      assert.isBelow(performance.now() - startedMs, 5_000)
    })
  )

  it.live("is searched by the supervisor, whose counters say what was written", () =>
    Effect.gen(function* () {
      const upstream = yield* fakeUpstream(address("192.0.2.1"))
      const environment = {
        DNS_SERVER_LISTEN: "127.0.0.1:0",
        DNS_SERVER_WORKERS: "1",
        DNS_SERVER_UPSTREAMS: upstream.address,
        DNS_SERVER_CACHE_SIZE_MB: "2",
        DNS_SERVER_LOG_LEVEL: "none",
        DNS_SERVER_QUERY_LOG_STORE: join(yield* folder, "store")
      }
      const context = yield* Layer.build(Layer.provide(layerSupervisor(loadedOf(environment)), Logger.layer([])))
      const { supervisor, queryLog, counters } = yield* Effect.all({
        supervisor: Supervisor,
        queryLog: QueryLog,
        counters: Counters
      }).pipe(Effect.provideContext(context))
      const { port } = supervisor.listening()[0]!.endpoint
      for (const name of ["a.example.test", "b.example.test", "other.test"]) yield* ask(port, { name })
      yield* until("all are written", () => counters.read("log.store.written") === 3)
      const names = (filter: SearchFilter) =>
        Effect.map(queryLog.search(filter), ({ queries }) => queries.map(({ name }) => name))
      assert.deepStrictEqual(yield* names({ suffix: "example.test" }), ["b.example.test", "a.example.test"])
      assert.deepStrictEqual(yield* names({ client: "127.0.0.1", limit: 1 }), ["other.test"])
      yield* supervisor.apply(loadedOf({ ...environment, DNS_SERVER_QUERY_LOG_STORE: "" }))
      assert.match((yield* Effect.flip(queryLog.search({}))).message, /query_log_store is not set/)
    })
  )
})
