/**
 * RFC 5452: Measures for making DNS more resilient against forged answers. What counts as a reply (§9.1), that ids and
 * source ports cannot be guessed (§9.2), and that equal questions do not multiply the chances of who guesses (§5).
 *
 * The bounds of the statistics are such that a sound source of numbers fails less than once in a million runs.
 */
import { createSocket } from "node:dgram"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { askMany } from "../support/clients/bulk-client.ts"
import { MemoryNetwork } from "../support/servers/memory-network.ts"
import { memoryServer, pass } from "../support/servers/memory-server.ts"
import { encodeQuestion } from "../support/servers/server.ts"
import { type Reaction, wireUpstream } from "../support/upstreams/fake-upstream.ts"
import { mirrorReply } from "../support/upstreams/mirror.ts"
import { address, asking, askRead, oneAddress, respond } from "./responses.ts"
import { serve } from "./ways.ts"

const QUESTIONS = 2_400
const BINS = 16
/** Of fifteen degrees of freedom, exceeded by chance once in ten million times. */
const MOST_OF_15 = 62.3
/** Of seven. */
const MOST_OF_7 = 45.7

const questions = Array.from({ length: QUESTIONS }, (_, i) => ({
  wire: encodeQuestion({ name: `n${i}.example.test` }, i),
  transport: "udp" as const
}))

/** How far the counts of the values in equal bins are from equal. */
const chiSquare = (values: ReadonlyArray<number>, bins: number, binOf: (value: number) => number): number => {
  const counts = new Array<number>(bins).fill(0)
  for (const value of values) counts[binOf(value)]!++
  const expected = values.length / bins
  return counts.reduce((sum, count) => sum + (count - expected) ** 2 / expected, 0)
}

/** From each number to the next, round the 16 bits. */
const stepsOf = (numbers: ReadonlyArray<number>): ReadonlyArray<number> =>
  numbers.slice(1).map((number, i) => (number - numbers[i]! + 65_536) % 65_536)

