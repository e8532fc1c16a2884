import { createSocket } from "node:dgram"
import { connect, isIPv6 } from "node:net"
import { networkInterfaces } from "node:os"
import { assert, describe, it } from "@effect/vitest"
import packet, { type DecodedPacket } from "dns-packet"
import { Effect, type Scope } from "effect"
import { onReply } from "../support/clients/udp-client.ts"
import { freePort } from "../support/machine/ports.ts"
import {
  addressesOf,
  datagramsOfRun,
  encodeQuestion,
  type RunningServer,
  rcodeOf,
  startServer
} from "../support/servers/server.ts"
import { address, fakeUpstream, framed } from "../support/upstreams/fake-upstream.ts"

const message = encodeQuestion({ name: "www.example.test" }, 77)

const askUdp = (host: string, port: number, from?: string): Effect.Effect<DecodedPacket> =>
  Effect.callback<Buffer>((resume) => {
    const socket = createSocket(isIPv6(host.split("%")[0]!) ? "udp6" : "udp4")
    onReply(socket, port, (octets) => resume(Effect.succeed(octets)))
    socket.bind({ port: 0, ...(from === undefined ? {} : { address: from }) }, () => socket.send(message, port, host))
    return Effect.sync(() => socket.close())
  }).pipe(Effect.map(packet.decode), Effect.timeout(60_000), Effect.orDie)

const askTcp = (host: string, port: number): Effect.Effect<DecodedPacket> =>
  Effect.callback<Buffer>((resume) => {
    const socket = connect(port, host)
    socket.on("data", (octets: Buffer) => resume(Effect.succeed(octets.subarray(2))))
    socket.on("error", (error) => resume(Effect.die(error)))
    socket.write(framed(message))
    return Effect.sync(() => socket.destroy())
  }).pipe(Effect.map(packet.decode), Effect.timeout(60_000), Effect.orDie)

const serve = (settings: Record<string, string>): Effect.Effect<RunningServer, never, Scope.Scope> =>
  Effect.flatMap(fakeUpstream(address("192.0.2.1")), (upstream) =>
    startServer({ DNS_SERVER_UPSTREAMS: upstream.address, ...settings })
  )

const own = Object.entries(networkInterfaces()).flatMap(([name, addresses = []]) =>
  addresses.map((entry) => ({ ...entry, interface: name }))
)
const hasIPv6 = own.some((entry) => entry.address === "::1")
const linkLocal = own.find((entry) => entry.family === "IPv6" && entry.address.startsWith("fe80:"))
const scoped = `${linkLocal?.address}%${linkLocal?.interface}`

