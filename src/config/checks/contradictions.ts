/** Settings that are right each for itself and wrong together. */
import { networkInterfaces } from "node:os"
import { Effect } from "effect"
import { LOOP_MARK } from "../../dns/codes.ts"
import { type Endpoint, formatEndpoint, isLoopback, isWildcard } from "../../io/endpoint.ts"
import { socketKindOf } from "../../io/protocols.ts"
import { asksForPlace, type Conditions } from "../codec/conditions.ts"
import { namesWithTooMuch } from "../codec/local-answer.ts"
import { meaning } from "../codec/nearest.ts"
import { formatUpstream, isNamed } from "../codec/upstream-address.ts"
import type { WeightedUpstream } from "../codec/weighted-upstream.ts"
import { type Decoded, placeOf } from "../decode.ts"
import type { Mistake } from "../mistakes.ts"
import { otlpDoubts } from "../otlp.ts"
import { belongTogether } from "../pem-files.ts"
import { fileKey, type SettingName, type Settings } from "../schema/settings.ts"
import { shownWrong } from "../shown.ts"
import { type Gathered, SYSTEM } from "../sources/gather.ts"
import { RESOLV_CONF } from "../sources/resolv-conf.ts"
import { upstreamNames } from "../upstream-names.ts"
import { wrongWithGeoFile } from "./geo-file.ts"

type Say = (name: SettingName, value: string, expected: string, item?: number) => void

/** What contradicts what, among the settings that could be read. */
export const contradictions = Effect.fnUntraced(function* ({ settings, origins }: Decoded, gathered: Gathered) {
  const { given } = gathered
  const mistakes: Array<Mistake> = []
  const say: Say = (name, value, expected, item = 0) => {
    mistakes.push({ place: placeOf(name, given.get(name)!, origins[name]?.[item] ?? item), value, expected })
  }
  const { cacheMinTtlSecs: least, cacheMaxTtlSecs: most } = settings
  if (least !== undefined && most !== undefined && least > most) {
    say("cacheMinTtlSecs", String(least), `at most cache_max_ttl_secs (${most})`)
  }
  const isSystems = (name: SettingName): boolean => given.get(name)!.place === SYSTEM
  sayOfListeners(settings, isSystems, say)
  sayOfGroups(settings, groupNames(settings, gathered), say)
  sayOfNames(settings, say)
  sayOfAdmin(settings, say)
  sayOfCertificates(settings, say)
  const { queryLogFile: file, queryLogDnstap: dnstap } = settings
  if (dnstap?.kind === "file" && dnstap.path === file) {
    say("queryLogDnstap", `file:${file}`, "another file than that of query_log_file")
  }
  for (const name of namesWithTooMuch(settings.localAnswers ?? [])) {
    say("localAnswers", name, "fewer records of one type: together they do not fit into a message")
  }
  for (const { name, expected } of otlpDoubts(settings)) {
    const { value, source } = given.get(name)!
    if (source === "file" && typeof value === "string") say(name, shownWrong(name, value), expected)
  }
  if (settings.runAs !== undefined && settings.datagrams === "portable") {
    const why = "worker threads that are replaced bind their addresses again, and may not as another user"
    say("runAs", settings.runAs.user, `nothing, or another way of datagrams than portable: ${why}`)
  }
  if (settings.traceContextOption === LOOP_MARK) {
    say("traceContextOption", String(LOOP_MARK), "another code: queries of this server itself are marked by this one")
  }
  yield* sayOfPlaces(settings, say)
  return mistakes
})

/** Whoever is not on this machine shows a token; a certificate has its key. */
const sayOfAdmin = (
  { admin, adminToken, adminReadToken, adminTlsCertificateFile: certificate, adminTlsKeyFile: key }: Partial<Settings>,
  say: Say
): void => {
  if (admin !== undefined && admin !== "off" && !isLoopback(admin.address) && adminToken === undefined) {
    say(
      "admin",
      formatEndpoint(admin),
      "an address on loopback, or admin_token: others than this machine could reach it"
    )
  }
  if (adminReadToken !== undefined && adminToken === undefined)
    say("adminReadToken", "…", "admin_token too: without that nobody needs a token, for reading or for changes")
  if (certificate !== undefined && key === undefined)
    say("adminTlsCertificateFile", certificate.file, "admin_tls_key_file too")
  if (key !== undefined && certificate === undefined) say("adminTlsKeyFile", key.file, "admin_tls_certificate_file too")
  if (certificate !== undefined && key !== undefined && !belongTogether(certificate, key))
    say("adminTlsKeyFile", key.file, `the key of ${certificate.file}`)
}

