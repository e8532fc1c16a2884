import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { canForge, floodForged, sendForged } from "../support/clients/forged-datagram.ts"
import { startListening } from "../support/servers/process.ts"
import { addressesOf, ask, startServer } from "../support/servers/server.ts"
import { address, fakeUpstream, slow } from "../support/upstreams/fake-upstream.ts"
import { pointer, QUESTION_NAME, query, question, record, response } from "../support/wire/messages.ts"
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

/** How long the forger tries: `FORGER_SECONDS=60` for a minute. */
const SECONDS = Number(process.env["FORGER_SECONDS"] ?? "3")
const EVIL = [203, 0, 113, 66]

describe.skipIf(!canForge)("a forger who knows the question and the upstream, and not port, id and letters", () => {
  it.live("never gets an answer of his into the cache", () =>
    Effect.gen(function* () {
      // Slow, so that he has all the time that there is.
      const upstream = yield* fakeUpstream(slow(2_000, address("192.0.2.1")))
      const server = yield* startServer({
        DNS_SERVER_UPSTREAMS: upstream.address,
        DNS_SERVER_ENABLE_CACHING: "false",
        DNS_SERVER_ATTEMPT_TIMEOUT_MS: "4000"
      })
      const name = "www.example.test"
      const forged = response({
        questions: [question(name)],
        answers: [record(pointer(QUESTION_NAME), 1, 86_400, EVIL)],
        additionals: []
      })
      const seen: Array<string> = []
      const asking = Effect.forever(
        Effect.gen(function* () {
          // By TCP: he forges to any port, those of clients too.
          seen.push(...addressesOf(yield* server.ask({ name, tcp: true })))
        })
      )
      const sent = yield* Effect.raceFirst(
        floodForged(upstream.port, SECONDS, forged),
        Effect.andThen(asking, Effect.never)
      )
      assert.deepStrictEqual([...new Set(seen)], ["192.0.2.1"])
      if (SECONDS > 3) {
        const [came, alarms] = [server.counters.read("upstream.strangers"), server.counters.read("upstream.spoofed")]
        yield* Effect.logInfo(`${sent} forged, ${came} came to a socket, ${alarms} alarms, ${seen.length} answers`)
      }
      assert.isAbove(sent, 1_000)
    })
  )
})
