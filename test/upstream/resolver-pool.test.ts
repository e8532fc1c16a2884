import { assert, describe, it } from "@effect/vitest"
import { Effect, type Scope } from "effect"
import type { DatagramHandler, DatagramSocket, SocketError } from "../../src/io/datagram.ts"
import type { Endpoint } from "../../src/io/endpoint.ts"
import { MemoryNetwork } from "../support/servers/memory-network.ts"
import { anAddress, memoryServer, nameAndRcode, pass, upstreamAt } from "../support/servers/memory-server.ts"

const GOOD = 5301
const DEFECTIVE = 5302

/** A network on which opening a socket to one of the upstreams is a defect. */
class DefectiveNetwork extends MemoryNetwork {
  readonly opened: Array<number> = []

  override connect(
    remote: Endpoint,
    handler: Partial<DatagramHandler>
  ): Effect.Effect<DatagramSocket, SocketError, Scope.Scope> {
    this.opened.push(remote.port)
    return remote.port === DEFECTIVE ? Effect.die(new Error("a defect")) : super.connect(remote, handler)
  }
}

describe("a resolver in which a defect was met", () => {
  it.effect("gives its place to a new one, and lives until its last exchange is over", () =>
    Effect.gen(function* () {
      const network = new DefectiveNetwork()
      const good = yield* upstreamAt(network, GOOD)
      const server = yield* memoryServer(network, [GOOD, DEFECTIVE], {
        DNS_SERVER_UPSTREAM_POLICY: "round-robin",
        DNS_SERVER_ACTOR_POOL_SIZE: "1"
      })
      yield* server.ask("first.test")
      yield* server.ask("second.test")
      yield* pass(10)
      assert.deepStrictEqual(
        good.asked.map(({ name }) => name),
        ["first.test", "second.test"]
      )
      assert.strictEqual(server.counters.read("defects"), 1)
      // The next question is the new resolver's: it opens a socket of its own. What the old one carries is answered.
      yield* server.ask("third.test")
      assert.deepStrictEqual(network.opened.filter((port) => port === GOOD).length, 2)
      for (const { name, answer } of good.asked) yield* answer(anAddress(name, "192.0.2.1"))
      yield* pass(500)
      const answered = server.answers().map(nameAndRcode)
      assert.sameMembers(answered, ["first.test NOERROR", "second.test NOERROR", "third.test NOERROR"])
    }).pipe(Effect.scoped)
  )
})