describe.skipIf(!hasIPv6)("over IPv6", () => {
  it.live("queries to [::1] are answered, by UDP and TCP", () =>
    Effect.gen(function* () {
      const { port } = yield* serve({ DNS_SERVER_LISTEN: "[::1]:0" })
      assert.deepStrictEqual(addressesOf(yield* askUdp("::1", port)), ["192.0.2.1"])
      assert.deepStrictEqual(addressesOf(yield* askTcp("::1", port)), ["192.0.2.1"])
    })
  )

  // Not the portable way: it could not answer from the address that was asked.
  it.live.skipIf(datagramsOfRun["DNS_SERVER_DATAGRAMS"] === "portable")(
    "[::] is all of IPv6 and nothing of IPv4: 0.0.0.0 may stand beside it at the same port",
    () =>
      Effect.gen(function* () {
        const port = yield* freePort
        yield* serve({ DNS_SERVER_LISTEN: `[::]:${port}` })
        assert.deepStrictEqual(addressesOf(yield* askUdp("::1", port)), ["192.0.2.1"])
        assert.deepStrictEqual(addressesOf(yield* askTcp("::1", port)), ["192.0.2.1"])
        const beside = yield* serve({ DNS_SERVER_LISTEN: `0.0.0.0:${port}` })
        assert.deepStrictEqual(addressesOf(yield* askUdp("127.0.0.1", beside.port)), ["192.0.2.1"])
        assert.deepStrictEqual(addressesOf(yield* askTcp("127.0.0.1", beside.port)), ["192.0.2.1"])
        assert.isAtLeast(beside.counters.read("queries.udp"), 1)
      })
  )

  it.live("several listeners answer at once, each by its protocols", () =>
    Effect.gen(function* () {
      const { listening } = yield* serve({ DNS_SERVER_LISTEN: "127.0.0.1:0,[::1]:0,udp://127.0.0.2:0,tcp://[::1]:0" })
      assert.deepStrictEqual(
        listening.map(({ protocol, endpoint }) => `${protocol} ${endpoint.address}`),
        ["udp 127.0.0.1", "tcp 127.0.0.1", "udp ::1", "tcp ::1", "udp 127.0.0.2", "tcp ::1"]
      )
      const answers = yield* Effect.forEach(
        listening,
        ({ protocol, endpoint }) => (protocol === "udp" ? askUdp : askTcp)(endpoint.address, endpoint.port),
        { concurrency: "unbounded" }
      )
      for (const answer of answers) assert.deepStrictEqual(addressesOf(answer), ["192.0.2.1"])
    })
  )

  it.live("upstreams are asked, too", () =>
    Effect.gen(function* () {
      const behind = yield* serve({ DNS_SERVER_LISTEN: "[::1]:0" })
      for (const scheme of ["udp", "tcp"]) {
        const server = yield* startServer({ DNS_SERVER_UPSTREAMS: `${scheme}://[::1]:${behind.port}` })
        assert.deepStrictEqual(addressesOf(yield* server.ask({ name: `${scheme}.example.test` })), ["192.0.2.1"])
      }
    })
  )

  const cases: ReadonlyArray<readonly [allow: string, over4: string, over6: string]> = [
    ["::1", "REFUSED", "NOERROR"],
    ["::/0", "REFUSED", "NOERROR"],
    ["0.0.0.0/0", "NOERROR", "REFUSED"],
    ["127.0.0.0/8", "NOERROR", "REFUSED"],
    ["2001:db8::/32", "REFUSED", "REFUSED"],
    ["::/127,127.0.0.1", "NOERROR", "NOERROR"],
    ["::ffff:127.0.0.1", "NOERROR", "REFUSED"],
    ["::ffff:127.0.0.0/104", "NOERROR", "REFUSED"]
  ]
  for (const [allow, over4, over6] of cases) {
    it.live(`of those who may ask, ${allow} names the right ones`, () =>
      Effect.gen(function* () {
        const { listening } = yield* serve({ DNS_SERVER_LISTEN: "127.0.0.1:0,[::1]:0", DNS_SERVER_ALLOW: allow })
        const [udp4, tcp4, udp6, tcp6] = listening.map(({ endpoint }) => endpoint.port)
        assert.deepStrictEqual(
          [
            rcodeOf(yield* askUdp("127.0.0.1", udp4!)),
            rcodeOf(yield* askTcp("127.0.0.1", tcp4!)),
            rcodeOf(yield* askUdp("::1", udp6!)),
            rcodeOf(yield* askTcp("::1", tcp6!))
          ],
          [over4, over4, over6, over6]
        )
      })
    )
  }
})

describe.skipIf(linkLocal === undefined)("over a link-local address with its scope", () => {
  it.live("queries are answered, by UDP and TCP", () =>
    Effect.gen(function* () {
      const { listening } = yield* serve({ DNS_SERVER_LISTEN: `[${scoped}]:0` })
      const [udp, tcp] = listening.map(({ endpoint }) => endpoint.port)
      assert.deepStrictEqual(addressesOf(yield* askUdp(scoped, udp!)), ["192.0.2.1"])
      assert.deepStrictEqual(addressesOf(yield* askTcp(scoped, tcp!)), ["192.0.2.1"])
    })
  )

  it.live("clients are known by their network, whatever their scope", () =>
    Effect.gen(function* () {
      const allowed = yield* serve({ DNS_SERVER_LISTEN: `[${scoped}]:0`, DNS_SERVER_ALLOW: "fe80::/10" })
      assert.strictEqual(rcodeOf(yield* askUdp(scoped, allowed.port)), "NOERROR")
      const denied = yield* serve({ DNS_SERVER_LISTEN: `[${scoped}]:0`, DNS_SERVER_ALLOW: "::1,127.0.0.0/8" })
      assert.strictEqual(rcodeOf(yield* askUdp(scoped, denied.port)), "REFUSED")
      assert.strictEqual(rcodeOf(yield* askTcp(scoped, denied.listening[1]!.endpoint.port)), "REFUSED")
    })
  )

  it.live("upstreams are asked", () =>
    Effect.gen(function* () {
      const behind = yield* serve({ DNS_SERVER_LISTEN: `[${scoped}]:0` })
      const server = yield* startServer({ DNS_SERVER_UPSTREAMS: `[${scoped}]:${behind.port}` })
      assert.deepStrictEqual(addressesOf(yield* server.ask({ name: "www.example.test" })), ["192.0.2.1"])
    })
  )
})
