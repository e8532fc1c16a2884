import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { startListening } from "../support/servers/process.ts"
import { addressesOf, ask } from "../support/servers/server.ts"
import { address, fakeUpstream } from "../support/upstreams/fake-upstream.ts"

const directory = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "strand-reload-"))),
  (path) => Effect.sync(() => rmSync(path, { recursive: true }))
)

/** The server with a file; `reload` writes it anew, sends SIGHUP and gives what is logged then. */
const withFile = (workers: string, upstream: string, first: string) =>
  Effect.gen(function* () {
    const file = join(yield* directory, "strand.yaml")
    const write = (text: string): void => writeFileSync(file, `upstreams: ${upstream}\n${text}`)
    write(first)
    const server = yield* startListening({ DNS_SERVER_WORKERS: workers }, ["--config", file])
    let reloads = 0
    const reload = (text: string, isDone: RegExp): Effect.Effect<string> =>
      Effect.gen(function* () {
        write(text)
        const before = server.output().length
        reloads++
        server.child.kill("SIGHUP")
        while (!isDone.test(server.output().slice(before))) yield* Effect.sleep(20)
        assert.strictEqual(server.output().split("configuration read again").length - 1, reloads)
        return server.output().slice(before)
      })
    return { ...server, reload }
  })

describe("SIGHUP", () => {
  for (const workers of ["1", "2"]) {
    const threads = workers === "1" ? "one thread" : "two threads"
    it.live(`has the cache's size changed at once, and names what needs a restart (${threads})`, () =>
      Effect.gen(function* () {
        const upstream = yield* fakeUpstream(address("192.0.2.1"))
        const server = yield* withFile(workers, upstream.address, "cache_size_mb: 2\nretries: 1\n")
        const question = { name: "www.example.test" }
        yield* ask(server.port, question)
        const queries = upstream.queries()
        const changed = yield* server.reload(
          "cache_size_mb: 4\nretries: 2\nmax_queued_queries: 7\n",
          /needs a restart: .*\n/
        )
        assert.include(changed, "changed: cache_size_mb")
        assert.match(changed, /needs a restart: max_queued_queries, retries"/)
        // What was kept is kept.
        assert.deepStrictEqual(addressesOf(yield* ask(server.port, question)), ["192.0.2.1"])
        assert.strictEqual(upstream.queries(), queries)
        const same = yield* server.reload("cache_size_mb: 4\nretries: 2\n", /needs a restart: .*\n/)
        assert.include(same, "changed: nothing")
        assert.match(same, /needs a restart: retries"/)
        const back = yield* server.reload("cache_size_mb: 2\nretries: 1\n", /read again.*\n/)
        assert.include(back, "changed: cache_size_mb")
        server.child.kill("SIGTERM")
        assert.strictEqual(yield* Effect.promise(() => server.exit), 0)
        assert.strictEqual(server.output().split("needs a restart").length - 1, 2)
      })
    )

    it.live(`goes on answering while a hostile or a large file is read (${threads})`, () =>
      Effect.gen(function* () {
        const upstream = yield* fakeUpstream(address("192.0.2.1"))
        const server = yield* withFile(workers, upstream.address, "cache_size_mb: 2\n")
        const aliases = [..."bcdefghi"].map(
          (letter, i) => `${letter}: &${letter} [${Array(9).fill(`*${"abcdefgh"[i]}`)}]`
        )
        const answers = Array.from({ length: 100_000 }, (_, i) => `  - h${i}.example A 192.0.2.1`)
        for (const [text, said] of [
          [`a: &a [${Array(9).fill("x")}]\n${aliases.join("\n")}\n`, /at most 500000 values/],
          [`local_answers:\n${answers.join("\n")}\n`, /needs a restart: local_answers/]
        ] as const) {
          let slowest = 0
          let isRead = false
          const asking = Effect.gen(function* () {
            while (!isRead) {
              const from = performance.now()
              yield* ask(server.port, { name: "www.example.test" })
              slowest = Math.max(slowest, performance.now() - from)
              yield* Effect.sleep(2)
            }
          })
          const reading = Effect.tap(server.reload(text, said), () =>
            Effect.sync(() => {
              isRead = true
            })
          )
          yield* Effect.all([asking, reading], { concurrency: "unbounded" })
          // On the thread that answers these took seconds.
          assert.isBelow(slowest, 1_000)
        }
      })
    )

    it.live(`changes nothing where there are mistakes, and says them all (${threads})`, () =>
      Effect.gen(function* () {
        const upstream = yield* fakeUpstream(address("192.0.2.1"))
        const server = yield* withFile(workers, upstream.address, "cache_size_mb: 2\n")
        const said = yield* server.reload("cache_size_mb: 4\nretries: 99\ncolour: blue\n", /read again.*\n/)
        assert.include(said, "nothing changed: The configuration has 2 mistakes")
        assert.include(said, "retries: 99: expected an integer from 0 to 10")
        assert.include(said, "there is none named colour")
        assert.match(said, /strand\.yaml:3:10: retries: 99/)
        assert.deepStrictEqual(addressesOf(yield* ask(server.port, { name: "www.example.test" })), ["192.0.2.1"])
        // The size was not taken over either: now it is.
        assert.include(yield* server.reload("cache_size_mb: 4\n", /read again.*\n/), "changed: cache_size_mb")
      })
    )
  }
})
