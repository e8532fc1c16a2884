/** Settings that are allowed and seldom meant: each a line with the place, what is written there, and its effect. */
import { IpNetwork, NetAddress } from "effect/net"
import { type Endpoint, formatEndpoint, isLoopback, isPrivate } from "../../io/endpoint.ts"
import { isEncrypted, isHttp } from "../../io/protocols.ts"
import { asksForPlace, conditionsKey } from "../codec/conditions.ts"
import { listenAddress } from "../codec/listen-address.ts"
import type { Rule } from "../codec/rule.ts"
import { looksLikeAddressAndPort } from "../codec/slips.ts"
import { USUAL_PATH } from "../codec/upstream.ts"
import { isNamed, nameUpstream } from "../codec/upstream-address.ts"
import { MAX_ATTEMPTS_AT_ONE, type WeightedUpstream } from "../codec/weighted-upstream.ts"
import { type Decoded, placeOf } from "../decode.ts"
import { otlpDoubts } from "../otlp.ts"
import type { SettingName, Settings } from "../schema/settings.ts"
import { shownItem, shownWrong } from "../shown.ts"
import type { Gathered } from "../sources/gather.ts"
import { mentionedUpstreams } from "../upstream-names.ts"

type Say = (name: SettingName, value: string | undefined, what: string, item?: number) => void

/** Of the settings that could be read. */
export const suspicions = ({ settings, origins }: Decoded, { given }: Gathered): ReadonlyArray<string> => {
  const warnings: Array<string> = []
  const say: Say = (name, value, what, item = 0) => {
    const place = placeOf(name, given.get(name)!, origins[name]?.[item] ?? item)
    warnings.push(value === undefined ? `${place}: ${what}` : `${place}: ${shownItem(name, value)}: ${what}`)
  }
  const isSet = (name: SettingName): boolean => given.get(name)!.source !== "default"
  for (const name of ["listen", "upstreams", "bootstrap", "groups"] as const) {
    const { value, source, places } = given.get(name)!
    if (source === "default" || !Array.isArray(value)) continue
    value.forEach((text: string, i) => {
      const place = places?.[i] ?? given.get(name)!.place
      for (const what of slipsIn(text, name === "listen")) warnings.push(`${place}: ${shownItem(name, text)}: ${what}`)
    })
  }
  ofUpstreams(settings, say)
  const ruleAt = (item: number): string => {
    const written = origins.rules?.[item] ?? item
    return given.get("rules")!.places?.[written] ?? `rule ${written + 1}`
  }
  ofRules(settings, say, ruleAt)
  ofTimes(settings, say, isSet)
  ofUnused(settings, say, isSet)
  ofClients(settings, say, isSet)
  ofEncrypted(settings, say, isSet)
  // In the environment they stand for many programs at once; in the file they are mistakes.
  for (const { name, expected, instead } of otlpDoubts(settings)) {
    const { value, source, place } = given.get(name)!
    if (source === "file" || typeof value !== "string") continue
    warnings.push(`${place}: ${shownWrong(name, value)}: expected ${expected}; ${instead}`)
  }
  return warnings
}

/** Behind an upstream: its weight, its place. */
const WEIGHT_AND_PLACE = /(\*\d+)?(@-?[\d.]+\/-?[\d.]+)?$/

/**
 * Words that are read as something else than they look like.
 *
 * @param isListener where a path that is not written is the usual one, and nobody can be wrong about it
 */
