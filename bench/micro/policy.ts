/** What is looked at before the cache: answers of the server's own and special names, and which way a query goes. */
import { Result } from "effect"
import { readGroup } from "../../src/config/codec/group.ts"
import { readLocalAnswer } from "../../src/config/codec/local-answer.ts"
import { readNetwork } from "../../src/config/codec/network.ts"
import { readRule } from "../../src/config/codec/rule.ts"
import { DEFAULT_SPECIAL_NAMES } from "../../src/config/schema/special-names.ts"
import { Query, readQuery } from "../../src/dns/query.ts"
import { unknownLocation } from "../../src/geo/location.ts"
import { type Peer, TextPeer } from "../../src/io/peer.ts"
import { makeAcl } from "../../src/policy/acl.ts"
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

/** A client as the kernel tells it: numbers. */
class NumberedPeer implements Peer {
  readonly address = ""
  readonly port = 0
  readonly isIPv4: boolean
  readonly words = new Uint32Array(4)

  constructor(isIPv4: boolean) {
    this.isIPv4 = isIPv4
  }

  readWords(words: Uint32Array): boolean {
    for (let i = 0; i < 4; i++) words[i] = this.words[i]!
    return this.isIPv4
  }
}

/** Clients of all networks, in an order that no processor foresees; each second one is in none. */
const checked = (isIPv4: boolean, count: number): Subject => {
  const mayAsk = makeAcl(
    Array.from({ length: count }, (_, i) => {
      const [high, low] = [i >> 8, i & 0xff]
      const text = isIPv4 ? `10.${high}.${low}.0/25` : `2001:db8:${high.toString(16)}:${low.toString(16)}::/65`
      return Result.getOrThrow(readNetwork(text))
    })
  )
  const peer = new NumberedPeer(isIPv4)
  const { words } = peer
  const set = isIPv4
    ? (network: number, host: number): void => {
        words[3] = (0x0a000000 | (network << 8) | (host << 7)) >>> 0
      }
    : (network: number, host: number): void => {
        words[0] = 0x20010db8
        words[1] = ((network >> 8) << 16) | (network & 0xff)
        words[2] = host * 0x80000000
      }
  return {
    name: `may this client ask? ${count.toLocaleString("en")} networks of IPv${isIPv4 ? 4 : 6}`,
    run: (i) => {
      const drawn = Math.imul(i, 0x9e3779b1) >>> 8
      set((drawn >>> 1) % count, drawn & 1)
      return mayAsk(peer) ? 1 : 0
    }
  }
}

export const admitting = (): ReadonlyArray<Subject> =>
  [true, false].flatMap((isIPv4) => [8, 10_000].map((count) => checked(isIPv4, count)))

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
