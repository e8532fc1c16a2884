/** What the configuration says of queries: who may ask, what is answered here, where the rest goes. Compiled at each change. */
import { asksForPlace } from "../config/codec/conditions.ts"
import type { Rule } from "../config/codec/rule.ts"
import type { SettingName, Settings } from "../config/schema/settings.ts"
import type { ClientContext } from "../dns/client-context.ts"
import type { Query } from "../dns/query.ts"
import type { Geography } from "../geo/geography.ts"
import type { Peer } from "../io/peer.ts"
import { type Acl, compileAcl } from "./acl.ts"
import { makeAnyAnswer } from "./any-queries.ts"
import { makeClientContext } from "./client-context.ts"
import { ClientSubnetReader } from "./client-subnet.ts"
import { makeCookies, type ReadCookie } from "./cookies.ts"
import { makeDiscovery } from "./discovery.ts"
import { type FindIdentity, makeIdentity } from "./identity.ts"
import { answerByLocation, compileLocalAnswers, type FindOwn } from "./local-answers.ts"
import { type LocationOf, makeRouter } from "./router.ts"
import { makeSpecialNames } from "./special-names.ts"

/** The settings that a policy is made of. */
export const POLICY_SETTINGS = [
  "allow",
  "anyQueries",
  "cookies",
  "cookieSecrets",
  "denyAction",
  "ecsTrust",
  "groups",
  "listen",
  "localAnswers",
  "maxAmplification",
  "rules",
  "serverId",
  "serverVersion",
  "specialNames",
  "tlsCertificateFile",
  "upstreamPolicy"
] as const satisfies ReadonlyArray<SettingName>

export interface Policy {
  readonly mayAsk: Acl
  /** Whether who may not ask is told so. */
  readonly refuses: boolean
  /** Reads a client's cookie; undefined where none are given. */
  readonly readCookie: ReadCookie | undefined
  /** What this server calls itself (RFC 5001); undefined for nothing. */
  readonly nsid: Uint8Array | undefined
  /** How many times as long as the query a reply to an address that is not proven may be; 0 for any length. */
  readonly maxAmplification: number
  /** What queries of class CH are told. */
  readonly findIdentity: FindIdentity
  /** Whether queries for ANY are asked for only where the client's address is proven. */
  readonly sendsAnyToTcp: boolean
  /** Notes what the query's client has to be told of where its answer depends on it. */
  readonly note: (query: Query, client: Peer) => void
  /** Undefined where there are no local answers. */
  readonly findLocal: FindOwn | undefined
  /** Undefined where no name is special. */
  readonly findSpecial: FindOwn | undefined
  /** The answer to queries for ANY; undefined where they are asked for like others. */
  readonly findAny: FindOwn | undefined
  /** The view of the group of upstreams that the query goes to. */
  readonly viewOf: (query: Query, client: Peer) => number
  /** The rule by which `viewOf` decided the last time; undefined where there was none. */
  readonly lastRule: () => Rule | undefined
  readonly clientContextOf: (query: Query, client: Peer, view: number) => ClientContext | undefined
}

/**
 * In slices: some lists are long.
 *
 * @param cookieSecret where none is configured
 */
export function* compilePolicy(
  settings: Pick<Settings, (typeof POLICY_SETTINGS)[number]>,
  geography: Geography["Service"],
  cookieSecret: Uint8Array
): Generator<void, Policy> {
  const { allow, denyAction, ecsTrust, groups, localAnswers, rules, specialNames } = settings
  const isByLocation = rules.some(asksForPlace) || answerByLocation(localAnswers)
  const clientSubnet = new ClientSubnetReader(ecsTrust, geography, isByLocation)
  const locationOf: LocationOf = (query, client) => clientSubnet.locationOf(query, client)
  const router = makeRouter(groups, rules, locationOf)
  return {
    mayAsk: yield* compileAcl(allow),
    refuses: denyAction === "refuse",
    readCookie: makeCookies(settings, cookieSecret),
    nsid: settings.serverId === undefined ? undefined : Buffer.from(settings.serverId, "latin1"),
    maxAmplification: settings.maxAmplification,
    findIdentity: makeIdentity(settings),
    sendsAnyToTcp: settings.anyQueries === "tcp",
    note: (query, client) => clientSubnet.note(query, client),
    findLocal: yield* compileLocalAnswers(localAnswers, locationOf, router),
    findSpecial: eitherOf(makeDiscovery(settings), makeSpecialNames(specialNames, settings, router)),
    findAny: makeAnyAnswer(settings),
    viewOf: router.viewOf,
    lastRule: router.lastRule,
    clientContextOf: makeClientContext(settings, clientSubnet)
  }
}

/** The first's answer, where it has one. */
const eitherOf = (first: FindOwn | undefined, second: FindOwn | undefined): FindOwn | undefined =>
  first === undefined || second === undefined
    ? (first ?? second)
    : (query, client) => first(query, client) ?? second(query, client)
