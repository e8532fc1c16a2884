/** The commands that speak to the admin side of a server, against one that answers what a test wants. */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { runCommand } from "../support/clients/command.ts"
import { fileWith } from "../support/machine/files.ts"
import { freePort } from "../support/machine/ports.ts"
import { type AdminAnswer, fakeAdmin } from "../support/servers/fake-admin.ts"
import { status, top, upstream } from "../support/servers/fake-status.ts"
import { authority } from "../support/wire/certificates.ts"

const query = {
  id: "1f3a",
  atMs: 1_790_000_000_123,
  tookMs: 812.4,
  name: "slow.example.test",
  type: "A",
  client: "10.0.0.7",
  clientPort: 5_353,
  clientName: null,
  protocol: "udp",
  outcome: "miss",
  rcode: "SERVFAIL",
  octets: 60,
  upstream: "quad9",
  attempts: 2,
  isCoalesced: false,
  isShared: false,
  worker: 1,
  error: "no upstream gave a usable answer"
}

const etag = { etag: '"3"' }

const setting = {
  value: "2",
  source: "file",
  place: "strand.yaml:2:10",
  touches: ["upstream"],
  section: "Attempts",
  meaning: "attempts after the first",
  kind: "number",
  words: []
}

const changed: AdminAnswer = {
  headers: etag,
  body: {
    generation: 4,
    changed: [{ name: "retries", before: "2", after: "3", touches: ["upstream"] }],
    touches: ["upstream"]
  }
}

describe("strand upstreams", () => {
  it.live("lists them as a table, and as JSON for scripts", () =>
    Effect.gen(function* () {
      const admin = yield* fakeAdmin({ "GET /api/v1/upstreams": { body: [upstream] } })
      const { out, status: ended } = yield* runCommand("upstreams", "--admin", admin.url)
      assert.strictEqual(ended, 0)
      assert.match(out, /^upstream {2,}state {2,}share/)
      assert.match(out, /^quad9 +ok +75\.0 % +12,345 +7 +11\.5 +140 +2 +default$/m)
      const { out: json } = yield* runCommand("upstreams", "--admin", admin.url, "--json")
      assert.deepStrictEqual(JSON.parse(json), [upstream])
    })
  )

  it.live("drains, enables and probes one, whatever is in its name", () =>
    Effect.gen(function* () {
      const id = "tls://9.9.9.9:853#dns.quad9.net"
      const path = `/api/v1/upstreams/${id}`
      const probed = { id, answered: true, rcode: "NOERROR", tookMs: 12, error: null }
      let answers = true
      const admin = yield* fakeAdmin({
        [`POST ${path}/drain`]: { body: { id, isDrained: true } },
        [`POST ${path}/enable`]: { body: { id, isDrained: false } },
        [`POST ${path}/probe`]: () => ({
          body: answers ? probed : { ...probed, answered: false, rcode: null, error: "timeout" }
        })
      })
      const run = (word: string) => runCommand("upstreams", word, id, "--admin", admin.url)
      assert.include((yield* run("drain")).out, `${id} is drained`)
      assert.include((yield* run("enable")).out, `${id} is in use`)
      assert.include((yield* run("probe")).out, `${id} answers: NOERROR in 12.0 ms`)
      answers = false
      const { out, error, status: ended } = yield* run("probe")
      assert.deepStrictEqual([out, error, ended], ["", `${id} does not answer: timeout, after 12.0 ms`, 1])
    })
  )
})

