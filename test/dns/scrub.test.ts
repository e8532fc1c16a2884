/** What of an upstream's reply is passed on: what has to do with the question, and nothing else. */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { joinAnswers } from "../../src/dns/response.ts"
import { anyResponse } from "../support/wire/arbitraries.ts"
import {
  ANY_TTL,
  asked,
  normalised,
  type Octets,
  octets,
  type Parts,
  pointer,
  QUESTION_NAME,
  question,
  record,
  response,
  soaData,
  WWW,
  wireName,
  word
} from "../support/wire/messages.ts"
import { readReply } from "../support/wire/reply-reader.ts"

const [A, NS, CNAME, SOA, MX, TXT, AAAA, SRV, DNAME, DS, RRSIG, NSEC, DNSKEY, NSEC3, HTTPS, ANY] = [
  1, 2, 5, 6, 15, 16, 28, 33, 39, 43, 46, 47, 48, 50, 65, 255
] as const

const here = pointer(QUESTION_NAME)
const at = (name: string, type: number, data: Octets, ttl = 300): Uint8Array => record(wireName(name), type, ttl, data)
const address = (name: string, last = 1, ttl = 300): Uint8Array => at(name, A, [192, 0, 2, last], ttl)
const alias = (name: string, target: string): Uint8Array => at(name, CNAME, wireName(target))
const signature = (name: string, covered: number, signer: string): Uint8Array =>
  at(name, RRSIG, octets(word(covered), new Uint8Array(16), wireName(signer), new Uint8Array(32)))

interface Asking {
  readonly name?: string
  readonly type?: number
  readonly dnssecOk?: boolean
}

/** Owner and type of each record that is kept, section by section. */
const kept = (parts: Parts, { name = "www.example.com", type = A, dnssecOk = false }: Asking = {}) => {
  const wire = response({ questions: [question(name, type)], ...parts })
  const whole = normalised(wire, asked(name, type, { dnssecOk }))
  const { answers, authorities, additionals } = readReply(Buffer.from(whole.wire))
  return [answers, authorities, additionals].map((section) => section.map((one) => `${one.owner} ${one.type}`))
}

