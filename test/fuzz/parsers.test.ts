/** Random and mutated packets, the same in every run: nothing whatever makes a parser throw, loop or write nonsense. */
import { assert, describe, it } from "@effect/vitest"
import { Query, readQuery } from "../../src/dns/query.ts"
import { MAX_ERROR_SIZE, writeError } from "../../src/dns/reply.ts"
import { matchReply, normalise, ReplyMatch } from "../../src/dns/response.ts"
import { u16 } from "../../src/dns/wire.ts"
import {
  ANY_TTL,
  octets,
  opt,
  option,
  pointer,
  QUESTION_NAME,
  query,
  record,
  response,
  seeded,
  soaData,
  WWW,
  withPointer
} from "../support/wire/messages.ts"

const ROUNDS = 20_000
const here = pointer(QUESTION_NAME)
const samples = [
  query({ additionals: [opt({ options: option(10, [1, 2, 3, 4, 5, 6, 7, 8]) })] }),
  response({
    answers: [record(here, 5, 60, withPointer("x", 16)), record(pointer(45), 1, 60, [1, 2, 3, 4])],
    authorities: [record(here, 6, 60, soaData(30)), record(here, 2, 60, withPointer("ns", 16))],
    additionals: [record(here, 35, 9, octets(0, 1, 0, 1, 1, 97, 1, 98, 0, here)), opt()]
  }),
  response({
    answers: [record(here, 15, 60, octets(0, 1, here)), record(here, 33, 60, octets(0, 0, 0, 0, 0, 0, here))]
  })
]

const packets = function* (seed: number): Generator<Uint8Array> {
  const random = seeded(seed)
  for (let round = 0; round < ROUNDS; round++) {
    if (round % 4 === 0) {
      yield Uint8Array.from({ length: random(120) }, () => random(256))
      continue
    }
    const mutated = samples[random(samples.length)]!.slice()
    for (let changes = 1 + random(4); changes > 0; changes--) {
      mutated[random(mutated.length)] = random(3) === 0 ? 0xc0 + random(64) : random(256)
    }
    yield random(5) === 0 ? mutated.subarray(0, random(mutated.length + 1)) : mutated
  }
}

describe("any packet whatever", () => {
  it("is read as a query, and answered where it may be", () => {
    const into = new Query()
    const out = new Uint8Array(MAX_ERROR_SIZE)
    for (const wire of packets(1)) {
      const verdict = readQuery(into, wire, wire.length)
      assert.isTrue(verdict >= -2 && verdict <= 16)
      if (verdict === -2) continue
      assert.isAtMost(into.questionEnd, wire.length)
      assert.isAtMost(into.optionsEnd, wire.length)
      assert.isAtMost(writeError(out, into, Math.max(0, verdict)), MAX_ERROR_SIZE)
    }
  })

  it("is rejected as a response, or written anew so that it can be read again", () => {
    for (const wire of packets(2)) {
      if (wire.length < 33 || matchReply(wire, wire.length, u16(wire, 0), WWW) !== ReplyMatch.Reply) continue
      const whole = normalise(wire, wire.length, WWW, ANY_TTL)
      // An error of more than four bits is none without its OPT.
      if (whole === undefined || whole.rcode > 15) continue
      const again = normalise(whole.wire, whole.wire.length, WWW, ANY_TTL)
      assert.deepStrictEqual(again?.wire, whole.wire)
    }
  })
})
