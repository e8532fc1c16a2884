import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { askMany, type ToAsk } from "../support/clients/bulk-client.ts"
import { freePort } from "../support/machine/ports.ts"
import { startServer } from "../support/servers/server.ts"
import { wireUpstream } from "../support/upstreams/fake-upstream.ts"
import { deservedData, mirror } from "../support/upstreams/mirror.ts"
import { nasty } from "../support/upstreams/nasty-upstream.ts"
import { opt, query, question, seeded } from "../support/wire/messages.ts"
import { readReply } from "../support/wire/reply-reader.ts"

const UDP_CLIENTS = 200
const TCP_CLIENTS = 50
const EACH = 20
const NAMES = 700
/** A, AAAA, TXT, HTTPS, one nobody knows. */
const types = [1, 28, 16, 65, 65_280]

/** Every client's own questions, out of names that others ask for too, in its own spelling. */
const questionsOf = (client: number, prefix: string): ReadonlyArray<ToAsk> => {
  const random = seeded(client)
  const name = `${prefix}-NaMe`
  return Array.from({ length: EACH }, (_, i) => ({
    wire: Buffer.from(
      query({
        id: (client * EACH + i) & 0xffff,
        questions: [
          question(`${random(2) === 0 ? name : name.toLowerCase()}${random(NAMES)}.example.test`, types[random(5)]!)
        ],
        additionals: random(2) === 0 ? [opt()] : []
      })
    ),
    transport: client < UDP_CLIENTS ? "udp" : "tcp"
  }))
}

interface Outcome {
  readonly good: number
  readonly failed: number
  readonly wrong: ReadonlyArray<string>
}

/** A good answer is to this very question, letter for letter, and holds what that question deserves. */
const recordOutcome = (questions: ReadonlyArray<ToAsk>, answers: ReadonlyArray<Buffer | undefined>): Outcome => {
  let good = 0
  let failed = 0
  const wrong: Array<string> = []
  answers.forEach((answer, i) => {
    const { wire } = questions[i]!
    if (answer === undefined) {
      wrong.push(`no answer to ${wire.toString("hex")}`)
      return
    }
    const reply = readReply(answer)
    const asked = readReply(wire)
    const isItsOwn =
      reply.id === asked.id && reply.question === asked.question && reply.opts.length === asked.opts.length
    const data = reply.answers.map((record) => record.data)
    if (isItsOwn && reply.rcode === 2) failed++
    else if (isItsOwn && reply.rcode === 0 && data.length === 1 && data[0] === deservedData(wire).toString("hex"))
      good++
    else wrong.push(`${answer.toString("hex")} to ${wire.toString("hex")}`)
  })
  return { good, failed, wrong }
}

const crowd = (port: number, prefix: string): Effect.Effect<Outcome> =>
  Effect.map(
    Effect.forEach(
      Array.from({ length: UDP_CLIENTS + TCP_CLIENTS }, (_, client) => questionsOf(client, prefix)),
      (questions) => Effect.map(askMany(port, questions), (answers) => recordOutcome(questions, answers)),
      { concurrency: "unbounded" }
    ),
    (outcomes) => ({
      good: outcomes.reduce((sum, { good }) => sum + good, 0),
      failed: outcomes.reduce((sum, { failed }) => sum + failed, 0),
      wrong: outcomes.flatMap(({ wrong }) => wrong)
    })
  )

/** All may wait at once: none is shed. */
const roomy = { DNS_SERVER_MAX_CONCURRENT_QUERIES: "5000" }
const ALL = (UDP_CLIENTS + TCP_CLIENTS) * EACH

describe("two hundred clients by UDP and fifty by TCP at once", () => {
  it.live("each get the answer to their own question", () =>
    Effect.gen(function* () {
      const upstream = yield* wireUpstream(mirror)
      const server = yield* startServer({
        DNS_SERVER_UPSTREAMS: upstream.address,
        // Five thousand at once take a busy machine a while: none is given up.
        DNS_SERVER_ATTEMPT_TIMEOUT_MS: "30000",
        DNS_SERVER_QUERY_TIMEOUT_SECS: "60",
        ...roomy
      })
      const outcome = yield* crowd(server.port, "calm")
      assert.deepStrictEqual(outcome.wrong, [])
      assert.strictEqual(outcome.good, ALL)
    })
  )

  it.live(
    "get no wrong answer from upstreams that lose, lie, stammer and break off, and almost always a good one",
    () =>
      Effect.gen(function* () {
        const [first, second] = [nasty(1), nasty(2)]
        const addresses = [
          (yield* wireUpstream(first.behaviour)).address,
          `127.0.0.1:${yield* freePort}`,
          (yield* wireUpstream(second.behaviour)).address
        ]
        const server = yield* startServer({
          ...roomy,
          DNS_SERVER_UPSTREAMS: addresses.join(","),
          DNS_SERVER_UPSTREAM_POLICY: "round-robin",
          DNS_SERVER_ATTEMPT_TIMEOUT_MS: "200",
          DNS_SERVER_RETRIES: "8",
          DNS_SERVER_QUERY_TIMEOUT_SECS: "20"
        })
        const outcome = yield* crowd(server.port, "rough")
        assert.deepStrictEqual(outcome.wrong, [])
        assert.isAtLeast(outcome.good, ALL * 0.99, `${outcome.failed} failed`)
        assert.isAtLeast(first.shown.size, 14, "every fault was shown")
        assert.isAbove(server.counters.read("upstream.strangers"), 0)
        const again = yield* crowd(server.port, "rough")
        assert.deepStrictEqual(again.wrong, [])
      })
  )

  it.live(
    "get no wrong answer over TCP upstreams that send garbage and reset connections in the middle of a message",
    () =>
      Effect.gen(function* () {
        const addresses = [
          `tcp://${(yield* wireUpstream(nasty(3).behaviour)).address}`,
          `tcp://${(yield* wireUpstream(nasty(4).behaviour)).address}`,
          `tcp://${(yield* wireUpstream(mirror)).address}`
        ]
        const server = yield* startServer({
          ...roomy,
          DNS_SERVER_UPSTREAMS: addresses.join(","),
          DNS_SERVER_UPSTREAM_POLICY: "round-robin",
          DNS_SERVER_ATTEMPT_TIMEOUT_MS: "200",
          DNS_SERVER_RETRIES: "8",
          DNS_SERVER_QUERY_TIMEOUT_SECS: "20"
        })
        const outcome = yield* crowd(server.port, "broken")
        assert.deepStrictEqual(outcome.wrong, [])
        assert.isAtLeast(outcome.good, ALL * 0.99, `${outcome.failed} failed`)
      })
  )
})