describe("the answer section", () => {
  it("keeps what was asked for and nothing beside it, wherever it stands", () => {
    const answers = [
      address("other.test"),
      at("www.example.com", TXT, [0]),
      address("www.example.com"),
      address("example.com")
    ]
    assert.deepStrictEqual(kept({ answers })[0], ["www.example.com. 1"])
    assert.deepStrictEqual(kept({ answers: [...answers].reverse() })[0], ["www.example.com. 1"])
    assert.deepStrictEqual(kept({ answers }, { type: TXT })[0], ["www.example.com. 16"])
  })

  it("keeps the CNAMEs that lead to it, and no others", () => {
    const answers = [
      address("c.test"),
      alias("x.test", "y.test"),
      alias("b.test", "c.test"),
      address("x.test"),
      alias("www.example.com", "b.test"),
      address("b.test")
    ]
    // An address beside a CNAME ends the chain: what is asked for is there.
    assert.deepStrictEqual(kept({ answers })[0], ["www.example.com. 5", "b.test. 1"])
    assert.deepStrictEqual(kept({ answers: answers.slice(0, 5) })[0], ["c.test. 1", "b.test. 5", "www.example.com. 5"])
  })

  it("keeps a CNAME alone where it was asked for", () => {
    const answers = [alias("www.example.com", "b.test"), alias("b.test", "c.test"), address("c.test")]
    assert.deepStrictEqual(kept({ answers }, { type: CNAME })[0], ["www.example.com. 5"])
  })

  it("keeps the DNAMEs from which its CNAMEs are made, and no others (RFC 6672 §3.1)", () => {
    const answers = [
      at("example.com", DNAME, wireName("example.net")),
      at("other.test", DNAME, wireName("example.org")),
      alias("www.example.com", "www.example.net"),
      at("example.net", DNAME, wireName("test")),
      alias("www.example.net", "www.test"),
      address("www.test")
    ]
    const expected = ["example.com. 39", "www.example.com. 5", "example.net. 39", "www.example.net. 5", "www.test. 1"]
    assert.deepStrictEqual(kept({ answers })[0], expected)
  })

  it("keeps everything at the name where everything was asked for, and nothing elsewhere", () => {
    const answers = [
      address("www.example.com"),
      at("www.example.com", MX, octets(0, 1, here)),
      signature("www.example.com", A, "example.com"),
      address("other.test")
    ]
    assert.deepStrictEqual(kept({ answers }, { type: ANY })[0], [
      "www.example.com. 1",
      "www.example.com. 15",
      "www.example.com. 46"
    ])
  })

  it("keeps where CNAMEs lead on where everything was asked for, if the upstream says it, in a circle too", () => {
    const dname = at("example.com", DNAME, wireName("example.net"))
    const answers = [
      dname,
      alias("www.example.com", "www.example.net"),
      address("www.example.net"),
      address("other.test")
    ]
    const expected = ["example.com. 39", "www.example.com. 5", "www.example.net. 1"]
    assert.deepStrictEqual(kept({ answers }, { type: ANY })[0], expected)
    assert.deepStrictEqual(kept({ answers: answers.slice(0, 2) }, { type: ANY })[0], expected.slice(0, 2))
    const circle = [alias("www.example.com", "b.test"), alias("b.test", "www.example.com")]
    assert.strictEqual(kept({ answers: circle }, { type: ANY })[0]!.length, 2)
    const whole = normalised(
      response({ questions: [question("www.example.com", ANY)], answers: circle }),
      asked("www.example.com", ANY)
    )
    assert.strictEqual(whole.responseClass.kind, "answer")
  })

  it("keeps nothing of another class", () => {
    const chaos = octets(wireName("www.example.com"), word(A), word(3), word(0), word(60), word(4), [1, 2, 3, 4])
    assert.deepStrictEqual(kept({ answers: [chaos, address("www.example.com")] })[0], ["www.example.com. 1"])
  })
})

describe("records of DNSSEC", () => {
  const answers = [
    address("www.example.com"),
    signature("www.example.com", A, "example.com"),
    signature("www.example.com", MX, "example.com")
  ]
  const authorities = [
    at("example.com", SOA, soaData(60)),
    signature("example.com", SOA, "example.com"),
    at("a.example.com", NSEC, octets(wireName("z.example.com"), 0, 1, 64)),
    signature("a.example.com", NSEC, "example.com"),
    at("abcd.example.com", NSEC3, [1, 0, 0, 0, 0]),
    signature("abcd.example.com", NSEC3, "EXAMPLE.com"),
    at("x.other.test", NSEC, octets(wireName("z.other.test"), 0, 1, 64)),
    signature("x.other.test", NSEC, "other.test"),
    at("example.com", DS, [0, 1, 13, 2, 1, 2]),
    signature("example.com", DS, "com")
  ]

  it("go to nobody who did not ask for them (RFC 4035 §3.2.1)", () => {
    assert.deepStrictEqual(kept({ answers, authorities }), [["www.example.com. 1"], ["example.com. 6"], []])
  })

  it("stay for who asks for DNSSEC: what is signed of the chain, and the proofs of its zones", () => {
    const [answer, authority] = kept({ answers, authorities }, { dnssecOk: true })
    assert.deepStrictEqual(answer, ["www.example.com. 1", "www.example.com. 46"])
    assert.deepStrictEqual(authority, [
      "example.com. 6",
      "example.com. 46",
      "a.example.com. 47",
      "a.example.com. 46",
      "abcd.example.com. 50",
      "abcd.example.com. 46",
      "example.com. 43",
      "example.com. 46"
    ])
  })

  it("stay where they were asked for by type, without DO too (RFC 3225 §3)", () => {
    for (const [type, data] of [
      [DS, [0, 1, 13, 2, 1, 2]],
      [DNSKEY, [1, 0, 3, 13, 1]],
      [NSEC, octets(wireName("z.test"), 0, 1, 64)]
    ] as const) {
      const records = [at("www.example.com", type, data), signature("www.example.com", type, "example.com")]
      assert.deepStrictEqual(kept({ answers: records }, { type })[0], [`www.example.com. ${type}`])
      assert.strictEqual(kept({ answers: records }, { type, dnssecOk: true })[0]!.length, 2)
    }
    const signatures = [signature("www.example.com", A, "example.com"), signature("www.example.com", MX, "example.com")]
    assert.strictEqual(kept({ answers: signatures }, { type: RRSIG })[0]!.length, 2)
  })

  it("stay with the CNAMEs and DNAMEs that they sign", () => {
    const chain = [
      at("example.com", DNAME, wireName("example.net")),
      signature("example.com", DNAME, "example.com"),
      alias("www.example.com", "www.example.net"),
      address("www.example.net"),
      signature("www.example.net", A, "example.net"),
      signature("www.example.net", CNAME, "example.net")
    ]
    assert.strictEqual(kept({ answers: chain }, { dnssecOk: true })[0]!.length, 5)
    assert.strictEqual(kept({ answers: chain })[0]!.length, 3)
  })
})

