/**
 * The whole configuration: one schema, every setting with its type, its default and what it is for.
 *
 * A setting `maxQueuedQueries` is `max_queued_queries` in the file and `DNS_SERVER_MAX_QUEUED_QUERIES` in the
 * environment. Every value is read from text, whichever source it comes from; lists from comma-separated text, or from
 * a list in the file.
 */
import { Effect, Result, Schema, SchemaIssue, SchemaTransformation } from "effect"
import { Authorities } from "./authorities.ts"
import { readLocalAnswer } from "./local-answers.ts"
import { meaning } from "./nearest.ts"
import { type NumberOptions, readNumber, readTruth } from "./numbers.ts"
import { readErrorRcode } from "./rcodes.ts"
import { readRedisAddress } from "./redis-address.ts"
import { policies, readGroup, readRule, readWeightedUpstream } from "./routes.ts"
import { shownUpstream, shownUrl, shownWords, shownWrongUrl } from "./secrets.ts"
import { NO_SPECIAL_NAMES, specialNames } from "./special-names.ts"
import { type Read, readListenAddress, readNetwork, readSampling, readServerEndpoint } from "./values.ts"

/** A value that `read` makes of a text. */
const fromText = <A>(read: (text: string) => Read<A>) =>
  Schema.String.pipe(
    Schema.decodeTo(
      Schema.Unknown as unknown as Schema.Codec<A>,
      SchemaTransformation.transformEffect<A, string>({
        decode: (text, options) => {
          const result = read(text.trim())
          return Result.isSuccess(result)
            ? Effect.succeed(result.success)
            : Effect.fail(new SchemaIssue.InvalidValue({ expected: result.failure }, text, options))
        },
        encode: (value) => Effect.succeed(String(value))
      })
    )
  )

const number = (options: NumberOptions) => fromText((written) => readNumber(written, options))

const word = <const Words extends ReadonlyArray<string>>(...words: Words) =>
  fromText(
    (text): Read<Words[number]> =>
      words.includes(text)
        ? Result.succeed(text as Words[number])
        : Result.fail(`one of ${words.join(", ")}${meaning(text, words)}`)
  )

const truth = fromText(readTruth)

const text = fromText((value): Read<string> => (value === "" ? Result.fail("a text") : Result.succeed(value)))

const list = <S extends Schema.Codec<unknown, string>>(item: S) => Schema.NonEmptyArray(item)

export const Settings = Schema.Struct({
  listen: list(fromText(readListenAddress)),
  allow: list(fromText(readNetwork)),
  workers: number({ min: 1, max: 256 }),
  datagrams: word("auto", "batched", "portable"),
  denyAction: word("refuse", "drop"),
  upstreams: list(fromText(readWeightedUpstream)),
  /** Empty where the system names none and no upstream has a name. */
  bootstrap: Schema.Array(fromText(readServerEndpoint)),
  /** Written as a path; what is decoded is what was read there. */
  tlsCaFile: Schema.UndefinedOr(Authorities),
  groups: Schema.Array(fromText(readGroup)),
  rules: Schema.Array(fromText(readRule)),
  localAnswers: Schema.Array(fromText(readLocalAnswer)),
  specialNames: list(word(...specialNames, NO_SPECIAL_NAMES)),
  geoDatabase: Schema.UndefinedOr(text),
  ecsTrust: Schema.Array(fromText(readNetwork)),
  upstreamPolicy: word(...policies),
  parallelUpstreams: number({ min: 2, max: 8 }),
  failoverRcodes: list(fromText(readErrorRcode)),
  maxQueriesPerUpstream: number({ min: 1, max: 1_000_000 }),
  trustUpstreamAd: truth,
  maxConcurrentQueries: number({ min: 1, max: 1_000_000 }),
  maxQueuedQueries: number({ min: 0, max: 1_000_000 }),
  actorPoolSize: number({ min: 1, max: 1024 }),
  poolStrategy: word("round-robin", "least-busy"),
  queryTimeoutSecs: number({ min: 0.05, max: 60, integer: false, unit: "seconds" }),
  attemptTimeoutMs: number({ min: 10, max: 60_000, unit: "milliseconds" }),
  retries: number({ min: 0, max: 10 }),
  enableCaching: truth,
  cacheSizeMb: number({ min: 1, max: 16_384, unit: "MiB" }),
  cacheMinTtlSecs: number({ min: 0, max: 86_400, unit: "seconds" }),
  cacheMaxTtlSecs: number({ min: 0, max: 604_800, unit: "seconds" }),
  cacheMaxNegativeTtlSecs: number({ min: 0, max: 604_800, unit: "seconds" }),
  cacheStaleSecs: number({ min: 0, max: 604_800, unit: "seconds" }),
  staleAnswer: word("when-failing", "at-once"),
  cachePrefetch: truth,
  redisUrl: Schema.UndefinedOr(fromText(readRedisAddress)),
  maxTcpConnections: number({ min: 1, max: 100_000 }),
  maxTcpConnectionsPerClient: number({ min: 1, max: 100_000 }),
  tcpIdleTimeoutSecs: number({ min: 0.1, max: 3600, integer: false, unit: "seconds" }),
  tcpReceiveTimeoutSecs: number({ min: 0.1, max: 3600, integer: false, unit: "seconds" }),
  tcpSendTimeoutSecs: number({ min: 0.1, max: 3600, integer: false, unit: "seconds" }),
  shutdownTimeoutSecs: number({ min: 0, max: 300, integer: false, unit: "seconds" }),
  traceSampling: fromText(readSampling),
  slowQueryMs: number({ min: 1, max: 60_000, unit: "milliseconds" }),
  logLevel: word("trace", "debug", "info", "warn", "error", "fatal", "none"),
  logFormat: word("pretty", "json"),
  // What these mean is read in `otlp.ts`: nothing in them stops the server.
  otelSdkDisabled: text,
  otelTracesExporter: text,
  otelEndpoint: Schema.UndefinedOr(text),
  otelTracesEndpoint: Schema.UndefinedOr(text),
  otelProtocol: text,
  otelTracesProtocol: Schema.UndefinedOr(text),
  otelTimeout: Schema.UndefinedOr(text),
  otelTracesTimeout: Schema.UndefinedOr(text),
  otelServiceName: Schema.UndefinedOr(text)
})

