import { assert, describe, it } from "@effect/vitest"
import packet, { type DecodedPacket } from "dns-packet"
import { Effect, type Scope } from "effect"
import { type Client, openClients } from "../support/clients/clients.ts"
import { startFaulty } from "../support/faults/faults.ts"
import { type Started, startListening } from "../support/servers/process.ts"
import { encodeQuestion, rcodeOf } from "../support/servers/server.ts"
import { address, silent, type WireBehaviour, wireUpstream } from "../support/upstreams/fake-upstream.ts"

/** So many that no thread is left without one. */
const CLIENTS = 16
const answering: WireBehaviour = (query, transport, count) =>
  address("192.0.2.1")(packet.decode(query), transport, count)
const mute: WireBehaviour = (query, transport, count) => silent(packet.decode(query), transport, count)

interface Switched {
  readonly address: string
  readonly queries: () => number
  readonly become: (behaviour: WireBehaviour) => void
}

const switched: Effect.Effect<Switched, never, Scope.Scope> = Effect.gen(function* () {
  let behaviour = mute
  const upstream = yield* wireUpstream((query, transport, count) => behaviour(query, transport, count))
  return {
    ...upstream,
    become: (next) => {
      behaviour = next
    }
  }
})

let last = 0

interface Asked {
  readonly answer: DecodedPacket
  readonly tookMs: number
}

const askNew = (client: Client): Effect.Effect<Asked> =>
  Effect.gen(function* () {
    const startedMs = performance.now()
    last = (last + 1) & 0xffff
    const answer = yield* client.ask(encodeQuestion({ name: `n${last}.example.test` }, last))
    return { answer: packet.decode(answer), tookMs: performance.now() - startedMs }
  })

const askAll = (clients: ReadonlyArray<Client>): Effect.Effect<ReadonlyArray<Asked>> =>
  Effect.forEach(clients, askNew, { concurrency: "unbounded" })

const settings = (upstreams: ReadonlyArray<Switched>, workers: string): Record<string, string> => ({
  DNS_SERVER_UPSTREAMS: upstreams.map(({ address: at }) => at).join(","),
  DNS_SERVER_WORKERS: workers,
  DNS_SERVER_QUERY_TIMEOUT_SECS: "3",
  DNS_SERVER_TRACE_SAMPLING: "never"
})

/** Asks until it is known that nobody answers. */
const untilKnown = (clients: ReadonlyArray<Client>) =>
  Effect.gen(function* () {
    while ((yield* askAll(clients)).some(({ tookMs }) => tookMs > 200));
  })

const median = (values: ReadonlyArray<number>): number => values.toSorted((a, b) => a - b)[values.length >> 1]!

const said = (server: Started, what: string): number => server.output().split(what).length - 1

describe("two upstreams that are both down", () => {
  for (const workers of ["1", "2"]) {
    it.live(`are known to be by all threads, probed by one, and used when the first returns (${workers} threads)`, () =>
      Effect.gen(function* () {
        const upstreams = [yield* switched, yield* switched]
        const server = yield* startListening(settings(upstreams, workers))
        const clients = yield* openClients(server.port, CLIENTS)
        yield* untilKnown(clients)
        const sent = (): number => upstreams.reduce((sum, { queries }) => sum + queries(), 0)
        const before = sent()
        const startedMs = performance.now()
        const times: Array<number> = []
        while (performance.now() - startedMs < 2_000) {
          for (const { answer, tookMs } of yield* askAll(clients)) {
            assert.strictEqual(rcodeOf(answer), "SERVFAIL")
            times.push(tookMs)
          }
          yield* Effect.sleep(20)
        }
        const seconds = (performance.now() - startedMs) / 1000
        const probes = sent() - before
        assert.isAtMost(median(times), 50)
        // Five may have been saved up.
        assert.isAtMost(probes, 5 * seconds + 5)

        upstreams[1]!.become(answering)
        const returnedMs = performance.now()
        for (;;) {
          const answers = yield* askAll(clients)
          if (answers.every(({ answer }) => rcodeOf(answer) === "NOERROR")) break
          yield* Effect.sleep(10)
        }
        const backMs = performance.now() - returnedMs
        if (process.env["SAY"] !== undefined) {
          const p99 = times.toSorted((a, b) => a - b)[Math.floor(times.length * 0.99)]!
          console.log(
            `${workers} threads: ${times.length} SERVFAIL, ms p50 ${median(times).toFixed(1)}, p99 ${p99.toFixed(1)}; ` +
              `${(probes / seconds).toFixed(1)} probes a second; back after ${Math.round(backMs)} ms`
          )
        }
        assert.isAtMost(backMs, 5_000)
        assert.isAtLeast(said(server, "is left"), 2)
        assert.isAtLeast(said(server, "answers again"), 1)
      })
    )
  }

  it.live("are found when they return although the thread dies that probes them", () =>
    Effect.gen(function* () {
      const upstreams = [yield* switched, yield* switched]
      const server = yield* startFaulty(settings(upstreams, "2"))
      const clients = yield* openClients(server.port, CLIENTS)
      yield* untilKnown(clients)
      // Whichever of them it is.
      yield* Effect.forEach([1, 2], (worker) => server.cause(worker, "exit"))
      yield* server.awaitReplacements(2)
      upstreams[0]!.become(answering)
      const successors = yield* openClients(server.port, CLIENTS)
      while ((yield* askAll(successors)).some(({ answer }) => rcodeOf(answer) !== "NOERROR")) yield* Effect.sleep(20)
    })
  )
})
