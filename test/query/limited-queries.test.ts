/** Queries beyond a network's rate are told to the socket that they came by, which may keep a flood away. */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { MemoryNetwork } from "../support/servers/memory-network.ts"
import { memoryServer } from "../support/servers/memory-server.ts"
import { rcodeOf } from "../support/servers/server.ts"

const LIMITED = {
  DNS_SERVER_RATE_LIMIT: "1",
  DNS_SERVER_RATE_LIMIT_BURST: "3",
  DNS_SERVER_LOCAL_ANSWERS: "nas.home A 192.0.2.9"
}

describe("queries beyond the rate of a network", () => {
  for (const [action, answers] of [
    ["refuse", 8],
    ["truncate", 8],
    ["drop", 3]
  ] as const) {
    it.effect(`are told to the socket, each of them and no other (${action})`, () =>
      Effect.gen(function* () {
        const network = new MemoryNetwork()
        const server = yield* memoryServer(network, [5301], {
          ...LIMITED,
          DNS_SERVER_RATE_LIMIT_EXEMPT: "192.0.2.0/24",
          DNS_SERVER_RATE_LIMIT_ACTION: action
        })
        for (let i = 0; i < 8; i++) yield* server.ask("nas.home")
        assert.strictEqual(server.answers().length, answers)
        assert.deepStrictEqual(network.limited, Array(5).fill("127.0.0.1"))
      })
    )
  }

  it.effect("are none where the network is exempt", () =>
    Effect.gen(function* () {
      const network = new MemoryNetwork()
      const server = yield* memoryServer(network, [5301], LIMITED)
      for (let i = 0; i < 8; i++) yield* server.ask("nas.home")
      assert.deepStrictEqual(server.answers().map(rcodeOf), Array(8).fill("NOERROR"))
      assert.deepStrictEqual(network.limited, [])
    })
  )
})
