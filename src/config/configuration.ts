/**
 * The configuration that the server runs by, and how it is loaded: all sources, all mistakes at once.
 */
import { networkInterfaces } from "node:os"
import { ConfigProvider, Context, Effect, Exit, Layer, Schema, SchemaIssue } from "effect"
import { type Endpoint, formatEndpoint, isLoopback, isWildcard } from "../io/endpoint.ts"
import { asksForPlace } from "./conditions.ts"
import { wrongWithGeoFile } from "./geo-file.ts"
import { namesWithTooMuch } from "./local-answers.ts"
import { otlpOf } from "./otlp.ts"
import { fileKey, type SettingName, Settings, settingInfo, settingNames } from "./schema.ts"
import { type Gathered, type Given, gather, type Mistake } from "./sources.ts"
import { isNamed } from "./upstream-address.ts"

export class Configuration extends Context.Service<Configuration, Settings>()("strand/config/Configuration") {
  static readonly layer = (settings: Settings): Layer.Layer<Configuration> => Layer.succeed(Configuration, settings)
}

/** Nothing starts: what is wrong, all of it. */
export class ConfigurationError extends Schema.TaggedError<ConfigurationError>()("ConfigurationError", {
  mistakes: Schema.Array(
    Schema.Struct({ place: Schema.String, value: Schema.UndefinedOr(Schema.String), expected: Schema.String })
  )
}) {
  override get message(): string {
    const lines = this.mistakes.map(({ place, value, expected }) =>
      value === undefined ? `  ${place}: expected ${expected}` : `  ${place}: ${value}: expected ${expected}`
    )
    return `The configuration has ${lines.length === 1 ? "a mistake" : `${lines.length} mistakes`}:\n${lines.join("\n")}`
  }
}

export interface Loaded {
  readonly settings: Settings
  /** What each setting was set to, and by which source. */
  readonly given: ReadonlyMap<SettingName, Given>
  readonly warnings: ReadonlyArray<string>
}

const decode = Schema.decodeUnknownExit(Settings)
const issuesOf = SchemaIssue.makeFormatterStandardSchemaV1({
  leafHook: (issue) => {
    const expected = "annotations" in issue ? issue.annotations?.["expected"] : undefined
    return typeof expected === "string"
      ? expected
      : issue._tag === "InvalidType"
        ? "a value"
        : SchemaIssue.defaultLeafHook(issue)
  }
})

/**
 * Loads the configuration from the file, if one is named, and the environment.
 *
 * @returns the settings with the source of each, or a `ConfigurationError` with every mistake of every source
 */
export const load = Effect.fnUntraced(function* (file: string | undefined) {
  const provider = yield* ConfigProvider.ConfigProvider
  const gathered = yield* gather(file, provider)
  const tree = Object.fromEntries(settingNames.map((name) => [name, gathered.given.get(name)!.value]))
  const decoded = decode(tree, { errors: "all" })
  const mistakes = [
    ...gathered.mistakes,
    ...(Exit.isSuccess(decoded) ? contradictions(decoded.value, gathered) : decodeMistakes(decoded, gathered))
  ]
  if (Exit.isFailure(decoded) || mistakes.length > 0) return yield* new ConfigurationError({ mistakes })
  const warnings = [...gathered.warnings, ...otlpWarnings(decoded.value, gathered)]
  return { settings: decoded.value, given: gathered.given, warnings } satisfies Loaded
})

/** Settings that were found to be right, read again from what was written: in another thread. */
export const decodeSettings: (written: unknown) => Settings = Schema.decodeUnknownSync(Settings)

const decodeMistakes = (
  decoded: Exit.Failure<unknown, Schema.SchemaError>,
  gathered: Gathered
): ReadonlyArray<Mistake> =>
  decoded.cause.reasons.flatMap((reason) =>
    reason._tag === "Fail"
      ? issuesOf(reason.error.issue).issues.map(({ path, message }): Mistake => {
          const given = gathered.given.get(path?.[0] as SettingName)!
          const item = path?.[1]
          const value = typeof item === "number" ? given.value?.[item] : given.value
          const name = path?.[0] as SettingName
          return { place: placeOf(name, given), value: shown(name, value), expected: message }
        })
      : []
  )

const placeOf = (name: SettingName, given: Given): string =>
  given.source === "default" ? `${fileKey(name)} (${given.place})` : given.place

/** What the environment says of traces for many programs at once, and means nothing here. */
const otlpWarnings = (settings: Settings, gathered: Gathered): ReadonlyArray<string> =>
  otlpOf(settings).doubts.map(({ name, expected, instead }) => {
    const given = gathered.given.get(name)!
    return `${placeOf(name, given)}: ${shown(name, given.value)}: expected ${expected}; ${instead}`
  })

