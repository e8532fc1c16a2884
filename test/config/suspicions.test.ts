import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { linesOf, loaded, UPSTREAM, warningsOf } from "../support/servers/loading.ts"

describe("what is suspicious", () => {
  it.effect("is nothing in a configuration like any other", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(
        yield* warningsOf(`
listen: [127.0.0.1:1053, "[::1]:1053", "::1"]
upstreams: [9.9.9.9, tls://1.1.1.1, "tls://10.0.0.1#dns.example", https://dns.google/dns-query, "2620:fe::9", "fe80::1%eth0"]
bootstrap: 9.9.9.9
retries: 3
groups: { a: 10.0.0.1 }
rules: [a.example -> a, a.example client:10.0.0.0/8 -> a, "a.example !b.a.example -> a"]
`),
        []
      )
    })
  )

  it.effect("is a client's name where nothing listens by which it could be said", () =>
    Effect.gen(function* () {
      const named = (listen: string): string => `
listen: ${listen}
upstreams: [192.0.2.1]
groups: { a: 192.0.2.2 }
rules: [a.example -> a, client_name:tablet -> a]
local_answers: [{ name: tv.home, addresses: 192.0.2.3, client_name: tablet }]
`
      const what = "client_name holds for nobody: nothing listens by tls://, https:// or http://"
      const plain = yield* warningsOf(named("127.0.0.1:1053"))
      assert.deepStrictEqual(
        plain.map((warning) => warning.slice(warning.indexOf(": ") + 2)),
        [`rules: ${what}`, `local_answers: ${what}`]
      )
      for (const listen of ["https://127.0.0.1:1443/dns-query", "tls://127.0.0.1:1853", "http://127.0.0.1:1080/q"]) {
        const warnings = yield* warningsOf(named(`["127.0.0.1:1053", "${listen}"]`))
        assert.notInclude(warnings.join("\n"), "client_name", listen)
      }
    })
  )

  it.effect("is an address that ends like one with a port, wherever addresses stand", () =>
    Effect.gen(function* () {
      const warnings = yield* warningsOf(`
listen: ["::1:53"]
upstreams:
  - 2001:db8::1:5353*2
  - udp://fd00::1:53
  - 2001:db8::1:42
groups: { a: "10.0.0.1 fd00::2:853" }
rules: [a.example -> a]
`)
      assert.deepStrictEqual(warnings, [
        "FILE:2:10: listen: ::1:53: an IPv6 address, all of it: did you mean [::1]:53?",
        "FILE:4:5: upstreams: 2001:db8::1:5353*2: an IPv6 address, all of it: did you mean [2001:db8::1]:5353?",
        "FILE:5:5: upstreams: udp://fd00::1:53: an IPv6 address, all of it: did you mean [fd00::1]:53?",
        "FILE:7:11: groups.a: a=10.0.0.1 fd00::2:853: an IPv6 address, all of it: did you mean [fd00::2]:853?"
      ])
    })
  )

  it.effect("is HTTPS without a path, which is asked at /dns-query, or at the root", () =>
    Effect.gen(function* () {
      const env = { DNS_SERVER_UPSTREAMS: "https://dns.google,https://192.0.2.1:8443#dns.example,https://dns.example/" }
      const { settings, warnings } = yield* loaded({ ...env, DNS_SERVER_BOOTSTRAP: "9.9.9.9" })
      assert.deepStrictEqual(
        settings.upstreams.map((upstream) => upstream.protocol === "https" && upstream.path),
        ["/dns-query", "/dns-query", "/"]
      )
      assert.deepStrictEqual(
        warnings.map((warning) => warning.split(": ").slice(1).join(": ")),
        [
          "https://dns.google: asked at /dns-query, for no path is written",
          "https://192.0.2.1:8443#dns.example: asked at /dns-query, for no path is written",
          "https://dns.example/: asked at /: did you mean /dns-query?"
        ]
      )
    })
  )

  it.effect("is an encrypted upstream at a private address that nothing certifies", () =>
    Effect.gen(function* () {
      const warnings = yield* warningsOf(
        "upstreams: [tls://192.168.1.1, 'https://[fd00::1]/dns-query', tls://9.9.9.9]\n"
      )
      assert.strictEqual(warnings.length, 2)
      for (const warning of warnings) assert.include(warning, "no public authority certifies a private address")
    })
  )

  it.effect("is what stands twice: an upstream of one group, a rule for the same queries", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(
        yield* warningsOf(`
upstreams: [192.0.2.1, 192.0.2.2, "udp://192.0.2.1:53*2"]
groups:
  a: { upstreams: [10.0.0.1, 10.0.0.1] }
  b: { upstreams: [10.0.0.1] }
rules:
  - x.example -> a
  - { suffix: X.example., group: b }
  - x.example client:10.0.0.0/8 -> b
`),
        [
          "FILE:2:35: upstreams: udp://192.0.2.1:53: the same upstream twice: a weight gives it more",
          "FILE:4:3: groups.a: udp://10.0.0.1:53: the same upstream twice: a weight gives it more",
          "FILE:8:5: rules: -> b: never used: FILE:7:5: rules is for the same queries"
        ]
      )
    })
  )

  it.effect("is a group that nothing is sent to, and a setting that changes nothing", () =>
    Effect.gen(function* () {
      const warnings = yield* warningsOf(`
upstreams: 192.0.2.1
groups: { a: 10.0.0.1 }
enable_caching: false
redis_url: redis://redis.example
bootstrap: 9.9.9.9
parallel_upstreams: 3
trace_sampling: never
otel_endpoint: http://127.0.0.1:4318
`)
      const said = warnings.map((warning) => /^FILE:\d+:\d+: (\w+)/.exec(warning)?.[1]).sort()
      assert.deepStrictEqual(said, ["bootstrap", "groups", "otel_endpoint", "parallel_upstreams", "redis_url"])
    })
  )

  it.effect("is what is said of the query log where it writes nothing like it", () =>
    Effect.gen(function* () {
      const all = "query_log_keep: 3\nquery_log_store_max_mb: 10\nquery_log_clients: none\n"
      const saidWith = (text: string) =>
        Effect.map(warningsOf(`upstreams: 192.0.2.1\n${all}${text}`), (warnings) =>
          warnings.map((warning) => /^FILE:\d+:\d+: (\w+)/.exec(warning)?.[1]).sort()
        )
      assert.deepStrictEqual(yield* saidWith(""), ["query_log_clients", "query_log_keep", "query_log_store_max_mb"])
      assert.deepStrictEqual(yield* saidWith("query_log_store: /store\n"), ["query_log_keep"])
      assert.deepStrictEqual(yield* saidWith("query_log_dnstap: unix:/socket\n"), [
        "query_log_keep",
        "query_log_store_max_mb"
      ])
      assert.deepStrictEqual(yield* saidWith("query_log_dnstap: file:/queries\n"), ["query_log_store_max_mb"])
    })
  )

  it.effect("is a time that leaves another no room, and stale answers that are never kept", () =>
    Effect.gen(function* () {
      const of = (env: Record<string, string>) =>
        Effect.map(loaded({ ...UPSTREAM, ...env }), ({ warnings }) => warnings)
      assert.match(
        (yield* of({ DNS_SERVER_ATTEMPT_TIMEOUT_MS: "6000" })).join(),
        /^DNS_SERVER_ATTEMPT_TIMEOUT_MS: 6000: a query is given up after 5 s/
      )
      assert.match(
        (yield* of({ DNS_SERVER_QUERY_TIMEOUT_SECS: "0.8" })).join(),
        /^DNS_SERVER_QUERY_TIMEOUT_SECS: 0.8: a query is given up after 0.8 s/
      )
      assert.match(
        (yield* of({ DNS_SERVER_RETRIES: "3" })).join(),
        /^DNS_SERVER_RETRIES: 3: with 1 upstream .* at most 2/
      )
      assert.deepStrictEqual(yield* of({ DNS_SERVER_RETRIES: "2" }), [])
      assert.match(
        (yield* of({ DNS_SERVER_STALE_ANSWER: "at-once", DNS_SERVER_CACHE_STALE_SECS: "0" })).join(),
        /^DNS_SERVER_STALE_ANSWER: at-once: cache_stale_secs is 0/
      )
    })
  )

  it.effect("is a server that anybody may ask, where others than this machine can reach it", () =>
    Effect.gen(function* () {
      const of = (listen: string) =>
        Effect.map(
          loaded({ ...UPSTREAM, DNS_SERVER_ALLOW: "0.0.0.0/0,::/0", DNS_SERVER_LISTEN: listen }),
          ({ warnings }) => warnings.length
        )
      assert.strictEqual(yield* of("0.0.0.0:5300"), 2)
      assert.strictEqual(yield* of("127.0.0.1:5300"), 0)
    })
  )

  it.effect("is an upstream that is to be told of traces, and is none", () =>
    Effect.gen(function* () {
      const { warnings } = yield* loaded({
        DNS_SERVER_UPSTREAMS: "near=192.0.2.1,192.0.2.2:5353,udp://192.0.2.3",
        DNS_SERVER_TRACE_CONTEXT_TO: "near,192.0.2.1,192.0.2.2:5353,udp://192.0.2.3:53,far"
      })
      assert.deepStrictEqual(warnings, ["DNS_SERVER_TRACE_CONTEXT_TO: far: no upstream is called so"])
    })
  )

  it.effect("is a variable that is nearly a setting's, whose value is not shown", () =>
    Effect.gen(function* () {
      const { warnings } = yield* loaded({
        ...UPSTREAM,
        DNS_SERVER_RETIRES: "hunter2",
        DNS_SERVERS_LISTEN: "hunter2",
        DNS_SERVER_UPSTREAM: "hunter2",
        DNS_SERVER_SERVICE_HOST: "10.0.0.1",
        DNSMASQ_OPTS: "x"
      })
      assert.deepStrictEqual([...warnings].sort(), [
        "DNS_SERVERS_LISTEN is not a setting of this server and was ignored: did you mean DNS_SERVER_LISTEN?",
        "DNS_SERVER_RETIRES is not a setting of this server and was ignored: did you mean DNS_SERVER_RETRIES?",
        "DNS_SERVER_SERVICE_HOST is not a setting of this server and was ignored",
        "DNS_SERVER_UPSTREAM is not a setting of this server and was ignored: did you mean DNS_SERVER_UPSTREAMS?"
      ])
    })
  )

  it.effect("is said beside the mistakes where there are some", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(loaded({ ...UPSTREAM, DNS_SERVER_RETIRES: "1", DNS_SERVER_RETRIES: "-1" }))
      assert.match(error.message, /a mistake:\n {2}DNS_SERVER_RETRIES.*\nwarning: DNS_SERVER_RETIRES is not a setting/)
      assert.strictEqual((yield* linesOf("retries: -1\n")).length, 1)
    })
  )
})
