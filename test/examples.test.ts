/** The examples of programs that embed the server, run as their readers run them: over the package as it is built. */
import { readFileSync } from "node:fs"
import { assert, describe, it } from "@effect/vitest"
import type { DecodedPacket } from "dns-packet"
import { Effect } from "effect"
import { until } from "./support/machine/until.ts"
import { type Started, startListening } from "./support/servers/process.ts"
import { addressesOf, ask, rcodeOf } from "./support/servers/server.ts"
import { address, fakeUpstream } from "./support/upstreams/fake-upstream.ts"

const run = (example: string, environment: Record<string, string>) =>
  startListening(environment, [], { program: `examples/${example}.ts` })

const timesMade = ({ output }: Started, question: string): number =>
  output().split(`made an answer to ${question}`).length - 1

const ttlOf = (reply: DecodedPacket): number | undefined => {
  const [first] = reply.answers ?? []
  return first !== undefined && "ttl" in first ? first.ttl : undefined
}

describe("examples/resolver-step.ts", () => {
  it.live("answers one zone by a function, once for each name, and passes on all else", () =>
    Effect.gen(function* () {
      const upstream = yield* fakeUpstream(address("198.51.100.1"))
      const started = yield* run("resolver-step", { DNS_SERVER_UPSTREAMS: upstream.address })
      const { port } = started
      for (let i = 0; i < 3; i++) {
        assert.deepStrictEqual(addressesOf(yield* ask(port, { name: "7.numbers.test" })), ["192.0.2.7"])
      }
      assert.strictEqual(timesMade(started, "7.numbers.test A"), 1)
      assert.strictEqual(rcodeOf(yield* ask(port, { name: "256.numbers.test" })), "NXDOMAIN")
      const noData = yield* ask(port, { name: "7.numbers.test", type: "AAAA", tcp: true })
      assert.deepStrictEqual([rcodeOf(noData), noData.answers], ["NOERROR", []])
      assert.strictEqual(rcodeOf(yield* ask(port, { name: "numbers.test" })), "NOERROR")
      assert.strictEqual(upstream.queries(), 0)
      assert.deepStrictEqual(addressesOf(yield* ask(port, { name: "www.example.test" })), ["198.51.100.1"])
      assert.strictEqual(upstream.queries(), 1)
    })
  )
})

describe("examples/own-upstream.ts", () => {
  it.live("answers from its inventory, fails what is outside of it, and takes settings while it runs", () =>
    Effect.gen(function* () {
      const { child, output, port } = yield* run("own-upstream", { DNS_SERVER_UPSTREAMS: "127.0.0.1:9" })
      const printer = yield* ask(port, { name: "printer.inventory.test" })
      assert.deepStrictEqual([addressesOf(printer), ttlOf(printer)], [["192.0.2.10"], 300])
      assert.strictEqual(rcodeOf(yield* ask(port, { name: "toaster.inventory.test" })), "NXDOMAIN")
      assert.strictEqual(rcodeOf(yield* ask(port, { name: "www.example.test" })), "SERVFAIL")

      child.stdin!.write("cache_max_ttl_secs=5\n")
      yield* until("a change", () => output().includes("changed: cache_max_ttl_secs"))
      assert.strictEqual(ttlOf(yield* ask(port, { name: "scanner.inventory.test" })), 5)

      child.stdin!.write("cache_max_ttl_secs=soon\n")
      yield* until("a refusal", () => output().includes("nothing changed"))
      assert.match(output(), /cache_max_ttl_secs/)
    })
  )
})

describe("docs/embedding.md", () => {
  it("links both examples", () => {
    const page = readFileSync("docs/embedding.md", "utf8")
    for (const example of ["resolver-step", "own-upstream"]) assert.include(page, `(../examples/${example}.ts)`)
  })
})
