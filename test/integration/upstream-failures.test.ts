import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Fiber, Scope } from "effect"
import { askMany, type ToAsk } from "../support/clients/bulk-client.ts"
import { freePort } from "../support/machine/ports.ts"
import { until } from "../support/machine/until.ts"
import { ask, encodeQuestion, rcodeOf, startServer } from "../support/servers/server.ts"
import { type FakeUpstream, type WireBehaviour, wireUpstream } from "../support/upstreams/fake-upstream.ts"
import { deservedData, mirror, nameIn } from "../support/upstreams/mirror.ts"
import { readReply } from "../support/wire/reply-reader.ts"

const asked = (name: string, id = 1): ToAsk => ({
  wire: encodeQuestion({ name: `${name}.example.test` }, id),
  transport: id % 4 === 0 ? "tcp" : "udp"
})

const isAnswered = (answer: Buffer | undefined): boolean =>
  answer !== undefined && readReply(answer).rcode === 0 && answer.subarray(-4).equals(deservedData(answer))

/** Asks new names until it is told to stop; gives how many were asked, and how many got no good answer. */
const startLoad = (port: number) =>
  Effect.gen(function* () {
    let isOver = false
    const load = Effect.gen(function* () {
      let count = 0
      let failures = 0
      while (!isOver) {
        const questions = Array.from({ length: 40 }, (_, i) => asked(`load${count + i}`, i))
        const answers = yield* askMany(port, questions)
        count += questions.length
        failures += answers.filter((answer) => !isAnswered(answer)).length
        yield* Effect.sleep(20)
      }
      return { count, failures }
    })
    const fiber = yield* Effect.forkChild(load, { startImmediately: true })
    return Effect.suspend(() => {
      isOver = true
      return Fiber.join(fiber)
    })
  })

interface Killable {
  readonly upstream: FakeUpstream
  readonly kill: Effect.Effect<void>
}

const killable = (behaviour: WireBehaviour, port: number): Effect.Effect<Killable, never, Scope.Scope> =>
  Effect.gen(function* () {
    const scope = yield* Scope.fork(yield* Effect.scope)
    const upstream = yield* Scope.provide(wireUpstream(behaviour, port), scope)
    return { upstream, kill: Scope.close(scope, Exit.void) }
  })

const quick = { DNS_SERVER_ATTEMPT_TIMEOUT_MS: "150", DNS_SERVER_QUERY_TIMEOUT_SECS: "20" }

describe("a name that always fails", () => {
  const faults: Readonly<Record<string, WireBehaviour>> = {
    "with SERVFAIL": (query) => [{ reply: servfail(query) }],
    "in silence": () => [],
    "with garbage": (query) => [{ reply: garbage(query) }]
  }
  for (const [how, fault] of Object.entries(faults)) {
    it.live(`${how} opens no breaker: other names are asked for, and answered, all the while`, () =>
      Effect.gen(function* () {
        const upstream = yield* wireUpstream((query, transport, count) =>
          (nameIn(query) === "bad" ? fault : mirror)(query, transport, count)
        )
        const server = yield* startServer({
          DNS_SERVER_UPSTREAMS: upstream.address,
          DNS_SERVER_ATTEMPT_TIMEOUT_MS: "50",
          DNS_SERVER_QUERY_TIMEOUT_SECS: "1"
        })
        const bad = yield* Effect.forkChild(
          Effect.all(
            Array.from({ length: 9 }, () => ask(server.port, { name: "bad.example.test" })),
            { concurrency: 3 }
          ),
          { startImmediately: true }
        )
        for (let i = 0; i < 30; i++) {
          const answers = yield* askMany(server.port, [asked(`good${i}`)])
          assert.isTrue(answers.every(isAnswered), `good${i}`)
          yield* Effect.sleep(30)
        }
        assert.isTrue((yield* Fiber.join(bad)).every((answer) => rcodeOf(answer) === "SERVFAIL"))
      })
    )
  }
})

