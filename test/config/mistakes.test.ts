import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { fileWith } from "../support/machine/files.ts"
import { linesOf, loaded, mistakesIn, UPSTREAM } from "../support/servers/loading.ts"

/** What is said of one wrong value in the environment. */
const said = (variable: string, value: string) =>
  Effect.map(mistakesIn({ ...UPSTREAM, [variable]: value }), (mistakes) => {
    assert.strictEqual(mistakes.length, 1, value)
    assert.strictEqual(mistakes[0]?.place, variable)
    return mistakes[0]?.expected ?? ""
  })

const meant = (variable: string, cases: ReadonlyArray<readonly [written: string, meant: string]>) =>
  Effect.gen(function* () {
    for (const [written, responseClass] of cases) {
      assert.include(yield* said(variable, written), responseClass, written)
    }
  })

describe("a mistake", () => {
  it.effect("in one map of a list hides no other, each at its line and column", () =>
    Effect.gen(function* () {
      const lines = yield* linesOf(
        `
upstreams:
  - { address: 192.0.2.1, wieght: 3 }
  - { weight: 2 }
  - [192.0.2.2]
  - 192.0.2.300
groups:
  corp: { upstreams: [10.1.0.1, { address: 10.1.0.2, weight: 0 }, nowhere], policy: ordred }
  lab: {}
rules:
  - { suffix: a..b, group: corp }
  - { sufix: c.example, group: corp }
  - { client: [10.0.0.0/8, [x]], group: corp }
  - { suffix: d.example, group: crop }
  - { suffix: e.example }
  - { suffix: f.example, group: lab }
local_answers:
  - { nmae: nas.home }
  - nas.home A here
`,
        {}
      )
      assert.deepStrictEqual(
        lines.map((line) => line.split(": ").slice(0, 2).join(": ")),
        [
          "FILE:3:27: upstreams.wieght",
          "FILE:4:5: upstreams",
          "FILE:5:5: upstreams",
          "FILE:6:5: upstreams",
          "FILE:8:62: groups.corp.upstreams.weight",
          "FILE:8:67: groups.corp.upstreams",
          "FILE:8:85: groups.corp.policy",
          "FILE:9:8: groups.lab",
          "FILE:11:15: rules.suffix",
          "FILE:12:7: rules.sufix",
          "FILE:13:28: rules.client",
          "FILE:14:5: rules",
          "FILE:15:5: rules",
          "FILE:18:7: local_answers.nmae",
          "FILE:19:5: local_answers"
        ]
      )
      const of = (place: string): string => lines.find((line) => line.startsWith(place)) ?? ""
      assert.include(of("FILE:3:27"), "did you mean weight?")
      assert.include(of("FILE:8:85"), "did you mean ordered?")
      assert.include(of("FILE:12:7"), "did you mean suffix?")
      assert.include(of("FILE:14:5"), "there are corp, lab: did you mean corp?")
    })
  )

  it.effect("among thousands is said with the first of them, and how many there are", () =>
    Effect.gen(function* () {
      const file = yield* fileWith(Array.from({ length: 3_000 }, (_, i) => `k${i}: v`).join("\n"))
      const error = yield* Effect.flip(loaded(UPSTREAM, file))
      assert.strictEqual(error.mistakes.length, 3_000)
      assert.match(error.message, /has 3000 mistakes:[\s\S]*… and 2800 more$/)
    })
  )

  it.effect("in one setting does not hide that two others contradict each other", () =>
    Effect.gen(function* () {
      const mistakes = yield* mistakesIn({
        ...UPSTREAM,
        DNS_SERVER_RETRIES: "many",
        DNS_SERVER_CACHE_MIN_TTL_SECS: "90",
        DNS_SERVER_CACHE_MAX_TTL_SECS: "60",
        DNS_SERVER_LISTEN: "127.0.0.1:5300,tcp://127.0.0.1:5300,nowhere",
        DNS_SERVER_GROUPS: "corp=10.0.0.x,kids=192.0.2.9",
        DNS_SERVER_RULES: "a.example -> corp, b.example -> kid"
      })
      assert.deepStrictEqual(
        mistakes.map(({ place, value }) => [place, value]),
        [
          ["DNS_SERVER_LISTEN", "nowhere"],
          ["DNS_SERVER_GROUPS", "corp=10.0.0.x"],
          ["DNS_SERVER_RETRIES", "many"],
          ["DNS_SERVER_CACHE_MIN_TTL_SECS", "90"],
          ["DNS_SERVER_LISTEN", "tcp://127.0.0.1:5300"],
          ["DNS_SERVER_RULES", "kid"]
        ]
      )
    })
  )

  it.effect("of the admin side or the query log is said before it locks somebody out, or writes elsewhere", () =>
    Effect.gen(function* () {
      const TOKEN = "0123456789abcdef"
      for (const [name, value, expected] of [
        ["ADMIN_TOKEN", "short", "at least 16 characters"],
        ["ADMIN_TOKEN", "0123456789 abcdef", "no spaces"],
        ["ADMIN_TOKEN", "0123456789abcdéf", "of ASCII"],
        ["ADMIN_READ_TOKEN", TOKEN, "admin_token too"],
        ["ADMIN_HOSTS", "dns.example.net:8053", "no port"],
        ["ADMIN_HOSTS", "https://dns.example.net", "no scheme"],
        ["QUERY_LOG_FILE", "queries.jsonl", "absolute path"],
        ["QUERY_LOG_STORE", "queries", "absolute path"]
      ] as const) {
        const mistakes = yield* mistakesIn({ ...UPSTREAM, [`DNS_SERVER_${name}`]: value })
        assert.deepStrictEqual(
          mistakes.map(({ place }) => place),
          [`DNS_SERVER_${name}`],
          value
        )
        assert.include(mistakes[0]?.expected, expected)
        if (name.endsWith("TOKEN")) assert.notInclude(JSON.stringify(mistakes), value)
      }
      const right = { DNS_SERVER_ADMIN_TOKEN: TOKEN, DNS_SERVER_ADMIN_READ_TOKEN: `!${TOKEN}~` }
      yield* loaded({ ...UPSTREAM, ...right, DNS_SERVER_ADMIN_HOSTS: "dns,a-b.c_d.example" })
    })
  )

  it.effect("of two outputs that would write to one file is said", () =>
    Effect.gen(function* () {
      const [mistake, ...more] = yield* mistakesIn({
        ...UPSTREAM,
        DNS_SERVER_QUERY_LOG_FILE: "/var/log/queries",
        DNS_SERVER_QUERY_LOG_DNSTAP: "file:/var/log/queries"
      })
      assert.isEmpty(more)
      assert.deepStrictEqual(
        [mistake?.place, mistake?.expected],
        ["DNS_SERVER_QUERY_LOG_DNSTAP", "another file than that of query_log_file"]
      )
    })
  )

  it.effect("of an empty list says that there has to be one", () =>
    Effect.gen(function* () {
      const lines = yield* linesOf("listen: []\nallow:   \nupstreams: ''\nfailover_rcodes: [~]\n", {})
      assert.deepStrictEqual(lines, [
        "FILE:1:1: listen: expected at least one",
        "FILE:3:1: upstreams: expected at least one",
        "FILE:4:19: failover_rcodes: expected something behind the -, or no such line"
      ])
      assert.strictEqual(yield* said("DNS_SERVER_ALLOW", ","), "at least one")
    })
  )

  it.effect("in a number with a unit, a separator or another base names the number that is meant", () =>
    Effect.all([
      meant("DNS_SERVER_QUERY_TIMEOUT_SECS", [
        ["5s", "did you mean 5 (seconds)?"],
        ["1500ms", "did you mean 1.5 (seconds)?"],
        ["3 seconds", "did you mean 3 (seconds)?"],
        ["5000", "did you mean 5 (seconds)?"],
        ["1m", "did you mean 60 (seconds)?"]
      ]),
      meant("DNS_SERVER_ATTEMPT_TIMEOUT_MS", [
        ["1s", "did you mean 1000 (milliseconds)?"],
        ["0.5s", "did you mean 500 (milliseconds)?"],
        ["5", "did you mean 5000 (milliseconds)?"]
      ]),
      meant("DNS_SERVER_CACHE_SIZE_MB", [
        ["64MB", "did you mean 64 (MiB)?"],
        ["2GiB", "did you mean 2048 (MiB)?"],
        ["1e3", "did you mean 1000 (MiB)?"]
      ]),
      meant("DNS_SERVER_MAX_CONCURRENT_QUERIES", [
        ["10_000", "did you mean 10000?"],
        ["10,000", "did you mean 10000?"],
        ["0x10", "did you mean 16?"]
      ])
    ])
  )

  it.effect("in a number that nothing is meant by says the range alone", () =>
    Effect.gen(function* () {
      for (const text of ["-1", "NaN", "Infinity", "1e99", "five", "5 apples", "--", "99999s"]) {
        assert.strictEqual(yield* said("DNS_SERVER_RETRIES", text), "an integer from 0 to 10")
      }
    })
  )

  it.effect("in a truth value or a word names the nearest", () =>
    Effect.all([
      meant("DNS_SERVER_ENABLE_CACHING", [
        ["yes", "did you mean true?"],
        ["OFF", "did you mean false?"],
        ["0", "did you mean false?"]
      ]),
      meant("DNS_SERVER_UPSTREAM_POLICY", [
        ["roundrobin", "did you mean round-robin?"],
        ["fastst", "did you mean fastest?"],
        ["Ordered", "did you mean ordered?"]
      ]),
      meant("DNS_SERVER_LOG_LEVEL", [["warning", "one of trace"]])
    ])
  )

  it.effect("in an address names the address that is meant", () =>
    meant("DNS_SERVER_LISTEN", [
      ["127.0.0.1:53:53", "did you mean 127.0.0.1:53?"],
      ["[::1", "did you mean [::1]?"],
      ["::1]:53", "did you mean [::1]:53?"],
      ["localhost:5353", "did you mean 127.0.0.1:5353?"],
      ["*:53", "did you mean 0.0.0.0:53 or [::]:53?"],
      [":53", "did you mean 0.0.0.0:53 or [::]:53?"],
      ["127.0.0.1:65536", "a port is from 1 to 65535"],
      ["127.0.0.1/8", "did you mean 127.0.0.1?"],
      ["127.0.0.1 127.0.0.2", "commas between several"]
    ])
  )

  it.effect("in a network names the network that is meant", () =>
    meant("DNS_SERVER_ALLOW", [
      ["192.168.1.5/24", "did you mean 192.168.1.0/24, or 192.168.1.5 alone?"],
      ["2001:db8::1/32", "did you mean 2001:db8::/32, or 2001:db8::1 alone?"],
      ["10.0.0/8", "did you mean 10.0.0.0/8?"],
      ["10.0.0.0/255.0.0.0", "did you mean 10.0.0.0/8?"],
      ["10.1.*", "did you mean 10.1.0.0/16?"],
      ["any", "did you mean 0.0.0.0/0 and ::/0?"],
      ["localhost", "did you mean 127.0.0.0/8 and ::1?"],
      ["10.0.0.0/33", "or an address"]
    ])
  )

  it.effect("in an upstream names the upstream that is meant", () =>
    meant("DNS_SERVER_UPSTREAMS", [
      ["udp://1.1.1.1/dns-query", "did you mean https://1.1.1.1/…, or udp://1.1.1.1?"],
      ["tls://1.1.1.1/dns-query", "did you mean https://1.1.1.1/…, or tls://1.1.1.1?"],
      ["tcp://1.1.1.1/", "did you mean tcp://1.1.1.1?"],
      ["http://1.1.1.1/dns-query", "did you mean https://1.1.1.1/…?"],
      ["dot://9.9.9.9", "did you mean tls://9.9.9.9?"],
      ["https:/dns.google", "did you mean https://dns.google?"],
      ["quic://9.9.9.9", "quic:// is not spoken"],
      ["dns.google", "did you mean udp://dns.google, tls://dns.google or https://dns.google/dns-query?"],
      ["9.9.9.9@853#dns.quad9.net", "did you mean tls://9.9.9.9:853#dns.quad9.net?"],
      ["127.0.0.1#5335", "did you mean 127.0.0.1:5335?"],
      ["2620:fe::fe@53", "did you mean [2620:fe::fe]:53?"],
      ["1.1.1.1:0", "a port from 1 to 65535"],
      ["1.1.1.1:99999", "a port is from 1 to 65535"]
    ])
  )

  it.effect("is the code of the option that marks this server's own queries, for another option", () =>
    Effect.gen(function* () {
      const why = "another code: queries of this server itself are marked by this one"
      assert.strictEqual(yield* said("DNS_SERVER_TRACE_CONTEXT_OPTION", "65314"), why)
      assert.include(yield* said("DNS_SERVER_TRACE_CONTEXT_OPTION", "8"), "from 65001 to 65534")
    })
  )

  it.effect("in a setting's name names the nearest, and shows nothing of its value", () =>
    Effect.gen(function* () {
      const lines = yield* linesOf(
        [
          "retires: 3",
          "cache-size-mb: 4",
          "maxQueuedQueries: 5",
          "DNS_SERVER_RETRIES: 3",
          "upstream: 192.0.2.1",
          "cache: { size_mb: 4 }",
          "redis_ulr: redis://:hunter2@redis.example",
          "colour: hunter2"
        ].join("\n")
      )
      const names = lines.map((line) => /there is none named (.*)$/.exec(line)?.[1])
      assert.deepStrictEqual(names, [
        "retires: did you mean retries?",
        "cache-size-mb: did you mean cache_size_mb?",
        "maxQueuedQueries: did you mean max_queued_queries?",
        "DNS_SERVER_RETRIES: did you mean retries?",
        "upstream: did you mean upstreams?",
        "cache: did you mean cache_size_mb? Settings stand side by side",
        "redis_ulr: did you mean redis_url?",
        "colour"
      ])
      assert.notInclude(lines.join("\n"), "hunter2")
    })
  )
})
