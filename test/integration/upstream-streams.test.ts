/** Servers over TCP and TLS that are sound and odd: each of them costs nobody an answer. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber } from "effect"
import { Rcode } from "../../src/dns/codes.ts"
import { askMany } from "../support/clients/bulk-client.ts"
import { goodAnswers, isGood } from "../support/clients/fresh-names.ts"
import { encodeQuestion, type RunningServer } from "../support/servers/server.ts"
import { serverTrusting } from "../support/servers/trusting-server.ts"
import { framed } from "../support/upstreams/fake-upstream.ts"
import { mirrorReply, nameIn } from "../support/upstreams/mirror.ts"
import { answer, inOrder, type OnQuery, reset, streamUpstream } from "../support/upstreams/stream-upstream.ts"
import { authority } from "../support/wire/certificates.ts"

const trusted = authority()
const certificate = trusted.issue({ names: ["127.0.0.1"] })
const serverFor = serverTrusting(trusted)

/** What is settled by the connections, and by no attempt after the first. */
const ALONE = { DNS_SERVER_RETRIES: "0" }

/** Whether this name was answered as it deserves. */
const askWell = (server: RunningServer, name: string): Effect.Effect<boolean> =>
  Effect.map(
    askMany(server.port, [{ wire: encodeQuestion({ name }, 7), transport: "udp" }]),
    ([given]) => given !== undefined && isGood(given)
  )

const isSlow = (query: Buffer): boolean => nameIn(query).startsWith("slow")

/** Slow names wait until the test says so. */
const admission = () => {
  const { promise, resolve } = Promise.withResolvers<void>()
  return { ready: (query: Buffer) => (isSlow(query) ? promise : Promise.resolve()), open: resolve }
}

