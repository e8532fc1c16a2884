/**
 * RFC 4035: Protocol modifications for the DNS security extensions. A forwarder validates nothing: it passes on what
 * upstreams send to those who asked for it by DO, and to nobody else (§3.2.1), and gives CD to the upstream and back to
 * the client (§3.2.2). Whose AD bit is believed is in RFC 6840.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { octets } from "../support/wire/messages.ts"
import { readReply } from "../support/wire/reply-reader.ts"
import { address, always, asking, askRead, asksFor, here, NXDOMAIN, oneAddress, respond, soa } from "./responses.ts"
import { aDelegationSigner, aGap, aHashedGap, aKey, aSignature, isCheckingDisabled, isDnssecOk } from "./signed.ts"
import { clientOf, EVERYWHERE, serve, ways } from "./ways.ts"

const WWW = "www.example.test"
const DO = 0x8000
const [RD, CD] = [0x100, 0x10]
const [A, SOA, DS, RRSIG, NSEC, DNSKEY, NSEC3] = [1, 6, 43, 46, 47, 48, 50]
const hashed = octets([4, 0x30, 0x70, 0x39, 0x6d], here)

describe("RFC 4035: protocol modifications for the DNS security extensions", () => {
  it.live("§3.1.1: with DO the signatures come with the records that they sign, in their section", () =>
    Effect.gen(function* () {
      const { server } = yield* serve(always({ answers: [address(), aSignature()] }))
      for (const _ of ["asked for", "from the cache"]) {
        const { answers, flags } = yield* askRead(server, asking(WWW, A, { flags: DO }))
        assert.strictEqual(flags, "QR RD RA")
        assert.deepStrictEqual(
          answers.map(({ type }) => type),
          [A, RRSIG]
        )
      }
    })
  )

  it.live("§3.1.3: with DO the proofs that there is nothing come with their signatures", () =>
    Effect.gen(function* () {
      for (const [proof, type, owner] of [
        [aGap(), NSEC, here],
        [aHashedGap(hashed), NSEC3, hashed]
      ] as const) {
        const { server } = yield* serve(
          always({
            flags: NXDOMAIN,
            authorities: [soa(300), aSignature(SOA), proof, aSignature(type, owner)]
          })
        )
        for (const _ of ["asked for", "from the cache"]) {
          const { authorities, rcode } = yield* askRead(server, asking(WWW, A, { flags: DO }))
          assert.strictEqual(rcode, 3)
          assert.deepStrictEqual(
            authorities.map((each) => each.type),
            [SOA, RRSIG, type, RRSIG]
          )
        }
      }
    })
  )

  it.live("§3.1.4: with DO a DS, or the proof that there is none, comes through", () =>
    Effect.gen(function* () {
      const { server } = yield* serve(always({ answers: [aDelegationSigner(), aSignature(DS)] }))
      const { answers } = yield* askRead(server, asking(WWW, DS, { flags: DO }))
      assert.deepStrictEqual(
        answers.map(({ type }) => type),
        [DS, RRSIG]
      )
    })
  )

  for (const way of ways) {
    it.live(`§3.2.1: without DO no signature and no proof goes out, from whichever section, by ${way}`, () =>
      Effect.gen(function* () {
        const { server } = yield* serve(
          (asked) => [
            {
              reply: asksFor(asked, "none")
                ? respond(asked, {
                    flags: NXDOMAIN,
                    authorities: [soa(300), aSignature(SOA), aGap(), aSignature(NSEC), aHashedGap(hashed)]
                  })
                : respond(asked, {
                    answers: [address(), aSignature(), aGap(), aKey(), aDelegationSigner()],
                    additionals: [aSignature()]
                  })
            }
          ],
          EVERYWHERE
        )
        const client = yield* clientOf(way, server)
        for (const edns of [undefined, {}]) {
          for (const [name, expected] of [
            [WWW, [A]],
            ["none.example.test", [SOA]]
          ] as const) {
            const { additionals, answers, authorities } = readReply(yield* client.ask(asking(name, A, edns)))
            assert.deepStrictEqual(
              [...answers, ...authorities, ...additionals].map(({ type }) => type),
              [...expected]
            )
          }
        }
      })
    )
  }

  it.live("§3.2.1: a type of DNSSEC that is asked for itself is given, without DO too", () =>
    Effect.gen(function* () {
      for (const [type, given] of [
        [RRSIG, aSignature()],
        [NSEC, aGap()],
        [DNSKEY, aKey()],
        [DS, aDelegationSigner()]
      ] as const) {
        const { server } = yield* serve(always({ answers: [given] }))
        for (const edns of [undefined, {}, { flags: DO }]) {
          const { answers } = yield* askRead(server, asking(WWW, type, edns))
          assert.deepStrictEqual(
            answers.map((each) => each.type),
            [type]
          )
        }
      }
    })
  )

  for (const way of ways) {
    it.live(`§3.2.2: CD comes back as it was asked, in answers and in errors, by ${way}`, () =>
      Effect.gen(function* () {
        const { server } = yield* serve(oneAddress, EVERYWHERE)
        const client = yield* clientOf(way, server)
        for (const type of [A, 252]) {
          for (const [flags, expected] of [
            [RD, "QR RD RA"],
            [RD | CD, "QR RD RA CD"]
          ] as const) {
            assert.strictEqual(readReply(yield* client.ask(asking(WWW, type, undefined, flags))).flags, expected)
          }
        }
      })
    )
  }

  it.live("§3.2.2, §4.7: CD is given to the upstream, and what came for CD is given to nobody without", () =>
    Effect.gen(function* () {
      const asked: Array<boolean> = []
      const { server } = yield* serve((query) => {
        asked.push(isCheckingDisabled(query))
        // Bogus: only who does not want it checked gets it.
        return [{ reply: respond(query, isCheckingDisabled(query) ? { answers: [address()] } : { flags: 0x8182 }) }]
      })
      for (const _ of ["asked for", "kept"]) {
        assert.strictEqual((yield* askRead(server, asking(WWW, A, undefined, RD | CD))).answers.length, 1)
        assert.strictEqual((yield* askRead(server, asking(WWW, A, undefined, RD))).rcode, 2)
      }
      assert.deepStrictEqual(asked, [true, false])
    })
  )

  it.live("§4.6: CD upstream goes with DO as the client has it, all four of them apart", () =>
    Effect.gen(function* () {
      const asked = new Set<string>()
      const { server, upstream } = yield* serve((query) => {
        asked.add(`DO ${isDnssecOk(query)}, CD ${isCheckingDisabled(query)}`)
        return [{ reply: respond(query, { answers: [address()] }) }]
      })
      for (const _ of ["asked for", "from the cache"]) {
        for (const flags of [RD, RD | CD])
          for (const bits of [0, DO]) yield* askRead(server, asking(WWW, A, { flags: bits }, flags))
      }
      assert.strictEqual(asked.size, 4)
      assert.strictEqual(upstream.queries(), 4)
    })
  )
})
