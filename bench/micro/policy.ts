/** What is looked at before the cache: answers of the server's own and special names, and which way a query goes. */
import { Result } from "effect"
import { readGroup } from "../../src/config/codec/group.ts"
import { readLocalAnswer } from "../../src/config/codec/local-answer.ts"
import { readRule } from "../../src/config/codec/rule.ts"
import { DEFAULT_SPECIAL_NAMES } from "../../src/config/schema/special-names.ts"
import { Query, readQuery } from "../../src/dns/query.ts"
import { unknownLocation } from "../../src/geo/location.ts"
import { TextPeer } from "../../src/io/peer.ts"
import { makeLocalAnswers } from "../../src/policy/local-answers.ts"
import { makeRouter } from "../../src/policy/router.ts"
import { makeSpecialNames } from "../../src/policy/special-names.ts"
import type { Subject } from "./harness.ts"
import { queryFor } from "./messages.ts"

const client = new TextPeer({ address: "192.0.2.1", port: 53 })

const read = (name: string): Query => {
  const wire = queryFor(name)
  const query = new Query()
  readQuery(query, wire, wire.length)
  return query
}

const LONGEST = Array.from({ length: 126 }, () => "x").join(".")
const REVERSE = `${[..."20010db900000000000000000000dead"].reverse().join(".")}.ip6.arpa`

export const policing = (): ReadonlyArray<Subject> => {
  const rules = ["corp.example -> corp", "lab.corp.example -> corp"].map((text) => Result.getOrThrow(readRule(text)))
  const router = makeRouter([Result.getOrThrow(readGroup("corp=192.0.2.1"))], rules)
  const localAnswers = ["nas.home A 192.0.2.1", "*.apps.home A 192.0.2.2"].map((text) =>
    Result.getOrThrow(readLocalAnswer(text))
  )
  const special = makeSpecialNames(DEFAULT_SPECIAL_NAMES, { localAnswers, rules }, router)!
  const local = makeLocalAnswers(localAnswers, () => unknownLocation, router)!
  const common = read("www.example.com")
  const found = (name: string, query: Query, find: typeof special): Subject => ({
    name,
    run: () => find(query, client)?.length ?? 0
  })
  const routed = (name: string, query: Query): Subject => ({ name, run: () => router.viewOf(query, client) })
  return [
    found("special names: a name that is none", common, special),
    found("special names: a reverse name of IPv6", read(REVERSE), special),
    found("special names: app.localhost", read("app.localhost"), special),
    found("local answers, a wildcard: a name that is none", common, local),
    found("local answers, a wildcard: one of its names", read("a.apps.home"), local),
    routed("two rules: a name of neither", common),
    routed("two rules: a name of 127 labels", read(LONGEST))
  ]
}