describe("RFC 5452: measures for making DNS more resilient against forged answers", () => {
  it.live("§5: equal questions that wait are one question to the upstream, however many ask", () =>
    Effect.gen(function* () {
      const { server, upstream } = yield* serve((asked) => [{ reply: mirrorReply(asked), delayMs: 100 }])
      const equal = Array.from({ length: 200 }, (_, id) => ({
        wire: encodeQuestion({ name: "www.example.test" }, id),
        transport: "udp" as const
      }))
      const answers = yield* askMany(server.port, equal, equal.length)
      assert.isTrue(answers.every((answer) => answer !== undefined))
      assert.strictEqual(upstream.queries(), 1)
    })
  )

  const forged = (asked: Buffer): Buffer => respond(asked, { answers: [address(300, 66)] })
  const truth = (asked: Buffer): Buffer => respond(asked, { answers: [address(300, 1)] })
  const changed =
    (change: (reply: Buffer, questionEnd: number) => void) =>
    (asked: Buffer): Reaction => {
      const reply = forged(asked)
      change(reply, asked.indexOf(0, 12) + 5)
      return { reply }
    }
  /** With these bits turned round, so many octets before the question's end. */
  const turned = (before: number, bits: number) =>
    changed((reply, end) => {
      reply[end - before]! ^= bits
    })
  const flags = (turn: number) => changed((reply) => void reply.writeUInt16BE(reply.readUInt16BE(2) ^ turn, 2))
  const lies: Readonly<Record<string, (asked: Buffer) => Reaction>> = {
    "has another id": changed((reply) => void reply.writeUInt16BE(reply.readUInt16BE(0) ^ 1, 0)),
    "is about another name": turned(8, 1),
    "is about another type": turned(3, 1),
    "is about another class": turned(1, 2),
    "has no question": changed((reply) => void reply.writeUInt16BE(0, 4)),
    "has two questions": changed((reply) => void reply.writeUInt16BE(2, 4)),
    "is no response": flags(0x8000),
    "has another opcode": flags(5 << 11),
    "is shorter than a header": (asked) => ({ reply: forged(asked).subarray(0, 11) }),
    "comes from another port": (asked) => ({ reply: forged(asked), fromElsewhere: true })
  }
  for (const [what, lie] of Object.entries(lies)) {
    it.live(`§9.1: what ${what} is no reply, and the reply is waited for`, () =>
      Effect.gen(function* () {
        const { server, upstream } = yield* serve((asked) => [lie(asked), { reply: truth(asked), delayMs: 30 }])
        const { answers } = yield* askRead(server, asking("www.example.test"))
        assert.deepStrictEqual(
          answers.map(({ data }) => data),
          ["c0000201"]
        )
        assert.strictEqual(upstream.queries(), 1)
      })
    )
  }

  it.live("§9.1: what comes from another address is no reply, though it comes from the right port", () =>
    Effect.gen(function* () {
      const liar = yield* Effect.acquireRelease(
        Effect.sync(() => createSocket("udp4")),
        (socket) => Effect.sync(() => socket.close())
      )
      const { server, upstream } = yield* serve((asked) => {
        for (const port of upstream.sourcePorts) liar.send(forged(asked), port, "127.0.0.1")
        return [{ reply: truth(asked), delayMs: 30 }]
      })
      yield* Effect.callback<void>((resume) => void liar.bind(upstream.port, "127.0.0.2", () => resume(Effect.void)))
      const { answers } = yield* askRead(server, asking("www.example.test"))
      assert.deepStrictEqual(
        answers.map(({ data }) => data),
        ["c0000201"]
      )
    })
  )

  it.live("§9.1: hundreds of guesses that miss do not end the wait, though the server may go another way", () =>
    Effect.gen(function* () {
      const { server } = yield* serve((asked, transport) => [
        ...Array.from({ length: transport === "udp" ? 300 : 0 }, (_, i) => {
          const reply = forged(asked)
          reply.writeUInt16BE((reply.readUInt16BE(0) + 1 + i) & 0xffff, 0)
          return { reply }
        }),
        { reply: truth(asked), delayMs: 60 }
      ])
      const { answers } = yield* askRead(server, asking("www.example.test"))
      assert.deepStrictEqual(
        answers.map(({ data }) => data),
        ["c0000201"]
      )
    })
  )

  it.live("§9.2: ids are spread evenly over all 16 bits, and none follows from those before it", () =>
    Effect.gen(function* () {
      const ids: Array<number> = []
      const { server } = yield* serve((asked) => {
        ids.push(asked.readUInt16BE(0))
        return [{ reply: mirrorReply(asked) }]
      })
      yield* askMany(server.port, questions, 200)
      assert.isAtLeast(ids.length, QUESTIONS)
      assert.isBelow(
        chiSquare(ids, BINS, (id) => id >> 12),
        MOST_OF_15
      )
      assert.isBelow(
        chiSquare(ids, BINS, (id) => id & 15),
        MOST_OF_15
      )
      const steps = stepsOf(ids)
      // One in 65,536 is so by chance.
      const progressions = steps.slice(1).filter((step, i) => step === steps[i]).length
      assert.isAtMost(progressions, 3)
      assert.isBelow(
        chiSquare(steps, BINS, (step) => step >> 12),
        MOST_OF_15
      )
    })
  )

  it.live("§9.2: source ports are many, spread evenly over all that are not privileged", () =>
    Effect.gen(function* () {
      const { server, upstream } = yield* serve((asked) => [{ reply: mirrorReply(asked) }], {
        DNS_SERVER_ACTOR_POOL_SIZE: "256"
      })
      // A few at a time: what comes together leaves together, by one socket.
      yield* askMany(server.port, questions.slice(0, 1_000), 2)
      const ports = [...upstream.sourcePorts]
      assert.isAtLeast(ports.length, 200)
      assert.isAtLeast(Math.min(...ports), 1_024)
      const binSize = (65_536 - 1_024) / 8
      assert.isBelow(
        chiSquare(ports, 8, (port) => Math.floor((port - 1_024) / binSize)),
        MOST_OF_7
      )
      const steps = stepsOf(ports)
      assert.isAtMost(steps.slice(1).filter((step, i) => step === steps[i]).length, 3)
    })
  )

  it.effect("§9.2: an upstream sees more than a thousand source ports a minute", () =>
    Effect.gen(function* () {
      const network = new MemoryNetwork()
      const ports = new Set<number>()
      const upstream = yield* network.bind(
        { address: "192.0.2.53", port: 1 },
        {
          onBatch: (batch, count) => {
            for (const datagram of batch.slice(0, count)) {
              ports.add(datagram.peer.port)
              const reply = mirrorReply(Buffer.from(datagram.payload.subarray(0, datagram.length)))
              upstream.reserve().set(reply)
              upstream.send(reply.length, datagram.keepPath())
            }
          }
        }
      )
      const server = yield* memoryServer(network, [1])
      const SECONDS = 12
      for (let second = 0; second < SECONDS; second++) {
        for (let i = 0; i < 20; i++) yield* server.send(asking(`n${i}.s${second}.example.test`))
        yield* pass(1_000)
      }
      assert.strictEqual(server.answers().length, 20 * SECONDS)
      assert.isAtLeast(ports.size, (1_000 / 60) * SECONDS)
    })
  )

  it.live("§9.2: the id that a client chose is not the one that the upstream is asked with", () =>
    Effect.gen(function* () {
      let same = 0
      const upstream = yield* wireUpstream((asked, ...rest) => {
        if (asked.readUInt16BE(0) === 0x1234) same++
        return oneAddress(asked, ...rest)
      })
      const { server } = yield* serve(oneAddress, { DNS_SERVER_UPSTREAMS: upstream.address })
      for (let i = 0; i < 20; i++) yield* askRead(server, asking(`n${i}.example.test`))
      // By chance once in 65,536 times.
      assert.isAtMost(same, 1)
    })
  )
})
