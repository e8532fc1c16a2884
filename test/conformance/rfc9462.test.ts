/**
 * RFC 9462: Discovery of designated resolvers. A client that knows the address of a server asks it for _dns.resolver.arpa
 * (§4), and is told where the same server speaks TLS and HTTPS, as RFC 9460 and RFC 9461 write it down. The zone is
 * answered here in any case (§6.4).
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect, type Scope } from "effect"
import { fileWith } from "../support/machine/files.ts"
import { freePort } from "../support/machine/ports.ts"
import { certificateFor } from "../support/servers/tls-terms.ts"
import { octets, wireName, word } from "../support/wire/messages.ts"
import { asking, askRead, oneAddress } from "./responses.ts"
import { type Served, serve } from "./ways.ts"

const ASKED = "_dns.resolver.arpa"
const SVCB = 64
const [ALPN, PORT, DOHPATH] = [1, 3, 7]
const parameter = (key: number, value: ArrayLike<number>): Uint8Array =>
  octets(word(key), word(value.length), Array.from(value))
const alpn = (protocol: string): Uint8Array => parameter(ALPN, [protocol.length, ...Buffer.from(protocol)])

const withCertificate = (
  listen: string,
  names: ReadonlyArray<string>,
  settings: Record<string, string> = {}
): Effect.Effect<Served, never, Scope.Scope> =>
  Effect.gen(function* () {
    const { certificate, key } = certificateFor(...names)
    return yield* serve(oneAddress, {
      DNS_SERVER_LISTEN: `127.0.0.1:0,${listen}`,
      DNS_SERVER_TLS_CERTIFICATE_FILE: yield* fileWith(certificate),
      DNS_SERVER_TLS_KEY_FILE: yield* fileWith(key),
      ...settings
    })
  })

describe("RFC 9462: discovery of designated resolvers", () => {
  it.live("§4, RFC 9461: who asks is told of TLS with its port, and of HTTPS with its port and its path", () =>
    Effect.gen(function* () {
      const [tls, https] = [yield* freePort, yield* freePort]
      const { server, upstream } = yield* withCertificate(`tls://127.0.0.1:${tls},https://127.0.0.1:${https}/ask`, [
        "dns.example"
      ])
      const { answers, rcode } = yield* askRead(server, asking("_DNS.Resolver.ARPA", SVCB))
      const target = wireName("dns.example")
      const expected = [
        octets(word(1), target, alpn("dot"), parameter(PORT, word(tls))),
        octets(word(2), target, alpn("h2"), parameter(PORT, word(https)), parameter(DOHPATH, Buffer.from("/ask{?dns}")))
      ]
      assert.strictEqual(rcode, 0)
      assert.deepStrictEqual(
        answers.map(({ data, owner, type }) => [owner, type, data]),
        expected.map((data) => [`${ASKED}.`, SVCB, Buffer.from(data).toString("hex")])
      )
      assert.strictEqual(upstream.queries(), 0)
    })
  )

  it.live("RFC 9460 §2.2: parameters stand in the order of their keys, and priorities are not 0", () =>
    Effect.gen(function* () {
      const [tls, https] = [yield* freePort, yield* freePort]
      const { server } = yield* withCertificate(`tls://127.0.0.1:${tls},https://127.0.0.1:${https}`, ["dns.example"])
      const { answers } = yield* askRead(server, asking(ASKED, SVCB))
      assert.strictEqual(answers.length, 2)
      for (const { data } of answers) {
        const octetsOf = Buffer.from(data, "hex")
        assert.isAbove(octetsOf.readUInt16BE(0), 0)
        const keys: Array<number> = []
        let at = 2 + wireName("dns.example").length
        for (; at < octetsOf.length; at += 4 + octetsOf.readUInt16BE(at + 2)) keys.push(octetsOf.readUInt16BE(at))
        assert.strictEqual(at, octetsOf.length)
        assert.deepStrictEqual(
          keys,
          [...new Set(keys)].sort((a, b) => a - b)
        )
      }
    })
  )

  it.live("§4.2: who could not be known by its certificate is told of nothing", () =>
    Effect.gen(function* () {
      const cases = [
        serve(oneAddress, { DNS_SERVER_LISTEN: "127.0.0.1:0,tls://127.0.0.1:0" }),
        withCertificate("tls://127.0.0.1:0", ["127.0.0.1"]),
        withCertificate("http://127.0.0.1:0", ["dns.example"])
      ]
      for (const each of cases) {
        const { server, upstream } = yield* each
        const reply = yield* askRead(server, asking(ASKED, SVCB))
        assert.deepStrictEqual([reply.rcode, reply.answers.length, reply.authorities.length], [0, 0, 1])
        assert.strictEqual(upstream.queries(), 0)
      }
    })
  )

  it.live("§6.4: nothing of resolver.arpa is asked for elsewhere, whatever it is", () =>
    Effect.gen(function* () {
      const { server, upstream } = yield* withCertificate("tls://127.0.0.1:0", ["dns.example"])
      for (const name of [ASKED, "resolver.arpa", "a.resolver.arpa", "b.a.Resolver.Arpa"]) {
        for (const type of [1, 2, 6, 28, 43, SVCB, 65, 65_280]) {
          if (name === ASKED && type === SVCB) continue
          const reply = yield* askRead(server, asking(name, type))
          assert.deepStrictEqual([reply.rcode, reply.answers.length], [0, 0], `${name} ${type}`)
        }
      }
      assert.strictEqual(upstream.queries(), 0)
    })
  )
})