export type Settings = typeof Settings.Type
export type SettingName = keyof Settings

export interface SettingInfo {
  /** As it would be written in the environment; undefined where the setting may be absent. */
  readonly default: string | undefined
  /** Where the environment's name is a standard one. */
  readonly variable?: string
  readonly isList?: boolean
  /** What may be shown of a value, or of one in a list, that can hold a secret. */
  readonly shown?: (text: string) => string
  /** The same of one that is wrong, where any part of it may be the secret. */
  readonly shownWrong?: (text: string) => string
  /** What it does, for `--help` and the reference. */
  readonly meaning: string
}

const PRIVATE_NETWORKS = [
  "127.0.0.0/8",
  "10.0.0.0/8",
  "172.16.0.0/12",
  "192.168.0.0/16",
  "169.254.0.0/16",
  "::1/128",
  "fc00::/7",
  "fe80::/10"
].join(",")

export const settingInfo: { readonly [Name in SettingName]: SettingInfo } = {
  listen: {
    default: "127.0.0.1:1053",
    isList: true,
    meaning: "addresses to listen on: host:port is UDP and TCP; udp://host:port, tcp://host:port"
  },
  workers: { default: undefined, meaning: "worker threads; by default as many as there are processors" },
  datagrams: {
    default: "auto",
    meaning: "how datagrams are moved: batched (Linux, many a system call), portable, or auto for what works here"
  },
  allow: { default: PRIVATE_NETWORKS, isList: true, meaning: "networks that may ask" },
  denyAction: { default: "refuse", meaning: "what all others get: refuse (REFUSED) or drop (nothing)" },
  upstreams: {
    default: undefined,
    isList: true,
    shown: shownUpstream,
    meaning:
      "servers to forward to: an address is UDP, with TCP for what comes truncated; tcp://address, tls://address#name, https://name/dns-query, sdns://stamp"
  },
  bootstrap: {
    default: undefined,
    isList: true,
    meaning: "servers that are asked where upstreams with a name are; by default the system's resolvers"
  },
  tlsCaFile: {
    default: undefined,
    meaning:
      "certificates in PEM of authorities of your own that certificates of upstreams and of Redis may be signed by"
  },
  groups: {
    default: "",
    isList: true,
    shown: shownWords,
    meaning: "upstreams that some queries go to: name=address address*weight policy=fastest"
  },
  rules: {
    default: "",
    isList: true,
    meaning:
      "which queries go to which group: corp.example !public.corp.example client:10.0.0.0/8 -> name; country:DE|AT, continent:EU; name ecs for EDNS Client Subnet"
  },
  localAnswers: {
    default: "",
    isList: true,
    meaning: "answers of the server's own: name type data, country:DE, continent:EU or client:10.0.0.0/8 behind"
  },
  specialNames: {
    default: undefined,
    isList: true,
    meaning: `special names that are answered here and not asked for, unless a rule or a local answer is for them: ${specialNames.join(", ")}, or none`
  },
  geoDatabase: {
    default: undefined,
    meaning: "a MaxMind database (.mmdb) that says where addresses are; read again when it changes"
  },
  ecsTrust: {
    default: "",
    isList: true,
    meaning: "networks whose EDNS Client Subnet is believed: forwarders that ask for others"
  },
  upstreamPolicy: {
    default: undefined,
    meaning: `which upstream is asked first: ${policies.join(", ")}`
  },
  parallelUpstreams: { default: "2", meaning: "upstreams that the policy parallel asks at once" },
  failoverRcodes: {
    default: "FORMERR,SERVFAIL,NOTIMP,REFUSED,NOTAUTH",
    isList: true,
    meaning: "errors on which the next upstream is asked; others go to the client as they are"
  },
  maxQueriesPerUpstream: { default: "100000", meaning: "questions that one upstream may have under way" },
  trustUpstreamAd: {
    default: "false",
    meaning: "whether the AD bit of upstreams that are not on loopback is believed"
  },
  maxConcurrentQueries: { default: "1000", meaning: "queries that wait for upstreams at once" },
  maxQueuedQueries: { default: undefined, meaning: "queries that wait behind them; by default as many" },
  actorPoolSize: { default: "20", meaning: "resolvers in the pool" },
  poolStrategy: { default: "round-robin", meaning: "which resolver takes a query: round-robin, least-busy" },
  queryTimeoutSecs: { default: "5", meaning: "seconds until a query is given up: its whole deadline" },
  attemptTimeoutMs: {
    default: "800",
    meaning: "milliseconds until the next attempt starts at the latest; sooner where answers usually come sooner"
  },
  retries: { default: "2", meaning: "attempts after the first, never more than three at one address" },
  enableCaching: { default: "true", meaning: "whether answers are kept" },
  cacheSizeMb: { default: "64", meaning: "MiB that the cache may take" },
  cacheMinTtlSecs: { default: "0", meaning: "seconds that an answer is kept at least" },
  cacheMaxTtlSecs: { default: "86400", meaning: "seconds that an answer is kept at most" },
  cacheMaxNegativeTtlSecs: {
    default: "3600",
    meaning: "seconds that an answer that there is nothing is kept at most, whatever the shortest life is"
  },
  cacheStaleSecs: {
    default: "86400",
    meaning: "seconds past its life that an answer may still be given when no fresh one comes; 0 for never"
  },
  staleAnswer: {
    default: "when-failing",
    meaning: "when that is: when-failing or slow upstreams, or at-once with a fresh one fetched behind"
  },
  cachePrefetch: { default: "true", meaning: "whether answers that are asked for are fetched anew before they expire" },
  redisUrl: {
    default: undefined,
    shown: shownUrl,
    shownWrong: shownWrongUrl,
    meaning: "Redis in which servers share their answers: redis://host:6379, rediss://user:password@host (TLS)"
  },
  maxTcpConnections: { default: "1000", meaning: "TCP connections at once" },
  maxTcpConnectionsPerClient: { default: "100", meaning: "TCP connections at once from one address" },
  tcpIdleTimeoutSecs: { default: "10", meaning: "seconds after which a TCP connection with nothing to do is closed" },
  tcpReceiveTimeoutSecs: { default: "5", meaning: "seconds that a query by TCP may take to arrive, once begun" },
  tcpSendTimeoutSecs: { default: "5", meaning: "seconds that a TCP client may leave answers unread" },
  shutdownTimeoutSecs: { default: "5", meaning: "seconds that queries in flight get to finish at shutdown" },
  traceSampling: {
    default: "rate:200",
    meaning: "queries that are traced: always, never, ratio:0.01, rate:N a second"
  },
  slowQueryMs: { default: "1000", meaning: "milliseconds from which a query counts as slow and is traced" },
  logLevel: { default: "info", meaning: "trace, debug, info, warn, error, fatal, none" },
  logFormat: { default: undefined, meaning: "pretty or json; by default pretty on a terminal" },
  otelSdkDisabled: {
    default: "false",
    variable: "OTEL_SDK_DISABLED",
    meaning: "true: no trace leaves the server, whatever else is set"
  },
  otelTracesExporter: { default: "otlp", variable: "OTEL_TRACES_EXPORTER", meaning: "otlp, or none for no traces" },
  otelEndpoint: {
    default: undefined,
    variable: "OTEL_EXPORTER_OTLP_ENDPOINT",
    shown: shownUrl,
    meaning: "where traces go by OTLP over HTTP, such as http://localhost:4318; nowhere by default"
  },
  otelTracesEndpoint: {
    default: undefined,
    variable: "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
    shown: shownUrl,
    meaning: "the same for traces alone, used as it is: http://localhost:4318/v1/traces"
  },
  otelProtocol: {
    default: "http/protobuf",
    variable: "OTEL_EXPORTER_OTLP_PROTOCOL",
    meaning: "http/protobuf or http/json"
  },
  otelTracesProtocol: {
    default: undefined,
    variable: "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL",
    meaning: "the same for traces alone"
  },
  otelTimeout: {
    default: undefined,
    variable: "OTEL_EXPORTER_OTLP_TIMEOUT",
    meaning: "milliseconds that one export may take; 3000 by default"
  },
  otelTracesTimeout: {
    default: undefined,
    variable: "OTEL_EXPORTER_OTLP_TRACES_TIMEOUT",
    meaning: "the same for traces alone"
  },
  otelServiceName: {
    default: undefined,
    variable: "OTEL_SERVICE_NAME",
    meaning: "the service's name in traces; by default what OTEL_RESOURCE_ATTRIBUTES says, else strand"
  }
}

export const settingNames = Object.keys(settingInfo) as ReadonlyArray<SettingName>

/** The setting's name in the file. */
export const fileKey = (name: SettingName): string => name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)

/** The setting's name in the environment. */
export const variableName = (name: SettingName): string =>
  settingInfo[name].variable ?? `DNS_SERVER_${fileKey(name).toUpperCase()}`