/** Each certificate has its key, and is that of the key. */
const sayOfCertificates = ({ tlsCertificateFile, tlsKeyFile }: Partial<Settings>, say: Say): void => {
  if (tlsCertificateFile === undefined || tlsKeyFile === undefined) return
  tlsCertificateFile.forEach((certificate, i) => {
    const key = tlsKeyFile[i]
    if (key === undefined) say("tlsCertificateFile", certificate.file, "its key in tls_key_file, at the same place", i)
    else if (!belongTogether(certificate, key)) say("tlsKeyFile", key.file, `the key of ${certificate.file}`, i)
  })
  tlsKeyFile.slice(tlsCertificateFile.length).forEach((key, i) => {
    const item = tlsCertificateFile.length + i
    say("tlsKeyFile", key.file, "its certificate in tls_certificate_file, at the same place", item)
  })
}

/** Where the system's resolver is this server, its upstreams have to be configured. */
const remedy = (name: SettingName): string =>
  `; ${RESOLV_CONF} names this server, so ${fileKey(name)} has to name others`

const sayOfListeners = (settings: Partial<Settings>, isSystems: (name: SettingName) => boolean, say: Say): void => {
  const listen = settings.listen ?? []
  const bound = listen.flatMap(({ protocols, endpoint }, item) =>
    protocols.map((protocol) => ({ address: `${socketKindOf(protocol)}://${formatEndpoint(endpoint)}`, item }))
  )
  const addresses = bound.map(({ address }) => address)
  bound.forEach(({ address, item }, i) => {
    // Twice is said once.
    const isSecond = addresses.indexOf(address) !== i && addresses.slice(0, i).filter((a) => a === address).length === 1
    if (isSecond && !address.endsWith(":0")) say("listen", address, "each address once", item)
  })
  if (settings.datagrams === "portable") {
    listen.forEach(({ protocols, endpoint }, i) => {
      if (!protocols.includes("udp") || !isWildcard(endpoint)) return
      const text = formatEndpoint(endpoint)
      const why = "datagrams: portable cannot answer from the address that was asked where it listens on all"
      say("listen", text, `addresses one by one, or tcp://${text}: ${why}`, i)
    })
  }
  const ownAt = (upstream: Endpoint): string | undefined => {
    const own = listen.find(({ endpoint }) => reaches(upstream, endpoint))
    return own === undefined ? undefined : formatEndpoint(own.endpoint)
  }
  const sayIfOurs = (name: SettingName, { endpoint }: { readonly endpoint: Endpoint }, item: number): void => {
    const listener = ownAt(endpoint)
    if (listener === undefined) return
    const expected = `another server: this one listens on ${listener} itself${isSystems(name) ? remedy(name) : ""}`
    say(name, formatEndpoint(endpoint), expected, item)
  }
  settings.upstreams?.forEach((upstream, i) => {
    sayIfOurs("upstreams", upstream, i)
  })
  settings.groups?.forEach(({ upstreams }, i) => {
    for (const upstream of upstreams) sayIfOurs("groups", upstream, i)
  })
  // They are asked only for the addresses of upstreams that are known by a name.
  const all = [...(settings.upstreams ?? []), ...(settings.groups ?? []).flatMap(({ upstreams }) => upstreams)]
  const bootstrap = all.some(isNamed) ? settings.bootstrap : undefined
  if (bootstrap?.length === 0) {
    say("bootstrap", "none", "at least one server that is asked where upstreams with a name are")
  }
  bootstrap?.forEach((server, i) => {
    const listener = ownAt(server)
    if (listener === undefined) return
    const expected = `another server: this one listens on ${listener} and waits for the names itself`
    say("bootstrap", formatEndpoint(server), expected + (isSystems("bootstrap") ? remedy("bootstrap") : ""), i)
  })
}

