/** The admin API of a running server, asked as its users do. */
import { X509Certificate } from "node:crypto"
import { lstatSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { connect as connectTls } from "node:tls"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { freePort } from "../support/machine/ports.ts"
import { until, untilSo } from "../support/machine/until.ts"
import { startWithAdmin, untilAdmin } from "../support/servers/admin.ts"
import { startListening } from "../support/servers/process.ts"
import { addressesOf, ask, rcodeOf } from "../support/servers/server.ts"
import { address, fakeUpstream, nameOf } from "../support/upstreams/fake-upstream.ts"
import { authority } from "../support/wire/certificates.ts"

const TOKEN = "0123456789abcdef"
const READ_TOKEN = "fedcba9876543210"

interface Listed {
  readonly queries: ReadonlyArray<{
    readonly id: string
    readonly name: string
    readonly outcome: string
    readonly client: string
    readonly upstream: string | null
    readonly rcode: string
  }>
}

const fileWith = (text: string) =>
  Effect.map(
    Effect.acquireRelease(
      Effect.sync(() => mkdtempSync(join(tmpdir(), "strand-admin-"))),
      (folder) => Effect.sync(() => rmSync(folder, { recursive: true }))
    ),
    (folder) => {
      const file = join(folder, "strand.yaml")
      writeFileSync(file, text)
      return file
    }
  )

describe("the configuration by the API", () => {
  it.live("is changed, tried before, given back, rolled back, and refused with all its mistakes", () =>
    Effect.gen(function* () {
      const upstream = yield* fakeUpstream(address("192.0.2.1"))
      const { admin, port } = yield* startWithAdmin({ DNS_SERVER_UPSTREAMS: upstream.address })
      const read = yield* admin("/api/v1/config")
      assert.strictEqual(read.headers.get("etag"), '"0"')
      const { settings } = read.json as {
        readonly settings: Record<string, { readonly value: unknown; readonly source: string }>
      }
      assert.deepInclude(settings["retries"], { value: "2", source: "default" })
      assert.deepInclude(settings["upstreams"], { value: [upstream.address], source: "environment" })

      const change = { local_answers: ["nas.home A 192.0.2.9"], retries: 1 }
      const tried = yield* admin("/api/v1/config?dry_run=true", { method: "PATCH", body: change })
      assert.strictEqual(tried.status, 200)
      assert.deepInclude(tried.json as object, { generation: 0, touches: ["query", "upstream"] })
      assert.notDeepEqual(addressesOf(yield* ask(port, { name: "nas.home" })), ["192.0.2.9"])

      const made = yield* admin("/api/v1/config", { method: "PATCH", body: change, headers: { "if-match": '"0"' } })
      assert.strictEqual(made.status, 200, made.text)
      assert.strictEqual(made.headers.get("etag"), '"1"')
      assert.deepStrictEqual(addressesOf(yield* ask(port, { name: "nas.home" })), ["192.0.2.9"])

      const late = yield* admin("/api/v1/config", {
        method: "PATCH",
        body: { retries: 0 },
        headers: { "if-match": '"0"' }
      })
      assert.strictEqual(late.status, 412)
      assert.deepInclude(late.json as object, { generation: 1 })

      const wrong = yield* admin("/api/v1/config", {
        method: "PATCH",
        body: { retries: 99, workrs: 3, allow: ["10.0.0.0/8", "x"] }
      })
      assert.strictEqual(wrong.status, 422)
      const { mistakes } = wrong.json as {
        readonly mistakes: ReadonlyArray<{ readonly path: string; readonly expected: string }>
      }
      assert.deepStrictEqual(mistakes.map(({ path }) => path.replace(/\W.*$/, "")).sort(), [
        "allow",
        "retries",
        "workrs"
      ])
      assert.include(mistakes.find(({ path }) => path === "workrs")!.expected, "did you mean workers?")

      const nested = yield* admin("/api/v1/config", {
        method: "PATCH",
        body: {
          groups: { own: { upstrems: ["127.0.0.1:1"] }, "a b": "127.0.0.1" },
          rules: [{ suffix: "own.test", group: "own", ecs: 7 }],
          local_answers: [null, "nas.home A 192.0.2.9"],
          retries: { times: 3 },
          attempt_timeout_ms: -1
        }
      })
      assert.strictEqual(nested.status, 422)
      const wrongPlaces = (nested.json as typeof wrong.json & { mistakes: typeof mistakes }).mistakes
      assert.sameMembers(
        wrongPlaces.map(({ path }) => path),
        ["groups.own.upstrems", "groups.a b", "rules.ecs", "local_answers", "retries", "attempt_timeout_ms"]
      )
      assert.include(
        wrongPlaces.find(({ path }) => path === "groups.own.upstrems")!.expected,
        "did you mean upstreams?"
      )

      const back = yield* admin("/api/v1/config/local_answers", { method: "DELETE" })
      assert.strictEqual(back.status, 200)
      assert.notDeepEqual(addressesOf(yield* ask(port, { name: "nas.home" })), ["192.0.2.9"])
      assert.strictEqual((yield* admin("/api/v1/config/nothing", { method: "DELETE" })).status, 404)

      const rolled = yield* admin("/api/v1/config/rollback", { method: "POST", body: {} })
      assert.strictEqual(rolled.status, 200)
      assert.deepStrictEqual(addressesOf(yield* ask(port, { name: "nas.home" })), ["192.0.2.9"])
      assert.strictEqual(
        (yield* admin("/api/v1/config/rollback", { method: "POST", body: { generation: 77 } })).status,
        404
      )
      const history = (yield* admin("/api/v1/config/history")).json as ReadonlyArray<{
        readonly generation: number
        readonly by: string
      }>
      assert.deepStrictEqual(
        history.map(({ generation }) => generation),
        [0, 1, 2, 3]
      )
      assert.match(history[1]!.by, /^the admin API, from 127\.0\.0\.1$/)
      assert.match((yield* admin("/metrics")).text, /^strand_config_reload_failures_total 2$/m)
    })
  )

  it.live("takes the lists and maps of a file, and says of what cannot be read which part of the request it is", () =>
    Effect.gen(function* () {
      const upstream = yield* fakeUpstream(address("192.0.2.1"))
      const other = yield* fakeUpstream(address("192.0.2.2"))
      const { admin, port, output } = yield* startWithAdmin({ DNS_SERVER_UPSTREAMS: upstream.address })
      const body = {
        groups: { own: { upstreams: [{ address: other.address, weight: 2 }], policy: "ordered" } },
        rules: [{ suffix: "own.test", group: "own" }],
        local_answers: [{ name: "nas.home", type: "A", data: "192.0.2.9" }, "box.home A 192.0.2.8"],
        retries: 1
      }
      const made = yield* admin("/api/v1/config", { method: "PATCH", body })
      assert.strictEqual(made.status, 200, made.text)
      for (const [name, expected] of [
        ["a.own.test", "192.0.2.2"],
        ["a.test", "192.0.2.1"],
        ["nas.home", "192.0.2.9"],
        ["box.home", "192.0.2.8"]
      ] as const) {
        assert.deepStrictEqual(addressesOf(yield* ask(port, { name })), [expected])
      }
      const back = Object.fromEntries(Object.keys(body).map((name) => [name, null]))
      assert.strictEqual((yield* admin("/api/v1/config", { method: "PATCH", body: back })).status, 200)
      assert.deepStrictEqual(addressesOf(yield* ask(port, { name: "b.own.test" })), ["192.0.2.1"])

      for (const [method, path, sent, part] of [
        ["PATCH", "config", [], "the body"],
        ["PATCH", "config", "retries", "the body"],
        ["PATCH", "config?dry_run=perhaps", { retries: 1 }, "what stands behind the ?"],
        ["POST", "config/rollback", { generation: "last" }, "the body"],
        ["POST", "explain", { name: 7 }, "the body"],
        ["POST", "drain", { seconds: "soon" }, "the body"],
        ["GET", "queries?slower_than_ms=long", undefined, "what stands behind the ?"],
        ["GET", "queries?limit=all", undefined, "what stands behind the ?"]
      ] as const) {
        const refused = yield* admin(`/api/v1/${path}`, { method, body: sent })
        assert.strictEqual(refused.status, 400, `${method} ${path}: ${refused.text}`)
        const { message } = refused.json as { readonly message: string }
        assert.isTrue(message.startsWith(`${part}: `), message)
      }
      for (const depth of [20, 2_000, 200_000]) {
        for (const nested of ["[".repeat(depth) + "]".repeat(depth), `${'{"a":'.repeat(depth)}1${"}".repeat(depth)}`]) {
          const deep = yield* admin("/api/v1/config", { method: "PATCH", raw: `{"groups":${nested}}` })
          assert.strictEqual(deep.status, 400, deep.text)
          assert.include(deep.text, "at most 8 deep")
        }
      }
      assert.notInclude(output(), "a request of the admin side failed")
    })
  )

  it.live("hides secrets, refuses what this machine cannot do, and goes on as it was", () =>
    Effect.gen(function* () {
      const upstream = yield* fakeUpstream(address("192.0.2.1"))
      const { admin, port } = yield* startWithAdmin({ DNS_SERVER_UPSTREAMS: upstream.address })
      const secret = "redis://user:secret-word@127.0.0.1:1"
      assert.strictEqual((yield* admin("/api/v1/config", { method: "PATCH", body: { redis_url: secret } })).status, 200)
      for (const path of ["/api/v1/config", "/api/v1/config/history"]) {
        assert.notInclude((yield* admin(path)).text, "secret-word", path)
      }
      const refused = yield* admin("/api/v1/config", {
        method: "PATCH",
        body: { listen: [`127.0.0.1:${port}`, "192.0.2.77:53"] }
      })
      assert.strictEqual(refused.status, 409, refused.text)
      assert.strictEqual(rcodeOf(yield* ask(port, { name: "a.test" })), "NOERROR")
    })
  )

  it.live("is saved into its file, comments and order kept, and read from there again", () =>
    Effect.gen(function* () {
      const upstream = yield* fakeUpstream(address("192.0.2.1"))
      const file = yield* fileWith(`# ours\nupstreams: ${upstream.address}\nretries: 2 # a few\n`)
      const link = `${file}.link`
      symlinkSync(file, link)
      const { admin } = yield* startWithAdmin({ DNS_SERVER_LOG_LEVEL: "info" }, ["--config", link])
      yield* admin("/api/v1/config", {
        method: "PATCH",
        body: { retries: 1, cache_max_ttl_secs: 60, log_level: "warn" }
      })
      const saved = yield* admin("/api/v1/config/save", { method: "POST" })
      const skipped = ["log_level"]
      assert.deepStrictEqual(saved.json, { file: link, saved: ["retries", "cache_max_ttl_secs"], skipped })
      assert.isTrue(lstatSync(link).isSymbolicLink())
      const text = `# ours\nupstreams: ${upstream.address}\nretries: 1 # a few\ncache_max_ttl_secs: 60\n`
      assert.strictEqual(readFileSync(file, "utf8"), text)
      const { settings } = (yield* admin("/api/v1/config")).json as { readonly settings: Record<string, unknown> }
      assert.deepInclude(settings["retries"], { value: "1", source: "file" })
      // Who changes it there is heard.
      writeFileSync(file, text.replace("retries: 1", "retries: 0"))
      yield* untilAdmin(admin("/api/v1/config"), ({ text: shown }) =>
        /"retries":\{"value":"0","source":"file"/.test(shown)
      )
    })
  )
})

describe("the last queries by the API", () => {
  it.live("are listed by filters, streamed, traced and counted", () =>
    Effect.gen(function* () {
      const upstream = yield* fakeUpstream((query, transport, count) =>
        nameOf(query).startsWith("silent") ? [] : address("192.0.2.1")(query, transport, count)
      )
      const { admin, port, url } = yield* startWithAdmin({
        DNS_SERVER_UPSTREAMS: upstream.address,
        DNS_SERVER_QUERY_TIMEOUT_SECS: "0.5",
        DNS_SERVER_RETRIES: "1",
        DNS_SERVER_ATTEMPT_TIMEOUT_MS: "100"
      })
      const stream = yield* Effect.acquireRelease(
        Effect.promise(() => fetch(`${url}/api/v1/queries/stream?suffix=example.test`)),
        ({ body }) => Effect.promise(() => body?.cancel().catch(() => {}) ?? Promise.resolve())
      )
      assert.strictEqual(stream.headers.get("content-type"), "text/event-stream")
      const reader = stream.body!.pipeThrough(new TextDecoderStream()).getReader()
      let streamed = ""
      const readUntil = (wanted: RegExp) =>
        Effect.promise(async () => {
          while (!wanted.test(streamed)) streamed += (await reader.read()).value ?? ""
        })
      yield* readUntil(/event: hello/)
      for (const name of ["www.example.test", "www.example.test", "other.test", "silent.test"]) {
        yield* ask(port, { name })
      }
      yield* readUntil(/"outcome":"hit"/)
      assert.notInclude(streamed, "other.test")

      const list = (query: string) =>
        Effect.map(admin(`/api/v1/queries?${query}`), ({ json }) => (json as Listed).queries)
      assert.deepStrictEqual(
        (yield* list("")).map(({ name, outcome }) => `${name} ${outcome}`),
        ["silent.test miss", "other.test miss", "www.example.test hit", "www.example.test miss"]
      )
      assert.lengthOf(yield* list("suffix=example.test&outcome=hit"), 1)
      assert.lengthOf(yield* list("name=OTHER"), 1)
      assert.lengthOf(yield* list("client=127.0.0.0/8&type=a"), 4)
      assert.lengthOf(yield* list("client=10.0.0.0/8"), 0)
      assert.lengthOf(yield* list("rcode=servfail&slower_than_ms=400"), 1)
      assert.lengthOf(yield* list(`upstream=${upstream.address.toUpperCase()}`), 3)
      assert.lengthOf(yield* list("upstream=tls"), 0)
      assert.lengthOf(yield* list("limit=2"), 2)
      assert.strictEqual((yield* admin("/api/v1/queries?outcome=nothing")).status, 400)

      const [slow] = (yield* untilAdmin(admin("/api/v1/traces"), ({ json }) => (json as Listed["queries"]).length > 0))
        .json as Listed["queries"]
      assert.deepInclude(slow, { name: "silent.test", rcode: "SERVFAIL", upstream: `udp://${upstream.address}` })
      const trace = (yield* admin(`/api/v1/traces/${slow!.id}`)).json as {
        readonly steps: ReadonlyArray<{ readonly name: string; readonly status: string; readonly detail: string }>
      }
      assert.deepStrictEqual(
        trace.steps.map(({ name }) => name),
        ["dns.query", "cache.lookup", "upstream.resolve", "upstream.attempt", "upstream.attempt"]
      )
      assert.match(trace.steps[3]!.detail, /udp timeout$/)
      assert.strictEqual((yield* admin("/api/v1/traces/1-99999")).status, 404)
      assert.strictEqual((yield* admin("/api/v1/traces/x")).status, 404)
      const top = yield* untilAdmin(admin("/api/v1/top?by=name&window=1m"), ({ text }) => text.includes("silent.test"))
      assert.deepInclude((top.json as { readonly entries: ReadonlyArray<object> }).entries[0], {
        key: "www.example.test",
        count: 2
      })
      const status = (yield* untilAdmin(admin("/api/v1/status"), ({ json }) => {
        const { rates } = json as { readonly rates: { readonly lastMinute: { readonly queriesPerSecond: number } } }
        return rates.lastMinute.queriesPerSecond > 0
      })).json as { readonly isReady: boolean; readonly totals: Record<string, number> }
      assert.isTrue(status.isReady)
      // What came late for somebody who had this port before is no query.
      assert.strictEqual(status.totals["queries.udp"]! - (status.totals["queries.dropped"] ?? 0), 4)
    })
  )

  it.live("shows another certificate when its files have changed; one that is not the key's changes nothing", () =>
    Effect.gen(function* () {
      const ca = authority()
      const [first, second] = [ca.issue({ names: ["127.0.0.1"] }), ca.issue({ names: ["127.0.0.1"] })]
      const certificate = yield* fileWith(first.cert)
      const key = yield* fileWith(first.key)
      const file = yield* fileWith(
        `upstreams: 192.0.2.1\nadmin: 127.0.0.1:0\nadmin_tls_certificate_file: ${certificate}\nadmin_tls_key_file: ${key}\n`
      )
      const server = yield* startListening({ DNS_SERVER_ADMIN: "", DNS_SERVER_UPSTREAMS: "" }, ["--config", file])
      const at = (): string | undefined => /metrics are at https:\/\/127\.0\.0\.1:(\d+)/.exec(server.output())?.[1]
      yield* until("the admin side is there", () => at() !== undefined)
      const shown = Effect.promise(
        () =>
          new Promise<string>((resolve, reject) => {
            const socket = connectTls({ port: Number(at()), host: "127.0.0.1", rejectUnauthorized: false }, () => {
              resolve(socket.getPeerX509Certificate()!.fingerprint256)
              socket.destroy()
            })
            socket.on("error", reject)
          })
      )
      const fingerprint = ({ cert }: { readonly cert: string }) => new X509Certificate(cert).fingerprint256
      assert.strictEqual(yield* shown, fingerprint(first))
      writeFileSync(certificate, second.cert)
      yield* until("it is refused", () => server.output().includes(`the key of ${certificate}`))
      assert.strictEqual(yield* shown, fingerprint(first))
      writeFileSync(key, second.key)
      yield* untilSo(
        "the other is shown",
        Effect.map(shown, (print) => print === fingerprint(second))
      )
    })
  )

  it.live("names the clients that send more than they may", () =>
    Effect.gen(function* () {
      const upstream = yield* fakeUpstream(address("192.0.2.1"))
      const { admin, port } = yield* startWithAdmin({
        DNS_SERVER_UPSTREAMS: upstream.address,
        DNS_SERVER_RATE_LIMIT: "0.01",
        DNS_SERVER_RATE_LIMIT_BURST: "2",
        DNS_SERVER_RATE_LIMIT_EXEMPT: "127.0.0.77"
      })
      for (let i = 0; i < 5; i++) yield* ask(port, { name: "www.example.test" })
      const top = yield* untilAdmin(admin("/api/v1/top?by=limited&window=1m"), ({ text }) => text.includes('"count":3'))
      assert.deepInclude((top.json as { readonly entries: ReadonlyArray<object> }).entries[0], {
        key: "127.0.0.1",
        count: 3
      })
      const { json } = yield* admin("/api/v1/queries?outcome=limited")
      assert.strictEqual((json as { readonly queries: ReadonlyArray<object> }).queries.length, 3)
    })
  )

  it.live("are not remembered where recent_queries is off, at once", () =>
    Effect.gen(function* () {
      const upstream = yield* fakeUpstream(address("192.0.2.1"))
      const { admin, port } = yield* startWithAdmin({
        DNS_SERVER_UPSTREAMS: upstream.address,
        // It is written of them all the same.
        DNS_SERVER_QUERY_LOG_FILE: yield* fileWith("")
      })
      yield* admin("/api/v1/config", { method: "PATCH", body: { recent_queries: false } })
      yield* ask(port, { name: "private.test" })
      yield* Effect.sleep(500)
      assert.lengthOf(((yield* admin("/api/v1/queries")).json as Listed).queries, 0)
      yield* admin("/api/v1/config", { method: "PATCH", body: { recent_queries: true } })
      yield* ask(port, { name: "shown.test" })
      assert.lengthOf(((yield* admin("/api/v1/queries")).json as Listed).queries, 1)
    })
  )
})

describe("explain", () => {
  const stepsOf = (json: unknown): ReadonlyArray<string> =>
    (json as { readonly steps: ReadonlyArray<{ readonly step: string; readonly outcome: string }> }).steps.map(
      ({ step, outcome }) => `${step} ${outcome}`
    )
  it.live("says what becomes of a question, as what then becomes of it", () =>
    Effect.gen(function* () {
      const usual = yield* fakeUpstream(address("192.0.2.1"))
      const inner = yield* fakeUpstream(address("10.1.1.1"))
      const { admin, port } = yield* startWithAdmin({
        DNS_SERVER_UPSTREAMS: usual.address,
        DNS_SERVER_GROUPS: `corp=${inner.address}`,
        DNS_SERVER_RULES: "corp.example -> corp",
        DNS_SERVER_LOCAL_ANSWERS: "nas.home A 192.0.2.9, tv.home A 192.0.2.10 client_name:tablet",
        DNS_SERVER_ALLOW: "127.0.0.0/8,10.0.0.0/8"
      })
      const explain = (body: object) => admin("/api/v1/explain", { method: "POST", body })
      assert.deepStrictEqual(stepsOf((yield* explain({ name: "a.test", client: "192.0.2.200" })).json), ["acl denied"])
      assert.include(stepsOf((yield* explain({ name: "nas.home", client: "10.0.0.1" })).json), "local answered")
      assert.include(stepsOf((yield* explain({ name: "x.onion" })).json), "special answered")
      assert.include(stepsOf((yield* explain({ name: "tv.home", clientName: "Tablet" })).json), "local answered")
      assert.include(stepsOf((yield* explain({ name: "tv.home" })).json), "local none")
      const before = inner.queries()
      const dry = yield* explain({ name: "db.corp.example", type: "A" })
      assert.includeMembers([...stepsOf(dry.json)], ["rule matched", "cache miss", "group corp", "time limited"])
      assert.strictEqual(inner.queries(), before)
      const asked = yield* explain({ name: "db.corp.example", ask: true })
      assert.match(asked.text, /db\.corp\.example\. \d+ A 10\.1\.1\.1/)
      assert.include(stepsOf(asked.json), "asked answered")
      assert.strictEqual(inner.queries(), before + 1)
      yield* ask(port, { name: "db.corp.example" })
      assert.include(stepsOf((yield* explain({ name: "db.corp.example" })).json), "cache hit")
      for (const body of [
        { name: "..x" },
        { name: "a.test", type: "NOPE" },
        { name: "a.test", client: "me" },
        { name: "a.test", clientName: "my tablet" }
      ]) {
        assert.strictEqual((yield* explain(body)).status, 400, JSON.stringify(body))
      }
    })
  )
})

describe("upstreams by the API", () => {
  it.live("are drained, so that nobody is asked there while others can be, and tried", () =>
    Effect.gen(function* () {
      const [one, two] = [yield* fakeUpstream(address("192.0.2.1")), yield* fakeUpstream(address("192.0.2.2"))]
      const { admin, port } = yield* startWithAdmin({
        DNS_SERVER_UPSTREAMS: `${one.address},${two.address}`,
        DNS_SERVER_UPSTREAM_POLICY: "ordered"
      })
      const id = (upstream: { readonly address: string }): string => encodeURIComponent(`udp://${upstream.address}`)
      const answerTo = (name: string) => Effect.map(ask(port, { name }), (answer) => addressesOf(answer)[0])
      assert.strictEqual(yield* answerTo("a.test"), "192.0.2.1")
      assert.strictEqual((yield* admin(`/api/v1/upstreams/${id(one)}/drain`, { method: "POST" })).status, 200)
      assert.strictEqual(yield* answerTo("b.test"), "192.0.2.2")
      yield* admin(`/api/v1/upstreams/${id(two)}/drain`, { method: "POST" })
      assert.strictEqual(yield* answerTo("c.test"), "192.0.2.1")
      yield* admin(`/api/v1/upstreams/${id(two)}/enable`, { method: "POST" })
      assert.strictEqual(yield* answerTo("d.test"), "192.0.2.2")
      const list = (yield* admin("/api/v1/upstreams")).json as ReadonlyArray<{
        readonly isDrained: boolean
        readonly state: string
      }>
      assert.deepStrictEqual(
        list.map(({ isDrained, state }) => [isDrained, state]),
        [
          [true, "closed"],
          [false, "closed"]
        ]
      )
      const probe = yield* admin(`/api/v1/upstreams/${id(one)}/probe`, { method: "POST" })
      assert.deepInclude(probe.json as object, { answered: true, rcode: "NOERROR", error: null })
      assert.strictEqual((yield* admin("/api/v1/upstreams/none/drain", { method: "POST" })).status, 404)
    })
  )
})

describe("the cache by the API", () => {
  it.live("is looked into and forgotten from, with the count, in all workers", () =>
    Effect.gen(function* () {
      const upstream = yield* fakeUpstream(address("192.0.2.1"))
      const { admin, port } = yield* startWithAdmin({ DNS_SERVER_UPSTREAMS: upstream.address, DNS_SERVER_WORKERS: "2" })
      for (const name of ["a.example.test", "b.example.test", "c.other.test"]) yield* ask(port, { name })
      const found = (yield* admin("/api/v1/cache?name=A.example.test")).json as {
        readonly entries: number
        readonly found: ReadonlyArray<{ readonly records: ReadonlyArray<{ readonly data: string }> }>
      }
      assert.strictEqual(found.entries, 3)
      assert.strictEqual(found.found[0]!.records[0]!.data, "192.0.2.1")
      const forget = (query: string) =>
        Effect.map(
          admin(`/api/v1/cache?${query}`, { method: "DELETE" }),
          ({ json }) => (json as { readonly forgotten: number }).forgotten
        )
      assert.strictEqual(yield* forget("name=example.test"), 0)
      assert.strictEqual(yield* forget("name=a.example.test&type=AAAA"), 0)
      assert.strictEqual(yield* forget("name=a.example.test&type=A"), 1)
      assert.strictEqual(yield* forget("name=example.test&subtree=true"), 1)
      const before = upstream.queries()
      yield* ask(port, { name: "a.example.test" })
      assert.strictEqual(upstream.queries(), before + 1)
      for (const vague of [
        "",
        "subtree=true",
        "type=A",
        "name=",
        "name=&subtree=true",
        "domain=a.example.test",
        "name=a.example.test&all=true",
        "name=a.example.test&type=A&subtree=true"
      ]) {
        assert.strictEqual((yield* admin(`/api/v1/cache?${vague}`, { method: "DELETE" })).status, 400, vague)
      }
      assert.strictEqual(yield* forget("all=true"), 2)
      // What is misspelt, or not there, would be done in full.
      for (const [method, path] of [
        ["PATCH", "/api/v1/config?dryRun=true"],
        ["PATCH", "/api/v1/config?dry-run=true"],
        ["PATCH", "/api/v1/confi%67?dry-run=true"],
        ["DELETE", "/api/v1/config/retries?dry_run=true"],
        ["POST", "/api/v1/config/rollback?dry_run=true"],
        ["GET", "/api/v1/queries?clients=10.0.0.0/8"]
      ] as const) {
        const { status, text } = yield* admin(path, { method, ...(method === "GET" ? {} : { body: {} }) })
        assert.strictEqual(status, 400, path)
        assert.include(text, "is not known here")
      }
      for (const path of ["/API/v1/config", "/api/v1/config/", "//api/v1/config", "/api//v1/config"]) {
        const { status } = yield* admin(`${path}?dryRun=true`, { method: "PATCH", body: { retries: 1 } })
        assert.strictEqual(status, 404, path)
      }
      assert.strictEqual((yield* admin("/api/v1/config;dry_run=true", { method: "PATCH", body: {} })).status, 400)
      assert.strictEqual((yield* admin("/api/v1/cache?name=a.test&type=NOPE")).status, 400)
    })
  )
})

describe("the admin side", () => {
  it.live("with tokens reads by the one, changes by the other, and shows neither", () =>
    Effect.gen(function* () {
      const upstream = yield* fakeUpstream(address("192.0.2.1"))
      const { admin, output } = yield* startWithAdmin({
        DNS_SERVER_UPSTREAMS: upstream.address,
        DNS_SERVER_ADMIN_TOKEN: TOKEN,
        DNS_SERVER_ADMIN_READ_TOKEN: READ_TOKEN
      })
      const withToken = (token: string) => ({ authorization: `Bearer ${token}` })
      assert.strictEqual((yield* admin("/healthz")).status, 200)
      const denied = yield* admin("/api/v1/config")
      assert.strictEqual(denied.status, 401)
      assert.include(denied.headers.get("www-authenticate")!, "Bearer")
      const read = yield* admin("/api/v1/config", { headers: withToken(READ_TOKEN) })
      assert.strictEqual(read.status, 200)
      for (const token of [TOKEN, READ_TOKEN]) {
        assert.notInclude(read.text, token)
        assert.notInclude(output(), token)
      }
      const change = (token: string) =>
        admin("/api/v1/config", { method: "PATCH", body: { retries: 1 }, headers: withToken(token) })
      assert.strictEqual((yield* change(READ_TOKEN)).status, 403)
      assert.strictEqual((yield* change("wrong")).status, 401)
      assert.strictEqual((yield* change(TOKEN)).status, 200)
    })
  )

  it.live("describes itself, has a page of it, says what it does not have, and drains the server", () =>
    Effect.gen(function* () {
      const upstream = yield* fakeUpstream(address("192.0.2.1"))
      const { admin, exit, port } = yield* startWithAdmin({ DNS_SERVER_UPSTREAMS: upstream.address })
      const { paths } = (yield* admin("/openapi.json")).json as { readonly paths: Record<string, unknown> }
      for (const path of [
        "/healthz",
        "/metrics",
        "/api/v1/config",
        "/api/v1/upstreams/{id}/drain",
        "/api/v1/explain"
      ]) {
        assert.property(paths, path)
      }
      assert.match((yield* admin("/docs")).text, /<html/)
      assert.strictEqual((yield* admin("/nothing")).status, 404)
      assert.strictEqual((yield* admin("/readyz")).status, 200)
      const drained = yield* admin("/api/v1/drain", { method: "POST", body: { seconds: 1 } })
      assert.deepStrictEqual(drained.json, { endsInSeconds: 1 })
      const unready = yield* admin("/readyz")
      assert.strictEqual(unready.status, 503)
      assert.include(unready.text, "about to end")
      assert.strictEqual(rcodeOf(yield* ask(port, { name: "a.test" })), "NOERROR")
      assert.strictEqual(yield* Effect.promise(() => exit), 0)
    })
  )

  it.live("moves to another address, ends, and comes back, by the configuration", () =>
    Effect.gen(function* () {
      const upstream = yield* fakeUpstream(address("192.0.2.1"))
      const file = yield* fileWith(`upstreams: ${upstream.address}\nadmin: 127.0.0.1:0\n`)
      const { output, url } = yield* startWithAdmin({ DNS_SERVER_ADMIN: "" }, ["--config", file])
      const isThere = (at: string) =>
        Effect.promise(() =>
          fetch(`${at}/healthz`).then(
            ({ ok }) => ok,
            () => false
          )
        )
      const urls = (): ReadonlyArray<string> =>
        [...output().matchAll(/metrics are at (http:\/\/[^/"]+)/g)].map(([, at]) => at!)
      writeFileSync(file, `upstreams: ${upstream.address}\nadmin: off\n`)
      while (yield* isThere(url)) yield* Effect.sleep(50)
      writeFileSync(file, `upstreams: ${upstream.address}\nadmin: "[::1]:0"\n`)
      while (urls().length < 2) yield* Effect.sleep(50)
      assert.isTrue(yield* isThere(urls()[1]!))
      const taken = new URL(urls()[1]!).host
      writeFileSync(file, `upstreams: ${upstream.address}\nadmin: 192.0.2.9:80\n`)
      while (!output().includes("nothing changed")) yield* Effect.sleep(50)
      assert.isTrue(yield* isThere(`http://${taken}`), output())
    })
  )
})

describe("the admin side, switched off", () => {
  it.live("leaves its address at once, so that it can come back to it", () =>
    Effect.gen(function* () {
      const upstream = yield* fakeUpstream(address("192.0.2.1"))
      const port = yield* freePort
      const text = (admin: string): string => `upstreams: ${upstream.address}\nadmin: ${admin}\n`
      const at = `127.0.0.1:${port}`
      const file = yield* fileWith(text(at))
      const { output } = yield* startWithAdmin({ DNS_SERVER_ADMIN: "" }, ["--config", file])
      const changes = (): number => output().split("configuration read again").length - 1
      for (let round = 0; round < 3; round++) {
        for (const admin of ["off", at]) {
          const before = changes()
          writeFileSync(file, text(admin))
          yield* until("it is read", () => changes() > before)
        }
      }
      assert.notInclude(output(), "nothing changed")
      assert.strictEqual(yield* Effect.promise(async () => (await fetch(`http://${at}/healthz`)).status), 200)
    })
  )
})

describe("what programs made for AdGuard Home read", () => {
  it.live("has its shapes, with our figures, for the token as a password", () =>
    Effect.gen(function* () {
      const upstream = yield* fakeUpstream(address("192.0.2.1"))
      const { admin, port } = yield* startWithAdmin({
        DNS_SERVER_UPSTREAMS: upstream.address,
        DNS_SERVER_ADMIN_TOKEN: TOKEN,
        DNS_SERVER_ADMIN_READ_TOKEN: READ_TOKEN
      })
      for (const name of ["www.example.test", "www.example.test", "other.test"]) yield* ask(port, { name })
      const headers = { authorization: `Basic ${Buffer.from(`admin:${READ_TOKEN}`).toString("base64")}` }
      const get = (path: string) =>
        Effect.map(admin(`/control/${path}`, { headers }), ({ json }) => json as Record<string, unknown>)
      assert.strictEqual((yield* admin("/control/status")).status, 401)
      assert.deepInclude(yield* get("status"), { running: true, protection_enabled: true, dns_port: port })
      const stats = (yield* untilAdmin(admin("/control/stats", { headers }), ({ text }) =>
        ['"www.example.test":2', '"other.test":1'].every((counted) => text.includes(counted))
      )).json as Record<string, unknown>
      assert.deepInclude(stats, { num_dns_queries: 3, num_blocked_filtering: 0, time_units: "hours" })
      assert.deepStrictEqual(stats["top_queried_domains"], [{ "www.example.test": 2 }, { "other.test": 1 }])
      assert.deepStrictEqual(stats["top_clients"], [{ "127.0.0.1": 3 }])
      assert.isAbove(stats["avg_processing_time"] as number, 0)
      const log = yield* get("querylog?limit=2&search=www")
      const data = log["data"] as ReadonlyArray<Record<string, unknown>>
      assert.deepInclude(data[0], { cached: true, client: "127.0.0.1", status: "NOERROR" })
      assert.deepStrictEqual(data[0]!["question"], { class: "IN", name: "www.example.test", type: "A" })
      for (const path of ["parental", "safebrowsing", "safesearch", "filtering"]) {
        assert.deepInclude(yield* get(`${path}/status`), { enabled: false })
      }
    })
  )
})
