/** `strand query`, against real servers on loopback. */
import { assert, describe, it } from "@effect/vitest"
import packet, { type Answer, type Packet } from "dns-packet"
import { Effect } from "effect"
import { runCommand } from "../support/clients/command.ts"
import { askDig, dig } from "../support/clients/dig.ts"
import { fileWith } from "../support/machine/files.ts"
import { freePort } from "../support/machine/ports.ts"
import { until } from "../support/machine/until.ts"
import { start, startListening } from "../support/servers/process.ts"
import { address, fakeUpstream, reply, silent } from "../support/upstreams/fake-upstream.ts"
import { httpsUpstream } from "../support/upstreams/https-upstream.ts"
import { mirrorReply } from "../support/upstreams/mirror.ts"
import { streamUpstream } from "../support/upstreams/stream-upstream.ts"
import { authority } from "../support/wire/certificates.ts"

const NAME = "all.example.test"

const of = (type: string, data: unknown): Answer => ({ name: NAME, type, ttl: 300, data }) as unknown as Answer

const b = (hex: string): Buffer => Buffer.from(hex, "hex")

/** A record of each type whose data is written in a way of its own. */
const everyType: Array<Answer> = [
  of("A", "192.0.2.1"),
  of("AAAA", "2001:db8::1"),
  of("CNAME", "www.example.test"),
  of("NS", "."),
  of("PTR", "host.example.test"),
  of("MX", { preference: 10, exchange: "mail.example.test" }),
  of("TXT", ['with "quotes" and \\', "and more", Buffer.from([0, 127, 200])]),
  of("SOA", {
    ...{ mname: "ns.example.test", rname: "admin.example.test" },
    ...{ serial: 2026112601, refresh: 3600, retry: 600, expire: 86_400, minimum: 300 }
  }),
  of("SRV", { priority: 1, weight: 2, port: 5_060, target: "sip.example.test" }),
  of("CAA", { flags: 0, tag: "issue", value: "ca.example.test" }),
  of("HINFO", { cpu: "PDP-11", os: "UNIX" }),
  of("NAPTR", {
    ...{ order: 100, preference: 10, flags: "u", services: "E2U+sip", regexp: "!^.*$!sip:info@example.test!" },
    replacement: "."
  }),
  of("RP", { mbox: "admin.example.test", txt: "." }),
  of("SSHFP", { algorithm: 1, hash: 1, fingerprint: "123456789abcdef67890123456789abcdef67890" }),
  of("TLSA", { usage: 3, selector: 1, matchingType: 1, certificate: b("d2abde240d7cd3ee6b4b28c54df034b9") }),
  of("DS", { keyTag: 60_485, algorithm: 5, digestType: 1, digest: b("2bb183af5f22588179a53b0a98631fad1a292118") }),
  of("DNSKEY", {
    flags: 257,
    algorithm: 13,
    key: b("99db2cc14cabdc33d6d77da63a2f15f71112584f234e8d1dc428e39e8a4a97e1")
  }),
  of("RRSIG", {
    ...{ typeCovered: "A", algorithm: 13, labels: 3, originalTTL: 300, expiration: 1_790_000_000 },
    ...{
      inception: 1_789_000_000,
      keyTag: 2_642,
      signersName: "example.test",
      signature: b("00112233445566778899aabbccdd")
    }
  }),
  of("NSEC", { nextDomain: "b.example.test", rrtypes: ["A", "MX", "RRSIG", "NSEC", "UNKNOWN_65"] }),
  // Owned by a hash in base32hex, and by nothing else (RFC 5155 §3).
  {
    ...of("NSEC3", {
      ...{ algorithm: 1, flags: 1, iterations: 0, salt: Buffer.alloc(0) },
      ...{ nextDomain: b("0011223344556677889900112233445566778899"), rrtypes: ["A", "RRSIG"] }
    }),
    name: "0p9mhaveqvm6t7vbl5lop2u3t2rp3tom.example.test"
  } as Answer,
  // 1 . alpn="h2,h3" port=8443 ipv4hint=192.0.2.1,192.0.2.2 ipv6hint=2001:db8::1
  of(
    "UNKNOWN_65",
    b("00010000010006026832026833000300022" + "0fb00040008c0000201c00002020006001020010db8000000000000000000000001")
  ),
  of("UNKNOWN_64", b("000003777777076578616d706c6500")),
  of("UNKNOWN_65280", b("0102abcd"))
]

/** What dig and `strand query` print of records, without the spaces between. */
const recordLines = (text: string): ReadonlyArray<string> =>
  text
    .split("\n")
    .filter((line) => line !== "" && !line.startsWith(";"))
    .map((line) => line.replace(/\s+/g, " "))

const answeringAll = fakeUpstream((query: Packet) => [{ reply: reply(query, { answers: everyType }) }])

