/**
 * RFC 8906: A common operational problem in DNS servers: failure to communicate. Whatever is odd in a query, it gets an
 * answer, and the right one; §8 says by which queries that is tested. Beside them stand those of RFC 6891, 6895 and
 * 9619.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { askDig, dig } from "../support/clients/dig.ts"
import { nsd, startNsd } from "../support/external/nsd.ts"
import { startServer } from "../support/servers/server.ts"
import { mirror } from "../support/upstreams/mirror.ts"
import * as edns from "../support/wire/packets/edns.ts"
import * as headers from "../support/wire/packets/headers.ts"
import * as questions from "../support/wire/packets/questions.ts"
import { type ReadReply, readReply } from "../support/wire/reply-reader.ts"
import { clientOf, EVERYWHERE, serve, ways } from "./ways.ts"

const NOERROR = 0
const FORMERR = 1
const NOTIMP = 4
const REFUSED = 5
const BADVERS = 16

interface Expected {
  readonly rcode: number
  /** Without QR and RA, which every reply has; RD by default. */
  readonly flags?: string
  /** Whether the question comes back; by default it does. */
  readonly isEchoed?: boolean
  /** OPTs in the reply, with DO or without: none by default. */
  readonly opt?: "plain" | "DO"
}

type Case = readonly [what: string, packet: Uint8Array, expected: Expected | "nothing"]

const answered: Expected = { rcode: NOERROR }
const answeredWithOpt: Expected = { rcode: NOERROR, opt: "plain" }
const unread: Expected = { rcode: FORMERR, isEchoed: false }
const malformed: Expected = { rcode: FORMERR }
const refused: Expected = { rcode: REFUSED }
const range = (from: number, to: number): ReadonlyArray<number> =>
  Array.from({ length: to - from + 1 }, (_, i) => from + i)

const basic: ReadonlyArray<Case> = [
  ["a plain query (§8.1.1)", headers.plainQuery(), answered],
  ["an unknown type (§8.1.2)", questions.ofType(1000), answered],
  ["CD set (§8.1.3.1)", headers.withFlag(0x10), { rcode: NOERROR, flags: "RD CD" }],
  ["AD set (§8.1.3.2)", headers.withFlag(0x20), answered],
  ["the last reserved bit set: it does not come back (§8.1.3.3)", headers.withFlag(0x40), answered],
  ["RD clear (§8.1.3.4)", headers.withoutRecursionDesired(), { rcode: REFUSED, flags: "" }],
  ["AA set: it does not come back", headers.withFlag(0x400), answered],
  ["TC set: it does not come back", headers.withFlag(0x200), answered],
  ["RA set", headers.withFlag(0x80), answered],
  ["every flag of a query set at once", headers.withFlag(0x6f0), { rcode: NOERROR, flags: "RD CD" }],
  ["a bare header with opcode 15 (§8.1.4)", headers.headerOnly(15), { rcode: NOTIMP, flags: "", isEchoed: false }],
  ...range(1, 15).map(
    (opcode): Case => [`opcode ${opcode}`, headers.withOpcode(opcode), { rcode: NOTIMP, isEchoed: false }]
  ),
  ["NOTIFY (RFC 1996)", headers.notify(), { rcode: NOTIMP, flags: "", isEchoed: false }],
  ["UPDATE (RFC 2136)", headers.update(), { rcode: NOTIMP, flags: "", isEchoed: false }],
  ...[1, 2, 9, 15].map((rcode): Case => [`rcode ${rcode} in a query`, headers.withRcode(rcode), answered])
]

const counts: ReadonlyArray<Case> = [
  ["no question (RFC 9619)", headers.withoutQuestion(), unread],
  ["two questions (RFC 9619)", headers.withTwoQuestions(), unread],
  ["a bare header with opcode QUERY", headers.headerOnly(0), { ...unread, flags: "" }],
  ["a question that is not there", headers.questionMissing(), unread],
  ["a record that is not there", headers.recordMissing(), malformed],
  ["octets behind the last record", headers.trailingGarbage(), answered],
  ["a response", headers.response(), "nothing"],
  ["less than a header", headers.shorterThanHeader(), "nothing"],
  ["nothing at all", headers.empty(), "nothing"]
]

