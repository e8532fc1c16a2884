/**
 * RFC 6891: Extension mechanisms for DNS (EDNS(0)). It is spoken hop by hop: what a client and the server say to each
 * other in an OPT is nobody else's (§6.1.1), nor what the server and an upstream say. Sizes are in §6.2, upstreams that
 * do not know it in §7.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { type WireBehaviour, wireUpstream } from "../support/upstreams/fake-upstream.ts"
import { octets, opt, option, query, question, record } from "../support/wire/messages.ts"
import { type ReadOpt, readReply } from "../support/wire/reply-reader.ts"
import {
  address,
  always,
  asking,
  askRead,
  asksFor,
  here,
  NOERROR,
  NXDOMAIN,
  oneAddress,
  respond,
  roomFor,
  SERVFAIL,
  soa,
  textOf
} from "./responses.ts"
import { clientOf, EVERYWHERE, serve, ways } from "./ways.ts"

const WWW = "www.example.test"
const [A, TXT] = [1, 16]
const OPT_SIZE = 11
const ours = { size: 1232, version: 0, dnssecOk: false, otherFlags: 0, options: [] }

/** The OPT of each query that came to an upstream; undefined where it had none. */
const noting =
  (seen: Array<ReadOpt | undefined>, inner: WireBehaviour): WireBehaviour =>
  (asked, ...rest) => {
    seen.push(readReply(asked).opts[0])
    return inner(asked, ...rest)
  }

const hasOpt = (asked: Buffer): boolean => readReply(asked).opts.length > 0

/** Names by what is answered for them, and by whom. */
const kinds: Readonly<Record<string, string>> = {
  "an answer": WWW,
  "an answer that there is no such name": "none.example.test",
  "a failure": "bad.example.test",
  "a local answer": "nas.home",
  "a special name": "a.invalid"
}
const answerAll: WireBehaviour = (asked) => {
  if (asksFor(asked, "none")) return [{ reply: respond(asked, { flags: NXDOMAIN, authorities: [soa(300)] }) }]
  if (asksFor(asked, "bad")) return [{ reply: respond(asked, { flags: SERVFAIL }) }]
  return [{ reply: respond(asked, { answers: [address()], additionals: hasOpt(asked) ? [opt({ size: 4096 })] : [] }) }]
}