describe("strand cache", () => {
  const state = {
    entries: 1_200,
    bytes: 4_000_000,
    sizeBytes: 67_108_864,
    hits: 900,
    misses: 100,
    stored: 100,
    evictions: 0,
    isShared: false,
    found: []
  }
  const entry = {
    name: "www.example.test",
    type: "A",
    dnssecOk: true,
    checkingDisabled: false,
    group: null,
    rcode: "NOERROR",
    ageSeconds: 12,
    remainingSeconds: -5,
    octets: 80,
    records: [{ section: "answer", name: "www.example.test", type: "A", ttl: -5, data: "192.0.2.1" }]
  }

  it.live("says how full it is, and what is kept for a name", () =>
    Effect.gen(function* () {
      const admin = yield* fakeAdmin({
        "GET /api/v1/cache": ({ query: { name } }) => ({
          body: { ...state, found: name === "www.example.test" ? [entry] : [] }
        })
      })
      const all = yield* runCommand("cache", "--admin", admin.url)
      assert.match(all.out, /^answers +1,200\nused +3\.8 MiB of 64\.0 MiB\nhits +900 \(90\.0 %\)$/m)
      const one = yield* runCommand("cache", "www.example.test", "A", "--admin", admin.url)
      assert.match(one.out, /^www\.example\.test A {2}NOERROR, 12s old, stale for 5s, 80 B, DO$/m)
      assert.match(one.out, /^ {2}answer +www\.example\.test +-5 +A +192\.0\.2\.1$/m)
      assert.deepStrictEqual(admin.requests.at(-1)?.query, { name: "www.example.test", type: "A" })
      const none = yield* runCommand("cache", "nothing.test", "--admin", admin.url)
      assert.strictEqual(none.out, "nothing is kept for nothing.test")
    })
  )

  it.live("forgets a name, with what is below it, and says how many answers that were", () =>
    Effect.gen(function* () {
      const admin = yield* fakeAdmin({ "DELETE /api/v1/cache": { body: { forgotten: 3, isToldToOthers: true } } })
      const { out } = yield* runCommand("cache", "example.test", "--forget", "--subtree", "--admin", admin.url)
      assert.strictEqual(out, "3 answers forgotten here; servers on the same Redis forget them too")
      assert.deepStrictEqual(admin.requests[0]?.query, { name: "example.test", subtree: "true" })
      yield* runCommand("cache", "--forget", "--all", "--admin", admin.url)
      assert.deepStrictEqual(admin.requests[1]?.query, { all: "true" })
    })
  )

  it.live("forgets nothing where it is not clear what", () =>
    Effect.gen(function* () {
      const admin = yield* fakeAdmin({})
      for (const [args, message] of [
        [["--forget"], "--forget needs a name, or --all for everything"],
        [["example.test", "--subtree"], "--subtree says what to forget: --forget has to stand beside it"],
        [["example.test", "--forget", "--all"], "--all is everything: a name cannot stand beside it"]
      ] as const) {
        const { error, status: ended } = yield* runCommand("cache", ...args, "--admin", admin.url)
        assert.deepStrictEqual([error, ended], [message, 1])
      }
      assert.lengthOf(admin.requests, 0)
    })
  )
})