const names: ReadonlyArray<Case> = [
  ["the root", questions.root(), answered],
  ["a pointer to itself for a name", questions.pointerToItself(), unread],
  ["a pointer into the header for a name", questions.pointerIntoHeader(), unread],
  ["a pointer behind a label", questions.pointerAfterLabel(), unread],
  ["a pointer past the end", questions.pointerPastEnd(), unread],
  ["a label of 64 octets", questions.labelOf64(), unread],
  ["a bit-string label", questions.bitStringLabel(), unread],
  ["a name of 255 octets", questions.longestName(), answered],
  ["a name of 256 octets", questions.nameOf256(), unread],
  ["a name without an end", questions.nameUnfinished(), unread],
  ["no type", questions.withoutType(), unread],
  ["no class", questions.withoutClass(), unread],
  ["a name of octets that are no text", questions.binaryName(), answered]
]

const types: ReadonlyArray<Case> = [
  ["ANY", questions.ofType(255), answered],
  ["AXFR", questions.ofType(252), refused],
  ["IXFR", questions.ofType(251), refused],
  ["MAILB", questions.ofType(253), refused],
  ["MAILA", questions.ofType(254), refused],
  ["TSIG asked for", questions.ofType(250), refused],
  ["TKEY asked for", questions.ofType(249), refused],
  ...[128, 200, 248].map((type): Case => [`meta type ${type} (RFC 6895 §3.1)`, questions.ofType(type), refused]),
  ["OPT asked for", questions.ofType(41), malformed],
  ["OPT asked for by a query with one", edns.askingForOpt(), { rcode: FORMERR, opt: "plain" }],
  ["class CH", questions.versionBind(), refused],
  ["class HS", questions.ofClass(4), refused],
  ["class NONE", questions.ofClass(254), refused],
  ["class ANY", questions.ofClass(255), refused],
  ["type 0", questions.ofType(0), answered],
  ["type 65535", questions.ofType(65_535), answered]
]

const options: ReadonlyArray<Case> = [
  ["EDNS (§8.2.1)", edns.withOpt(), answeredWithOpt],
  ["EDNS version 1 (§8.2.2)", edns.withOpt({ version: 1 }), { rcode: BADVERS, opt: "plain" }],
  ["an unknown option (§8.2.3)", edns.withOption(100, [1, 2]), answeredWithOpt],
  ["an unknown EDNS flag: it does not come back (§8.2.4)", edns.withOpt({ flags: 0x40 }), answeredWithOpt],
  [
    "version 1 and an unknown flag (§8.2.5)",
    edns.withOpt({ version: 1, flags: 0x40 }),
    { rcode: BADVERS, opt: "plain" }
  ],
  [
    "version 1 and an unknown option (§8.2.6)",
    edns.withOpt({ version: 1, options: Uint8Array.from([0, 100, 0, 0]) }),
    { rcode: BADVERS, opt: "plain" }
  ],
  ["DO (§8.2.8)", edns.withOpt({ flags: 0x8000 }), { rcode: NOERROR, opt: "DO" }],
  ["version 1 and DO (§8.2.9)", edns.withOpt({ version: 1, flags: 0x8000 }), { rcode: BADVERS, opt: "DO" }],
  ["version 255", edns.withOpt({ version: 255 }), { rcode: BADVERS, opt: "plain" }],
  [
    "version 1 and options that fill nothing: they are not looked at",
    edns.withOpt({ version: 1, options: Uint8Array.from([1, 2, 3]) }),
    { rcode: BADVERS, opt: "plain" }
  ],
  ["every EDNS flag", edns.withOpt({ flags: 0xffff }), { rcode: NOERROR, opt: "DO" }],
  ["an upper rcode in a query", edns.withOpt({ upperRcode: 7 }), answeredWithOpt],
  ["a size of 0", edns.withOpt({ size: 0 }), answeredWithOpt],
  ["a size of 65535", edns.withOpt({ size: 65_535 }), answeredWithOpt],
  ["an OPT cut off in its option", edns.optTruncated(2), malformed],
  ["an OPT cut off in its header", edns.optTruncated(12), malformed],
  ["an OPT longer than the message", edns.optLongerThanMessage(), malformed],
  ["two OPTs (RFC 6891 §6.1.1)", edns.twoOpts(), { rcode: FORMERR, opt: "plain" }],
  ["an OPT among the answers", edns.optAmongAnswers(), malformed],
  ["an OPT among the authorities", edns.optAmongAuthorities(), malformed],
  ["an OPT that is not the root's", edns.optWithOwner(), malformed],
  ["an option longer than its OPT", edns.optionTooLong(), { rcode: FORMERR, opt: "plain" }],
  ["an option of three octets", edns.optionStub(), { rcode: FORMERR, opt: "plain" }],
  ["NSID", edns.withOption(3, []), answeredWithOpt],
  ["a cookie", edns.withOption(10, [1, 2, 3, 4, 5, 6, 7, 8]), answeredWithOpt],
  ["a cookie that is too short (RFC 7873 §5.2.2)", edns.shortCookie(), { rcode: FORMERR, opt: "plain" }],
  ["a client subnet", edns.withOption(8, [0, 1, 24, 0, 192, 0, 2]), answeredWithOpt],
  ["a client subnet with a strange prefix", edns.clientSubnetWithOddPrefix(), answeredWithOpt],
  ["a client subnet of an unknown family", edns.clientSubnetOfUnknownFamily(), answeredWithOpt],
  ["keepalive, over UDP too (RFC 7828 §3.2.1)", edns.withOption(11, []), answeredWithOpt],
  ["keepalive with a timeout", edns.keepaliveWithTimeout(), answeredWithOpt],
  ["padding (RFC 7830)", edns.withOption(12, new Array(100).fill(0)), answeredWithOpt],
  ["two hundred options", edns.manyOptions(), answeredWithOpt],
  ["a TSIG by an unknown key", edns.withTsig(), answered],
  ["records in every section", edns.withRecordsEverywhere(), answeredWithOpt],
  ["an owner whose pointer leads forwards", edns.ownerPointingForwards(), malformed]
]

