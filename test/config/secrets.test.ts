import { assert, describe, it } from "@effect/vitest"
import { Effect, Result } from "effect"
import { readUpstreamAddress } from "../../src/config/codec/upstream.ts"
import { formatUpstream, nameUpstream } from "../../src/config/codec/upstream-address.ts"
import { shown } from "../../src/config/configuration.ts"
import { linesOf, loaded, mistakesIn, UPSTREAM } from "../support/servers/loading.ts"
import { stampOf } from "../support/wire/stamps.ts"

/** None of it may be seen anywhere. */
const SECRET = /hunter2|d2a9c1|toke/

describe("what is secret in a setting", () => {
  it("is not shown: user and password, query, and path segments that say who asks", () => {
    for (const [name, text, expected] of [
      ["redisUrl", "rediss://strand:hunter2@redis.example:6380/2", "rediss://…@redis.example:6380/2"],
      ["redisUrl", "redis://:p@hunter2@redis.example", "redis://…@redis.example"],
      ["otelEndpoint", "https://u:hunter2@otel.example/otlp?key=token", "https://…@otel.example/otlp?…"],
      ["otelEndpoint", "https://otel.example/d2a9c1hunter2/v1/traces", "https://otel.example/d2…/v1/traces"],
      ["otelEndpoint", "http://localhost:4318", "http://localhost:4318"],
      ["upstreams", "https://dns.example/d2a9c1*3@52.5/13.4", "https://dns.example/d2…*3@52.5/13.4"],
      [
        "upstreams",
        "https://dns.example/dns-query/d2a9c1#dns.example",
        "https://dns.example/dns-query/d2…#dns.example"
      ],
      ["upstreams", "https://dns.example/dns-query?token=hunter2", "https://dns.example/dns-query?…"],
      ["upstreams", "https://dns.example/d2a9c1{?dns}#dns.example", "https://dns.example/d2…{?dns}#dns.example"],
      ["upstreams", "tls://192.0.2.1#dns.example", "tls://192.0.2.1#dns.example"],
      ["upstreams", "192.0.2.1*3@52.5/13.4", "192.0.2.1*3@52.5/13.4"],
      [
        "groups",
        "a=192.0.2.1 https://dns.example/d2a9c1 policy=hash",
        "a=192.0.2.1 https://dns.example/d2… policy=hash"
      ],
      ["groups", "a = dns.example/d2a9c1 192.0.2.1*3 policy=hash", "a = dns.example/d2… 192.0.2.1*3 policy=hash"],
      ["groups", "a=dns.example/d2a9c1", "a=dns.example/d2…"]
    ] as const) {
      assert.strictEqual(shown(name, text), expected)
      assert.notMatch(shown(name, text) ?? "", SECRET)
    }
  })

  it("is not in an upstream's name in logs and traces, nor in a stamp that holds it", () => {
    const upstream = Result.getOrThrow(readUpstreamAddress("https://dns.example/d2a9c1?token=hunter2"))
    assert.strictEqual(nameUpstream(upstream), "https://dns.example:443/d2…?…")
    // What tells it from others is all of it.
    assert.include(formatUpstream(upstream), "d2a9c1")
    for (const host of ["a.b", "dns.example"]) {
      const stamp = stampOf(0x02, ["", [], host, "/hunter2/d2a9c1"])
      const seen = shown("upstreams", stamp) ?? ""
      const octets = Buffer.from(seen.slice("sdns://".length, -1), "base64url").toString("latin1")
      assert.notInclude(octets, "/h")
    }
  })

  it.effect("is not in a mistake either, however the value is mistyped", () =>
    Effect.gen(function* () {
      for (const [variable, value] of [
        ["DNS_SERVER_REDIS_URL", "redis//:hunter2@redis.example"],
        ["DNS_SERVER_REDIS_URL", "redis://:hunter2#redis.example"],
        ["DNS_SERVER_REDIS_URL", "hunter2"],
        ["DNS_SERVER_REDIS_URL", "redis://redis.example:6379?password=hunter2"],
        ["OTEL_EXPORTER_OTLP_ENDPOINT", "otel.example/hunter2"],
        ["OTEL_EXPORTER_OTLP_ENDPOINT", "hunter2:hunter2@otel.example:4318"],
        ["OTEL_EXPORTER_OTLP_ENDPOINT", "ftp://u:hunter2@otel.example"],
        ["DNS_SERVER_UPSTREAMS", "http://u:hunter2@dns.example/d2a9c1"],
        ["DNS_SERVER_UPSTREAMS", "https:/u:hunter2@dns.example/d2a9c1"],
        ["DNS_SERVER_UPSTREAMS", "https://u:hunter2@dns.example/d2a9c1"],
        ["DNS_SERVER_UPSTREAMS", "dns.example/d2a9c1"],
        ["DNS_SERVER_UPSTREAMS", "udp://u:hunter2@192.0.2.1/d2a9c1"],
        ["DNS_SERVER_UPSTREAMS", "doh://dns.example/d2a9c1?token"],
        ["DNS_SERVER_GROUPS", "a=192.0.2.1 http://u:hunter2@dns.example/d2a9c1"],
        ["DNS_SERVER_GROUPS", "a=https://u:hunter2@dns.example/d2a9c1"],
        ["DNS_SERVER_BOOTSTRAP", "https://u:hunter2@dns.example/d2a9c1"],
        ["DNS_SERVER_LISTEN", "https://u:hunter2@dns.example/d2a9c1"]
      ] as const) {
        const said = yield* Effect.match(loaded({ ...UPSTREAM, [variable]: value }), {
          onFailure: ({ message }) => message,
          onSuccess: ({ warnings }) => warnings.join("\n")
        })
        assert.include(said, variable)
        assert.notMatch(said, SECRET, value)
      }
    })
  )

  it.effect("is not in a mistake of the file's form", () =>
    Effect.gen(function* () {
      const lines = yield* linesOf(`
redis_url: [redis://:hunter2@redis.example]
otel_endpoint: { url: https://u:hunter2@otel.example }
redis_pass: hunter2
retries: { hunter2: 1 }
upstreams: [{ address: [https://dns.example/d2a9c1] }]
groups: [{ a: https://dns.example/d2a9c1 }]
`)
      assert.strictEqual(lines.length, 6)
      assert.notMatch(lines.join("\n"), SECRET)
    })
  )

  it.effect("is not in what is warned of", () =>
    Effect.gen(function* () {
      const { warnings } = yield* loaded({
        DNS_SERVER_UPSTREAMS: "https://192.168.1.1/d2a9c1,https://192.168.1.1/d2a9c1",
        DNS_SERVER_REDIS_URL: "redis://:hunter2@redis.example",
        DNS_SERVER_ENABLE_CACHING: "false"
      })
      assert.isAtLeast(warnings.length, 3)
      assert.notMatch(warnings.join("\n"), SECRET)
    })
  )

  it.effect("or long, or breaks the line, is shown short and in one line", () =>
    Effect.gen(function* () {
      const [mistake] = yield* mistakesIn({ ...UPSTREAM, DNS_SERVER_RETRIES: `a\n\u001b[31m${"b".repeat(5_000)}` })
      assert.isBelow(mistake?.value?.length ?? 0, 400)
      assert.notMatch(mistake?.value ?? "", /\p{Cc}/u)
    })
  )
})