describe("RFC 6891: extension mechanisms for DNS (EDNS(0))", () => {
  for (const way of ways) {
    it.live(`§6.1.1: a reply has one OPT where the query had one, and none where it had none, by ${way}`, () =>
      Effect.gen(function* () {
        const { server } = yield* serve(answerAll, {
          ...EVERYWHERE,
          DNS_SERVER_LOCAL_ANSWERS: "nas.home A 192.0.2.7"
        })
        const client = yield* clientOf(way, server)
        for (const [what, name] of Object.entries(kinds)) {
          for (const time of ["asked for", "kept"]) {
            for (const edns of [{}, undefined]) {
              const { opts } = readReply(yield* client.ask(asking(name, A, edns)))
              assert.deepStrictEqual(
                opts.map((each) => ({ ...each, options: [] })),
                edns === undefined ? [] : [ours],
                `${what}, ${time}`
              )
            }
          }
        }
      })
    )

    it.live(`§6.1.1: so has one to another opcode, or to several questions, by ${way}`, () =>
      Effect.gen(function* () {
        const { server, upstream } = yield* serve(oneAddress, EVERYWHERE)
        const client = yield* clientOf(way, server)
        const several = [question(WWW), question("mail.example.test")]
        for (const [parts, rcode] of [
          [{ flags: 0x2900, questions: [question(WWW)] }, 4],
          [{ questions: several }, 1]
        ] as const) {
          for (const additionals of [[opt()], [address(60), opt()], []]) {
            const reply = readReply(yield* client.ask(query({ ...parts, additionals })))
            assert.deepStrictEqual([reply.rcode, reply.opts.length], [rcode, additionals.length > 0 ? 1 : 0])
          }
        }
        assert.strictEqual(upstream.queries(), 0)
      })
    )

    it.live(`§6.1.1: a query with more than one is a format error, and nobody is asked, by ${way}`, () =>
      Effect.gen(function* () {
        const { server, upstream } = yield* serve(oneAddress, EVERYWHERE)
        const client = yield* clientOf(way, server)
        for (const count of [2, 3]) {
          const asked = query({ questions: [question(WWW)], additionals: new Array(count).fill(opt()) })
          assert.strictEqual(readReply(yield* client.ask(asked)).rcode, 1)
        }
        assert.strictEqual(upstream.queries(), 0)
      })
    )
  }

  it.live("§6.1.1: the OPT may stand anywhere in the additional section", () =>
    Effect.gen(function* () {
      const { server } = yield* serve(oneAddress)
      for (const additionals of [
        [opt(), address(60)],
        [address(60), opt(), address(60)],
        [address(60), opt()]
      ]) {
        const reply = yield* askRead(server, query({ questions: [question(WWW)], additionals }))
        assert.deepStrictEqual([reply.rcode, reply.answers.length, reply.opts.length], [0, 1, 1])
      }
    })
  )

  it.live(
    "§6.1.1: what the client says in its OPT is not told to the upstream, and what that says not to the client",
    () =>
      Effect.gen(function* () {
        const seen: Array<ReadOpt | undefined> = []
        const options = octets(option(3, [0x78]), option(65_001, [1, 2, 3]))
        const { server } = yield* serve(
          noting(seen, always({ answers: [address()], additionals: [opt({ size: 4_096, flags: 0x7fff, options })] }))
        )
        for (const _ of ["asked for", "from the cache"]) {
          const { opts } = yield* askRead(server, asking(WWW, A, { size: 4_000, flags: 0x7fff, options }))
          assert.deepStrictEqual(opts, [ours])
        }
        const [said] = seen
        assert.deepStrictEqual([said!.size, said!.version, said!.dnssecOk, said!.otherFlags], [1232, 0, false, 0])
        for (const code of [3, 65_001]) assert.notInclude(said!.options, code)
      })
  )

  it.live("§6.1.2: options that are not known are ignored, and do not come back", () =>
    Effect.gen(function* () {
      const { server } = yield* serve(oneAddress)
      for (const code of [0, 4, 100, 65_000, 65_535]) {
        const reply = yield* askRead(server, asking(WWW, A, { options: option(code, [1, 2, 3, 4]) }))
        assert.deepStrictEqual([reply.rcode, reply.answers.length], [0, 1])
        assert.deepStrictEqual(reply.opts, [ours])
      }
    })
  )

  for (const way of ways) {
    it.live(`§6.1.3: a version that is not known is BADVERS, with ours, and nobody is asked, by ${way}`, () =>
      Effect.gen(function* () {
        const { server, upstream } = yield* serve(oneAddress, EVERYWHERE)
        const client = yield* clientOf(way, server)
        for (const version of [1, 2, 127, 255]) {
          const reply = readReply(yield* client.ask(asking(WWW, A, { version, options: Uint8Array.of(9) })))
          assert.deepStrictEqual([reply.rcode, reply.answers.length, reply.opts], [16, 0, [ours]])
        }
        assert.strictEqual(upstream.queries(), 0)
      })
    )
  }

  it.live("§6.1.3: an rcode has twelve bits: an upstream's BADVERS or BADCOOKIE is no NOERROR and no YXRRSET", () =>
    Effect.gen(function* () {
      for (const [flags, upperRcode] of [
        [NOERROR, 1],
        [NOERROR | 7, 1],
        [NOERROR, 255]
      ] as const) {
        const { server } = yield* serve(
          always({ flags, answers: [address(300, 66)], additionals: [opt({ upperRcode })] })
        )
        for (const _ of ["asked for", "kept"]) {
          const reply = yield* askRead(server, asking(WWW))
          assert.deepStrictEqual([reply.rcode, reply.answers.length], [2, 0])
        }
      }
    })
  )

  it.live("§6.1.4: flags that are not known are ignored, and 0 in what the server sends, to both sides", () =>
    Effect.gen(function* () {
      const seen: Array<ReadOpt | undefined> = []
      const { server } = yield* serve(noting(seen, oneAddress))
      for (const flags of [0x7fff, 0x4000, 1]) {
        const { opts } = yield* askRead(server, asking(`n${flags}.example.test`, A, { flags }))
        assert.deepStrictEqual(opts, [ours])
      }
      assert.isTrue(seen.every((said) => said?.otherFlags === 0))
    })
  )

  it.live("§6.2.3: a size below 512 counts as 512", () =>
    Effect.gen(function* () {
      for (const [size, isCut] of [
        [512, false],
        [513, true]
      ] as const) {
        const { server } = yield* serve((asked) => [
          { reply: respond(asked, { answers: [record(here, TXT, 60, textOf(roomFor(asked, size - OPT_SIZE)))] }) }
        ])
        for (const claimed of [0, 1, 511, 512]) {
          const reply = yield* askRead(server, asking(WWW, TXT, { size: claimed }))
          assert.strictEqual(reply.flags.includes("TC"), isCut, `${size} to ${claimed}`)
          if (!isCut) assert.strictEqual(reply.length, size)
        }
      }
    })
  )

  it.live("§6.2.4, §6.2.5: a reply by UDP is as long as the client takes and the server sends, to the octet", () =>
    Effect.gen(function* () {
      for (const size of [600, 900, 1_231, 1_232, 1_233]) {
        const { server } = yield* serve((asked) => [
          { reply: respond(asked, { answers: [record(here, TXT, 60, textOf(roomFor(asked, size - OPT_SIZE)))] }) }
        ])
        for (const [claimed, limit] of [
          [size - 1, size - 1],
          [size, Math.min(size, 1_232)],
          [4_096, 1_232],
          [65_535, 1_232]
        ] as const) {
          const reply = yield* askRead(server, asking(WWW, TXT, { size: claimed }))
          const isCut = size > limit
          assert.deepStrictEqual([reply.flags.includes("TC"), reply.opts], [isCut, [ours]], `${size} to ${claimed}`)
          if (!isCut) assert.strictEqual(reply.length, size)
        }
      }
    })
  )

  it.live("§6.2.5: by a stream the size says nothing: an answer comes whole", () =>
    Effect.gen(function* () {
      const { server } = yield* serve(
        (asked) => [{ reply: respond(asked, { answers: [record(here, TXT, 60, textOf(1_220))] }) }],
        EVERYWHERE
      )
      for (const way of ["TCP", "TLS", "HTTPS"] as const) {
        const client = yield* clientOf(way, server)
        for (const size of [0, 512]) {
          const reply = readReply(yield* client.ask(asking(WWW, TXT, { size })))
          assert.deepStrictEqual([reply.flags, reply.answers.length], ["QR RD RA", 1])
        }
      }
    })
  )

  it.live("§7: the OPT stays in a reply that is truncated", () =>
    Effect.gen(function* () {
      const { server } = yield* serve(always({ answers: [record(here, TXT, 60, textOf(1_100))] }))
      const reply = yield* askRead(server, asking(WWW, TXT, { size: 512 }))
      assert.deepStrictEqual([reply.flags, reply.opts], ["QR TC RD RA", [ours]])
    })
  )

  for (const [what, refusal] of [
    ["FORMERR without an OPT", (asked: Buffer) => respond(asked, { flags: 0x8181 })],
    ["FORMERR that is a header alone", (asked: Buffer) => respond(asked, { flags: 0x8181 }).fill(0, 4).subarray(0, 12)],
    ["NOTIMP", (asked: Buffer) => respond(asked, { flags: 0x8184 })],
    ["BADVERS", (asked: Buffer) => respond(asked, { additionals: [opt({ upperRcode: 1 })] })]
  ] as const) {
    it.live(`§7: an upstream that answers EDNS by ${what} is asked without, and first so the next time`, () =>
      Effect.gen(function* () {
        const seen: Array<ReadOpt | undefined> = []
        const upstream = yield* wireUpstream(
          noting(seen, (asked, ...rest) => (hasOpt(asked) ? [{ reply: refusal(asked) }] : oneAddress(asked, ...rest)))
        )
        const { server } = yield* serve(oneAddress, { DNS_SERVER_UPSTREAMS: upstream.address })
        const first = yield* askRead(server, asking(WWW, A, {}))
        assert.deepStrictEqual([first.rcode, first.answers.length, first.opts], [0, 1, [ours]])
        const before = seen.length
        assert.isAtMost(before, 3)
        yield* askRead(server, asking("next.example.test"))
        assert.deepStrictEqual(seen.slice(before), [undefined])
      })
    )
  }

  it.live("§7: an upstream that answers without an OPT is understood all the same", () =>
    Effect.gen(function* () {
      const seen: Array<ReadOpt | undefined> = []
      const { server } = yield* serve(noting(seen, oneAddress))
      for (const name of ["a.test", "b.test"]) {
        assert.strictEqual((yield* askRead(server, asking(name, A, {}))).opts.length, 1)
      }
      assert.strictEqual(seen.length, 2)
    })
  )
})