const flagsOf = (expected: Expected): string => {
  const given = expected.flags ?? "RD"
  const rest = given.split(" ").filter((flag) => flag !== "RD" && flag !== "")
  return ["QR", ...(given.includes("RD") ? ["RD"] : []), "RA", ...rest].join(" ")
}

const meets = (what: string, packet: Uint8Array, reply: ReadReply, expected: Expected): void => {
  assert.strictEqual(reply.id, 0x1234, what)
  assert.strictEqual(reply.opcode, (packet[2]! >> 3) & 15, `${what}: opcode`)
  assert.strictEqual(reply.rcode, expected.rcode, `${what}: rcode`)
  assert.strictEqual(reply.flags, flagsOf(expected), `${what}: flags`)
  const question =
    expected.isEchoed === false ? "" : Buffer.from(packet).toString("hex", 12, 12 + reply.question.length / 2)
  assert.strictEqual(reply.question, question, `${what}: question`)
  assert.strictEqual(reply.question === "", expected.isEchoed === false, `${what}: question`)
  assert.strictEqual(reply.rest, 0, `${what}: nothing behind the last record`)
  assert.deepStrictEqual([reply.authorities.length, reply.additionals.length], [0, 0], what)
  if (expected.rcode !== NOERROR) assert.strictEqual(reply.answers.length, 0, what)
  const opt = { size: 1232, version: 0, dnssecOk: expected.opt === "DO", otherFlags: 0 }
  assert.deepStrictEqual(
    reply.opts.map(({ options: _, ...fields }) => fields),
    expected.opt === undefined ? [] : [opt],
    `${what}: OPT`
  )
}

describe.each(ways)("what RFC 8906 and its neighbours test, over %s", (way) => {
  for (const [group, cases] of Object.entries({ headers: basic, counts, names, types, records: options })) {
    it.live(`odd ${group} get the answer that they deserve`, () =>
      Effect.gen(function* () {
        const { server } = yield* serve(mirror, EVERYWHERE)
        const client = yield* clientOf(way, server)
        for (const [what, packet, expected] of cases) {
          if (expected === "nothing") assert.isTrue(yield* client.isPassedOver(packet), `${what} gets no answer`)
          else meets(what, packet, readReply(yield* client.ask(packet)), expected)
        }
      })
    )
  }

  it.live("what is refused or malformed is never asked upstream", () =>
    Effect.gen(function* () {
      const { server, upstream } = yield* serve(mirror, EVERYWHERE)
      const client = yield* clientOf(way, server)
      for (const [, packet, expected] of [...basic, ...counts, ...names, ...types, ...options]) {
        if (expected === "nothing" || expected.rcode === NOERROR) continue
        yield* client.ask(packet)
      }
      assert.strictEqual(upstream.queries(), 0)
    })
  )
})

