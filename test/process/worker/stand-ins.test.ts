import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { SocketError } from "../../../src/io/datagram.ts"
import { StandIns } from "../../../src/process/worker/stand-ins.ts"
import type { WorkerSlot } from "../../../src/process/worker/worker-slot.ts"

/** Workers that are told something, and remember it. */
const workers = (count: number, exhausted: ReadonlySet<number> = new Set()) => {
  const told: Array<string> = []
  const slots = Array.from({ length: count }, (_, i) => ({
    number: i + 1,
    state: "ready" as WorkerSlot["state"],
    standIn: (worker: number) => Effect.sync(() => void told.push(`${i + 1} for ${worker}`)),
    send: (message: { readonly kind: string; readonly worker?: number }) =>
      Effect.sync(() => void told.push(`${i + 1}: ${message.kind} ${message.worker}`))
  }))
  const standIns = new StandIns({
    slots: () => slots as unknown as ReadonlyArray<WorkerSlot>,
    duplicate: (worker) =>
      exhausted.has(worker)
        ? Effect.fail(new SocketError({ endpoint: "127.0.0.1:53", message: "no descriptors", isExhaustion: true }))
        : Effect.succeed([{ protocol: "udp", endpoint: { address: "127.0.0.1", port: worker }, fd: worker }])
  })
  const takeTold = (): ReadonlyArray<string> => told.splice(0)
  return { slots, standIns, takeTold }
}

describe("StandIns", () => {
  it.effect("has one worker that is ready answer for one that is away, until it is back", () =>
    Effect.gen(function* () {
      const { slots, standIns, takeTold } = workers(2)
      slots[0]!.state = "stopped"
      yield* standIns.leave(1)
      assert.deepStrictEqual(takeTold(), ["2 for 1"])
      // It dies again before it was ready.
      yield* standIns.leave(1)
      assert.deepStrictEqual(takeTold(), [])
      slots[0]!.state = "ready"
      yield* standIns.return(1)
      assert.include(takeTold(), "2: stand-down 1")
      yield* standIns.return(1)
      assert.deepStrictEqual(takeTold(), [])
    })
  )

  it.effect("spreads those that are away over those that are there", () =>
    Effect.gen(function* () {
      const { slots, standIns, takeTold } = workers(4)
      for (const number of [1, 2]) {
        slots[number - 1]!.state = "stopped"
        yield* standIns.leave(number)
      }
      assert.deepStrictEqual(takeTold(), ["2 for 1", "3 for 1", "4 for 2"])
    })
  )

  it.effect("tries again later where there were no descriptors for the duplicates", () =>
    Effect.gen(function* () {
      const exhausted = new Set([1])
      const { slots, standIns, takeTold } = workers(3, exhausted)
      slots[0]!.state = "stopped"
      yield* standIns.leave(1)
      assert.deepStrictEqual(takeTold(), [])
      exhausted.clear()
      slots[1]!.state = "stopped"
      yield* standIns.leave(2)
      assert.deepStrictEqual(takeTold(), ["3 for 1", "3 for 2"])
    })
  )

  it.effect("finds another one when the one that answered for others leaves too, hanging or dead", () =>
    Effect.gen(function* () {
      const { slots, standIns, takeTold } = workers(3)
      slots[0]!.state = "stopped"
      yield* standIns.leave(1)
      assert.deepStrictEqual(takeTold(), ["2 for 1"])
      // It hangs: its thread is still there.
      yield* standIns.leave(2)
      assert.deepStrictEqual(takeTold(), ["3 for 1", "3 for 2"])
    })
  )

  it.effect("lets sockets wait while nobody is ready, and has the first that is answer for all", () =>
    Effect.gen(function* () {
      const { slots, standIns, takeTold } = workers(3)
      for (const slot of slots) slot.state = "stopped"
      for (const { number } of slots) yield* standIns.leave(number)
      assert.deepStrictEqual(takeTold(), [])
      slots[2]!.state = "ready"
      yield* standIns.return(3)
      assert.deepStrictEqual(takeTold().slice(-2), ["3 for 1", "3 for 2"])
    })
  )
})