describe("strand query", () => {
  it.live("asks the server that the configuration describes, and shows its answer with what is around it", () =>
    Effect.gen(function* () {
      const upstream = yield* fakeUpstream(address("192.0.2.1", 300))
      const server = yield* startListening({ DNS_SERVER_UPSTREAMS: upstream.address })
      const file = yield* fileWith(`listen: 127.0.0.1:${server.port}\nupstreams: 192.0.2.1\n`, "strand.yaml")
      const { out, status } = yield* runCommand("query", "www.example.test", "-c", file)
      assert.strictEqual(status, 0)
      assert.match(
        out,
        new RegExp(
          "^;; question: www\\.example\\.test\\. IN A\n;; status: NOERROR; flags: qr rd ra; id: \\d+\n;; EDNS: version 0, UDP 1232\n\n" +
            ";; answer\nwww\\.example\\.test\\. 300 IN A 192\\.0\\.2\\.1\n\n" +
            `;; [\\d.]+ ms, \\d+ octets, by udp from udp://127\\.0\\.0\\.1:${server.port}$`
        )
      )
      const json = JSON.parse((yield* runCommand("query", "www.example.test", "--json", "-c", file)).out)
      assert.deepInclude(json, { rcode: "NOERROR", protocol: "udp" })
      assert.deepStrictEqual(json.answer[0].data, "192.0.2.1")
      const short = yield* runCommand("query", "www.example.test", "--short", "-c", file)
      assert.strictEqual(short.out, "192.0.2.1")
    })
  )

  it.live("shows an error with the reason that the server gives, and ends with 0 all the same", () =>
    Effect.gen(function* () {
      const upstream = yield* fakeUpstream(silent)
      const server = yield* startListening({
        DNS_SERVER_UPSTREAMS: upstream.address,
        DNS_SERVER_QUERY_TIMEOUT_SECS: "0.3"
      })
      const { out, status } = yield* runCommand("query", "www.example.test", "--via", `127.0.0.1:${server.port}`)
      assert.strictEqual(status, 0)
      assert.match(out, /^;; status: SERVFAIL; /m)
      assert.match(out, /^;; EDE 22 \(No Reachable Authority\): \S/m)
    })
  )

  it.live.skipIf(dig === undefined)("writes the data of records as dig does", () =>
    Effect.gen(function* () {
      const upstream = yield* answeringAll
      const { out } = yield* runCommand("query", NAME, "ANY", "--via", `tcp://${upstream.address}`)
      const wanted = yield* askDig(upstream.port, ["+tcp", "+noall", "+answer", "+nosplit", "+noidnout", NAME, "ANY"])
      assert.deepStrictEqual(recordLines(out), recordLines(wanted))
    })
  )

  it.live("asks by UDP, by TCP what comes truncated, by TLS and by HTTPS", () =>
    Effect.gen(function* () {
      const ca = authority()
      const certificate = ca.issue({ names: ["dns.example.net"] })
      const truncating = yield* fakeUpstream((query, transport) => [
        {
          reply:
            transport === "udp"
              ? reply(query, { flags: packet.TRUNCATED_RESPONSE })
              : reply(query, { answers: [of("A", "192.0.2.1")] })
        }
      ])
      const tls = yield* streamUpstream({ certificate })
      const https = yield* httpsUpstream({ certificate })
      const file = yield* fileWith(
        `upstreams: 192.0.2.1\ntls_ca_file: ${yield* fileWith(ca.cert, "ca.pem")}\n`,
        "strand.yaml"
      )
      for (const [via, protocol] of [
        [`udp://${truncating.address}`, "tcp"],
        [`tcp://${truncating.address}`, "tcp"],
        [`tls://127.0.0.1:${tls.port}#dns.example.net`, "tls"],
        [`https://127.0.0.1:${https.port}/dns-query#dns.example.net`, "https"],
        [`https://127.0.0.1:${https.port}/dns-query{?dns}#dns.example.net`, "https"]
      ] as const) {
        const { out, error } = yield* runCommand("query", NAME, "--via", via, "--json", "-c", file)
        assert.strictEqual(error, "")
        assert.deepInclude(JSON.parse(out), { protocol, rcode: "NOERROR" }, via)
      }
      assert.deepStrictEqual(
        https.requests.map(({ headers, query }) => [headers[":method"], query.readUInt16BE(0)]),
        [
          ["POST", 0],
          ["GET", 0]
        ]
      )
    })
  )

  it.live("believes no server that cannot prove who it is", () =>
    Effect.gen(function* () {
      const certificate = authority().issue({ names: ["dns.example.net"] })
      const tls = yield* streamUpstream({ certificate })
      const { error, status } = yield* runCommand("query", NAME, "--via", `tls://127.0.0.1:${tls.port}#dns.example.net`)
      assert.match(error, /^tls:\/\/127\.0\.0\.1:\d+#dns\.example\.net does not answer: .*certificate/)
      assert.strictEqual(status, 1)
      assert.lengthOf(tls.queries, 0)
    })
  )

  it.live("sends what is asked for: DO, a subnet, the type, the name of an address", () =>
    Effect.gen(function* () {
      const queries: Array<Packet> = []
      const upstream = yield* fakeUpstream((query) => {
        queries.push(query)
        return [{ reply: reply(query) }]
      })
      const ask = (...args: ReadonlyArray<string>) => runCommand("query", ...args, "--via", upstream.address)
      const asked = (args: ReadonlyArray<string>) =>
        Effect.map(ask(...args), ({ error }) => {
          assert.strictEqual(error, "")
          return queries.at(-1)!
        })
      const optOf = ({ additionals }: Packet) => additionals?.[0] as Extract<Answer, { readonly type: "OPT" }>
      const plain = yield* asked(["www.example.test"])
      assert.deepStrictEqual([plain.questions?.[0]?.type, optOf(plain).flag_do, optOf(plain).options], ["A", false, []])
      assert.isTrue(optOf(yield* asked(["www.example.test", "aaaa", "--dnssec"])).flag_do)
      const [option] = optOf(yield* asked(["www.example.test", "--subnet", "198.51.100.0/24"])).options
      assert.deepInclude(option, { ip: "198.51.100.0", sourcePrefixLength: 24 })
      for (const [args, name, type] of [
        [["www.example.test", "https"], "www.example.test", "UNKNOWN_65"],
        [["www.example.test", "TYPE65280"], "www.example.test", "UNKNOWN_65280"],
        [["192.0.2.1"], "1.2.0.192.in-addr.arpa", "PTR"],
        [["2001:db8::1"], `1.${"0.".repeat(23)}8.b.d.0.1.0.0.2.ip6.arpa`, "PTR"],
        [["bücher.example"], "xn--bcher-kva.example", "A"],
        [["www.example.test."], "www.example.test", "A"],
        [["."], ".", "A"],
        // As dns-packet writes a label with a dot in it.
        [["a\\.b.example.test"], "a.b.example.test", "A"]
      ] as const) {
        const { questions } = yield* asked(args)
        assert.deepStrictEqual([questions?.[0]?.name, questions?.[0]?.type], [name, type])
      }
    })
  )

  it.live("says in one line what is wrong, and ends with 1", () =>
    Effect.gen(function* () {
      const nobody = yield* freePort
      const mute = yield* fakeUpstream(silent)
      const garbling = yield* streamUpstream({
        onQuery: (query, { socket }) => {
          const message = Buffer.concat([mirrorReply(query).subarray(0, 12), Buffer.from([63])])
          socket.write(Buffer.concat([Buffer.from([0, message.length]), message]))
        }
      })
      for (const [args, message] of [
        [["x", "--via", `127.0.0.1:${nobody}`], /^udp:\/\/127\.0\.0\.1:\d+ does not answer: .*ECONNREFUSED$/],
        [["x", "--via", `tcp://127.0.0.1:${nobody}`], /does not answer: connect ECONNREFUSED/],
        [["x", "--via", mute.address, "--timeout", "0.2"], /does not answer: no answer within 0\.2 s$/],
        [["x", "--via", `tcp://127.0.0.1:${garbling.port}`], /answers what is no DNS message/],
        [["x", "--via", "foo://x"], /^--via: foo:\/\/x: expected an address, /],
        [["x", "--subnet", "192.0.2.0/99"], /^--subnet: 192\.0\.2\.0\/99: expected a network/],
        [["x", "AAA"], /^AAA: expected a type such as .*: did you mean AAAA\?$/],
        [["a..b"], /^a\.\.b: expected a name of at most 255 octets/]
      ] as const) {
        const { out, error, status } = yield* runCommand("query", ...args)
        assert.match(error, message)
        assert.notInclude(error, "\n")
        assert.deepStrictEqual([out, status], ["", 1])
      }
    })
  )

  it.live("ends with 130 when it is interrupted", () =>
    Effect.gen(function* () {
      const mute = yield* fakeUpstream(silent)
      const { child, exit, output } = yield* start({}, ["query", "x", "--via", mute.address])
      yield* until("it has asked", () => mute.queries() > 0)
      child.kill("SIGINT")
      assert.deepStrictEqual([yield* Effect.promise(() => exit), output()], [130, ""])
    })
  )

  it.live("shows nothing that moves a terminal, whatever a server answers", () =>
    Effect.gen(function* () {
      const upstream = yield* fakeUpstream((query) => [
        {
          reply: reply(query, {
            answers: [{ ...of("CNAME", "\x1b[2J.example.test"), name: "\x1b]0;x\x07.test" } as Answer]
          })
        }
      ])
      const { out } = yield* runCommand("query", NAME, "--via", upstream.address)
      assert.include(out, "\\x1b[2J.example.test.")
      // biome-ignore lint/suspicious/noControlCharactersInRegex: it is they that are looked for.
      assert.notMatch(out, /[\x00-\x09\x0b-\x1f\x7f]/)
    })
  )
})