const servfail = (query: Buffer): Buffer => {
  const reply = Buffer.from(query)
  reply.writeUInt16BE(0x8182, 2)
  return reply
}

/** The right id and question, and then a record that is not there. */
const garbage = (query: Buffer): Buffer => {
  const reply = Buffer.from(query)
  reply.writeUInt16BE(0x8180, 2)
  reply.writeUInt16BE(3, 6)
  return reply
}

describe("of two upstreams", () => {
  for (const policy of ["ordered", "round-robin", "least-busy"]) {
    it.live(`one may die under load without a client noticing, and is used again when it is back (${policy})`, () =>
      Effect.gen(function* () {
        const [port, other] = [yield* freePort, yield* freePort]
        const first = yield* killable(mirror, port)
        yield* wireUpstream(mirror, other)
        const server = yield* startServer({
          ...quick,
          DNS_SERVER_UPSTREAMS: `127.0.0.1:${port},127.0.0.1:${other}`,
          DNS_SERVER_UPSTREAM_POLICY: policy
        })
        const stop = yield* startLoad(server.port)
        yield* Effect.sleep(500)
        yield* first.kill
        yield* Effect.sleep(1500)
        const again = yield* killable(mirror, port)
        yield* until("it is used again", () => again.upstream.queries() >= 50)
        const { count, failures } = yield* stop
        assert.isAbove(count, 100)
        assert.strictEqual(failures, 0)
      })
    )
  }

  it.live("one may fall silent under load without a client getting a failure, and is used again when it speaks", () =>
    Effect.gen(function* () {
      let isSilent = false
      let afterwards = 0
      const first = yield* wireUpstream((query, transport, count) => {
        if (isSilent) return []
        afterwards++
        return mirror(query, transport, count)
      })
      const second = yield* wireUpstream(mirror)
      const server = yield* startServer({
        ...quick,
        DNS_SERVER_UPSTREAMS: `${first.address},${second.address}`,
        DNS_SERVER_UPSTREAM_POLICY: "ordered"
      })
      const stop = yield* startLoad(server.port)
      yield* Effect.sleep(500)
      isSilent = true
      yield* Effect.sleep(2000)
      isSilent = false
      afterwards = 0
      yield* until("it is used again", () => afterwards >= 50)
      const { failures } = yield* stop
      assert.strictEqual(failures, 0)
    })
  )

  it.live(
    "both may die: SERVFAIL comes early once that is known, cached answers still do, and so does who returns",
    () =>
      Effect.gen(function* () {
        const [port, other] = [yield* freePort, yield* freePort]
        const first = yield* killable(mirror, port)
        const second = yield* killable(mirror, other)
        const server = yield* startServer({
          ...quick,
          DNS_SERVER_UPSTREAMS: `127.0.0.1:${port},127.0.0.1:${other}`,
          DNS_SERVER_UPSTREAM_POLICY: "ordered"
        })
        assert.isTrue((yield* askMany(server.port, [asked("kept")])).every(isAnswered))
        yield* first.kill
        yield* second.kill
        yield* Effect.sleep(700)
        for (let i = 0; i < 12; i++) yield* ask(server.port, { name: `gone${i}.example.test`, edns: {} })
        // Far below the deadline of twenty seconds.
        const late = yield* ask(server.port, { name: "late.example.test", edns: {}, timeoutMs: 8000 })
        assert.strictEqual(rcodeOf(late), "SERVFAIL")
        assert.isTrue((yield* askMany(server.port, [asked("kept")])).every(isAnswered))
        yield* killable(mirror, other)
        yield* Effect.sleep(1500)
        assert.isTrue((yield* askMany(server.port, [asked("back")])).every(isAnswered))
        assert.isTrue(
          (yield* askMany(server.port, [asked("late")])).every(isAnswered),
          "what failed then is asked again"
        )
      })
  )
})
