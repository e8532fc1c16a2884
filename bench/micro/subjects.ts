/** The functions on a query's way, each with the input that it gets there. */
import type { Answer } from "dns-packet"
import { Effect } from "effect"
import { AnswerCache } from "../../src/cache/answer-cache.ts"
import { NameWriter } from "../../src/dns/compression.ts"
import { parseName } from "../../src/dns/name.ts"
import { NameTable } from "../../src/dns/name-table.ts"
import { Query, readQuery } from "../../src/dns/query.ts"
import { type Question, questionOf, writeQuery } from "../../src/dns/question.ts"
import { type AnswerMessage, MAX_UDP_SIZE, writeAnswer } from "../../src/dns/reply.ts"
import { joinAnswers, normalise } from "../../src/dns/response.ts"
import { HEADER_SIZE, MAX_MESSAGE_SIZE } from "../../src/dns/wire.ts"
import { lookup } from "../../test/support/servers/kept.ts"
import { dearMakers } from "../../test/support/wire/packets/dear.ts"
import type { Subject } from "./harness.ts"
import { addresses, chain, ednsQuery, plainQuery, queryFor, responseOf } from "./messages.ts"
import { admitting, policing } from "./policy.ts"

const TTL = { minSeconds: 0, maxSeconds: 86_400, maxNegativeSeconds: 3600 }
const out = new Uint8Array(MAX_MESSAGE_SIZE + 64)

const read = (wire: Uint8Array): Query => {
  const query = new Query()
  readQuery(query, wire, wire.length)
  return query
}

/** The query of a client that asks it. */
const queryOf = (question: Question): Query => {
  const wire = new Uint8Array(512)
  return read(wire.subarray(0, writeQuery(wire, 1, question, MAX_UDP_SIZE, true, [])))
}

const questionIn = (wire: Uint8Array): Question => questionOf(read(wire))

const parsing = (): ReadonlyArray<Subject> => {
  const query = new Query()
  return [
    { name: "readQuery, plain", run: () => readQuery(query, plainQuery, plainQuery.length) },
    { name: "readQuery, OPT with an option", run: () => readQuery(query, ednsQuery, ednsQuery.length) }
  ]
}

const hashing = (cache: AnswerCache["Service"]): ReadonlyArray<Subject> => {
  const query = read(plainQuery)
  return [{ name: "keyOf: the hash of a name of 17 octets", run: () => cache.keyOf(query).hash }]
}

const replying = (): ReadonlyArray<Subject> => {
  const plain = read(plainQuery)
  const edns = read(ednsQuery)
  const of = (wire: Uint8Array, ageSeconds: number): AnswerMessage => {
    const { wire: kept } = normalise(wire, wire.length, questionIn(plainQuery), TTL)!
    return { wire: kept, length: kept.length, ageSeconds, rotation: 1, scope: 0 }
  }
  const fresh = of(addresses("www.example.com", 1), 0)
  const aged = of(addresses("www.example.com", 1), 7)
  const four = of(chain, 7)
  return [
    { name: "writeAnswer, one address", run: () => writeAnswer(out, plain, fresh, MAX_UDP_SIZE) },
    { name: "writeAnswer, one address, aged, OPT", run: () => writeAnswer(out, edns, aged, MAX_UDP_SIZE) },
    { name: "writeAnswer, CNAMEs and four addresses, aged", run: () => writeAnswer(out, plain, four, MAX_UDP_SIZE) }
  ]
}

const rewriting = (): ReadonlyArray<Subject> => {
  const question = questionIn(plainQuery)
  const one = addresses("www.example.com", 1)
  return [
    { name: "normalise, one address", run: () => normalise(one, one.length, question, TTL)!.ttlSeconds },
    {
      name: "normalise, CNAMEs and four addresses",
      run: () => normalise(chain, chain.length, question, TTL)!.ttlSeconds
    }
  ]
}

/** Answers that an attacker made as dear as can be, as they are read. */
const enduring = (size: number): ReadonlyArray<Subject> =>
  dearMakers.map((make) => {
    const { question, what, wire } = make(size)
    const run = (): number => normalise(wire, wire.length, question, TTL)?.ttlSeconds ?? 0
    return { name: `normalise, ${size} octets: ${what}`, run }
  })

