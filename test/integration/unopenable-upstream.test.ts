import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { askMany } from "../support/clients/bulk-client.ts"
import { encodeQuestion, rcodeOf, startServer } from "../support/servers/server.ts"
import { type WireBehaviour, wireUpstream } from "../support/upstreams/fake-upstream.ts"
import { mirrorReply } from "../support/upstreams/mirror.ts"
import { readReply } from "../support/wire/reply-reader.ts"

/** No socket can be connected to these: the kernel wants a broadcast to be asked for, and knows no such interface. */
const UNOPENABLE = { "a broadcast address": "255.255.255.255", "an interface that is not there": "[fe80::1%none0]" }

/** Answers after a while, so that questions are under way whenever another upstream makes trouble. */
const slowly: WireBehaviour = (query) => [{ reply: mirrorReply(query), delayMs: 30 }]

describe("an upstream to which no socket can be opened", () => {
  for (const [what, address] of Object.entries(UNOPENABLE)) {
    for (const datagrams of ["auto", "portable"]) {
      it.live(`touches no question that another one is asked: ${what}, datagrams ${datagrams}`, () =>
        Effect.gen(function* () {
          const good = yield* wireUpstream(slowly)
          const server = yield* startServer({
            DNS_SERVER_UPSTREAMS: `${good.address},${address}`,
            DNS_SERVER_UPSTREAM_POLICY: "round-robin",
            DNS_SERVER_ACTOR_POOL_SIZE: "2",
            DNS_SERVER_DATAGRAMS: datagrams
          })
          for (let burst = 0; burst < 20; burst++) {
            const questions = Array.from({ length: 20 }, (_, i) => ({
              wire: encodeQuestion({ name: `n${burst}x${i}.example.test` }, i),
              transport: "udp" as const
            }))
            const answers = yield* askMany(server.port, questions)
            const rcodes = answers.map((answer) => (answer === undefined ? -1 : readReply(answer).rcode))
            assert.deepStrictEqual(new Set(rcodes), new Set([0]), `burst ${burst}`)
          }
        }).pipe(Effect.scoped)
      )
    }
  }

  for (const address of ["255.255.255.255", "tcp://255.255.255.255", "tcp://127.0.0.1:1"]) {
    it.live(`is no attempt, where one alone may be made: ${address}`, () =>
      Effect.gen(function* () {
        const good = yield* wireUpstream(slowly)
        const server = yield* startServer({
          DNS_SERVER_UPSTREAMS: `${address},${good.address}`,
          DNS_SERVER_UPSTREAM_POLICY: "ordered",
          DNS_SERVER_RETRIES: "0"
        })
        for (let i = 0; i < 8; i++) {
          assert.strictEqual(rcodeOf(yield* server.ask({ name: `n${i}.example.test` })), "NOERROR")
        }
      }).pipe(Effect.scoped)
    )
  }
})