describe("strand config", () => {
  const configuration: AdminAnswer = {
    headers: etag,
    body: {
      generation: 3,
      file: "strand.yaml",
      settings: {
        upstreams: { ...setting, value: ["9.9.9.9", "1.1.1.1"], kind: "list" },
        retries: setting,
        workers: { ...setting, value: "2", source: "default", place: "the processors" }
      }
    }
  }

  it.live("shows the settings that the server runs by, all or some", () =>
    Effect.gen(function* () {
      const admin = yield* fakeAdmin({ "GET /api/v1/config": configuration })
      const all = yield* runCommand("config", "show", "--admin", admin.url)
      assert.match(all.out, /^upstreams +9\.9\.9\.9, 1\.1\.1\.1 +strand\.yaml:2:10$/m)
      assert.match(all.out, /^workers +2 +the processors$/m)
      assert.include(all.out, "generation 3, strand.yaml")
      const some = yield* runCommand("config", "show", "--changed", "--admin", admin.url)
      assert.notInclude(some.out, "workers")
      const json = yield* runCommand("config", "show", "retries", "--json", "--admin", admin.url)
      assert.deepStrictEqual(JSON.parse(json.out), {
        generation: 3,
        file: "strand.yaml",
        settings: { retries: setting }
      })
      const wrong = yield* runCommand("config", "show", "retires", "--admin", admin.url)
      assert.deepStrictEqual([wrong.error, wrong.status], ["retires is no setting: did you mean retries?", 1])
    })
  )

  it.live("changes settings, or says what would change", () =>
    Effect.gen(function* () {
      const admin = yield* fakeAdmin({ "PATCH /api/v1/config": changed })
      const set = yield* runCommand("config", "set", "retries=3", "redis_url=redis://a/?b=c", "--admin", admin.url)
      assert.strictEqual(set.out, "retries: 2 -> 3  # touches upstream\ngeneration 4")
      assert.deepStrictEqual(admin.requests[0]?.body, { retries: "3", redis_url: "redis://a/?b=c" })
      assert.deepStrictEqual(admin.requests[0]?.query, {})
      const dry = yield* runCommand(
        "config",
        "set",
        "retries=3",
        "--dry-run",
        "--if-generation",
        "3",
        "--admin",
        admin.url
      )
      assert.include(dry.out, "nothing was changed: this was a dry run")
      assert.deepStrictEqual(admin.requests[1]?.query, { dry_run: "true" })
      assert.strictEqual(admin.requests[1]?.headers["if-match"], '"3"')
      yield* runCommand("config", "unset", "retries", "workers", "--admin", admin.url)
      assert.deepStrictEqual(admin.requests[2]?.body, { retries: null, workers: null })
    })
  )

  it.live("refuses what is no assignment before anything is asked", () =>
    Effect.gen(function* () {
      const admin = yield* fakeAdmin({})
      for (const [args, message] of [
        [["retries"], "retries: expected NAME=VALUE"],
        [["=3"], "=3: expected NAME=VALUE"],
        [["retries=1", "retries=2"], "retries is given twice"]
      ] as const) {
        assert.strictEqual((yield* runCommand("config", "set", ...args, "--admin", admin.url)).error, message)
      }
      assert.lengthOf(admin.requests, 0)
    })
  )

  it.live("says each mistake of a change, and that nothing has changed", () =>
    Effect.gen(function* () {
      const mistakes = [
        { path: "retries", value: "99", expected: "an integer from 0 to 10" },
        { path: "listen", value: null, expected: "an address" }
      ]
      const admin = yield* fakeAdmin({
        "PATCH /api/v1/config": { status: 422, body: { _tag: "WrongSettings", mistakes } }
      })
      const { error, status: ended } = yield* runCommand("config", "set", "retries=99", "--admin", admin.url)
      assert.strictEqual(
        error,
        "nothing was changed: 2 mistakes\n  retries: 99: expected an integer from 0 to 10\n  listen: expected an address"
      )
      assert.strictEqual(ended, 1)
    })
  )

  it.live("says that the configuration has changed meanwhile, and why a change cannot be made", () =>
    Effect.gen(function* () {
      let answer: AdminAnswer = { status: 412, body: { _tag: "StaleGeneration", generation: 7 } }
      const admin = yield* fakeAdmin({ "PATCH /api/v1/config": () => answer })
      const run = runCommand("config", "set", "retries=3", "--if-generation", "3", "--admin", admin.url)
      assert.match((yield* run).error, /^nothing was changed: .* its generation is 7 now$/)
      answer = { status: 409, body: { _tag: "ChangeNotMade", message: "127.0.0.1:53 is taken" } }
      assert.strictEqual((yield* run).error, "nothing was changed: 127.0.0.1:53 is taken")
    })
  )

  it.live("shows the history, goes back, saves and reads again", () =>
    Effect.gen(function* () {
      const body = { generation: 4, changed: [{ name: "retries", before: "2", after: "3", touches: ["upstream"] }] }
      const admin = yield* fakeAdmin({
        "GET /api/v1/config/history": { body: [{ ...body, atMs: 1_790_000_000_000, by: "admin 127.0.0.1" }] },
        "PATCH /api/v1/config": changed,
        "POST /api/v1/config/rollback": changed,
        "POST /api/v1/config/save": { body: { file: "strand.yaml", saved: ["retries"], skipped: [] } },
        "POST /api/v1/config/reload": { ...changed, body: { generation: 4, changed: [], touches: [] } }
      })
      const run = (...args: ReadonlyArray<string>) => runCommand("config", ...args, "--admin", admin.url)
      assert.match((yield* run("history")).out, /^generation 4 {2}2026-.* admin 127\.0\.0\.1\n {2}retries: 2 -> 3/)
      assert.include((yield* run("rollback", "2")).out, "generation 4")
      assert.deepStrictEqual(admin.requests.at(-1)?.body, { generation: 2 })
      yield* run("rollback")
      assert.deepStrictEqual(admin.requests.at(-1)?.body, {})
      assert.strictEqual((yield* run("save")).out, "saved in strand.yaml: retries")
      assert.strictEqual((yield* run("reload")).out, "nothing has changed")
      assert.include((yield* run("reload", "--dry-run")).out, "this was a dry run")
      assert.deepStrictEqual(admin.requests.at(-1)?.query, { dry_run: "true" })
      assert.deepStrictEqual(admin.requests.at(-1)?.body, {})
    })
  )
})

