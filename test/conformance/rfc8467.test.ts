/**
 * RFC 8467: Padding policies for extension mechanisms for DNS (EDNS(0)). By the policy that it recommends (§4.1) queries
 * to upstreams are multiples of 128 octets, and replies to clients multiples of 468.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { serverTrusting } from "../support/servers/trusting-server.ts"
import { httpsUpstream } from "../support/upstreams/https-upstream.ts"
import { streamUpstream } from "../support/upstreams/stream-upstream.ts"
import { authority } from "../support/wire/certificates.ts"
import { option, record } from "../support/wire/messages.ts"
import { readReply } from "../support/wire/reply-reader.ts"
import { asking, here, respond, roomFor, textOf } from "./responses.ts"
import { clientOf, EVERYWHERE, serve } from "./ways.ts"

const PADDING = 12
const TXT = 16
const TC = 0x200
const BLOCK = 468
const padded = { options: option(PADDING, []) }
const trusted = authority()
const certificate = trusted.issue({ names: ["127.0.0.1"] })

/** By TCP an answer that measures as the name says. */
const sized = (asked: Buffer, transport: "udp" | "tcp") => {
  const size = Number.parseInt(asked.toString("latin1", 14), 10)
  return [
    {
      reply:
        transport === "udp"
          ? respond(asked, { flags: 0x8180 | TC })
          : respond(asked, { answers: [record(here, TXT, 300, textOf(roomFor(asked, size)))] })
    }
  ]
}

describe("RFC 8467: padding policies for extension mechanisms for DNS (EDNS(0))", () => {
  for (const way of ["TLS", "HTTPS"] as const) {
    it.live(`§4.1: a reply measures a multiple of 468 octets, the least there is, by ${way}`, () =>
      Effect.gen(function* () {
        const { server } = yield* serve(sized, EVERYWHERE)
        const client = yield* clientOf(way, server)
        // With the OPT, and the option's head, that is where a block ends, and where the next one begins.
        const last = BLOCK - 11 - 4
        for (const [size, blocks] of [
          [60, 1],
          [last - 1, 1],
          [last, 1],
          [last + 1, 2],
          [BLOCK, 2],
          [last + BLOCK, 2],
          [last + BLOCK + 1, 3],
          [20_000, 43]
        ] as const) {
          const reply = readReply(yield* client.ask(asking(`n${size}.example.test`, TXT, padded)))
          assert.deepStrictEqual([reply.rcode, reply.answers.length], [0, 1])
          assert.strictEqual(reply.length, blocks * BLOCK, String(size))
        }
      })
    )

    it.live(
      `§4.1: one for which there is no whole block any more is padded to what a message may measure, by ${way}`,
      () =>
        Effect.gen(function* () {
          const { server } = yield* serve(sized, EVERYWHERE)
          const client = yield* clientOf(way, server)
          for (const size of [65_520, 65_535 - 11 - 4, 65_535 - 11]) {
            const reply = readReply(yield* client.ask(asking(`n${size}.example.test`, TXT, padded)))
            assert.deepStrictEqual([reply.flags, reply.answers.length], ["QR RD RA", 1])
            assert.strictEqual(reply.length, 65_535)
          }
        })
    )
  }

  for (const protocol of ["tls", "https"] as const) {
    it.live(
      `§4.1: a query to an upstream by ${protocol} measures a multiple of 128 octets, however long its name is`,
      () =>
        Effect.gen(function* () {
          const seen: Array<Buffer> = []
          const upstream =
            protocol === "tls" ? yield* streamUpstream({ certificate }) : yield* httpsUpstream({ certificate })
          const path = protocol === "tls" ? "" : "/dns-query"
          const server = yield* serverTrusting(trusted)([`${protocol}://127.0.0.1:${upstream.port}${path}`])
          for (const length of [1, 20, 60]) {
            yield* server.ask({ name: `${"x".repeat(length)}.${"y".repeat(length)}.example.test`, tcp: true })
          }
          seen.push(...("queries" in upstream ? upstream.queries : upstream.requests.map(({ query }) => query)))
          assert.isAtLeast(seen.length, 3)
          for (const query of seen) assert.strictEqual(query.length % 128, 0)
          assert.isAtMost(seen[0]!.length, 128)
          assert.isAbove(seen.at(-1)!.length, 128)
        })
    )
  }
})
