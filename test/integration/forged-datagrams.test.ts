import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { canForge, sendForged } from "../support/clients/forged-datagram.ts"
import { startListening } from "../support/servers/process.ts"
import { addressesOf, ask } from "../support/servers/server.ts"
import { address, fakeUpstream } from "../support/upstreams/fake-upstream.ts"
import { query } from "../support/wire/messages.ts"
import { shorterThanHeader, withTwoQuestions } from "../support/wire/packets/headers.ts"

describe.skipIf(!canForge)("a datagram from port 0", () => {
  it.live("gets no answer and does no harm", () =>
    Effect.gen(function* () {
      const upstream = yield* fakeUpstream(address("192.0.2.1"))
      const server = yield* startListening({ DNS_SERVER_UPSTREAMS: upstream.address })
      yield* ask(server.port, { name: "www.example.com" })
      for (const message of [query(), withTwoQuestions(), shorterThanHeader()])
        yield* sendForged(0, server.port, message)
      assert.deepStrictEqual(addressesOf(yield* ask(server.port, { name: "www.example.com" })), ["192.0.2.1"])
      assert.strictEqual(server.child.exitCode, null)
    })
  )
})