describe("the authority and the additional section", () => {
  it("keep what the zones of the chain say of themselves (RFC 2181 §5.4.1)", () => {
    const authorities = [
      at("example.com", NS, wireName("ns.example.com")),
      at("other.test", NS, wireName("ns.other.test")),
      at("com", NS, wireName("a.gtld.test")),
      address("example.com"),
      at("example.com", TXT, [0]),
      at("b.www.example.com", NS, wireName("ns.example.com"))
    ]
    assert.deepStrictEqual(kept({ answers: [address("www.example.com")], authorities })[1], [
      "example.com. 2",
      "com. 2"
    ])
  })

  it("keep addresses of names to which kept records lead, and of no others", () => {
    const additionals = [
      address("mail.example.com"),
      at("mail.example.com", AAAA, new Uint8Array(16)),
      at("mail.example.com", TXT, [0]),
      address("ns.example.com"),
      address("www.other.test"),
      signature("mail.example.com", A, "example.com")
    ]
    const answers = [at("example.com", MX, octets(0, 1, wireName("mail.example.com")))]
    const authorities = [
      at("other.test", NS, wireName("www.other.test")),
      at("example.com", NS, wireName("NS.example.com"))
    ]
    const asking = { name: "example.com", type: MX }
    const expected = ["mail.example.com. 1", "mail.example.com. 28", "ns.example.com. 1"]
    assert.deepStrictEqual(kept({ answers, authorities, additionals }, asking)[2], expected)
    assert.deepStrictEqual(kept({ answers, authorities, additionals }, { ...asking, dnssecOk: true })[2], [
      ...expected,
      "mail.example.com. 46"
    ])
  })

  it("keep addresses of what SRV and HTTPS lead to; the root is the owner (RFC 9460 §2.5.2)", () => {
    const additionals = [address("a.test"), address("www.example.com"), address("b.test")]
    const srv = at("www.example.com", SRV, octets(0, 1, 0, 1, 0, 53, wireName("a.test")))
    const own = at("www.example.com", HTTPS, octets(0, 1, 0))
    const other = at("www.example.com", HTTPS, octets(0, 1, wireName("b.test"), 0, 3, 0, 2, 1, 187))
    assert.deepStrictEqual(kept({ answers: [srv], additionals }, { type: SRV })[2], ["a.test. 1"])
    assert.deepStrictEqual(kept({ answers: [own], additionals }, { type: HTTPS })[2], ["www.example.com. 1"])
    assert.deepStrictEqual(kept({ answers: [other], additionals }, { type: HTTPS })[2], ["b.test. 1"])
    const broken = at("www.example.com", HTTPS, [0, 1])
    assert.deepStrictEqual(kept({ answers: [broken], additionals }, { type: HTTPS })[2], [])
  })
})