describe("strand trace", () => {
  it.live("lists the queries that filters leave, and all of them on request", () =>
    Effect.gen(function* () {
      const admin = yield* fakeAdmin({
        "GET /api/v1/traces": { body: [query] },
        "GET /api/v1/queries": { body: { queries: [], examined: 10_000 } }
      })
      const { out } = yield* runCommand(
        ...["trace", "--suffix", "example.test", "--slower-than", "200", "--outcome", "miss", "-n", "5"],
        ...["--upstream", "quad9", "--admin", admin.url]
      )
      assert.match(out, /^\d\d:\d\d:\d\d\.123 +1f3a +812 +slow\.example\.test +A +miss +SERVFAIL +10\.0\.0\.7 +quad9$/m)
      assert.deepStrictEqual(admin.requests[0]?.query, {
        suffix: "example.test",
        slower_than_ms: "200",
        outcome: "miss",
        upstream: "quad9",
        limit: "5"
      })
      assert.strictEqual((yield* runCommand("trace", "--all", "--admin", admin.url)).out, "no such query")
    })
  )

  it.live("draws one as a waterfall: each step where it was in the query's time", () =>
    Effect.gen(function* () {
      const step = { status: "ok", detail: "", depth: 1 } as const
      const admin = yield* fakeAdmin({
        "GET /api/v1/traces/1f3a": {
          body: {
            query: { ...query, tookMs: 400 },
            steps: [
              { ...step, name: "query", fromMs: 0, toMs: 400, depth: 0 },
              { ...step, name: "cache", fromMs: 0, toMs: 0.01, detail: "miss" },
              { ...step, name: "attempt", fromMs: 0, toMs: 200, status: "error", detail: "timeout" },
              { ...step, name: "attempt", fromMs: 200, toMs: 400, detail: "answered" }
            ]
          }
        }
      })
      const { out } = yield* runCommand("trace", "1f3a", "--admin", admin.url)
      const bars = out.split("\n").filter((line) => line.includes("│"))
      assert.deepStrictEqual(bars, [
        `query        400 ms │${"█".repeat(40)}│`,
        `  cache     0.01 ms │█${" ".repeat(39)}│ miss`,
        `  attempt    200 ms │${"█".repeat(20)}${" ".repeat(20)}│ ✗ timeout`,
        `  attempt    200 ms │${" ".repeat(20)}${"█".repeat(20)}│ answered`
      ])
      assert.include(out, "no upstream gave a usable answer")
    })
  )

  it.live("says that there is none of an id", () =>
    Effect.gen(function* () {
      const admin = yield* fakeAdmin({
        "GET /api/v1/traces/nope": { status: 404, body: { _tag: "NotThere", message: "no trace nope is kept" } }
      })
      const { error, status: ended } = yield* runCommand("trace", "nope", "--admin", admin.url)
      assert.deepStrictEqual([error, ended], ["no trace nope is kept", 1])
    })
  )
})

