/** Which of the last queries are asked for: filters of the API, compiled. */
import { Result } from "effect"
import { network } from "../../config/codec/network.ts"
import { rcodeName } from "../../dns/codes.ts"
import { formatName, isAtOrBelow, lowerCased, parseName } from "../../dns/name.ts"
import { typeName } from "../../dns/record-types.ts"
import { readClientName } from "../../io/client-name.ts"
import type { Peer } from "../../io/peer.ts"
import { makeAcl } from "../../policy/acl.ts"
import { queryOutcomes } from "../../telemetry/query-outcome.ts"
import type { RecentQuery } from "../../telemetry/recent-queries/ring.ts"
import type { Matches } from "./recent-view.ts"

export interface Filters {
  readonly name?: string | undefined
  readonly suffix?: string | undefined
  readonly client?: string | undefined
  readonly type?: string | undefined
  readonly rcode?: string | undefined
  readonly outcome?: string | undefined
  readonly upstream?: string | undefined
  readonly slower_than_ms?: number | undefined
}

/** A filter that cannot be read: which, and what is expected. */
export type Mistaken = string

/** @param upstreamAt the name of the upstream that is counted at a slot */
export const compileFilters = (
  filters: Filters,
  upstreamAt: (slot: number) => string
): Result.Result<Matches, Mistaken> => {
  const tests: Array<Matches> = []
  const { client, name, outcome, rcode, slower_than_ms: slowerThanMs, suffix, type, upstream } = filters
  if (outcome !== undefined) {
    if (!queryOutcomes.some((known) => known === outcome))
      return Result.fail(`outcome: one of ${queryOutcomes.join(", ")}`)
    tests.push((query) => query.outcome === outcome)
  }
  if (slowerThanMs !== undefined) tests.push((query) => query.durationMs >= slowerThanMs)
  if (type !== undefined) {
    const wanted = type.toUpperCase()
    tests.push((query) => query.type !== 0 && typeName(query.type) === wanted)
  }
  if (rcode !== undefined) {
    const wanted = rcode.toUpperCase()
    tests.push((query) => query.rcode >= 0 && rcodeName(query.rcode) === wanted)
  }
  if (upstream !== undefined) {
    const wanted = upstream.toLowerCase()
    tests.push(({ attempts }) =>
      attempts.some((attempt) => upstreamAt(attempt.upstream).toLowerCase().includes(wanted))
    )
  }
  if (suffix !== undefined) {
    const zone = parseName(suffix)
    if (zone === undefined) return Result.fail("suffix: a name such as example.com")
    tests.push((query) => query.name.length > 0 && isAtOrBelow(lowerCased(query.name, 0, query.name.length), zone))
  }
  if (client !== undefined) {
    const test = clientTest(client)
    if (Result.isFailure(test)) return Result.fail(`client: ${test.failure}`)
    tests.push(test.success)
  }
  if (name !== undefined) {
    const wanted = name.toLowerCase()
    tests.push((query) => query.name.length > 0 && formatName(query.name).toLowerCase().includes(wanted))
  }
  return Result.succeed((query) => tests.every((test) => test(query)))
}

const clientTest = (text: string): Result.Result<Matches, string> => {
  const wanted = network.read(text)
  if (Result.isSuccess(wanted)) {
    const holds = makeAcl([wanted.success])
    return Result.succeed((query) => holds(peerOf(query)))
  }
  const name = readClientName(text)
  if (name === undefined) return Result.fail(`${wanted.failure}, or what a client calls itself`)
  return Result.succeed(({ clientName }) => clientName === name)
}

/** A client of which only the words of its address are looked at. */
const peerOf = ({ address, isIPv4, port }: RecentQuery): Peer => ({
  address: "",
  port,
  readWords: (words) => {
    words.set(address)
    return isIPv4
  }
})
