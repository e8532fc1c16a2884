import { assert, describe, it } from "@effect/vitest"
import { Arbitrary, Effect } from "effect"
import { formatName, lowerCased, parseName, readName, skipName } from "../../src/dns/name.ts"
import { Query, readQuery, Verdict } from "../../src/dns/query.ts"
import { type Option, type Question, questionOf, writeQuery } from "../../src/dns/question.ts"
import { MAX_ERROR_SIZE, replySize, writeAnswer, writeError } from "../../src/dns/reply.ts"
import { normalise } from "../../src/dns/response.ts"
import { HEADER_SIZE } from "../../src/dns/wire.ts"
import { FrameReader, frame } from "../../src/io/frames.ts"
import { replyLimit, UDP } from "../../src/query/transport.ts"
import { anyQuery, anyResponse, brokenMessage, name, octetsUpTo, upTo } from "../support/wire/arbitraries.ts"
import { ANY_TTL, answerMessage, octets, rewritten } from "../support/wire/messages.ts"
import { type ReadReply, readReply } from "../support/wire/reply-reader.ts"

const runs = (count: number) => ({ arbitrary: { runs: count } })

/** The same message with other octets behind it: whoever reads past the end sees a difference. */
const followedBy = (wire: Uint8Array, filler: number): Uint8Array => octets(wire, new Uint8Array(300).fill(filler))

const questionIn = (wire: Uint8Array, nameLength: number, type: number): Question => ({
  name: lowerCased(wire, HEADER_SIZE, nameLength),
  type,
  class: 1,
  dnssecOk: false,
  checkingDisabled: false,
  view: 0,
  clientContext: undefined
})

/** The query as an upstream gets it. */
const encodeQuery = (id: number, question: Question, size: number, options: ReadonlyArray<Option>): Uint8Array => {
  const out = new Uint8Array(512).fill(0xff)
  return out.slice(0, writeQuery(out, id, question, size, true, options))
}

const read = (wire: Uint8Array, length = wire.length): { readonly verdict: number; readonly query: Query } => {
  const query = new Query()
  return { verdict: readQuery(query, wire, length), query }
}

describe("names", () => {
  it.effect.prop("written as text and read again are the same", [name], ([wire]) =>
    Effect.sync(() => assert.deepStrictEqual(parseName(formatName(wire)), wire))
  )

  it.effect.prop("are read whole wherever they stand", [name, octetsUpTo(40)], ([wire, before]) =>
    Effect.sync(() => {
      const all = octets(before, wire)
      const out = new Uint8Array(255)
      assert.strictEqual(skipName(all, before.length, all.length), all.length)
      assert.strictEqual(readName(all, before.length, all.length, out, 0), wire.length)
      assert.deepStrictEqual(out.slice(0, wire.length), wire)
    })
  )
})

describe("queries", () => {
  it.effect.prop(
    "that are sent upstream can be read again",
    [name, upTo(127), upTo(0xffff), upTo(3), octetsUpTo(20)],
    ([owner, type, id, flags, value]) =>
      Effect.sync(() => {
        const question: Question = {
          name: lowerCased(owner, 0, owner.length),
          type: type === 41 ? 1 : type,
          class: 1,
          dnssecOk: (flags & 1) !== 0,
          checkingDisabled: (flags & 2) !== 0,
          view: 0,
          clientContext: undefined
        }
        const wire = encodeQuery(id, question, 1232, [{ code: 65_001, data: value }])
        const { verdict, query } = read(wire)
        assert.strictEqual(verdict, Verdict.Accept)
        assert.strictEqual(query.id, id)
        assert.strictEqual(query.udpSize, 1232)
        assert.deepStrictEqual(questionOf(query), question)
      })
  )

  it.effect.prop(
    "that are well-formed are accepted, or refused for what they ask",
    [anyQuery],
    ([{ wire, type, hasOpt }]) =>
      Effect.sync(() => {
        const { verdict, query } = read(wire)
        assert.strictEqual(verdict, type === 41 ? 1 : Verdict.Accept)
        assert.strictEqual(query.hasOpt, hasOpt)
      }),
    runs(300)
  )

  it.effect.prop(
    "of any octets get a verdict and an answer that can be read, and nothing past their end is looked at",
    [brokenMessage],
    ([wire]) =>
      Effect.sync(() => {
        const { verdict, query } = read(followedBy(wire, 0), wire.length)
        const other = read(followedBy(wire, 0xff), wire.length)
        assert.strictEqual(verdict, other.verdict)
        assert.deepStrictEqual(query.detach(), other.query.detach())
        if (verdict === Verdict.Drop) return
        const out = new Uint8Array(MAX_ERROR_SIZE)
        const length = writeError(out, query, Math.max(0, verdict))
        assert.strictEqual(readReply(Buffer.from(out.subarray(0, length))).rest, 0)
      }),
    runs(2000)
  )
})