/** A setting's value for people, without what is secret in it. */
export const shown = (name: SettingName, value: Given["value"]): string | undefined => {
  const text = value === undefined || typeof value === "string" ? value : value.join(", ")
  return text === undefined ? undefined : (settingInfo[name].shown?.(text) ?? text)
}

/** Settings that are right each for itself and wrong together. */
const contradictions = (settings: Settings, gathered: Gathered): ReadonlyArray<Mistake> => {
  const mistakes: Array<Mistake> = []
  const say = (name: SettingName, value: string, expected: string): void => {
    mistakes.push({ place: placeOf(name, gathered.given.get(name)!), value, expected })
  }
  if (settings.cacheMinTtlSecs > settings.cacheMaxTtlSecs) {
    say("cacheMinTtlSecs", String(settings.cacheMinTtlSecs), `at most cache_max_ttl_secs (${settings.cacheMaxTtlSecs})`)
  }
  for (const { name, expected } of otlpOf(settings).doubts) {
    const given = gathered.given.get(name)!
    if (given.source === "file") say(name, shown(name, given.value) ?? "", expected)
  }
  const bound = settings.listen.flatMap(({ protocols, endpoint }) =>
    protocols.map((protocol) => `${protocol}://${formatEndpoint(endpoint)}`)
  )
  for (const address of new Set(
    bound.filter((address, i) => bound.indexOf(address) !== i && !address.endsWith(":0"))
  )) {
    say("listen", address, "each address once")
  }
  if (settings.datagrams === "portable") {
    for (const { protocols, endpoint } of settings.listen) {
      if (!protocols.includes("udp") || !isWildcard(endpoint)) continue
      const text = formatEndpoint(endpoint)
      const why = "datagrams: portable cannot answer from the address that was asked where it listens on all"
      say("listen", text, `addresses one by one, or tcp://${text}: ${why}`)
    }
  }
  const sayIfOurs = (name: SettingName, { endpoint: upstream }: { readonly endpoint: Endpoint }): void => {
    const own = settings.listen.find(({ endpoint }) => reaches(upstream, endpoint))
    if (own === undefined) return
    const listener = formatEndpoint(own.endpoint)
    say(name, formatEndpoint(upstream), `another server: this one listens on ${listener} itself`)
  }
  for (const upstream of settings.upstreams) sayIfOurs("upstreams", upstream)
  const names = settings.groups.map(({ name }) => name)
  settings.groups.forEach(({ name, upstreams }, i) => {
    for (const upstream of upstreams) sayIfOurs("groups", upstream)
    if (names.indexOf(name) !== i) say("groups", name, "each group once")
  })
  for (const { group } of settings.rules) {
    if (!names.includes(group)) say("rules", group, `a group: there ${listed(names)}`)
  }
  if (settings.geoDatabase === undefined) {
    const needed = "geo_database as well: a file that says where addresses are"
    if (settings.rules.some(asksForPlace)) say("rules", "country: or continent:", needed)
    if (settings.localAnswers.some(asksForPlace)) say("localAnswers", "country: or continent:", needed)
    if (settings.upstreamPolicy === "geo") say("upstreamPolicy", "geo", needed)
    for (const { name, policy } of settings.groups) if (policy === "geo") say("groups", `${name}: policy=geo`, needed)
  } else {
    const wrong = wrongWithGeoFile(settings.geoDatabase)
    if (wrong !== undefined) say("geoDatabase", settings.geoDatabase, wrong)
  }
  for (const name of namesWithTooMuch(settings.localAnswers)) {
    say("localAnswers", name, "fewer records of one type: together they do not fit into a message")
  }
  // Only where somebody's name has to be looked up are they asked.
  const all = [...settings.upstreams, ...settings.groups.flatMap(({ upstreams }) => upstreams)]
  for (const server of all.some(isNamed) ? settings.bootstrap : []) {
    const own = settings.listen.find(({ endpoint }) => reaches(server, endpoint))
    if (own === undefined) continue
    const listener = formatEndpoint(own.endpoint)
    say(
      "bootstrap",
      formatEndpoint(server),
      `another server: this one listens on ${listener} and waits for the names itself`
    )
  }
  return mistakes
}

const listed = (names: ReadonlyArray<string>): string => (names.length === 0 ? "is none" : `are ${names.join(", ")}`)

/** Whether what is sent to `upstream` arrives at the listener: same port, same address or a wildcard over loopback. */
const reaches = (upstream: Endpoint, listener: Endpoint): boolean => {
  if (upstream.port !== listener.port) return false
  const isWildcard = listener.address === "0.0.0.0" || listener.address === "::"
  return (
    upstream.address === listener.address ||
    (isWildcard && (isLoopback(upstream.address) || isOwnAddress(upstream.address)))
  )
}

const isOwnAddress = (address: string): boolean =>
  Object.values(networkInterfaces()).some((addresses) => addresses?.some((own) => own.address === address))
