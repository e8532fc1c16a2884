/** What a start says that cannot listen. */
import { spawnSync } from "node:child_process"
import { readFileSync } from "node:fs"
import { networkInterfaces } from "node:os"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { findTool } from "../support/external/tools.ts"
import { freePort } from "../support/machine/ports.ts"
import { start, startListening } from "../support/servers/process.ts"
import { addressesOf, ask } from "../support/servers/server.ts"
import { address, fakeUpstream } from "../support/upstreams/fake-upstream.ts"

const upstreams = { DNS_SERVER_UPSTREAMS: "192.0.2.53" }
const isLinux = process.platform === "linux"
const hasIPv6 = Object.values(networkInterfaces()).some((own) => own?.some((one) => one.address === "::1"))

/** The lines of a start that fails. */
const failure = (environment: Record<string, string>) =>
  Effect.gen(function* () {
    const server = yield* start({ ...upstreams, ...environment })
    assert.strictEqual(yield* Effect.promise(() => server.exit), 1)
    assert.notInclude(server.output(), "    at ")
    return server.output().trim().split("\n")
  })

const ways = ["1", "3"].flatMap((workers) =>
  ["auto", "portable"].map((datagrams) => ({ DNS_SERVER_WORKERS: workers, DNS_SERVER_DATAGRAMS: datagrams }))
)

/** What all addresses at once can be listened at by: not by datagrams the portable way. */
const wildcardBy = (way: (typeof ways)[number]): string => (way.DNS_SERVER_DATAGRAMS === "portable" ? "tcp" : "udp")

describe("a second server at the port of the first", () => {
  for (const way of ways) {
    const how = `${way.DNS_SERVER_WORKERS} workers, ${way.DNS_SERVER_DATAGRAMS} datagrams`
    it.live(`is refused with who holds it, at the same address and at all of them (${how})`, () =>
      Effect.gen(function* () {
        const upstream = yield* fakeUpstream(address("192.0.2.1"))
        const first = yield* startListening({ ...way, DNS_SERVER_UPSTREAMS: upstream.address })
        const holder = isLinux ? `(process ${first.child.pid})` : "in use"
        for (const listen of [`127.0.0.1:${first.port}`, `${wildcardBy(way)}://0.0.0.0:${first.port}`]) {
          const lines = yield* failure({ ...way, DNS_SERVER_LISTEN: listen })
          assert.strictEqual(lines.length, 1, lines.join("\n"))
          assert.match(lines[0]!, /^listen: .*EADDRINUSE/)
          assert.include(lines[0], holder)
        }
        assert.deepStrictEqual(addressesOf(yield* ask(first.port, { name: "www.example.test" })), ["192.0.2.1"])
        // Beside it there is room.
        yield* startListening({ ...way, ...upstreams, DNS_SERVER_LISTEN: `127.0.0.1:0,127.0.0.2:${first.port}` })
      })
    )
  }

  it.live("is refused too when both start at once", () =>
    Effect.gen(function* () {
      const port = yield* freePort
      const settings = { ...upstreams, DNS_SERVER_LISTEN: `127.0.0.1:${port}`, DNS_SERVER_WORKERS: "2" }
      const started = yield* Effect.all([start(settings), start(settings), start(settings)])
      const isDecided = (server: (typeof started)[number]): boolean =>
        server.child.exitCode !== null || server.output().includes(" answers")
      while (!started.every(isDecided)) yield* Effect.sleep(20)
      assert.isAtMost(started.filter(({ child }) => child.exitCode === null).length, 1)
    })
  )
})

describe("addresses that cannot be listened at", () => {
  for (const way of ways) {
    const how = `${way.DNS_SERVER_WORKERS} workers, ${way.DNS_SERVER_DATAGRAMS} datagrams`
    it.live(`are all named at once, each with its reason (${how})`, () =>
      Effect.gen(function* () {
        const taken = yield* fakeUpstream(address("192.0.2.1"))
        const port = yield* freePort
        const protocol = wildcardBy(way)
        const wildcard = `${protocol}://0.0.0.0:${port}`
        const listen = ["127.0.0.1:0", "192.0.2.77:5300", taken.address, wildcard, `${protocol}://127.0.0.9:${port}`]
        const lines = yield* failure({ ...way, DNS_SERVER_LISTEN: listen.join() })
        assert.strictEqual(lines.length, 4, lines.join("\n"))
        assert.strictEqual(lines[0], "listen: 3 addresses cannot be listened at:")
        assert.match(lines[1]!, /^ {2}192\.0\.2\.77:5300 \(UDP and TCP\): EADDRNOTAVAIL: no interface of this machine/)
        assert.include(lines[2], `${taken.address} (UDP and TCP): EADDRINUSE: in use by`)
        assert.strictEqual(
          lines[3],
          `  127.0.0.9:${port} (${protocol.toUpperCase()}): 0.0.0.0:${port}, which is in the list too, covers it`
        )
      })
    )
  }

  it.live.skipIf(!hasIPv6)("are explained for IPv6: no such interface, none given, not of this machine", () =>
    Effect.gen(function* () {
      const lines = yield* failure({
        DNS_SERVER_LISTEN: "[fe80::1%none0]:5300,[fe80::5]:5300,tcp://[2001:db8::1]:5300"
      })
      assert.match(lines[1]!, /\[fe80::1%none0\]:5300 \(UDP and TCP\): E[A-Z]+: there is no interface none0/)
      assert.match(lines[2]!, /\[fe80::5\]:5300 .*a link-local address needs its interface behind it: fe80::5%/)
      assert.match(lines[3]!, /\[2001:db8::1\]:5300 \(TCP\): EADDRNOTAVAIL: no interface of this machine/)
    })
  )

  // Root needs no permission, unless it is taken from it.
  const setpriv = process.getuid?.() === 0 ? findTool("setpriv") : "env"
  const firstFree = isLinux ? Number(readFileSync("/proc/sys/net/ipv4/ip_unprivileged_port_start", "utf8")) : 0
  for (const port of [53, 1]) {
    it.skipIf(firstFree <= port || setpriv === undefined)(
      `below ${firstFree} are explained with what allows ${port}`,
      () => {
        const less = setpriv === "env" ? [] : ["--bounding-set=-net_bind_service", "--inh-caps=-net_bind_service"]
        const { status, stderr } = spawnSync(setpriv!, [...less, process.execPath, "dist/main.js"], {
          encoding: "utf8",
          env: { ...process.env, ...upstreams, DNS_SERVER_LISTEN: `127.0.0.1:${port}` }
        })
        assert.strictEqual(status, 1)
        assert.match(stderr, /^listen: 127.0.0.1:\d+ \(UDP and TCP\): EACCES: ports below/)
        assert.include(stderr, `net.ipv4.ip_unprivileged_port_start=${port}`)
        assert.match(stderr, /setcap cap_net_bind_service.*AmbientCapabilities=CAP_NET_BIND_SERVICE/)
      }
    )
  }
})