/** Of all groups that are written, those with a mistake in them included. */
const groupNames = (settings: Partial<Settings>, { given, groupNames: ofFile }: Gathered): ReadonlyArray<string> => {
  const { value, source } = given.get("groups")!
  const texts = Array.isArray(value) ? value : []
  const ofTexts = texts.map((text: string) => /^\s*([^\s=]+)\s*=/.exec(text)?.[1]).filter((name) => name !== undefined)
  const names = [...(settings.groups ?? []).map(({ name }) => name), ...ofTexts, ...(source === "file" ? ofFile : [])]
  return [...new Set(names)]
}

const sayOfGroups = (settings: Partial<Settings>, names: ReadonlyArray<string>, say: Say): void => {
  const seen = new Set<string>()
  settings.groups?.forEach(({ name }, i) => {
    if (seen.has(name)) say("groups", name, "each group once", i)
    seen.add(name)
  })
  settings.rules?.forEach(({ group }, i) => {
    if (names.includes(group)) return
    say("rules", group, `a group: there ${listed(names)}${meaning(group, names)}`, i)
  })
}

/** What counts under a name is one upstream's, and under no other. */
const sayOfNames = (settings: Partial<Settings>, say: Say): void => {
  const called = upstreamNames(settings)
  /** The upstream that each name is for, and the name that each upstream was given. */
  const keys = new Map<string, string>()
  const given = new Map<string, string>()
  const look = (setting: SettingName, upstream: WeightedUpstream, item: number): void => {
    const { name } = upstream
    const key = formatUpstream(upstream)
    const shown = name ?? called.get(key)!
    if ((keys.get(shown) ?? key) !== key) {
      const wanted = "a name of its own: without what is secret in its address, another upstream is called this too"
      say(setting, shown, name === undefined ? wanted : "each name for one upstream", item)
    }
    keys.set(shown, keys.get(shown) ?? key)
    if (name === undefined) return
    const other = given.get(key) ?? name
    if (other !== name) say(setting, name, `one name an upstream: this one is ${other} already`, item)
    given.set(key, other)
  }
  settings.upstreams?.forEach((upstream, i) => {
    look("upstreams", upstream, i)
  })
  settings.groups?.forEach((group, i) => {
    for (const upstream of group.upstreams) look("groups", upstream, i)
  })
}

const sayOfPlaces = Effect.fnUntraced(function* (settings: Partial<Settings>, say: Say) {
  if (settings.geoDatabase !== undefined) {
    const wrong = yield* wrongWithGeoFile(settings.geoDatabase)
    if (wrong !== undefined) say("geoDatabase", settings.geoDatabase, wrong)
    return
  }
  const needed = "geo_database as well: a file that says where addresses are"
  const asking = (conditions: ReadonlyArray<Conditions> | undefined): number =>
    conditions?.findIndex(asksForPlace) ?? -1
  const rule = asking(settings.rules)
  if (rule >= 0) say("rules", "country: or continent:", needed, rule)
  const answer = asking(settings.localAnswers)
  if (answer >= 0) say("localAnswers", "country: or continent:", needed, answer)
  if (settings.upstreamPolicy === "geo") say("upstreamPolicy", "geo", needed)
  settings.groups?.forEach(({ name, policy }, i) => {
    if (policy === "geo") say("groups", `${name}: policy=geo`, needed, i)
  })
})

const listed = (names: ReadonlyArray<string>): string => (names.length === 0 ? "is none" : `are ${names.join(", ")}`)

/** Whether what is sent to `upstream` arrives at the listener: same port, same address or a wildcard over loopback. */
const reaches = (upstream: Endpoint, listener: Endpoint): boolean => {
  if (upstream.port !== listener.port) return false
  return (
    upstream.address === listener.address ||
    (isWildcard(listener) && (isLoopback(upstream.address) || isOwnAddress(upstream.address)))
  )
}

const isOwnAddress = (address: string): boolean =>
  Object.values(networkInterfaces()).some((addresses) => addresses?.some((own) => own.address === address))
