/** The commands of the command line on a server that runs. */
import { appendFileSync, readFileSync } from "node:fs"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { runCommand } from "../support/clients/command.ts"
import { fileWith } from "../support/machine/files.ts"
import { until, untilSo } from "../support/machine/until.ts"
import { startListening } from "../support/servers/process.ts"
import { address, failing, fakeUpstream, nameOf } from "../support/upstreams/fake-upstream.ts"

const TOKEN = "a-token-for-tests-0123456789"

/** A server with an upstream that fails below `broken.test`, and its file. */
const running = Effect.gen(function* () {
  const [right, wrong] = [address("192.0.2.1", 300), failing(2)]
  const upstream = yield* fakeUpstream((query, transport, count) =>
    (nameOf(query).endsWith("broken.test") ? wrong : right)(query, transport, count)
  )
  const file = yield* fileWith(`upstreams: main=${upstream.address}\n# How often.\nretries: 1\n`, "strand.yaml")
  const server = yield* startListening({ DNS_SERVER_ADMIN: "127.0.0.1:0", DNS_SERVER_ADMIN_TOKEN: TOKEN }, [
    "--config",
    file
  ])
  const at = (): string | undefined => /admin page.* at (http:[^\s"]+:\d+)\//.exec(server.output())?.[1]
  yield* until("the admin side listens", () => at() !== undefined)
  const strand = (...args: ReadonlyArray<string>) => runCommand(...args, "--admin", at()!, "--token", TOKEN)
  const query = (...args: ReadonlyArray<string>) => runCommand("query", ...args, "--via", `127.0.0.1:${server.port}`)
  return { file, strand, query, at: at()! }
})

describe("the command line, on a server that runs", () => {
  it.live("asks, and finds again in trace, top, cache and explain what was asked", () =>
    Effect.gen(function* () {
      const { strand, query } = yield* running
      assert.strictEqual((yield* query("www.example.test", "--short")).out, "192.0.2.1")
      assert.match((yield* query("www.broken.test")).out, /status: SERVFAIL;[\s\S]*EDE 23 \(Network Error\)/)

      const { out: json } = yield* strand("trace", "--all", "--suffix", "broken.test", "--json")
      const [found] = JSON.parse(json)
      assert.deepInclude(found, { name: "www.broken.test", rcode: "SERVFAIL", client: "127.0.0.1" })
      const { out: drawn } = yield* strand("trace", found.id)
      assert.match(drawn, /^www\.broken\.test A {2}SERVFAIL /)
      assert.match(drawn, /upstream\.attempt +[\d.]+ ms │ *█+ *│/)

      assert.match(
        (yield* strand("cache", "www.example.test")).out,
        /answer +www\.example\.test\.? +\d+ +A +192\.0\.2\.1/
      )
      assert.match((yield* strand("explain", "www.example.test")).out, /^▶ cache +hit/m)
      const { out: top } = yield* strand("top")
      assert.match(top, /^main +ok /m)
      // The lists are looked at once a second.
      yield* untilSo(
        "it is listed",
        Effect.map(strand("top"), ({ out }) => out.includes("www.example.test"))
      )

      assert.match((yield* strand("cache", "example.test", "--forget", "--subtree")).out, /^1 answer forgotten/)
      assert.include((yield* strand("cache", "www.example.test")).out, "nothing is kept")
    })
  )

  it.live("changes its configuration, with a dry run first, goes back, and saves", () =>
    Effect.gen(function* () {
      const { strand, file } = yield* running
      const value = Effect.map(
        strand("config", "show", "retries", "--json"),
        ({ out }) => JSON.parse(out).settings.retries.value
      )
      assert.strictEqual(yield* value, "1")
      assert.include((yield* strand("config", "set", "retries=3", "--dry-run")).out, "retries: 1 -> 3")
      assert.strictEqual(yield* value, "1")
      assert.include((yield* strand("config", "set", "retries=3")).out, "retries: 1 -> 3")
      assert.strictEqual(yield* value, "3")
      const stale = yield* strand("config", "set", "retries=4", "--if-generation", "0")
      assert.match(stale.error, /its generation is 1 now$/)
      const wrong = yield* strand("config", "set", "retries=99")
      assert.match(wrong.error, /^nothing was changed: a mistake\n {2}retries: 99: expected an integer from 0 to 10$/)
      assert.include((yield* strand("config", "rollback")).out, "retries: 3 -> 1")
      assert.match((yield* strand("config", "history")).out, /retries: 1 -> 3[\s\S]*retries: 3 -> 1/)
      yield* strand("config", "set", "retries=2")
      assert.match((yield* strand("config", "save")).out, /^saved in .*strand\.yaml: retries$/)
      assert.match(readFileSync(file, "utf8"), /# How often\.\nretries: "?2"?\n/)
    })
  )

  it.live("says what is wrong in the file before it is read again", () =>
    Effect.gen(function* () {
      const { strand, file } = yield* running
      assert.strictEqual((yield* strand("config", "reload", "--dry-run")).out, "nothing would change")
      appendFileSync(file, "query_timeout_secs: never\n")
      const { error, status } = yield* strand("config", "reload", "--dry-run")
      assert.match(
        error,
        /^nothing was changed: a mistake\n {2}.*strand\.yaml:4:\d+: query_timeout_secs: never: expected /
      )
      assert.strictEqual(status, 1)
    })
  )

  it.live("drains an upstream and puts it back", () =>
    Effect.gen(function* () {
      const { strand } = yield* running
      assert.include((yield* strand("upstreams", "drain", "main")).out, "main is drained")
      assert.match((yield* strand("upstreams")).out, /^main +drained /m)
      assert.include((yield* strand("upstreams", "enable", "main")).out, "main is in use")
      assert.match((yield* strand("upstreams", "probe", "main")).out, /^main answers: \w+ in /)
      assert.strictEqual((yield* strand("upstreams", "drain", "other")).status, 1)
    })
  )

  it.live("says what the admin side says to whoever has no token, or a wrong one", () =>
    Effect.gen(function* () {
      const { at } = yield* running
      const none = yield* runCommand("upstreams", "--admin", at)
      assert.match(none.error, /answers 401: .*; --token, --token-file or DNS_SERVER_ADMIN_TOKEN gives the token$/)
      const wrong = yield* runCommand("upstreams", "--admin", at, "--token", "wrong")
      assert.match(wrong.error, /answers 401: the token is wrong/)
      assert.deepStrictEqual([none.status, wrong.status], [1, 1])
    })
  )
})
