import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { Counters, counterMemory } from "../../src/telemetry/counters.ts"
import { rcodeLabels, sizeSteps, typeLabels } from "../../src/telemetry/traffic.ts"

const countersOver = (memory: SharedArrayBuffer, row: number): Effect.Effect<Counters["Service"]> =>
  Effect.provide(Counters, Counters.layerOver(memory, row))

const labelled = (labels: ReadonlyArray<string>, counts: ReadonlyArray<number>): Record<string, number> =>
  Object.fromEntries(counts.flatMap((count, i) => (count === 0 ? [] : [[labels[i]!, count]])))

describe("what comes in and goes out", () => {
  it.effect("is counted by listener, type, rcode and size, of all threads together", () =>
    Effect.gen(function* () {
      const memory = counterMemory(3, 2)
      const one = yield* countersOver(memory, 0)
      const two = yield* countersOver(memory, 1)
      const supervisor = yield* countersOver(memory, 2)
      const udp = one.trafficAt("udp", "127.0.0.1:53")
      const same = two.trafficAt("udp", "127.0.0.1:53")
      const tcp = two.trafficAt("tcp", "[::1]:53")
      udp.received(1, 40)
      same.received(28, 64)
      same.received(65_280, 65)
      udp.receivedUnread(12)
      tcp.received(257, 65_535)
      for (const rcode of [0, 3, 3, 16, 23, 11]) udp.replied(rcode, 100)
      tcp.replied(5, 1)
      const [first, second] = supervisor.traffic()
      assert.deepInclude(first, { server: "127.0.0.1:53", protocol: "udp", family: "1" })
      assert.deepInclude(second, { server: "[::1]:53", protocol: "tcp", family: "2" })
      assert.deepStrictEqual(labelled(typeLabels, first!.queries), { A: 1, AAAA: 1, other: 1, none: 1 })
      assert.deepStrictEqual(labelled(typeLabels, second!.queries), { CAA: 1 })
      assert.deepStrictEqual(labelled(rcodeLabels, first!.replies), { NOERROR: 1, NXDOMAIN: 2, BADVERS: 1, other: 2 })
      assert.deepStrictEqual(labelled(sizeSteps.map(String), first!.querySizes.counts), { "64": 3, "128": 1 })
      assert.strictEqual(first!.querySizes.octets, 40 + 64 + 65 + 12)
      assert.deepStrictEqual(labelled(sizeSteps.map(String), second!.querySizes.counts), { "65535": 1 })
      assert.deepStrictEqual(labelled(sizeSteps.map(String), second!.replySizes.counts), { "64": 1 })
    })
  )

  it.effect("falls into the step that its size is not above, for every size", () =>
    Effect.gen(function* () {
      const counters = yield* countersOver(counterMemory(1, 1), 0)
      const traffic = counters.trafficAt("udp", "127.0.0.1:53")
      for (let octets = 1; octets <= 65_535; octets++) traffic.received(1, octets)
      const [{ querySizes }] = counters.traffic() as [ReturnType<Counters["Service"]["traffic"]>[number]]
      querySizes.counts.forEach((count, i) => {
        assert.strictEqual(count, sizeSteps[i]! - (sizeSteps[i - 1] ?? 0), `up to ${sizeSteps[i]}`)
      })
    })
  )

  it.effect("of more listeners than there is room for is counted together", () =>
    Effect.gen(function* () {
      const counters = yield* countersOver(counterMemory(1, 1), 0)
      for (let port = 1; port <= 50; port++) counters.trafficAt("udp", `127.0.0.1:${port}`).received(1, 40)
      const listeners = counters.traffic()
      assert.lengthOf(listeners, 32)
      const sums = listeners.map(({ queries }) => queries.reduce((sum, count) => sum + count, 0))
      assert.strictEqual(
        sums.reduce((sum, count) => sum + count, 0),
        50
      )
      assert.strictEqual(listeners.at(-1)!.server, "other")
    })
  )
})
