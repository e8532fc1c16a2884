import { assert, describe, it } from "@effect/vitest"
import packet from "dns-packet"
import { Effect, Fiber, Option } from "effect"
import { openClients } from "../support/clients/clients.ts"
import { refusalAt } from "../support/clients/refusal.ts"
import { replacementsIn, startFaulty } from "../support/faults/faults.ts"
import type { Fault } from "../support/faults/worker-fault.ts"
import { awaitDescriptors, descriptorsOf } from "../support/machine/descriptors.ts"
import { untilSo } from "../support/machine/until.ts"
import { start, startListening } from "../support/servers/process.ts"
import { addressesOf, ask, askPipelined, askUdp, encodeQuestion } from "../support/servers/server.ts"
import { address, fakeUpstream } from "../support/upstreams/fake-upstream.ts"
import { heldUpstream } from "../support/upstreams/held-upstream.ts"

const CLIENTS = 32
const EACH = 20

/** Loaded before the server's own code: koffi is not there. */
const withoutKoffi = `--import ${new URL("../support/faults/without-koffi.ts", import.meta.url)}`

const reasons: Record<Fault, string> = {
  throw: "a fault that a test asked for",
  reject: "a promise that a test asked to be rejected",
  exit: "The worker has exited with code: 7",
  loop: "its event loop did not turn for seconds",
  wait: "its event loop did not turn for seconds"
}

describe("a worker thread among several", () => {
  for (const [fault, reason] of Object.entries(reasons) as ReadonlyArray<[Fault, string]>) {
    const what = {
      throw: "throws",
      reject: "leaves a rejected promise",
      exit: "ends the thread",
      loop: "loops without end",
      wait: "waits for ever"
    }[fault]
    it.live(`that ${what} is replaced: no query is lost that was not yet begun, the others go on`, () =>
      Effect.gen(function* () {
        const upstream = yield* fakeUpstream(address("192.0.2.1"))
        const server = yield* startFaulty({ DNS_SERVER_UPSTREAMS: upstream.address, DNS_SERVER_WORKERS: "2" })
        const question = { name: "www.example.test" }
        yield* ask(server.port, question)
        const clients = yield* openClients(server.port, CLIENTS)
        const message = encodeQuestion(question, 1)
        let finishedBefore = 0
        yield* server.cause(1, fault)
        // Half of the clients are the dead worker's: what they sent waits in its socket.
        yield* Effect.forEach(
          clients,
          (client) =>
            Effect.tap(client.askUntil(message, EACH), () =>
              Effect.sync(() => {
                if (replacementsIn(server.output()) === 0) finishedBefore++
              })
            ),
          { concurrency: "unbounded" }
        )
        assert.deepStrictEqual(
          clients.map((client) => client.answers()),
          clients.map(() => EACH)
        )
        yield* server.awaitReplacements(1)
        if (fault === "loop" || fault === "wait") assert.isAbove(finishedBefore, 0)
        assert.include(server.output(), `worker 1 is replaced: `)
        assert.include(server.output(), reason)
        assert.strictEqual(replacementsIn(server.output()), 1)
        assert.deepStrictEqual(addressesOf(yield* ask(server.port, { name: "new.example.test" })), ["192.0.2.1"])
        server.child.kill("SIGTERM")
        assert.strictEqual(yield* Effect.promise(() => server.exit), 0)
      })
    )
  }

  it.live("leaves no descriptor behind: twenty that die hold no more than those they replace", () =>
    Effect.gen(function* () {
      const upstream = yield* fakeUpstream(address("192.0.2.1"))
      const workers = [1, 2, 3, 4]
      const server = yield* startFaulty({ DNS_SERVER_UPSTREAMS: upstream.address, DNS_SERVER_WORKERS: "4" })
      const question = { name: "www.example.test" }
      yield* ask(server.port, question)
      const pid = server.child.pid!
      // The socket that asked the upstream is closed once it is idle for a while; a successor has none yet.
      const before = descriptorsOf(pid)
      for (let round = 1; round <= 5; round++) {
        const fault = round % 2 === 0 ? "throw" : "exit"
        yield* Effect.forEach(workers, (worker) => server.cause(worker, fault), { concurrency: "unbounded" })
        yield* server.awaitReplacements(round * workers.length)
        // All of them answer again before they die again.
        const clients = yield* openClients(server.port, CLIENTS)
        yield* Effect.forEach(clients, (client) => client.askUntil(encodeQuestion(question, 1), 3), {
          concurrency: "unbounded"
        })
      }
      yield* awaitDescriptors(pid, before)
      assert.strictEqual(replacementsIn(server.output()), 20)
    })
  )
})