/** The same as they are given to clients, by UDP and by TCP: aged, turned, cut. */
const giving = (size: number): ReadonlyArray<Subject> =>
  dearMakers.flatMap((make) => {
    const { question, what, wire } = make(size)
    const kept = normalise(wire, wire.length, question, TTL)?.wire
    if (kept === undefined) return []
    const query = queryOf(question)
    const answer: AnswerMessage = { wire: kept, length: kept.length, ageSeconds: 7, rotation: 15, scope: 0 }
    const run = (): number =>
      writeAnswer(out, query, answer, MAX_UDP_SIZE) + writeAnswer(out, query, answer, MAX_MESSAGE_SIZE)
    return [{ name: `writeAnswer twice, ${size} octets: ${what}`, run }]
  })

/** Legs of a chain that are joined one by one, the last with as many addresses as fit. */
const joining = (): ReadonlyArray<Subject> => {
  const links = 20
  const leg = (number: number, answers: ReadonlyArray<Answer>): Uint8Array => {
    const wire = responseOf(`n${number * links}.example.com`, answers)
    return normalise(wire, wire.length, questionIn(queryFor(`n${number * links}.example.com`)), TTL)!.wire
  }
  const aliases = (number: number): ReadonlyArray<Answer> =>
    Array.from({ length: links }, (_, i) => ({
      type: "CNAME",
      name: `n${number * links + i}.example.com`,
      ttl: 60,
      data: `n${number * links + i + 1}.example.com`
    }))
  const last = Array.from(
    { length: 3700 },
    (_, i): Answer => ({
      type: "A",
      name: `n${7 * links}.example.com`,
      ttl: 60,
      data: `192.0.${i >> 8}.${i & 255}`
    })
  )
  const [head, ...tails] = [...Array.from({ length: 7 }, (_, number) => leg(number, aliases(number))), leg(7, last)]
  const question = questionIn(queryFor("n0.example.com"))
  const run = (): number => tails.reduce((joined, tail) => joinAnswers(joined, tail, question)!, head!).length
  return [{ name: "joinAnswers, seven times, to 64 KiB", run }]
}

const compressing = (): ReadonlyArray<Subject> => {
  const table = new NameTable(4711)
  const writer = new NameWriter(table, out)
  const wire = Buffer.concat(
    ["www.example.com", "mail.example.com", "a.ns.example.net", "b.ns.example.net"].map((name) => parseName(name)!)
  )
  const run = (): number => {
    table.begin(wire, wire.length)
    let at: number = HEADER_SIZE
    for (let from = 0; from < wire.length; from = table.next) at = writer.write(table.read(from), at)
    return at
  }
  return [{ name: "NameTable and NameWriter, four names", run }]
}

/** Lookups among so many names, in an order that no processor's cache foresees. */
const lookups = (cache: AnswerCache["Service"], count: number): ReadonlyArray<Subject> => {
  const queries = Array.from({ length: count }, (_, i) => {
    const name = `${i}.of.${count}.example.com`
    const query = read(queryFor(name))
    const question = questionOf(query)
    const answer = addresses(name, 1)
    cache.store(question, normalise(answer, answer.length, question, TTL)!.wire, 86_400)
    return query
  })
  const query = new Query()
  const at = (i: number): Query => queries[(i * 7919) % count]!
  const names = count.toLocaleString("en")
  return [
    { name: `lookup, found, ${names} names`, run: (i) => lookup(cache, at(i))!.length },
    {
      name: `readQuery + lookup + writeAnswer, ${names} names`,
      run: (i) => {
        const { wire } = at(i)
        readQuery(query, wire, wire.length)
        return writeAnswer(out, query, lookup(cache, query)!, MAX_UDP_SIZE)
      }
    }
  ]
}

/** All of them, in the order of a query's way. */
export const subjects = Effect.gen(function* () {
  const cache = yield* AnswerCache
  const unknown = read(queryFor("not.there.example.com"))
  return [
    ...parsing(),
    ...admitting(),
    ...hashing(cache),
    ...lookups(cache, 1000),
    ...lookups(cache, 100_000),
    { name: "lookup, not found", run: () => (lookup(cache, unknown) === undefined ? 0 : 1) },
    ...policing(),
    ...replying(),
    ...rewriting(),
    ...joining(),
    ...enduring(1_100),
    ...enduring(MAX_MESSAGE_SIZE),
    ...giving(MAX_MESSAGE_SIZE),
    ...compressing()
  ] satisfies ReadonlyArray<Subject>
})
