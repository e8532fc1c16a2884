/** Every setting, changed by the file while the server is asked, there and back, and its effect seen from outside. */
import { createSocket } from "node:dgram"
import { mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs"
import { connect } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import packet, { type DecodedPacket, type OptAnswer, type PacketOpt } from "dns-packet"
import { Effect } from "effect"
import { quantileOf, steadyLoad } from "../support/clients/paced-load.ts"
import { exchangeWithin, onReply, socketAt } from "../support/clients/udp-client.ts"
import { collector } from "../support/external/otlp-collector.ts"
import { redisServer, startRedis } from "../support/external/redis.ts"
import { freePort } from "../support/machine/ports.ts"
import { startListening } from "../support/servers/process.ts"
import { addressesOf, encodeQuestion, rcodeOf } from "../support/servers/server.ts"
import { address, type FakeUpstream, fakeUpstream, nameOf, wireUpstream } from "../support/upstreams/fake-upstream.ts"
import { mirror } from "../support/upstreams/mirror.ts"
import { message, opt, option, question } from "../support/wire/messages.ts"
import { geoDatabase } from "../support/wire/mmdb.ts"

interface Tools {
  readonly port: number
  readonly pid: number
  readonly output: () => string
  readonly fileFor: (name: string, octets: Uint8Array | string) => string
  /** The upstreams: of the load, of others, one that is silent. */
  readonly usual: FakeUpstream & { readonly queriesFor: (name: string) => number }
  readonly other: FakeUpstream & { readonly withSubnet: () => number }
  readonly silent: FakeUpstream
  /** An address of loopback at which nobody else listens, whatever port is free at the others. */
  readonly spare: string
  readonly sparePort: number
  readonly collected: () => number
  /** Whether the collector has log lines and metrics. */
  readonly exported: () => boolean
  readonly collectorUrl: string
  readonly redisUrl: string
  readonly redisKeys: Effect.Effect<number>
  readonly newName: () => string
}

/** Asks by UDP, from any address of loopback; undefined where no answer comes in time. */
const askFrom = (
  from: string,
  port: number,
  name: string,
  withinMs = 3_000,
  subnet?: string,
  to = "127.0.0.1"
): Effect.Effect<DecodedPacket | undefined> =>
  Effect.callback<DecodedPacket | undefined>((resume) => {
    const socket = createSocket("udp4")
    const timer = setTimeout(() => resume(Effect.undefined), withinMs)
    onReply(socket, port, (octets) => resume(Effect.succeed(packet.decode(octets))))
    socket.on("error", () => {})
    socket.bind(0, from, () => socket.send(encodeQuestion({ name, edns: ednsFor(subnet) }, 7), port, to))
    return Effect.sync(() => {
      clearTimeout(timer)
      socket.close()
    })
  })

const ednsFor = (subnet: string | undefined): Partial<OptAnswer> =>
  subnet === undefined
    ? {}
    : { options: [{ code: 8, family: 1, sourcePrefixLength: 24, scopePrefixLength: 0, ip: subnet } as PacketOpt] }

/** Asks for anything; undefined where no answer comes in time. */
const reply = (
  port: number,
  asked: { readonly name: string; readonly type?: number; readonly ofClass?: number; readonly options?: Uint8Array }
): Effect.Effect<Buffer | undefined> =>
  Effect.scoped(
    Effect.flatMap(socketAt("127.0.0.1"), (socket) => {
      const { name, type = 1, ofClass = 1, options = [] } = asked
      const query = message({ questions: [question(name, type, ofClass)], additionals: [opt({ options })] })
      return exchangeWithin(socket, port, query, 3_000)
    })
  )

const ask = (port: number, name: string) => askFrom("127.0.0.1", port, name)
const rcodeFrom = (from: string, port: number, name: string, withinMs?: number) =>
  Effect.map(askFrom(from, port, name, withinMs), (answer) => (answer === undefined ? "none" : rcodeOf(answer)))

/** Milliseconds until the server closes a connection on which nothing is sent, or refuses it; 10,000 at most. */
const closedAfterMs = (port: number, host = "127.0.0.1"): Effect.Effect<number> =>
  Effect.callback((resume) => {
    const fromMs = performance.now()
    const socket = connect(port, host)
    const end = (): void => resume(Effect.succeed(performance.now() - fromMs))
    socket.on("close", end)
    socket.on("error", () => {})
    socket.setTimeout(10_000, end)
    return Effect.sync(() => socket.destroy())
  })

const threadsOf = (pid: number): number =>
  readdirSync(`/proc/${pid}/task`).filter((task) => {
    try {
      return readFileSync(`/proc/${pid}/task/${task}/comm`, "utf8").startsWith("worker ")
    } catch {
      return false
    }
  }).length

interface Case {
  /** What the file says in place of nothing, or of what it said. */
  readonly yaml: (tools: Tools) => string
  /** Whether the effect is seen. */
  readonly isSeen: (tools: Tools) => Effect.Effect<boolean>
  /** Where it is not seen without it; not asked where nothing tells. */
  readonly isGone?: (tools: Tools) => Effect.Effect<boolean>
  readonly skip?: boolean
}

const opposite =
  (isSeen: Case["isSeen"]): Case["isSeen"] =>
  (tools) =>
    Effect.map(isSeen(tools), (seen) => !seen)

const both = (yaml: Case["yaml"], isSeen: Case["isSeen"]): Case => ({ yaml, isSeen, isGone: opposite(isSeen) })
const seen = (isSo: () => boolean): Effect.Effect<boolean> => Effect.sync(isSo)
/** Settings that nothing outside tells of at once: that the change is made, and costs nothing. */
const quiet = (yaml: string): Case => ({ yaml: () => yaml, isSeen: () => seen(() => true) })

/** How often the upstream is asked for a name to which it says nothing. */
const timesAsked = (upstream: FakeUpstream, port: number, name: string): Effect.Effect<number> =>
  Effect.gen(function* () {
    const before = upstream.queries()
    yield* askFrom("127.0.0.1", port, name, 8_000)
    return upstream.queries() - before
  })

const TO_SILENT = (tools: Tools): string =>
  `groups: { dead: { upstreams: [${tools.silent.address}] } }\nrules: [{ suffix: dead.test, group: dead }]\n`

/** Where queries are logged to by the case that does. */
let loggedTo = ""

const cases: Readonly<Record<string, Case>> = {
  "listen: another address beside": {
    yaml: ({ port, spare, sparePort }) => `listen: [127.0.0.1:${port}, ${spare}:${sparePort}]`,
    isSeen: ({ spare, sparePort, newName }) =>
      Effect.map(
        askFrom("127.0.0.1", sparePort, newName(), 500, undefined, spare),
        (answer) => answer !== undefined && rcodeOf(answer) === "NOERROR"
      ),
    isGone: ({ spare, sparePort, newName }) =>
      Effect.gen(function* () {
        const answer = yield* askFrom("127.0.0.1", sparePort, newName(), 200, undefined, spare)
        return (yield* closedAfterMs(sparePort, spare)) < 500 && answer === undefined
      })
  },
  "workers: more": {
    yaml: () => "workers: 3",
    isSeen: ({ pid }) => seen(() => threadsOf(pid) === 3),
    isGone: ({ pid }) => seen(() => threadsOf(pid) < 3)
  },
  allow: both(
    () => "allow: [127.0.0.1/32]",
    ({ port, newName }) => Effect.map(rcodeFrom("127.0.0.9", port, newName()), (rcode) => rcode === "REFUSED")
  ),
  deny_action: both(
    () => "allow: [127.0.0.1/32]\ndeny_action: drop",
    ({ port, newName }) => Effect.map(rcodeFrom("127.0.0.9", port, newName(), 300), (rcode) => rcode === "none")
  ),
  upstreams: both(
    ({ usual, other }) => `upstreams: [${usual.address}]\ngroups: { other: { upstreams: [${other.address}] } }
rules: [{ suffix: other.test, group: other }]`,
    ({ port, newName }) =>
      Effect.map(ask(port, `${newName()}.other.test`), (answer) => addressesOf(answer!)[0] === "192.0.2.77")
  ),
  local_answers: both(
    () => 'local_answers: ["nas.own.test A 192.0.2.88"]',
    ({ port }) => Effect.map(ask(port, "nas.own.test"), (answer) => addressesOf(answer!)[0] === "192.0.2.88")
  ),
  special_names: both(
    () => "special_names: [test]",
    ({ port, newName }) =>
      Effect.map(rcodeFrom("127.0.0.1", port, `${newName()}.special.test`), (rcode) => rcode === "NXDOMAIN")
  ),
  query_timeout_secs: both(
    (tools) => `${TO_SILENT(tools)}query_timeout_secs: 0.2`,
    ({ port, newName }) =>
      Effect.map(rcodeFrom("127.0.0.1", port, `${newName()}.dead.test`, 900), (rcode) => rcode === "SERVFAIL")
  ),
  retries: {
    yaml: (tools) => `${TO_SILENT(tools)}query_timeout_secs: 1\nretries: 0`,
    isSeen: ({ port, silent, newName }) =>
      Effect.map(timesAsked(silent, port, `${newName()}.dead.test`), (times) => times === 1)
  },
  attempt_timeout_ms: {
    yaml: (tools) => `${TO_SILENT(tools)}query_timeout_secs: 1\nattempt_timeout_ms: 100`,
    isSeen: ({ port, silent, newName }) =>
      Effect.map(timesAsked(silent, port, `${newName()}.dead.test`), (times) => times > 1)
  },
  enable_caching: both(
    () => "enable_caching: false",
    ({ port, usual }) =>
      Effect.gen(function* () {
        yield* ask(port, "again.own.test")
        const before = usual.queriesFor("again.own.test")
        for (let i = 0; i < 3; i++) yield* ask(port, "again.own.test")
        return usual.queriesFor("again.own.test") >= before + 3
      })
  ),
  cache_max_ttl_secs: both(
    () => "cache_max_ttl_secs: 17",
    ({ port, newName }) =>
      Effect.map(ask(port, newName()), (answer) => (answer!.answers![0] as { ttl?: number }).ttl! <= 17)
  ),
  ecs: both(
    ({ other }) => `groups: { other: { upstreams: [${other.address}] } }
rules: [{ suffix: other.test, group: other, ecs: true }]\necs_trust: [127.0.0.0/8]`,
    ({ port, other, newName }) =>
      Effect.gen(function* () {
        const before = other.withSubnet()
        yield* askFrom("127.0.0.1", port, `${newName()}.other.test`, 3_000, "8.8.8.0")
        return other.withSubnet() > before
      })
  ),
  geo_database: both(
    ({ fileFor, other }) => `geo_database: ${fileFor(
      "places.mmdb",
      geoDatabase({ "127.0.0.0/8": { country: { iso_code: "DE" }, continent: { code: "EU" } } })
    )}
groups: { other: { upstreams: [${other.address}] } }\nrules: [{ suffix: place.test, country: DE, group: other }]`,
    ({ port, newName }) =>
      Effect.map(ask(port, `${newName()}.place.test`), (answer) => addressesOf(answer!)[0] === "192.0.2.77")
  ),
  redis_url: {
    yaml: ({ redisUrl }) => `redis_url: ${redisUrl}`,
    isSeen: ({ port, newName, redisKeys }) =>
      Effect.gen(function* () {
        yield* ask(port, newName())
        return (yield* redisKeys) > 0
      }),
    skip: redisServer === undefined
  },
  "the collector, and sampling": {
    yaml: ({ collectorUrl }) => `otel_endpoint: ${collectorUrl}\notel_protocol: http/json\ntrace_sampling: always`,
    isSeen: ({ collected }) => seen(() => collected() > 0)
  },
  query_log_file: {
    yaml: ({ fileFor }) => {
      loggedTo = fileFor("queries.jsonl", Buffer.alloc(0))
      return `query_log_file: ${loggedTo}\nquery_log_clients: none`
    },
    isSeen: () => seen(() => statSync(loggedTo).size > 0),
    isGone: () =>
      Effect.gen(function* () {
        const before = statSync(loggedTo).size
        yield* Effect.sleep(300)
        return statSync(loggedTo).size === before
      })
  },
  "logs and metrics to the collector": {
    yaml: ({ collectorUrl }) =>
      [
        `otel_endpoint: ${collectorUrl}`,
        "otel_protocol: http/json",
        "otel_logs_exporter: otlp",
        "otel_metrics_exporter: otlp",
        "otel_metric_export_interval: 100"
      ].join("\n"),
    isSeen: ({ exported }) => seen(exported)
  },
  log_level: both(
    () => "log_level: trace",
    ({ port, output, newName }) =>
      Effect.gen(function* () {
        const name = `${newName()}.own.test`
        yield* ask(port, name)
        yield* Effect.sleep(50)
        return output().includes(name)
      })
  ),
  log_format: both(
    () => "log_format: pretty",
    ({ output }) => seen(() => !output().trimEnd().split("\n").at(-1)!.startsWith("{"))
  ),
  any_queries: both(
    () => "any_queries: forward",
    ({ port, newName }) =>
      Effect.map(reply(port, { name: newName(), type: 255 }), (told) => told?.includes("RFC8482") === false)
  ),
  "server_id, server_version": both(
    () => "server_id: somebody\nserver_version: of today",
    ({ port }) =>
      Effect.map(
        reply(port, { name: "id.server", type: 16, ofClass: 3 }),
        (told) => told?.includes("somebody") === true
      )
  ),
  cookies: both(
    () => "cookies: false",
    ({ port }) =>
      Effect.map(
        reply(port, { name: "again.own.test", options: option(10, [1, 2, 3, 4, 5, 6, 7, 8]) }),
        (told) => told !== undefined && !told.includes(Buffer.of(0, 10, 0, 24))
      )
  ),
  rate_limit: both(
    () => "rate_limit: 0.01\nrate_limit_burst: 1\nrate_limit_exempt: 127.0.0.1/32\nrate_limit_action: refuse",
    ({ port }) =>
      Effect.gen(function* () {
        yield* askFrom("127.0.0.9", port, "again.own.test")
        return (yield* rcodeFrom("127.0.0.9", port, "again.own.test")) === "REFUSED"
      })
  ),
  response_rate_limit: both(
    () => `response_rate_limit: 0.01
response_rate_limit_slip: 1
rate_limit_exempt: 127.0.0.1/32
rate_limit_ipv4_prefix: 30
rate_limit_ipv6_prefix: 48`,
    ({ port }) =>
      Effect.gen(function* () {
        yield* askFrom("127.0.0.13", port, "again.own.test")
        return (yield* askFrom("127.0.0.14", port, "again.own.test"))?.flag_tc === true
      })
  ),
  max_amplification: both(
    // The load's answers are shorter.
    () => `max_amplification: 4\nlocal_answers: ['long.own.test TXT "${"x".repeat(250)}"']`,
    ({ port }) => Effect.map(reply(port, { name: "long.own.test", type: 16 }), (told) => ((told?.[2] ?? 0) & 2) !== 0)
  ),
  tcp_max_secs: {
    yaml: () => "tcp_max_secs: 0.3",
    isSeen: ({ port }) => Effect.map(closedAfterMs(port), (ms) => ms < 3_000)
  },
  tcp_idle_timeout_secs: both(
    () => "tcp_idle_timeout_secs: 0.3",
    ({ port }) => Effect.map(closedAfterMs(port), (ms) => ms < 3_000)
  ),
  "what nothing outside tells of at once: connections, permits, the pool": quiet(`
tcp_connection_rate: 1000
tcp_max_queries: 100000
cookie_secrets: [e5e973e5a6b2a43f48e7dc849e37bfcf]
upstream_cookies: false
mix_case: on
rebind_protection: true
rebind_allow_names: [load.example]
rebind_allow_networks: [10.0.0.0/8]
tcp_receive_timeout_secs: 1
tcp_send_timeout_secs: 1
max_tcp_connections: 40
max_tcp_connections_per_client: 20
max_concurrent_queries: 60
max_queued_queries: 900
actor_pool_size: 4
pool_strategy: least-busy
upstream_policy: hash
parallel_upstreams: 3
failover_rcodes: [SERVFAIL]
max_queries_per_upstream: 5000`),
  "and the cache, what is slow, the end, contexts of traces": quiet(`
cache_size_mb: 8
cache_stale_secs: 0
stale_answer: at-once
cache_prefetch: false
cache_min_ttl_secs: 5
cache_max_negative_ttl_secs: 60
slow_query_ms: 5
shutdown_timeout_secs: 1
trust_upstream_ad: true
trace_context_from: 127.0.0.1
trace_context_to: 127.0.0.1
trace_context_option: 65501`)
}

const counting = (behaviour: Parameters<typeof fakeUpstream>[0]) =>
  Effect.gen(function* () {
    let subnets = 0
    const upstream = yield* fakeUpstream((query, transport, count) => {
      const opt = query.additionals?.find(({ type }) => type === "OPT")
      if (opt !== undefined && "options" in opt && opt.options.some(({ code }) => code === 8)) subnets++
      return behaviour(query, transport, count)
    })
    return { ...upstream, withSubnet: () => subnets }
  })

/** Queries a second that the load asks: of names that are cached, and of new ones. */
const CACHED_A_SECOND = 400
const NEW_A_SECOND = 40

describe.concurrent("each setting", () => {
  for (const workers of [1, 2]) {
    it.live(`changes by the file, there and back, and no query is lost (${workers} workers)`, () =>
      Effect.gen(function* () {
        const folder = yield* Effect.acquireRelease(
          Effect.sync(() => mkdtempSync(join(tmpdir(), "strand-live-"))),
          (made) => Effect.sync(() => rmSync(made, { recursive: true }))
        )
        const names = new Map<string, number>()
        const usual = yield* wireUpstream((query, transport, count) => {
          const name = nameOf(packet.decode(query))
          names.set(name, (names.get(name) ?? 0) + 1)
          return mirror(query, transport, count)
        })
        const other = yield* counting(address("192.0.2.77"))
        const silent = yield* fakeUpstream(() => [])
        const otlp = yield* collector()
        const redis = redisServer === undefined ? undefined : yield* startRedis()
        const port = yield* freePort
        const file = join(folder, "strand.yaml")
        const base: Record<string, string> = {
          listen: `127.0.0.1:${port}`,
          workers: String(workers),
          upstreams: usual.address,
          log_format: "json",
          query_timeout_secs: "5"
        }
        const write = (text: string): void => {
          const rest = Object.entries(base).filter(([name]) => !new RegExp(`^${name}:`, "m").test(text))
          writeFileSync(`${file}.new`, `${text}\n${rest.map(([name, value]) => `${name}: ${value}\n`).join("")}`)
          renameSync(`${file}.new`, file)
        }
        write("")
        const unset = { DNS_SERVER_LISTEN: "", DNS_SERVER_WORKERS: "", DNS_SERVER_LOG_FORMAT: "" }
        const server = yield* startListening(unset, ["--config", file])
        let last = 0
        const tools: Tools = {
          port,
          pid: server.child.pid!,
          output: server.output,
          fileFor: (name, octets) => {
            writeFileSync(join(folder, name), octets)
            return join(folder, name)
          },
          usual: Object.assign(usual, { queriesFor: (name: string) => names.get(name) ?? 0 }),
          other,
          silent,
          spare: `127.0.83.${workers}`,
          sparePort: yield* freePort,
          collected: () => otlp.spans.length,
          exported: () => otlp.metrics.length > 0 && otlp.logs.length > 0,
          collectorUrl: otlp.url,
          redisUrl: redis?.url ?? "",
          redisKeys: redis === undefined ? Effect.succeed(0) : Effect.map(redis.command("DBSIZE"), Number),
          newName: () => `new${++last}.own.test`
        }
        const load = yield* steadyLoad(
          port,
          (n) => (n % 10 === 0 ? `miss${n}.load.example` : `hit${n % 50}.load.example`),
          CACHED_A_SECOND + NEW_A_SECOND
        )
        const awaiting = (label: string, isSo: Effect.Effect<boolean>): Effect.Effect<void> =>
          Effect.gen(function* () {
            while (!(yield* isSo)) yield* Effect.sleep(50)
          }).pipe(
            Effect.timeoutOrElse({
              duration: "30 seconds",
              orElse: () => Effect.die(new Error(`never: ${label}\n${server.output().slice(-3_000)}`))
            })
          )
        const startedMs = performance.now()
        const timeline: Array<string> = []
        const changes = (): number => server.output().split(/configuration read again; changed: (?!nothing)/).length - 1
        /** The file is looked at a few times a second; SIGHUP has it read at once. */
        const change = (label: string, text: string, signal?: "SIGHUP"): Effect.Effect<void> =>
          Effect.suspend(() => {
            const before = changes()
            write(text)
            if (signal !== undefined) server.child.kill(signal)
            return awaiting(
              `${label}: it is read`,
              Effect.sync(() => changes() > before)
            )
          })
        for (const [label, { yaml, isSeen, isGone, skip }] of Object.entries(cases)) {
          if (skip === true) continue
          timeline.push(`${Math.round(performance.now() - startedMs)} ${label}`)
          yield* change(label, yaml(tools))
          yield* awaiting(`${label}: is seen`, isSeen(tools))
          yield* change(`${label}, back`, "", "SIGHUP")
          if (isGone !== undefined) yield* awaiting(`${label}: is gone`, isGone(tools))
        }
        const { asked, failed, lost, lostAtMs } = yield* load.stop
        assert.isAbove(asked, 1_000)
        const when = `lost from ${lostAtMs[0]} to ${lostAtMs.at(-1)} ms: ${timeline.join(", ")}`
        assert.deepStrictEqual({ failed, lost }, { failed: 0, lost: 0 }, when)
        assert.notInclude(server.output(), "nothing changed")
        assert.notInclude(server.output(), "is replaced")
        assert.isBelow(quantileOf(yield* load.stop, 0.5), 1_000)
      })
    )
  }
})