describe("two threads", () => {
  for (const datagrams of ["auto", "portable"]) {
    it.live(`share a port that the system chose, by UDP and TCP, with ${datagrams} datagrams`, () =>
      Effect.gen(function* () {
        const upstream = yield* fakeUpstream(address("192.0.2.1"))
        const server = yield* startListening({
          DNS_SERVER_UPSTREAMS: upstream.address,
          DNS_SERVER_WORKERS: "2",
          DNS_SERVER_DATAGRAMS: datagrams
        })
        const listening = [...server.output().matchAll(/(?:udp|tcp):\/\/127\.0\.0\.1:\d+/g)].map(([at]) => at)
        assert.deepStrictEqual(listening.slice(0, 2), [
          `udp://127.0.0.1:${server.port}`,
          `tcp://127.0.0.1:${server.port}`
        ])
        const clients = yield* openClients(server.port, CLIENTS)
        const question = { name: "www.example.test" }
        const byUdp = yield* Effect.forEach(clients, (client) => client.ask(encodeQuestion(question, 1)), {
          concurrency: "unbounded"
        })
        const byTcp = yield* Effect.forEach(clients, () => askPipelined(server.port, [encodeQuestion(question, 2)]), {
          concurrency: "unbounded"
        })
        for (const answer of [...byUdp, ...byTcp.flat()]) {
          assert.deepStrictEqual(addressesOf(packet.decode(answer)), ["192.0.2.1"])
        }
        assert.strictEqual(byTcp.flat().length, CLIENTS)
      })
    )

    it.live(`a successor listens where its predecessor did, with ${datagrams} datagrams`, () =>
      Effect.gen(function* () {
        const upstream = yield* fakeUpstream(address("192.0.2.1"))
        const server = yield* startFaulty({
          DNS_SERVER_UPSTREAMS: upstream.address,
          DNS_SERVER_WORKERS: "2",
          DNS_SERVER_DATAGRAMS: datagrams
        })
        for (const [died, worker] of [1, 2].entries()) {
          yield* server.cause(worker, "throw")
          yield* server.awaitReplacements(died + 1)
        }
        // None of the two that began is left: whoever answers is a successor. Until one listens, a client is turned
        // away
        // where the threads bind their sockets themselves.
        const message = encodeQuestion({ name: "www.example.test" }, 1)
        while ((yield* askPipelined(server.port, [message])).length === 0) yield* Effect.sleep(50)
        const byUdp = Effect.timeoutOption(askUdp(server.port, message), 1000)
        while (Option.isNone(yield* byUdp));
        server.child.kill("SIGTERM")
        assert.strictEqual(yield* Effect.promise(() => server.exit), 0)
      })
    )
  }

  it.live("answer what is in flight on SIGTERM, and end with 0", () =>
    Effect.gen(function* () {
      const upstream = yield* heldUpstream(() => true)
      const server = yield* startListening({
        DNS_SERVER_UPSTREAMS: upstream.address,
        DNS_SERVER_WORKERS: "2",
        DNS_SERVER_SHUTDOWN_TIMEOUT_SECS: "30",
        DNS_SERVER_QUERY_TIMEOUT_SECS: "30",
        DNS_SERVER_ATTEMPT_TIMEOUT_MS: "30000"
      })
      const clients = yield* openClients(server.port, CLIENTS)
      const asking = yield* Effect.forkChild(
        Effect.forEach(clients, (client, i) => client.ask(encodeQuestion({ name: `n${i}.example.test` }, i)), {
          concurrency: "unbounded"
        }),
        { startImmediately: true }
      )
      yield* upstream.awaitNames(CLIENTS)
      server.child.kill("SIGTERM")
      // Who comes now does not wait for a server that goes.
      yield* untilSo(
        "connections are refused",
        Effect.map(refusalAt(server.port), (code) => code === "ECONNREFUSED")
      )
      yield* upstream.release
      for (const answer of yield* Fiber.join(asking)) assert.strictEqual(answer.readUInt16BE(6), 1)
      assert.strictEqual(yield* Effect.promise(() => server.exit), 0)
    })
  )

  it.live("end with 0 although one of them hangs", () =>
    Effect.gen(function* () {
      const server = yield* startFaulty({
        DNS_SERVER_UPSTREAMS: "192.0.2.53",
        DNS_SERVER_WORKERS: "2",
        DNS_SERVER_SHUTDOWN_TIMEOUT_SECS: "0.1"
      })
      yield* server.cause(2, "loop")
      server.child.kill("SIGTERM")
      assert.strictEqual(yield* Effect.promise(() => server.exit), 0)
    })
  )

  it.live("end with 0 although one of them is being replaced", () =>
    Effect.gen(function* () {
      const server = yield* startFaulty({ DNS_SERVER_UPSTREAMS: "192.0.2.53", DNS_SERVER_WORKERS: "2" })
      yield* server.cause(1, "exit")
      yield* server.awaitReplacements(1)
      server.child.kill("SIGTERM")
      assert.strictEqual(yield* Effect.promise(() => server.exit), 0)
      assert.strictEqual(replacementsIn(server.output()), 1)
    })
  )

  it.live("end at once on a second signal", () =>
    Effect.gen(function* () {
      const upstream = yield* heldUpstream(() => true)
      const server = yield* startListening({
        DNS_SERVER_UPSTREAMS: upstream.address,
        DNS_SERVER_WORKERS: "2",
        DNS_SERVER_SHUTDOWN_TIMEOUT_SECS: "300",
        DNS_SERVER_QUERY_TIMEOUT_SECS: "60",
        DNS_SERVER_ATTEMPT_TIMEOUT_MS: "60000"
      })
      const [client] = yield* openClients(server.port, 1)
      yield* Effect.forkChild(client!.ask(encodeQuestion({ name: "www.example.test" }, 1)), { startImmediately: true })
      yield* upstream.awaitNames(1)
      server.child.kill("SIGTERM")
      while (!server.output().includes("shutting down")) yield* Effect.sleep(20)
      server.child.kill("SIGTERM")
      assert.strictEqual(yield* Effect.promise(() => server.exit), 130)
    })
  )
})