describe("strand explain", () => {
  it.live("shows step by step what happens, and where the answer comes from", () =>
    Effect.gen(function* () {
      const steps = [
        { step: "acl", outcome: "allowed", detail: "10.0.0.0/8", isFinal: false },
        { step: "cache", outcome: "hit", detail: "12 s old", isFinal: true }
      ]
      const answer = { rcode: "NOERROR", tookMs: 12, records: ["www.example.test 60 A 192.0.2.1"], attempts: [] }
      const admin = yield* fakeAdmin({
        "POST /api/v1/explain": ({ body }) => ({
          body: {
            name: "www.example.test",
            type: "A",
            client: "10.0.0.7",
            steps,
            answer: (body as { readonly ask?: boolean }).ask === true ? answer : null
          }
        })
      })
      const run = (...args: ReadonlyArray<string>) =>
        runCommand("explain", "www.example.test", "A", "--client", "10.0.0.7", ...args, "--admin", admin.url)
      const { out } = yield* run()
      assert.strictEqual(
        out,
        "www.example.test A from 10.0.0.7\n\n  acl    allowed  10.0.0.0/8\n▶ cache  hit      12 s old"
      )
      assert.deepStrictEqual(admin.requests[0]?.body, { name: "www.example.test", type: "A", client: "10.0.0.7" })
      assert.match((yield* run("--ask")).out, /asked: NOERROR in 12\.0 ms\n {2}www\.example\.test 60 A 192\.0\.2\.1$/)
    })
  )
})

describe("strand top", () => {
  const routes = {
    "GET /api/v1/status": { body: status },
    "GET /api/v1/upstreams": { body: [upstream] },
    "GET /api/v1/top": ({ query: { by } }: { readonly query: Readonly<Record<string, string>> }) => ({
      body: top(by === "name" ? "www.example.test" : "10.0.0.7")
    })
  }

  it.live("prints the server as it is, once, where the output is no terminal", () =>
    Effect.gen(function* () {
      const admin = yield* fakeAdmin(routes)
      const { out, status: ended } = yield* runCommand("top", "--admin", admin.url)
      assert.strictEqual(ended, 0)
      assert.match(out, /^strand 0\.1\.0 {2}ready {2}up 1d 2h/)
      assert.include(out, "1 worker  waiting 5  queued 1  memory 120.0 MiB  cache 8.0 MiB")
      assert.match(out, /^10 s +1,23[45] +91\.3 % +0\.08 +12\.0 +85\.0 +0\.2 +0\.0$/m)
      assert.match(out, /^10 min +1,23[45] +– /m)
      assert.match(out, /^quad9 +ok /m)
      assert.match(out, /^www\.example\.test +4,321 {3}10\.0\.0\.7 +4,321$/m)
    })
  )

  it.live("shows nothing that moves a terminal, whatever clients ask for", () =>
    Effect.gen(function* () {
      const admin = yield* fakeAdmin({ ...routes, "GET /api/v1/top": { body: top("\x1b[2Jevil\r\n.test") } })
      const { out } = yield* runCommand("top", "--admin", admin.url)
      assert.include(out, "\\x1b[2Jevil\\x0d\\x0a.test")
      assert.notInclude(out, "\x1b")
      assert.notInclude(out, "\r")
    })
  )

  it.live("gives all of it as JSON", () =>
    Effect.gen(function* () {
      const admin = yield* fakeAdmin(routes)
      const { out } = yield* runCommand("top", "--json", "--admin", admin.url)
      const { names, status: shown } = JSON.parse(out)
      assert.deepStrictEqual([names[0].key, shown], ["www.example.test", status])
    })
  )
})