describe("what is left out", () => {
  it("does not bound the life of what is kept", () => {
    const whole = normalised(
      response({
        answers: [address("www.example.com", 1, 300), address("other.test", 1, 1)],
        authorities: [at("other.test", NS, wireName("ns.test"), 2), signature("example.com", NS, "example.com")],
        additionals: [address("ns.test", 1, 3)]
      })
    )
    assert.strictEqual(whole.ttlSeconds, 300)
  })

  it("does not make a negative answer one", () => {
    const whole = normalised(response({ flags: 0x8183, authorities: [at("other.test", SOA, soaData(60))] }))
    assert.deepStrictEqual([whole.responseClass, whole.ttlSeconds], [{ kind: "negative", ttlSeconds: 0 }, 0])
  })

  it("still has to be well-formed: a message that is not is rejected whole", () => {
    assert.throws(() =>
      normalised(response({ answers: [address("www.example.com"), at("other.test", CNAME, [5, 1])] }))
    )
  })

  it("is left out of what completes an answer too", () => {
    const head = normalised(
      response({
        answers: [alias("www.example.com", "web.test"), address("other.test")],
        authorities: [at("example.com", NS, wireName("ns.example.com"), 1)]
      })
    )
    assert.strictEqual(head.ttlSeconds, 300)
    const tail = normalised(
      response({ questions: [question("web.test")], answers: [address("web.test"), address("other.test", 2)] }),
      asked("web.test")
    )
    const { answers } = readReply(Buffer.from(joinAnswers(head.wire, tail.wire, WWW)!))
    assert.deepStrictEqual(
      answers.map((one) => `${one.owner} ${one.type}`),
      ["www.example.com. 5", "web.test. 1"]
    )
  })

  it("is not the proof of a CNAME from a wildcard: that stays when the answer is completed (RFC 4035 §3.1.3.3)", () => {
    const proof = (zone: string) => [
      at(`a.${zone}`, NSEC, octets(wireName(`z.${zone}`), 0, 1, 64)),
      signature(`a.${zone}`, NSEC, zone)
    ]
    const signed = { ...WWW, dnssecOk: true }
    const head = normalised(
      response({
        answers: [alias("www.example.com", "web.test"), signature("www.example.com", CNAME, "example.com")],
        authorities: [at("example.com", NS, wireName("ns.example.com"), 1), ...proof("example.com")],
        additionals: [address("ns.example.com", 1, 1)]
      }),
      signed
    )
    assert.strictEqual(head.ttlSeconds, 300)
    const next = normalised(
      response({
        questions: [question("web.test")],
        flags: 0x8183,
        authorities: [at("test", SOA, soaData(60)), ...proof("test")]
      }),
      { ...asked("web.test"), dnssecOk: true }
    )
    const joined = readReply(Buffer.from(joinAnswers(head.wire, next.wire, signed)!))
    assert.deepStrictEqual(
      joined.answers.map((one) => `${one.owner} ${one.type}`),
      ["www.example.com. 5", "www.example.com. 46"]
    )
    assert.deepStrictEqual(
      joined.authorities.map((one) => `${one.owner} ${one.type}`),
      ["a.example.com. 47", "a.example.com. 46", "test. 6", "a.test. 47", "a.test. 46"]
    )
    assert.strictEqual(joined.rcode, 3)
  })

  it.effect.prop("is left out once for all: what is kept is kept when it is read again", [anyResponse], ([any]) =>
    Effect.sync(() => {
      const to = { ...asked("."), name: any.name, type: any.type }
      const lowered = { ...to, name: to.name.map((octet) => (octet >= 65 && octet <= 90 ? octet + 32 : octet)) }
      const once = normalised(any.wire, lowered)
      assert.deepStrictEqual(normalised(once.wire, lowered, ANY_TTL).wire, once.wire)
    })
  )
})
