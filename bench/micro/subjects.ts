/** The functions on a query's way, each with the input that it gets there. */
import { Effect } from "effect"
import { AnswerCache } from "../../src/cache/answer-cache.ts"
import { NameWriter } from "../../src/dns/compression.ts"
import { parseName } from "../../src/dns/name.ts"
import { Query, readQuery } from "../../src/dns/query.ts"
import { type Question, questionOf } from "../../src/dns/question.ts"
import { type AnswerMessage, MAX_UDP_SIZE, writeAnswer } from "../../src/dns/reply.ts"
import { normalise } from "../../src/dns/response.ts"
import { HEADER_SIZE } from "../../src/dns/wire.ts"
import { lookup } from "../../test/support/kept.ts"
import type { Subject } from "./harness.ts"
import { addresses, chain, ednsQuery, plainQuery, queryFor } from "./messages.ts"
import { policing } from "./policy.ts"

const TTL = { minSeconds: 0, maxSeconds: 86_400 }
const out = new Uint8Array(4096)

const read = (wire: Uint8Array): Query => {
  const query = new Query()
  readQuery(query, wire, wire.length)
  return query
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
    return { wire: kept, length: kept.length, ageSeconds, turn: 1, scope: 0 }
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

const compressing = (): ReadonlyArray<Subject> => {
  const writer = new NameWriter(out)
  const names = ["www.example.com", "mail.example.com", "a.ns.example.net", "b.ns.example.net"].map(
    (name) => parseName(name)!
  )
  const run = (): number => {
    writer.reset()
    let at: number = HEADER_SIZE
    for (const name of names) at = writer.write(name, at)
    return at
  }
  return [{ name: "NameWriter, four names", run }]
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
    ...hashing(cache),
    ...lookups(cache, 1000),
    ...lookups(cache, 100_000),
    { name: "lookup, not found", run: () => (lookup(cache, unknown) === undefined ? 0 : 1) },
    ...policing(),
    ...replying(),
    ...rewriting(),
    ...compressing()
  ] satisfies ReadonlyArray<Subject>
})