describe.skipIf(nsd === undefined || dig === undefined)("the tests of RFC 8906 §8, by dig as it writes them", () => {
  const zone = `$ORIGIN example.test.
$TTL 3600
@ SOA ns1 host 1 3600 600 86400 300
@ NS ns1
ns1 A 127.0.0.1
long TXT ${Array.from({ length: 12 }, (_, i) => `"${String(i % 10).repeat(250)}"`).join(" ")}
`
  const soa = ["soa", "example.test"]
  const noError = /status: NOERROR/
  const hasSoa = /IN\s+SOA/
  const hasOpt = /EDNS: version: 0/
  const hasNoOpt = /^(?![\s\S]*OPT PSEUDOSECTION)/
  const badVersion = /status: BADVERS/
  const plain = ["+noedns", "+noad"]
  const version0 = ["+nocookie", "+edns=0", "+noad"]
  const version1 = ["+nocookie", "+edns=1", "+noednsneg", "+noad"]
  const tests: Readonly<Record<string, readonly [args: ReadonlyArray<string>, expected: ReadonlyArray<RegExp>]>> = {
    "8.1.1": [
      [...plain, ...soa],
      [noError, hasSoa, hasNoOpt]
    ],
    "8.1.2": [
      [...plain, "type1000", "example.test"],
      [noError, /ANSWER: 0/, hasNoOpt]
    ],
    "8.1.3.1": [
      ["+noedns", "+noad", "+cd", ...soa],
      [noError, hasSoa, /flags: qr rd ra cd;/]
    ],
    "8.1.3.2": [
      ["+noedns", "+ad", ...soa],
      [noError, hasSoa]
    ],
    "8.1.3.3": [
      ["+noedns", "+noad", "+zflag", ...soa],
      [noError, hasSoa, /flags: qr rd ra;/]
    ],
    "8.1.3.4": [
      ["+noedns", "+noad", "+norec", ...soa],
      [/status: REFUSED/, /flags: qr ra;/]
    ],
    "8.1.4": [
      ["+noedns", "+noad", "+opcode=15", "+header-only"],
      [/status: NOTIMP/, /opcode: RESERVED15/]
    ],
    "8.1.5": [
      ["+noedns", "+noad", "+tcp", ...soa],
      [noError, hasSoa]
    ],
    "8.2.1": [
      [...version0, ...soa],
      [noError, hasSoa, hasOpt]
    ],
    "8.2.2": [
      [...version1, ...soa],
      [badVersion, hasOpt, /ANSWER: 0/]
    ],
    "8.2.3": [
      [...version0, "+ednsopt=100", ...soa],
      [noError, hasSoa, hasOpt, /^(?![\s\S]*OPT=100)/]
    ],
    "8.2.4": [
      [...version0, "+ednsflags=0x40", ...soa],
      [noError, hasSoa, /flags:; udp/]
    ],
    "8.2.5": [
      [...version1, "+ednsflags=0x40", ...soa],
      [badVersion, hasOpt, /flags:; udp/]
    ],
    "8.2.6": [
      [...version1, "+ednsopt=100", ...soa],
      [badVersion, hasOpt, /^(?![\s\S]*OPT=100)/]
    ],
    "8.2.7": [
      [...version0, "+dnssec", "+bufsize=512", "+ignore", "txt", "long.example.test"],
      [noError, hasOpt, /flags: qr tc rd ra/]
    ],
    "8.2.8": [
      [...version0, "+dnssec", ...soa],
      [noError, hasSoa, /flags: do; udp/]
    ],
    "8.2.9": [
      [...version1, "+dnssec", ...soa],
      [badVersion, hasOpt]
    ]
  }

  it.live("are met", () =>
    Effect.gen(function* () {
      const authority = yield* startNsd({ "example.test": zone })
      const server = yield* startServer({ DNS_SERVER_UPSTREAMS: `127.0.0.1:${authority}` })
      for (const [section, [args, expected]] of Object.entries(tests)) {
        const output = yield* askDig(server.port, args)
        for (const pattern of expected) assert.match(output, pattern, `§${section}: dig ${args.join(" ")}`)
      }
    })
  )
})