for (const protocol of ["tcp", "tls"] as const) {
  const upstreamThat = (onQuery: OnQuery) =>
    streamUpstream({ certificate: protocol === "tls" ? certificate : undefined, onQuery })
  const at = ({ port }: { readonly port: number }): string => `${protocol}://127.0.0.1:${port}`

  describe(`a server over ${protocol.toUpperCase()} that answers in order`, () => {
    it.live("and takes long for one name is waited for: it has not fallen silent", () =>
      Effect.gen(function* () {
        const upstream = yield* upstreamThat(
          inOrder((query) => new Promise((resolve) => setTimeout(resolve, isSlow(query) ? 1500 : 0)))
        )
        const server = yield* serverFor([at(upstream)], ALONE)
        assert.strictEqual(yield* goodAnswers(server, 12), 12)
        assert.isTrue(yield* askWell(server, "slow.example.test"))
      })
    )

    it.live("and says late that it cannot answer ends the question, however often that was tried meanwhile", () =>
      Effect.gen(function* () {
        const { ready, open } = admission()
        const upstream = yield* upstreamThat(async (query, { socket }) => {
          await ready(query)
          const reply = mirrorReply(query)
          if (isSlow(query)) reply.writeUInt16BE(0x8182, 2)
          socket.write(framed(reply))
        })
        const server = yield* serverFor([at(upstream)], {
          DNS_SERVER_RETRIES: "1",
          DNS_SERVER_ATTEMPT_TIMEOUT_MS: "1500",
          DNS_SERVER_QUERY_TIMEOUT_SECS: "60"
        })
        assert.strictEqual(yield* goodAnswers(server, 12), 12)
        const slow = yield* Effect.forkChild(
          askMany(server.port, [{ wire: encodeQuestion({ name: "slow.example.test" }, 7), transport: "tcp" }])
        )
        while (server.counters.read("upstream.retries") === 0) yield* Effect.sleep(5)
        open()
        const openedMs = performance.now()
        const [given] = yield* Fiber.join(slow)
        assert.isBelow(performance.now() - openedMs, 30_000)
        assert.strictEqual(given!.readUInt8(3) & 15, Rcode.ServFail)
      })
    )

    it.live("holds up nobody by a slow name: those behind it are asked on another connection", () =>
      Effect.gen(function* () {
        const { ready, open } = admission()
        const upstream = yield* upstreamThat(inOrder(ready))
        const server = yield* serverFor([at(upstream)], ALONE)
        assert.strictEqual(yield* goodAnswers(server, 12), 12)
        const slow = yield* Effect.forkChild(askWell(server, "slow.example.test"))
        while (!upstream.queries.some(isSlow)) yield* Effect.sleep(5)
        assert.strictEqual(yield* goodAnswers(server, 50), 50)
        open()
        assert.isTrue(yield* Fiber.join(slow))
      })
    )

    it.live("and never answers some names costs the others nothing, whatever stands behind what", () =>
      Effect.gen(function* () {
        const upstream = yield* upstreamThat(
          inOrder((query) => (isSlow(query) ? new Promise<void>(() => {}) : Promise.resolve()))
        )
        const server = yield* serverFor([at(upstream)], {
          DNS_SERVER_RETRIES: "2",
          DNS_SERVER_ATTEMPT_TIMEOUT_MS: "1000"
        })
        /** Asks them at once: those of the quick ones that were not answered well. */
        const failedOf = (names: ReadonlyArray<string>): Effect.Effect<ReadonlyArray<string>> => {
          const questions = names.map((name, i) => ({ wire: encodeQuestion({ name }, i), transport: "udp" as const }))
          return Effect.map(askMany(server.port, questions, questions.length), (answers) =>
            names.filter((name, i) => {
              const given = answers[i]
              return name.startsWith("quick") && (given === undefined || !isGood(given))
            })
          )
        }
        // Before the first of the slow ones has had its time there are eight, each of which holds up a connection.
        const asked: Array<Fiber.Fiber<ReadonlyArray<string>>> = []
        for (let i = 0; i < 20; i++) {
          const burst = Array.from({ length: 16 }, (_, j) => `${j % 8 === 5 ? "slow" : "quick"}${i}x${j}.test`)
          if (i % 5 === 0) asked.push(yield* Effect.forkChild(failedOf(burst)))
          asked.push(yield* Effect.forkChild(failedOf([`quick${i}.test`])))
          yield* Effect.sleep(200)
        }
        assert.deepStrictEqual((yield* Fiber.joinAll(asked)).flat(), [])
        assert.isAtMost(upstream.open(), 12)
      })
    )

    it.live("is known by that: what comes later goes past a slow name at once", () =>
      Effect.gen(function* () {
        const first = admission()
        const second = admission()
        const upstream = yield* upstreamThat(
          inOrder((query) => (nameIn(query).startsWith("slower") ? second : first).ready(query))
        )
        const server = yield* serverFor([at(upstream)], ALONE)
        assert.strictEqual(yield* goodAnswers(server, 12), 12)
        const slow = yield* Effect.forkChild(askWell(server, "slow.example.test"))
        while (!upstream.queries.some(isSlow)) yield* Effect.sleep(5)
        assert.strictEqual(yield* goodAnswers(server, 20), 20)
        first.open()
        assert.isTrue(yield* Fiber.join(slow))
        const slower = yield* Effect.forkChild(askWell(server, "slower.example.test"))
        while (!upstream.queries.some((query) => nameIn(query).startsWith("slower"))) yield* Effect.sleep(5)
        const asked = upstream.queries.length
        for (let i = 0; i < 20; i++) assert.strictEqual(yield* goodAnswers(server, 1), 1)
        // None stood behind the slow one and was asked again: that would be twenty more. A machine that stands still for a
        // moment asks for one or another twice.
        assert.isAtMost(upstream.queries.length, asked + 20 + 5)
        second.open()
        assert.isTrue(yield* Fiber.join(slower))
        assert.isAtMost(upstream.connections.length, 8)
      })
    )
  })

  describe(`a server over ${protocol.toUpperCase()} that closes a connection`, () => {
    const ends = { "in order": (socket: Parameters<typeof reset>[0]) => socket.end(), "by a reset": reset }
    for (const [how, end] of Object.entries(ends)) {
      for (const answers of [1, 3, 12]) {
        it.live(`${how} after ${answers} of the questions on it loses none`, () =>
          Effect.gen(function* () {
            const upstream = yield* upstreamThat((query, { socket, asked }) => {
              if (asked < answers) socket.write(framed(mirrorReply(query)))
              else if (asked === answers) socket.write(framed(mirrorReply(query)), () => end(socket))
            })
            const server = yield* serverFor([at(upstream)], {
              ...ALONE,
              DNS_SERVER_ATTEMPT_TIMEOUT_MS: "10000",
              DNS_SERVER_QUERY_TIMEOUT_SECS: "20"
            })
            assert.strictEqual(yield* goodAnswers(server, 40), 40)
            const seen = upstream.connections.length
            for (let burst = 0; burst < 2; burst++) assert.strictEqual(yield* goodAnswers(server, 40), 40)
            // It is known by then: nothing is sent that nobody reads.
            for (const { asked } of upstream.connections.slice(seen)) assert.isAtMost(asked, answers)
          })
        )
      }
    }
  })

  describe(`a server over ${protocol.toUpperCase()} that says more than it was asked`, () => {
    const stranger = (query: Buffer): Buffer => {
      const other = mirrorReply(query)
      other[13]! ^= 1
      return other
    }
    const ways: Record<string, (query: Buffer) => ReadonlyArray<Buffer>> = {
      "each answer twice": (query) => [mirrorReply(query), mirrorReply(query)],
      "each answer three times": (query) => [mirrorReply(query), mirrorReply(query), mirrorReply(query)],
      "behind each answer another that nobody asked for": (query) => [mirrorReply(query), stranger(query)],
      "before each answer another that nobody asked for": (query) => [stranger(query), mirrorReply(query)],
      "before each answer a message of no octets": (query) => [Buffer.alloc(0), mirrorReply(query)],
      "before each answer a message shorter than a header": (query) => [query.subarray(0, 11), mirrorReply(query)],
      "before each answer the question as it came": (query) => [query, mirrorReply(query)]
    }
    for (const [way, messages] of Object.entries(ways)) {
      it.live(`${way}: all questions are answered, and what is too much is counted`, () =>
        Effect.gen(function* () {
          const upstream = yield* upstreamThat((query, { socket }) => {
            socket.write(Buffer.concat(messages(query).map(framed)))
          })
          const server = yield* serverFor([at(upstream)], ALONE)
          for (let burst = 0; burst < 3; burst++) assert.strictEqual(yield* goodAnswers(server, 30), 30)
          assert.isAbove(server.counters.read("upstream.strangers"), 0)
          if (way.startsWith("each")) assert.strictEqual(upstream.connections.length, 1)
        })
      )
    }

    it.live("without end is left, and the other upstream answers", () =>
      Effect.gen(function* () {
        const mad = yield* upstreamThat((query, connection) => {
          for (let i = 0; i < 500; i++) answer(query, connection)
        })
        const good = yield* upstreamThat(answer)
        const server = yield* serverFor([at(mad), at(good)])
        for (let burst = 0; burst < 3; burst++) assert.strictEqual(yield* goodAnswers(server, 30), 30)
        for (const { socket, asked } of mad.connections) {
          while (asked > 0 && !socket.destroyed) yield* Effect.sleep(10)
        }
      })
    )
  })
}