describe("the way to the admin side", () => {
  const routes = { "GET /api/v1/upstreams": { body: [] } }
  const token = "0123456789abcdef"

  it.live("is what the configuration says, with its token", () =>
    Effect.gen(function* () {
      const admin = yield* fakeAdmin(routes)
      const at = new URL(admin.url).host
      const file = yield* fileWith(`upstreams: 192.0.2.1\nadmin: ${at}\nadmin_token: ${token}\n`, "strand.yaml")
      const { status: ended, error } = yield* runCommand("upstreams", "-c", file)
      assert.deepStrictEqual([ended, error], [0, ""])
      assert.strictEqual(admin.requests[0]?.headers.authorization, `Bearer ${token}`)
    })
  )

  it.live("trusts the certificate that the configuration names, and no other", () =>
    Effect.gen(function* () {
      const ca = authority()
      const certificate = ca.issue({ names: ["dns.example.net"] })
      const admin = yield* fakeAdmin(routes, certificate)
      const at = new URL(admin.url).host
      const pem = yield* fileWith(certificate.cert, "cert.pem")
      const key = yield* fileWith(certificate.key, "key.pem")
      const settings = (cert: string, ofCert: string) =>
        `upstreams: 192.0.2.1\nadmin: ${at}\nadmin_tls_certificate_file: ${cert}\nadmin_tls_key_file: ${ofCert}\n`
      const right = yield* runCommand("upstreams", "-c", yield* fileWith(settings(pem, key), "right.yaml"))
      assert.deepStrictEqual([right.status, right.error], [0, ""])
      const other = ca.issue({ names: ["dns.example.net"] })
      const files = settings(yield* fileWith(other.cert, "other.pem"), yield* fileWith(other.key, "other.key"))
      const wrong = yield* runCommand("upstreams", "-c", yield* fileWith(files, "wrong.yaml"))
      assert.strictEqual(wrong.status, 1)
      assert.include(wrong.error, "does not answer")
      assert.lengthOf(admin.requests, 1)
    })
  )

  it.live("takes the token from the command line or a file", () =>
    Effect.gen(function* () {
      const admin = yield* fakeAdmin(routes)
      yield* runCommand("upstreams", "--admin", admin.url, "--token", token)
      yield* runCommand("upstreams", "--admin", admin.url, "--token-file", yield* fileWith(`${token}\n`))
      assert.deepStrictEqual(
        admin.requests.map(({ headers }) => headers.authorization),
        [`Bearer ${token}`, `Bearer ${token}`]
      )
    })
  )

  it.live("says what stands in it: nobody there, no admin side, refused, or something else altogether", () =>
    Effect.gen(function* () {
      const nobody = `http://127.0.0.1:${yield* freePort}`
      const refusing = yield* fakeAdmin({
        "GET /api/v1/upstreams": ({ headers }) =>
          headers.authorization === undefined
            ? { status: 401, body: { message: "a token is needed" } }
            : { status: 403, body: { message: "this token may only read" } }
      })
      const other = yield* fakeAdmin({ "GET /api/v1/upstreams": { body: { hello: "world" } } })
      const off = yield* fileWith("upstreams: 192.0.2.1\nadmin: off\n", "strand.yaml")
      for (const [args, message] of [
        [
          ["--admin", nobody],
          /^http:\/\/127\.0\.0\.1:\d+ does not answer: connect ECONNREFUSED .* Is the server running/
        ],
        [["--admin", refusing.url], /answers 401: a token is needed; --token, --token-file or DNS_SERVER_ADMIN_TOKEN/],
        [["--admin", refusing.url, "--token", "x"], /answers 403: this token may only read$/],
        [["--admin", other.url], /answers what this version of strand does not understand/],
        [["--admin", `${other.url}/elsewhere`], /answers 404: no such path$/],
        [["--admin", "ftp://x"], /^--admin: ftp:\/\/x: expected a URL such as /],
        [["-c", off], /^the configuration has no admin side \(admin: off\)/],
        [["--admin", other.url, "--token-file", "/nowhere"], /^--token-file: ENOENT/]
      ] as const) {
        const { out, error, status: ended } = yield* runCommand("upstreams", ...args)
        assert.match(error, message)
        assert.notInclude(error, "\n")
        assert.deepStrictEqual([out, ended], ["", 1])
      }
    })
  )
})