/** What a reply says, but for its TTLs, its OPT and the case of its question. */
const classifyResponse = ({ answers, authorities, additionals }: ReadReply): unknown =>
  [answers, authorities, additionals].map((section) =>
    section.map(({ owner, type, class: recordClass, data }) => [owner, type, recordClass, data])
  )

const readWire = (wire: Uint8Array): ReadReply => readReply(Buffer.from(wire))

describe("responses", () => {
  it.effect.prop(
    "written anew say what they said",
    [anyResponse],
    ([{ wire, name: owner, type, hasOpt }]) =>
      Effect.sync(() => {
        const question = questionIn(wire, owner.length, type)
        const whole = rewritten(wire, question)
        assert.deepStrictEqual(classifyResponse(readWire(whole)), classifyResponse(readWire(wire)))
        assert.strictEqual(readWire(whole).opts.length, 0)
        assert.strictEqual(normalise(wire, wire.length, question, ANY_TTL)!.hasOpt, hasOpt)
      }),
    runs(500)
  )

  it.effect.prop(
    "of any octets are rejected or written anew, and nothing past their end is looked at",
    [brokenMessage],
    ([wire]) =>
      Effect.sync(() => {
        const asked = read(wire).query
        if (asked.nameLength === 0) return
        const question = questionIn(wire, asked.nameLength, asked.type)
        const whole = normalise(followedBy(wire, 0), wire.length, question, ANY_TTL)
        assert.deepStrictEqual(normalise(followedBy(wire, 0xff), wire.length, question, ANY_TTL), whole)
        if (whole === undefined || whole.truncated) return
        const again = normalise(whole.wire, whole.wire.length, question, ANY_TTL)
        assert.deepStrictEqual(again?.wire, whole.wire)
      }),
    runs(2000)
  )

  it.effect.prop(
    "fit what the client can take, whole records only, and leave out the last first",
    [anyResponse, upTo(1500), upTo(200_000), upTo(40)],
    ([{ wire, name: owner, type }, size, ageSeconds, rotation]) =>
      Effect.sync(() => {
        const question = questionIn(wire, owner.length, type)
        const whole = rewritten(wire, question)
        const asking = encodeQuery(7, question, size, [])
        const { query } = read(asking)
        const limit = replyLimit(UDP, query)
        const answer = answerMessage(whole, { ageSeconds, rotation })
        const out = new Uint8Array(Math.min(replySize(answer), limit))
        const length = writeAnswer(out, query, answer, limit)
        assert.isAtMost(length, limit)
        const reply = readReply(Buffer.from(out.subarray(0, length)))
        assert.strictEqual(reply.rest, 0)
        assert.strictEqual(reply.opts.length, 1)
        const kept = [reply.answers, reply.authorities, reply.additionals].map((section) => section.length)
        const had = readWire(whole)
        const all = [had.answers, had.authorities, had.additionals].map((section) => section.length)
        const firstCut = kept.findIndex((count, i) => count < all[i]!)
        if (firstCut >= 0)
          assert.deepStrictEqual(
            kept.slice(firstCut + 1),
            kept.slice(firstCut + 1).map(() => 0)
          )
        if (kept[0]! < all[0]!) assert.include(reply.flags, "TC")
        if (firstCut < 0) assert.notInclude(reply.flags, "TC")
      }),
    runs(500)
  )
})

describe("frames", () => {
  it.effect.prop(
    "come out as they went in, however the stream is cut",
    [Arbitrary.array(octetsUpTo(60), { maxLength: 12 }), Arbitrary.array(upTo(50), { minLength: 1, maxLength: 20 })],
    ([messages, cuts]) =>
      Effect.sync(() => {
        const stream = Buffer.concat(messages.map(frame))
        const reader = new FrameReader()
        const received: Array<Uint8Array> = []
        let at = 0
        for (let i = 0; at < stream.length; i++) {
          const size = cuts[i % cuts.length]! + 1
          reader.push(stream.subarray(at, at + size), (octetsOfMessage) =>
            received.push(Uint8Array.from(octetsOfMessage))
          )
          at += size
        }
        assert.deepStrictEqual(received, messages)
        assert.isFalse(reader.isInsideFrame)
      })
  )
})
