/**
 * RFC 6672: DNAME redirection in the DNS. A forwarder gives a DNAME on with the CNAME that was made of it (§3.1), asks
 * for where it leads if nothing is said of that, and takes YXDOMAIN for the answer that it is (§2.2).
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { octets, pointer, record, wireName } from "../support/wire/messages.ts"
import { address, always, asking, askRead, asksFor, here, respond, soa, typeIn } from "./responses.ts"
import { serve } from "./ways.ts"

const [A, CNAME, DNAME] = [1, 5, 39]
const YXDOMAIN = 0x8186
const WWW = "www.old.example.test"
/** `old.example.test` in a message about `WWW`. */
const old = pointer(16)
const redirection = (ttl = 300): Uint8Array => record(old, DNAME, ttl, wireName("new.example.test"))
const made = (ttl = 300): Uint8Array => record(here, CNAME, ttl, wireName("www.new.example.test"))
const target = address(300, 1, wireName("www.new.example.test"))

const sequence = (answers: ReadonlyArray<{ readonly owner: string; readonly type: number }>): ReadonlyArray<string> =>
  answers.map(({ owner, type }) => `${owner} ${type}`)
const whole = ["old.example.test. 39", "www.old.example.test. 5", "www.new.example.test. 1"]

describe("RFC 6672: DNAME redirection in the DNS", () => {
  it.live("§3.1: the DNAME, the CNAME that was made of it and what it leads to come through, and are kept", () =>
    Effect.gen(function* () {
      const { server, upstream } = yield* serve(always({ answers: [redirection(), made(), target] }))
      for (const _ of ["asked for", "from the cache"]) {
        assert.deepStrictEqual(sequence((yield* askRead(server, asking(WWW))).answers), whole)
      }
      assert.strictEqual(upstream.queries(), 1)
    })
  )

  it.live("§3.1: a CNAME that was made with a TTL of 0 is good for this answer, which is not kept", () =>
    Effect.gen(function* () {
      const { server, upstream } = yield* serve(always({ answers: [redirection(), made(0), target] }))
      for (const times of [1, 2]) {
        assert.deepStrictEqual(sequence((yield* askRead(server, asking(WWW))).answers), whole)
        assert.strictEqual(upstream.queries(), times)
      }
    })
  )

  it.live("§3.1: where it leads is asked for if the answer stops there", () =>
    Effect.gen(function* () {
      const { server, upstream } = yield* serve((asked) => [
        {
          reply: respond(
            asked,
            asksFor(asked, "old") ? { answers: [redirection(), made()] } : { answers: [address(300, 1)] }
          )
        }
      ])
      assert.deepStrictEqual(sequence((yield* askRead(server, asking(WWW))).answers), whole)
      assert.strictEqual(upstream.queries(), 2)
    })
  )

  it.live("§2.3: the name that has the DNAME is not redirected itself", () =>
    Effect.gen(function* () {
      const { server } = yield* serve((asked) => [
        {
          reply: respond(
            asked,
            typeIn(asked) === DNAME
              ? { answers: [record(here, DNAME, 300, wireName("new.example.test"))] }
              : { authorities: [soa(300)] }
          )
        }
      ])
      const itself = yield* askRead(server, asking("old.example.test", DNAME))
      assert.deepStrictEqual(
        itself.answers.map(({ data, type }) => [type, data]),
        [[DNAME, "new.example.test."]]
      )
      const other = yield* askRead(server, asking("old.example.test", A))
      assert.deepStrictEqual([other.rcode, other.answers.length, other.authorities.length], [0, 0, 1])
    })
  )

  it.live("§2.2: YXDOMAIN with the DNAME that makes a name too long is an answer, and is not kept", () =>
    Effect.gen(function* () {
      const label = octets([63], new Uint8Array(63).fill(0x61))
      const long = octets(label, label, label, [0])
      // 150 octets before what is redirected, and 193 in its place.
      const name = `${"b".repeat(63)}.${"c".repeat(63)}.${"d".repeat(20)}.old.example.test`
      const owner = pointer(12 + 64 + 64 + 21)
      const { server, upstream } = yield* serve(always({ flags: YXDOMAIN, answers: [record(owner, DNAME, 300, long)] }))
      for (const times of [1, 2]) {
        const { answers, rcode } = yield* askRead(server, asking(name))
        assert.deepStrictEqual([rcode, ...sequence(answers)], [6, "old.example.test. 39"])
        assert.strictEqual(upstream.queries(), times)
      }
    })
  )

  it.live("§2.2: YXDOMAIN that no DNAME explains is an error of the upstream", () =>
    Effect.gen(function* () {
      for (const answers of [[], [redirection()]]) {
        const { server } = yield* serve(always({ flags: YXDOMAIN, answers }))
        const reply = yield* askRead(server, asking(WWW))
        assert.deepStrictEqual([reply.rcode, reply.answers.length], [2, 0])
      }
    })
  )
})
