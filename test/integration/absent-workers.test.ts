/** Clients whose worker is away are answered by the others, and a worker that comes back needs no file again. */
import { rmSync, writeFileSync } from "node:fs"
import { assert, describe, it } from "@effect/vitest"
import packet from "dns-packet"
import { Effect } from "effect"
import { openClients } from "../support/clients/clients.ts"
import { replacementsIn, startFaulty } from "../support/faults/faults.ts"
import { awaitDescriptors, descriptorsOf } from "../support/machine/descriptors.ts"
import { fileWith } from "../support/machine/files.ts"
import { addressesOf, askPipelined, encodeQuestion, rcodeOf } from "../support/servers/server.ts"
import { address, fakeUpstream } from "../support/upstreams/fake-upstream.ts"
import { streamUpstream } from "../support/upstreams/stream-upstream.ts"
import { authority } from "../support/wire/certificates.ts"
import { city, geoDatabase } from "../support/wire/mmdb.ts"

/** So many that every worker has some. */
const CLIENTS = 48
const EACH = 5

const hot = encodeQuestion({ name: "www.example.test" }, 1)

describe("a worker that is born again", () => {
  it.live("needs no file: what authorities there are it knows from the start", () =>
    Effect.gen(function* () {
      const trusted = authority()
      const upstream = yield* streamUpstream({ certificate: trusted.issue({ names: ["dns.test"] }) })
      const file = yield* fileWith(trusted.cert, "authority.pem")
      const server = yield* startFaulty({
        DNS_SERVER_UPSTREAMS: `tls://127.0.0.1:${upstream.port}#dns.test`,
        DNS_SERVER_TLS_CA_FILE: file,
        DNS_SERVER_WORKERS: "3"
      })
      rmSync(file)
      for (const worker of [1, 2, 3]) {
        yield* server.cause(worker, worker === 2 ? "exit" : "throw")
        yield* server.awaitReplacements(worker)
      }
      const clients = yield* openClients(server.port, CLIENTS)
      const answers = yield* Effect.forEach(
        clients,
        (client, i) => client.ask(encodeQuestion({ name: `n${i}.example.test` }, i)),
        { concurrency: "unbounded" }
      )
      for (const answer of answers) assert.strictEqual(rcodeOf(packet.decode(answer)), "NOERROR")
      assert.strictEqual(replacementsIn(server.output()), 3)
    })
  )
})

/** Loopback is in this country. */
const inCountry = (country: string): Buffer => geoDatabase({ "127.0.0.0/8": city(country, "EU", 50, 10) })

describe("the database of places", () => {
  it.live("is read once for all workers, and known to one that is born when its file is gone", () =>
    Effect.gen(function* () {
      const file = yield* fileWith("", "places.mmdb")
      writeFileSync(file, inCountry("DE"))
      const server = yield* startFaulty({
        DNS_SERVER_UPSTREAMS: "192.0.2.53",
        DNS_SERVER_GEO_DATABASE: file,
        DNS_SERVER_LOCAL_ANSWERS: ["DE", "FR"]
          .map((country, i) => `www.example.test A 192.0.2.${i + 1} country:${country}`)
          .join(),
        DNS_SERVER_WORKERS: "2"
      })
      const clients = yield* openClients(server.port, CLIENTS)
      const places = Effect.map(
        Effect.forEach(clients, (client) => client.ask(hot), { concurrency: "unbounded" }),
        (answers) => Array.from(new Set(answers.map((answer) => addressesOf(packet.decode(answer))[0])))
      )
      const said = (): number => server.output().split("places are those of").length - 1
      assert.deepStrictEqual(yield* places, ["192.0.2.1"])
      assert.strictEqual(said(), 1)
      writeFileSync(file, inCountry("FR"))
      while (said() < 2) yield* Effect.sleep(50)
      assert.deepStrictEqual(yield* places, ["192.0.2.2"])
      rmSync(file)
      for (const worker of [1, 2]) {
        yield* server.cause(worker, "throw")
        yield* server.awaitReplacements(worker)
      }
      assert.deepStrictEqual(yield* places, ["192.0.2.2"])
      assert.strictEqual(replacementsIn(server.output()), 2)
    })
  )
})

