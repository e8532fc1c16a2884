import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { shown } from "../../src/config/configuration.ts"
import { systemResolvers } from "../../src/config/sources/resolv-conf.ts"
import { fileWith } from "../support/machine/files.ts"
import { loaded, mistakesIn, UPSTREAM } from "../support/servers/loading.ts"

describe("load", () => {
  it.effect("takes the defaults where nothing is said", () =>
    Effect.gen(function* () {
      const { settings, given } = yield* loaded(UPSTREAM)
      assert.strictEqual(settings.queryTimeoutSecs, 5)
      assert.strictEqual(settings.maxQueuedQueries, settings.maxConcurrentQueries)
      assert.deepStrictEqual(settings.upstreams, [{ protocol: "udp", endpoint: { address: "192.0.2.53", port: 53 } }])
      assert.strictEqual(given.get("retries")?.source, "default")
    })
  )

  it.effect("wants a database where something is asked of places, and one that is one", () =>
    Effect.gen(function* () {
      const asking = { DNS_SERVER_GROUPS: "near=192.0.2.1 policy=geo", DNS_SERVER_RULES: "country:DE -> near" }
      const without = yield* mistakesIn({ ...UPSTREAM, ...asking })
      assert.deepStrictEqual(
        without.map(({ place }) => place),
        ["DNS_SERVER_RULES", "DNS_SERVER_GROUPS"]
      )
      const file = yield* fileWith("no database")
      for (const wrong of [file, `${file}.gone`]) {
        const [mistake] = yield* mistakesIn({ ...UPSTREAM, ...asking, DNS_SERVER_GEO_DATABASE: wrong })
        assert.strictEqual(mistake?.place, "DNS_SERVER_GEO_DATABASE")
        assert.include(mistake?.expected, "MaxMind database")
      }
    })
  )

  it.effect("reads where Redis is, and shows nothing secret of it", () =>
    Effect.gen(function* () {
      const url = "rediss://strand:p%40ss@redis.example:6380/2"
      const { settings, given } = yield* loaded({ ...UPSTREAM, DNS_SERVER_REDIS_URL: url })
      assert.deepStrictEqual(settings.redisUrl, {
        isEncrypted: true,
        host: "redis.example",
        port: 6380,
        username: "strand",
        password: "p@ss",
        database: 2
      })
      assert.strictEqual(shown("redisUrl", given.get("redisUrl")!.value), "rediss://…@redis.example:6380/2")
      const plain = yield* loaded({ ...UPSTREAM, DNS_SERVER_REDIS_URL: "redis://[::1]" })
      assert.strictEqual(plain.settings.redisUrl?.host, "::1")
      assert.strictEqual(plain.settings.redisUrl?.port, 6379)
      for (const wrong of [
        "redis.example:6379",
        "http://:secret@redis.example",
        "redis://:secret@redis.example/x",
        "redis://:sec%ret@redis.example",
        "redis://:secret@",
        "redis://u:sec/ret@redis.example:99999"
      ]) {
        const [mistake] = yield* mistakesIn({ ...UPSTREAM, DNS_SERVER_REDIS_URL: wrong })
        assert.include(mistake?.expected, "redis://")
        assert.notInclude(mistake?.value, "sec")
      }
    })
  )

  it.effect("lets the file win over defaults and the environment over both", () =>
    Effect.gen(function* () {
      const file = yield* fileWith("retries: 5\nslow_query_ms: 300\nupstreams: [192.0.2.1, 'tcp://192.0.2.2:5353']\n")
      const { settings, given } = yield* loaded({ DNS_SERVER_RETRIES: "7" }, file)
      assert.strictEqual(settings.retries, 7)
      assert.strictEqual(settings.slowQueryMs, 300)
      assert.strictEqual(settings.attemptTimeoutMs, 800)
      assert.deepStrictEqual(
        settings.upstreams.map(({ protocol, endpoint }) => `${protocol} ${endpoint.address} ${endpoint.port}`),
        ["udp 192.0.2.1 53", "tcp 192.0.2.2 5353"]
      )
      assert.strictEqual(given.get("retries")?.place, "DNS_SERVER_RETRIES")
      assert.strictEqual(given.get("slowQueryMs")?.place, `${file}: slow_query_ms`)
    })
  )

  it.effect("takes an empty variable for none", () =>
    Effect.gen(function* () {
      assert.strictEqual((yield* loaded({ ...UPSTREAM, DNS_SERVER_RETRIES: " " })).settings.retries, 2)
    })
  )

  it.effect("says all mistakes of all sources at once, with place, value and what was expected", () =>
    Effect.gen(function* () {
      const file = yield* fileWith("retires: 3\nretries: [1]\ncache_size_mb: lots\n")
      const mistakes = yield* mistakesIn(
        { DNS_SERVER_UPSTREAMS: "192.0.2.53, dns.example", DNS_SERVER_DENY_ACTION: "tarpit" },
        file
      )
      const said = mistakes.map(({ place, value }) => `${place}=${value}`).sort()
      assert.deepStrictEqual(
        said,
        [
          `${file}:1:1: retires=undefined`,
          `${file}:2:10: retries=undefined`,
          `${file}:3:16: cache_size_mb=lots`,
          "DNS_SERVER_UPSTREAMS=dns.example",
          "DNS_SERVER_DENY_ACTION=tarpit"
        ].sort()
      )
      const expected = new Map(mistakes.map((mistake) => [mistake.value, mistake.expected]))
      assert.strictEqual(expected.get("tarpit"), "one of refuse, drop")
      assert.strictEqual(expected.get("lots"), "an integer from 1 to 16384")
    })
  )

  it.effect("says of a file that is not there that it is not there", () =>
    Effect.gen(function* () {
      const [mistake] = yield* mistakesIn(UPSTREAM, "/nowhere/strand.yaml")
      assert.strictEqual(mistake?.place, "/nowhere/strand.yaml")
      assert.include(mistake?.expected, "ENOENT")
    })
  )

  it.effect("refuses to forward to itself", () =>
    Effect.gen(function* () {
      for (const [listen, upstream] of [
        ["127.0.0.1:5300", "127.0.0.1:5300"],
        ["0.0.0.0:5300", "127.0.0.1:5300"],
        ["[::]:5300", "[::1]:5300"]
      ] as const) {
        const mistakes = yield* mistakesIn({ DNS_SERVER_LISTEN: listen, DNS_SERVER_UPSTREAMS: upstream })
        assert.deepStrictEqual(
          mistakes.map(({ place, value }) => [place, value]),
          [["DNS_SERVER_UPSTREAMS", upstream]]
        )
      }
      yield* loaded({ DNS_SERVER_LISTEN: "127.0.0.1:5300", DNS_SERVER_UPSTREAMS: "127.0.0.1:5301" })
    })
  )

  it.effect(
    "refuses to receive datagrams at all addresses the portable way, which cannot answer from the one asked",
    () =>
      Effect.gen(function* () {
        for (const listen of ["0.0.0.0:53", "udp://0.0.0.0:53", "[::]:53", "udp://[::]:53"]) {
          const mistakes = yield* mistakesIn({
            ...UPSTREAM,
            DNS_SERVER_DATAGRAMS: "portable",
            DNS_SERVER_LISTEN: `127.0.0.1:53,${listen}`
          })
          assert.strictEqual(mistakes.length, 1)
          assert.strictEqual(mistakes[0]!.place, "DNS_SERVER_LISTEN")
          assert.match(mistakes[0]!.expected, /^addresses one by one, or tcp:\/\/.* datagrams: portable/)
        }
        yield* loaded({ ...UPSTREAM, DNS_SERVER_DATAGRAMS: "portable", DNS_SERVER_LISTEN: "tcp://0.0.0.0:53,[::1]:53" })
        for (const datagrams of ["auto", "batched"]) {
          yield* loaded({ ...UPSTREAM, DNS_SERVER_DATAGRAMS: datagrams, DNS_SERVER_LISTEN: "0.0.0.0:53,[::]:53" })
        }
      })
  )

  it.effect("says what to do where the system's resolver is this server itself, or nobody", () =>
    Effect.gen(function* () {
      const { addresses } = yield* systemResolvers()
      const [mistake] = yield* mistakesIn({ DNS_SERVER_LISTEN: addresses[0] ?? "127.0.0.1:5300" })
      assert.strictEqual(mistake?.place, "upstreams (the system's resolvers)")
      assert.match(mistake?.expected ?? "", /resolv\.conf names this server, so upstreams has to name|it names none/)
    })
  )

  it.effect("knows its own address however it is written, and an address that is nobody's", () =>
    Effect.gen(function* () {
      for (const [listen, upstream] of [
        ["[::1]:53", "0:0:0:0:0:0:0:1"],
        ["127.0.0.1:53", "::ffff:127.0.0.1"],
        ["127.0.0.1:53", "0.0.0.0"]
      ] as const) {
        const mistakes = yield* mistakesIn({ DNS_SERVER_LISTEN: listen, DNS_SERVER_UPSTREAMS: upstream })
        assert.deepStrictEqual(
          mistakes.map(({ place }) => place),
          ["DNS_SERVER_UPSTREAMS"]
        )
      }
    })
  )

  it.effect("refuses TTL bounds that cross, and an address twice", () =>
    Effect.gen(function* () {
      const mistakes = yield* mistakesIn({
        ...UPSTREAM,
        DNS_SERVER_CACHE_MIN_TTL_SECS: "60",
        DNS_SERVER_CACHE_MAX_TTL_SECS: "30",
        DNS_SERVER_LISTEN: "127.0.0.1:5300,udp://127.0.0.1:5300"
      })
      assert.deepStrictEqual(
        mistakes.map(({ place, value }) => [place, value]),
        [
          ["DNS_SERVER_CACHE_MIN_TTL_SECS", "60"],
          ["DNS_SERVER_LISTEN", "udp://127.0.0.1:5300"]
        ]
      )
    })
  )

  it.effect("reads groups, rules and weights from maps in the file, and from texts in the environment alike", () =>
    Effect.gen(function* () {
      const file = yield* fileWith(`
upstreams:
  - { address: 192.0.2.1, weight: 3 }
  - 192.0.2.2
groups:
  corp: { upstreams: [10.1.0.1, { address: 10.1.0.2, weight: 2 }], policy: ordered }
  kids: { upstreams: [10.9.0.1] }
rules:
  - { suffix: corp.example, except: [public.corp.example], group: corp }
  - { client: 10.1.0.0/16, group: kids }
`)
      const ofFile = yield* loaded({}, file)
      const ofEnvironment = yield* loaded({
        DNS_SERVER_UPSTREAMS: "192.0.2.1*3,192.0.2.2",
        DNS_SERVER_GROUPS: "corp=10.1.0.1 10.1.0.2*2 policy=ordered, kids=10.9.0.1",
        DNS_SERVER_RULES: "corp.example !public.corp.example -> corp, client:10.1.0.0/16 -> kids"
      })
      const { upstreams, groups, rules } = ofFile.settings
      assert.deepStrictEqual(
        upstreams.map(({ weight }) => weight),
        [3, undefined]
      )
      assert.deepStrictEqual(
        groups.map(({ name, policy, upstreams: members }) => [name, policy, members.length]),
        [
          ["corp", "ordered", 2],
          ["kids", "fastest", 1]
        ]
      )
      assert.deepStrictEqual(groups, ofEnvironment.settings.groups)
      assert.deepStrictEqual(
        rules.map(({ group }) => group),
        ["corp", "kids"]
      )
    })
  )

  it.effect("says all that is wrong with groups and rules at once", () =>
    Effect.gen(function* () {
      const mistakes = yield* mistakesIn({
        ...UPSTREAM,
        DNS_SERVER_GROUPS: "corp=10.1.0.1 policy=best, lab=, kids=10.9.0.1",
        DNS_SERVER_RULES: "a..b -> corp, -> kids"
      })
      assert.deepStrictEqual(
        mistakes.map(({ place, value }) => [place, value]),
        [
          ["DNS_SERVER_GROUPS", "corp=10.1.0.1 policy=best"],
          ["DNS_SERVER_GROUPS", "lab="],
          ["DNS_SERVER_RULES", "a..b -> corp"],
          ["DNS_SERVER_RULES", "-> kids"]
        ]
      )
      const [unknown, ours] = yield* mistakesIn({
        ...UPSTREAM,
        DNS_SERVER_LISTEN: "127.0.0.1:5300",
        DNS_SERVER_GROUPS: "kids=127.0.0.1:5300",
        DNS_SERVER_RULES: "corp.example -> corp"
      }).pipe(Effect.map((found) => [...found].reverse()))
      assert.strictEqual(unknown?.expected, "a group: there are kids")
      assert.strictEqual(ours?.place, "DNS_SERVER_GROUPS")
    })
  )
})