const slipsIn = (text: string, isListener: boolean): ReadonlyArray<string> =>
  text.split(/[\s=]+/).flatMap((word) => {
    const upstream = word.replace(WEIGHT_AND_PLACE, "")
    const bare = upstream.replace(/^(udp|tcp|tls):\/\//i, "").replace(/#.*$/, "")
    const meant = looksLikeAddressAndPort(bare)
    if (meant !== undefined) return [`an IPv6 address, all of it: did you mean ${meant}?`]
    if (isListener) return []
    const [, path] = /^https:\/\/[^/?#]+([/?]?)(?:#.*)?$/i.exec(upstream) ?? []
    if (path === "") return [`asked at ${USUAL_PATH}, for no path is written`]
    return path === "/" ? [`asked at /: did you mean ${USUAL_PATH}?`] : []
  })

const ofUpstreams = ({ upstreams, groups = [], tlsCaFile }: Partial<Settings>, say: Say): void => {
  const look = (name: SettingName, members: ReadonlyArray<WeightedUpstream>, of: (i: number) => number): void => {
    const seen = new Set<string>()
    members.forEach((upstream, i) => {
      const { name: _, weight, spot, ...address } = upstream
      const key = JSON.stringify(address)
      if (seen.has(key)) say(name, nameUpstream(upstream), "the same upstream twice: a weight gives it more", of(i))
      seen.add(key)
      const proves = "identity" in upstream && upstream.identity.name === upstream.endpoint.address
      if (proves && tlsCaFile === undefined && isNear(upstream.endpoint)) {
        const what =
          "no public authority certifies a private address: a name or a pin behind #, or tls_ca_file, is needed"
        say(name, nameUpstream(upstream), what, of(i))
      }
    })
  }
  look("upstreams", upstreams ?? [], (i) => i)
  groups.forEach(({ upstreams: members }, i) => {
    look("groups", members, () => i)
  })
}

const isNear = ({ address }: Endpoint): boolean => isLoopback(address) || isPrivate(address)

const ofRules = ({ rules = [], groups = [] }: Partial<Settings>, say: Say, ruleAt: (item: number) => string): void => {
  const first = new Map<string, number>()
  rules.forEach((rule, i) => {
    const key = queriesOf(rule)
    const before = first.get(key)
    if (before === undefined) first.set(key, i)
    else say("rules", `-> ${rule.group}`, `never used: ${ruleAt(before)} is for the same queries`, i)
  })
  const used = new Set(rules.map(({ group }) => group))
  groups.forEach(({ name }, i) => {
    if (!used.has(name)) say("groups", name, "no rule sends anything to this group", i)
  })
}

/** Equal for rules that hold for the same queries. */
const queriesOf = (rule: Rule): string =>
  JSON.stringify([
    Buffer.from(rule.suffix).toString("hex"),
    rule.except.map((name) => Buffer.from(name).toString("hex")).sort(),
    conditionsKey(rule)
  ])

const ofTimes = (settings: Partial<Settings>, say: Say, isSet: (name: SettingName) => boolean): void => {
  const { queryTimeoutSecs, attemptTimeoutMs, retries = 0, upstreams = [], cacheStaleSecs, staleAnswer } = settings
  if (queryTimeoutSecs !== undefined && attemptTimeoutMs !== undefined && attemptTimeoutMs >= queryTimeoutSecs * 1000) {
    const name = isSet("attemptTimeoutMs") ? "attemptTimeoutMs" : "queryTimeoutSecs"
    const value = name === "attemptTimeoutMs" ? attemptTimeoutMs : queryTimeoutSecs
    say(name, String(value), `a query is given up after ${queryTimeoutSecs} s, before the next attempt would start`)
  }
  if (isSet("retries") && upstreams.length > 0 && retries >= MAX_ATTEMPTS_AT_ONE * upstreams.length) {
    const most = MAX_ATTEMPTS_AT_ONE * upstreams.length - 1
    say(
      "retries",
      String(retries),
      `with ${counted(upstreams.length, "upstream")} there are at most ${most}, for one address is asked three times`
    )
  }
  if (staleAnswer === "at-once" && cacheStaleSecs === 0) {
    say("staleAnswer", staleAnswer, "cache_stale_secs is 0: no answer is ever given past its life")
  }
}

const counted = (number: number, what: string): string => `${number} ${what}${number === 1 ? "" : "s"}`

/** What is written and changes nothing. */
const ofUnused = (settings: Partial<Settings>, say: Say, isSet: (name: SettingName) => boolean): void => {
  const { groups = [], rules = [], localAnswers = [] } = settings
  const all = mentionedUpstreams(settings)
  const policies = [settings.upstreamPolicy, ...groups.map(({ policy }) => policy)]
  const unused = (name: SettingName, why: string): void => {
    if (isSet(name) && settings[name] !== undefined) say(name, undefined, `changes nothing: ${why}`)
  }
  if (settings.enableCaching === false) unused("redisUrl", "enable_caching is false")
  if (!all.some(isNamed)) unused("bootstrap", "no upstream has a name that would have to be looked up")
  if (!policies.includes("parallel")) unused("parallelUpstreams", "the policy parallel is not used")
  const isEncrypted = all.some(({ protocol }) => protocol === "tls" || protocol === "https")
  if (!isEncrypted && settings.redisUrl?.isEncrypted !== true) unused("tlsCaFile", "nothing is asked by TLS")
  const asks = [...rules, ...localAnswers].some(asksForPlace)
  if (!asks && !policies.includes("geo")) unused("geoDatabase", "no rule, local answer or policy asks for places")
  const { queryLogFile: file, queryLogDnstap: dnstap, queryLogStore: store } = settings
  if (file === undefined && dnstap?.kind !== "file") {
    for (const name of ["queryLogMaxMb", "queryLogMaxAgeHours", "queryLogKeep"] as const)
      unused(name, "no file is logged to")
  }
  if (store === undefined) unused("queryLogStoreMaxMb", "query_log_store is not set")
  if (file === undefined && dnstap === undefined && store === undefined) {
    for (const name of ["queryLogSample", "queryLogOnly", "queryLogNames", "queryLogClients"] as const) {
      unused(name, "no query is logged")
    }
  }
  const { otelLogsExporter = "none", otelMetricsExporter = "none" } = settings
  const goesElse = otelLogsExporter !== "none" || otelMetricsExporter !== "none"
  if (settings.traceSampling?.kind === "never" && !goesElse) unused("otelEndpoint", "trace_sampling is never")
  settings.traceContextTo?.forEach((told, i) => {
    const isThere = all.some(
      (upstream) =>
        nameUpstream(upstream) === told ||
        upstream.endpoint.address === told ||
        formatEndpoint(upstream.endpoint) === told
    )
    if (!isThere) say("traceContextTo", told, "no upstream is called so", i)
  })
}

/** What clients by TLS and HTTPS are shown, and whom the others believe. */
const ofEncrypted = (settings: Partial<Settings>, say: Say, isSet: (name: SettingName) => boolean): void => {
  const { listen = [], tlsCertificateFile = [], trustedProxies = [] } = settings
  const first = listen.findIndex(({ protocols }) => protocols.some(isEncrypted))
  if (first >= 0 && tlsCertificateFile.length === 0) {
    const what = "shows a certificate of its own that nobody vouches for: clients that check will not use it"
    say("listen", listenAddress.write(listen[first]!), `without tls_certificate_file it ${what}`, first)
  }
  const unused = (name: SettingName, why: string): void => {
    if (isSet(name)) say(name, undefined, `changes nothing: ${why}`)
  }
  if (first < 0 && tlsCertificateFile.length > 0) {
    for (const name of ["tlsCertificateFile", "tlsKeyFile"] as const)
      unused(name, "nothing listens by tls:// or https://")
  }
  const isByHttp = listen.some(({ protocols }) => protocols.some(isHttp))
  if (settings.listen !== undefined && first < 0 && !isByHttp) ofUnsaidNames(settings, say)
  if (!isByHttp && trustedProxies.length > 0) unused("trustedProxies", "nothing listens by https:// or http://")
}

/** Nobody can say a name where nothing is encrypted. */
const ofUnsaidNames = ({ localAnswers = [], rules = [] }: Partial<Settings>, say: Say): void => {
  const what = "client_name holds for nobody: nothing listens by tls://, https:// or http://"
  for (const [i, { clientNames }] of rules.entries()) if (clientNames.length > 0) say("rules", undefined, what, i)
  for (const [i, { clientNames }] of localAnswers.entries())
    if (clientNames.length > 0) say("localAnswers", undefined, what, i)
}

const ofClients = (settings: Partial<Settings>, say: Say, isSet: (name: SettingName) => boolean): void => {
  const { allow = [], listen = [], maxTcpConnections = 0, maxTcpConnectionsPerClient = 0 } = settings
  const isOpen = listen.some(({ endpoint }) => !isLoopback(endpoint.address))
  allow.forEach((network, i) => {
    if (network.prefixLength !== 0 || !isOpen) return
    const family = NetAddress.isIpv4Address(network.address) ? "IPv4" : "IPv6"
    const what = `anybody by ${family} may ask: such servers are used in attacks on others`
    say("allow", IpNetwork.format(network), what, i)
  })
  if (isSet("maxTcpConnectionsPerClient") && maxTcpConnectionsPerClient > maxTcpConnections) {
    say(
      "maxTcpConnectionsPerClient",
      String(maxTcpConnectionsPerClient),
      `there are at most max_tcp_connections (${maxTcpConnections}) in all`
    )
  }
}