describe("a worker that cannot start again", () => {
  for (const [workers, lost] of [
    ["2", [1]],
    ["3", [1, 3]]
  ] as const) {
    it.live(`is stood in for: no client is lost by UDP or TCP with ${lost.length} of ${workers} away`, () =>
      Effect.gen(function* () {
        const upstream = yield* fakeUpstream(address("192.0.2.1"))
        const server = yield* startFaulty({
          DNS_SERVER_UPSTREAMS: upstream.address,
          DNS_SERVER_WORKERS: workers,
          DNS_SERVER_QUERY_TIMEOUT_SECS: "0.5"
        })
        const clients = yield* openClients(server.port, CLIENTS)
        yield* Effect.forEach(clients, (client) => client.askUntil(hot, 1), { concurrency: "unbounded" })
        const before = descriptorsOf(server.child.pid!)
        for (const worker of lost) {
          yield* server.stillborn(worker, true)
          yield* server.cause(worker, "exit")
        }
        // Nothing is sent twice: one datagram that nobody reads, and its client waits for ever.
        yield* Effect.forEach(clients, (client) => client.askUntil(hot, EACH), { concurrency: "unbounded" })
        yield* server.awaitReplacements(lost.length * 3)
        yield* Effect.forEach(clients, (client) => client.askUntil(hot, 2 * EACH), { concurrency: "unbounded" })
        const byTcp = yield* Effect.forEach(clients, () => askPipelined(server.port, [hot, hot]), { concurrency: 8 })
        for (const answer of byTcp.flat()) {
          assert.deepStrictEqual(addressesOf(packet.decode(answer)), ["192.0.2.1"])
        }
        assert.strictEqual(byTcp.flat().length, 2 * CLIENTS)

        // Back again, they serve their own clients, and whoever stood in lets go.
        for (const worker of lost) yield* server.stillborn(worker, false)
        yield* Effect.forEach(clients, (client) => client.askUntil(hot, 3 * EACH), { concurrency: "unbounded" })
        yield* awaitDescriptors(server.child.pid!, before + 1)
        server.child.kill("SIGTERM")
        assert.strictEqual(yield* Effect.promise(() => server.exit), 0)
      })
    )
  }

  it.live("is stood in for anew when the one that stands in for it ends as well", () =>
    Effect.gen(function* () {
      const upstream = yield* fakeUpstream(address("192.0.2.1"))
      const server = yield* startFaulty({ DNS_SERVER_UPSTREAMS: upstream.address, DNS_SERVER_WORKERS: "3" })
      const clients = yield* openClients(server.port, CLIENTS)
      yield* server.stillborn(1, true)
      yield* server.cause(1, "throw")
      yield* server.awaitReplacements(1)
      let wanted = 0
      for (const worker of [2, 3, 2, 3]) {
        yield* server.cause(worker, "exit")
        wanted += EACH
        yield* Effect.forEach(clients, (client) => client.askUntil(hot, wanted), { concurrency: "unbounded" })
      }
    })
  )

  it.live("leaves its share to the kernel where workers bind their sockets themselves", () =>
    Effect.gen(function* () {
      const upstream = yield* fakeUpstream(address("192.0.2.1"))
      const server = yield* startFaulty({
        DNS_SERVER_UPSTREAMS: upstream.address,
        DNS_SERVER_WORKERS: "2",
        DNS_SERVER_DATAGRAMS: "portable"
      })
      yield* server.stillborn(2, true)
      yield* server.cause(2, "exit")
      yield* server.awaitReplacements(1)
      const clients = yield* openClients(server.port, CLIENTS)
      yield* Effect.forEach(clients, (client) => client.askUntil(hot, EACH), { concurrency: "unbounded" })
    })
  )
})

describe("the main thread", () => {
  for (const workers of ["1", "2"]) {
    it.live(`goes on after what nothing caught, and says it (${workers} workers)`, () =>
      Effect.gen(function* () {
        const upstream = yield* fakeUpstream(address("192.0.2.1"))
        const server = yield* startFaulty({ DNS_SERVER_UPSTREAMS: upstream.address, DNS_SERVER_WORKERS: workers })
        yield* server.cause(0, "throw")
        while (!server.output().includes("a fault that a test asked for")) yield* Effect.sleep(20)
        yield* server.cause(0, "reject")
        while (!server.output().includes("a promise that a test asked")) {
          // At most one line a second: what comes sooner is said with the next.
          yield* Effect.sleep(300)
          yield* server.cause(0, "reject")
        }
        const clients = yield* openClients(server.port, CLIENTS)
        yield* Effect.forEach(clients, (client) => client.askUntil(hot, EACH), { concurrency: "unbounded" })
        server.child.kill("SIGTERM")
        assert.strictEqual(yield* Effect.promise(() => server.exit), 0)
        assert.match(server.output(), /"process.defects":\d/)
      })
    )
  }
})
