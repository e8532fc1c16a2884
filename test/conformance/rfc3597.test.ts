/**
 * RFC 3597: Handling of unknown DNS resource record types. What a forwarder does not know it carries octet by octet
 * (§3), and it neither compresses names in data that others may not know nor takes such compression for data (§4).
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { octets, record, soaData, wireName, withPointer, word } from "../support/wire/messages.ts"
import { readReply } from "../support/wire/reply-reader.ts"
import { address, always, asking, askRead, here, respond, typeIn } from "./responses.ts"
import { clientOf, EVERYWHERE, serve, ways } from "./ways.ts"

const WWW = "www.example.test"
const EXAMPLE_AT = 16
const hex = (data: ArrayLike<number>): string => Buffer.from(Array.from(data)).toString("hex")

/** Data that looks like a name, a pointer, a loop of pointers, or nothing. */
const curious = [
  octets([]),
  here,
  octets([0xc0, 0x0c, 0xc0, 0x22, 0xff, 0xff]),
  octets([3, 0x77, 0x57, 0x77], here),
  octets([63]),
  Uint8Array.from({ length: 256 }, (_, i) => i)
]

describe("RFC 3597: handling of unknown DNS resource record types", () => {
  for (const way of ways) {
    it.live(`§3: data of unknown types is carried as it is, whatever it looks like, by ${way}`, () =>
      Effect.gen(function* () {
        const { server, upstream } = yield* serve((asked) => {
          const type = typeIn(asked)
          return [{ reply: respond(asked, { answers: curious.map((data) => record(here, type, 300, data)) }) }]
        }, EVERYWHERE)
        const client = yield* clientOf(way, server)
        const types = [9_999, 300, 65_280, 65_534]
        for (const _ of ["asked for", "from the cache"]) {
          for (const type of types) {
            const { answers, flags } = readReply(yield* client.ask(asking(WWW, type)))
            assert.strictEqual(flags, "QR RD RA")
            assert.deepStrictEqual(
              answers.map((each) => [each.type, each.data]),
              curious.map((data) => [type, hex(data)])
            )
          }
        }
        assert.strictEqual(upstream.queries(), types.length)
      })
    )
  }

  it.live("§3: one of 65,000 octets is carried by TCP", () =>
    Effect.gen(function* () {
      const data = Uint8Array.from({ length: 65_000 }, (_, i) => (i * 7) & 0xff)
      const { server } = yield* serve(
        (asked, transport) => [
          {
            reply:
              transport === "udp"
                ? respond(asked, { flags: 0x8380 })
                : respond(asked, { answers: [record(here, 65_300, 300, data)] })
          }
        ],
        EVERYWHERE
      )
      const client = yield* clientOf("TCP", server)
      const { answers } = readReply(yield* client.ask(asking(WWW, 65_300)))
      assert.strictEqual(answers[0]!.data, hex(data))
    })
  )

  it.live("§4: names in data of types that are not of RFC 1035 are not compressed, and come decompressed", () =>
    Effect.gen(function* () {
      const target = withPointer("host", EXAMPLE_AT)
      const whole = wireName("host.example.test")
      const known = [
        ["SRV", 33, octets(word(1), word(2), word(53))],
        ["AFSDB", 18, octets(word(1))],
        ["KX", 36, octets(word(1))],
        ["NAPTR", 35, octets(word(1), word(2), [1, 0x75], [0], [0])],
        ["DNAME", 39, octets([])]
      ] as const
      for (const [name, type, before] of known) {
        const { server } = yield* serve(always({ answers: [record(here, type, 300, octets(before, target))] }))
        const asked = asking(WWW, type)
        // As it stands in the reply: `readReply` would decompress it.
        const reply = Buffer.from(yield* clientOf("UDP", server).pipe(Effect.flatMap((client) => client.ask(asked))))
        const end = asked.length + 2 + 10
        assert.strictEqual(hex(reply.subarray(end)), hex(octets(before, whole)), name)
        assert.strictEqual(reply.readUInt16BE(end - 2), before.length + whole.length, name)
      }
    })
  )

  it.live("§4: names in data of SVCB and HTTPS are no business of a forwarder: they are carried as they are", () =>
    Effect.gen(function* () {
      const data = octets(word(1), wireName("Svc.Example.Test"), word(1), word(3), [2, 0x68, 0x32])
      for (const type of [64, 65]) {
        const { server } = yield* serve(always({ answers: [record(here, type, 300, data)] }))
        const { answers } = yield* askRead(server, asking(WWW, type))
        assert.deepStrictEqual(
          answers.map((each) => each.data),
          [hex(data)]
        )
      }
    })
  )

  it.live("§4: names in data of RFC 1035's types are read through their compression", () =>
    Effect.gen(function* () {
      const { server } = yield* serve(always({ authorities: [record(here, 6, 300, soaData(300))] }))
      const { authorities } = yield* askRead(server, asking(WWW))
      assert.match(authorities[0]!.data, /^www\.example\.test\. www\.example\.test\. /)
    })
  )

  it.live("§3: an unknown class is not served, and nobody is asked for it", () =>
    Effect.gen(function* () {
      const { server, upstream } = yield* serve(always({ answers: [address()] }))
      const asked = asking(WWW)
      asked.writeUInt16BE(0x1234, asked.length - 2)
      const reply = yield* askRead(server, asked)
      assert.deepStrictEqual([reply.rcode, reply.question], [5, asked.toString("hex", 12)])
      assert.strictEqual(upstream.queries(), 0)
    })
  )
})
