import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Effect, type Scope } from "effect"
import { until } from "../support/machine/until.ts"
import { startListening } from "../support/servers/process.ts"
import { addressesOf, ask } from "../support/servers/server.ts"
import { testAuthority } from "../support/servers/tls-terms.ts"
import { withFile } from "../support/servers/with-file.ts"
import { address, fakeUpstream } from "../support/upstreams/fake-upstream.ts"
import { authority } from "../support/wire/certificates.ts"

const temporaryFile = (text: string): Effect.Effect<string, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const file = join(mkdtempSync(join(tmpdir(), "strand-reload-")), "authorities.pem")
      writeFileSync(file, text)
      return file
    }),
    (file) => Effect.sync(() => rmSync(join(file, ".."), { recursive: true }))
  )

describe("the configuration's file", () => {
  for (const workers of ["1", "2"]) {
    const threads = workers === "1" ? "one thread" : "two threads"
    it.live(`is followed: what has changed is said, and what is kept is kept (${threads})`, () =>
      Effect.gen(function* () {
        const upstream = yield* fakeUpstream(address("192.0.2.1"))
        const server = yield* withFile(workers, upstream.address, "cache_size_mb: 2\nretries: 1\n")
        const question = { name: "www.example.test" }
        yield* ask(server.port, question)
        const queries = upstream.queries()
        const changed = yield* server.change("cache_size_mb: 4\nretries: 2\nmax_queued_queries: 7\n")
        for (const name of ["retries", "max_queued_queries", "cache_size_mb"])
          assert.match(changed, new RegExp(`changed: .*${name}`))
        assert.deepStrictEqual(addressesOf(yield* ask(server.port, question)), ["192.0.2.1"])
        assert.strictEqual(upstream.queries(), queries)
        assert.match(yield* server.change("cache_size_mb: 2\nretries: 1\n"), /changed: .*max_queued_queries/)
        server.child.kill("SIGTERM")
        assert.strictEqual(yield* Effect.promise(() => server.exit), 0)
      })
    )

    it.live(`is read again at SIGHUP, though it is the same (${threads})`, () =>
      Effect.gen(function* () {
        const upstream = yield* fakeUpstream(address("192.0.2.1"))
        const server = yield* withFile(workers, upstream.address, "cache_size_mb: 2\n")
        assert.include(yield* server.hangUp, "changed: nothing")
      })
    )
  }
})

describe("files that the environment alone names", () => {
  it.live("are not read again where nothing has changed since the start, and are where something has", () =>
    Effect.gen(function* () {
      const upstream = yield* fakeUpstream(address("192.0.2.1"))
      const file = yield* temporaryFile(testAuthority.cert)
      const { output } = yield* startListening({
        DNS_SERVER_UPSTREAMS: `${upstream.address},tls://192.0.2.1#dns.example`,
        DNS_SERVER_TLS_CA_FILE: file
      })
      // Files are looked at twice a second.
      yield* Effect.sleep(1_500)
      assert.notInclude(output(), "configuration read again")
      writeFileSync(file, `${testAuthority.cert}${authority("Another").cert}`)
      yield* until("it is read again", () => output().includes("changed: tls_ca_file"))
    })
  )
})

/** What is wrong with each, and where it stands. */
const WRONG: ReadonlyArray<readonly [text: string, mistakes: ReadonlyArray<RegExp>]> = [
  [
    "retries: 99\ncolour: blue\n",
    [/has 2 mistakes/, /:1:10: retries: 99: expected an integer from 0 to 10/, /:2:1: .*colour/]
  ],
  ["retires: 2\n", [/:1:1: .*retires.*did you mean retries/]],
  ["listen: nowhere\n", [/:1:9: listen/]],
  ["listen: 192.0.2.1:53\n", [/listen: .*EADDRNOTAVAIL/]],
  ["allow: [10.0.0.0/33]\n", [/:1:9: allow/]],
  ["workers: 0\n", [/:1:10: workers/]],
  ["query_timeout_secs: never\n", [/:1:21: query_timeout_secs/]],
  ["attempt_timeout_ms: 1.5\n", [/:1:21: attempt_timeout_ms/]],
  ["max_concurrent_queries: -1\n", [/:1:25: max_concurrent_queries/]],
  ["pool_strategy: random\n", [/:1:16: pool_strategy/]],
  ["upstream_policy: fastets\n", [/:1:18: upstream_policy.*fastest/]],
  ["groups: { a: { upstreams: [10.0.0.x] } }\n", [/:1:28: groups/]],
  ["rules: [{ suffix: a.example, group: nobody }]\n", [/:1:\d+: rules.*nobody/]],
  ["local_answers: [nas.home A 1.2.3]\n", [/:1:17: local_answers/]],
  ["cache_min_ttl_secs: 9\ncache_max_ttl_secs: 8\n", [/cache_min_ttl_secs/]],
  ["cache_size_mb: 1\ncache_size_mb: 2\n", [/:2:1: .*cache_size_mb/]],
  ["redis_url: http://localhost\n", [/:1:12: redis_url/]],
  ["geo_database: /nowhere/at-all.mmdb\n", [/:1:15: geo_database/]],
  ["tls_ca_file: /nowhere/at-all.pem\n", [/:1:14: tls_ca_file/]],
  ["trace_sampling: sometimes\nlog_level: loud\n", [/has 2 mistakes/, /:1:17: trace_sampling/, /:2:12: log_level/]],
  ["retries: [\n", [/strand\.yaml:\d+:\d+/]]
]

describe("a wrong file", () => {
  it.live("changes nothing, and is told with all its mistakes at their lines, one after another", () =>
    Effect.gen(function* () {
      const upstream = yield* fakeUpstream(address("192.0.2.1"))
      const server = yield* withFile("2", upstream.address, "cache_size_mb: 2\n")
      let failed = 0
      let isOver = false
      const asking = Effect.gen(function* () {
        for (let i = 0; !isOver; i++) {
          const answer = yield* ask(server.port, { name: i % 2 === 0 ? "www.example.test" : `n${i}.example.test` })
          if (addressesOf(answer)[0] !== "192.0.2.1") failed++
          yield* Effect.sleep(2)
        }
      })
      const writing = Effect.gen(function* () {
        for (const [text, mistakes] of WRONG) {
          const said = yield* server.change(text)
          assert.include(said, "nothing changed", text)
          for (const mistake of mistakes) assert.match(said, mistake, text)
        }
        isOver = true
      })
      yield* Effect.all([asking, writing], { concurrency: "unbounded" })
      assert.strictEqual(failed, 0)
      // Nothing of them was taken over: with none of them there is nothing to change.
      assert.include(yield* server.change("cache_size_mb: 2\n"), "changed: nothing")
    })
  )
})