describe("a start that fails", () => {
  const settings = { DNS_SERVER_UPSTREAMS: "192.0.2.53" }
  for (const workers of ["1", "2"]) {
    for (const datagrams of ["auto", "portable"]) {
      it.live(`says in one line which address is in use (${workers} threads, ${datagrams} datagrams)`, () =>
        Effect.gen(function* () {
          const other = yield* fakeUpstream(address("192.0.2.1"))
          const server = yield* start({
            ...settings,
            DNS_SERVER_WORKERS: workers,
            DNS_SERVER_DATAGRAMS: datagrams,
            DNS_SERVER_LISTEN: other.address
          })
          assert.strictEqual(yield* Effect.promise(() => server.exit), 1)
          const lines = server.output().trim().split("\n")
          assert.strictEqual(lines.length, 1, server.output())
          assert.match(lines[0]!, /EADDRINUSE/)
          assert.include(lines[0], other.address)
        })
      )
    }

    it.live(`says in one line that batched datagrams are not to be had (${workers} threads)`, () =>
      Effect.gen(function* () {
        const server = yield* start({
          ...settings,
          DNS_SERVER_WORKERS: workers,
          DNS_SERVER_DATAGRAMS: "batched",
          DNS_SERVER_LISTEN: "127.0.0.1:0",
          NODE_OPTIONS: withoutKoffi
        })
        assert.strictEqual(yield* Effect.promise(() => server.exit), 1)
        const lines = server.output().trim().split("\n")
        assert.strictEqual(lines.length, 1, server.output())
        assert.include(lines[0], "needs 64-bit Linux and the optional dependency koffi")
      })
    )

    it.live(`goes the portable way by itself where koffi cannot be loaded (${workers} threads)`, () =>
      Effect.gen(function* () {
        const upstream = yield* fakeUpstream(address("192.0.2.1"))
        const server = yield* startListening({
          DNS_SERVER_UPSTREAMS: upstream.address,
          DNS_SERVER_WORKERS: workers,
          NODE_OPTIONS: withoutKoffi
        })
        assert.include(server.output(), "datagrams go the portable way")
        assert.deepStrictEqual(addressesOf(yield* ask(server.port, { name: "www.example.test" })), ["192.0.2.1"])
      })
    )
  }
})
