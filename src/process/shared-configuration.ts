/**
 * Keeps what was set while servers run in step among all servers on one Redis (`config_shared`): who changes a setting on
 * one changes it on all.
 *
 * In Redis stands one document: the settings, a number, and who wrote it. A server that sees a higher number makes the
 * change as a whole, or, where it cannot, none of it, and says so; one whose settings were changed writes the document
 * anew, if nobody else has meanwhile. Without Redis each server goes on as it is.
 *
 * What belongs to a machine is not shared: addresses, files, tokens, threads.
 */
import { isDeepStrictEqual } from "node:util"
import { Effect, Schema, type Scope } from "effect"
import type { RedisAddress } from "../config/codec/redis-address.ts"
import type { Configuration } from "../config/configuration.ts"
import { fileKey, type SettingName, settingNames } from "../config/schema/settings.ts"
import type { Overrides } from "../config/sources/gather.ts"
import type { GivenSettings, ServerControl } from "./server-control.ts"

const KEY = "strand:config"
/** Between two looks. */
const LOOK_MS = 1_000
const PAUSE_MS = 2_000
/** Octets of a document that is read. */
const MAX_DOCUMENT = 1024 * 1024
/** Writes the document where it still is what was read. */
const WRITE = `local now = redis.call('GET', KEYS[1]) or ''
if now ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[2])
return 1`

/** Settings of one machine. */
const OWN: ReadonlySet<SettingName> = new Set<SettingName>([
  "listen",
  "workers",
  "datagrams",
  "runAs",
  "serverId",
  "cookieSecrets",
  "tlsCaFile",
  "tlsCertificateFile",
  "tlsKeyFile",
  "proxyProtocolFrom",
  "trustedProxies",
  "geoDatabase",
  "redisUrl",
  "configShared",
  "admin",
  "adminToken",
  "adminReadToken",
  "adminHosts",
  "adminTlsCertificateFile",
  "adminTlsKeyFile",
  "otelServiceName"
])

const Document = Schema.Struct({
  generation: Schema.Number,
  author: Schema.String,
  atMs: Schema.Number,
  settings: Schema.Record(Schema.String, Schema.Union([Schema.String, Schema.Array(Schema.String)]))
})
type Document = typeof Document.Type

const decode = Schema.decodeUnknownOption(Schema.fromJsonString(Document))

/** How this server stands to the others. */
export interface SharedConfigurationState {
  readonly generation: number
  readonly author: string
  /** Why this server does not have what the others have; empty where it has. */
  readonly error: string
}

export interface SharedConfiguration {
  /** Undefined where nothing is shared, or nothing was read yet. */
  readonly state: () => SharedConfigurationState | undefined
}

type Shared = Readonly<Record<string, string | ReadonlyArray<string>>>

/** What of the settings that were set here is for all. */
const sharedOf = (overrides: Overrides): Shared =>
  Object.fromEntries([...overrides].filter(([name]) => !OWN.has(name)).map(([name, value]) => [fileKey(name), value]))

/** The change that makes of these settings the ones of the document. */
const changeTo = (before: Overrides, settings: Shared): GivenSettings => {
  const gone = Object.keys(sharedOf(before)).filter((key) => !(key in settings))
  const known = new Set(settingNames.filter((name) => !OWN.has(name)).map(fileKey))
  return {
    ...Object.fromEntries(gone.map((key) => [key, undefined])),
    ...Object.fromEntries(Object.entries(settings).filter(([key]) => known.has(key)))
  }
}

/** @param author how the others are told of this server */
export const shareConfiguration = (
  configuration: Configuration["Service"],
  control: ServerControl["Service"],
  author: string
): Effect.Effect<SharedConfiguration, never, Scope.Scope> =>
  Effect.gen(function* () {
    let state: SharedConfigurationState | undefined
    /** The document as it was read last, and what of it this server has. */
    let read = ""
    let had = sharedOf(control.running().overrides)

    const adopt = ({ generation, author: who, settings }: Document): Effect.Effect<void> =>
      Effect.gen(function* () {
        const by = `${who}, by way of Redis`
        const change = changeTo(control.running().overrides, settings)
        const error = yield* Effect.match(control.set(change, by), {
          onSuccess: () => "",
          onFailure: ({ message }) => message
        })
        had = sharedOf(control.running().overrides)
        state = { generation, author: who, error }
        if (error !== "") {
          yield* Effect.logError(`generation ${generation} of the shared configuration is not made here: ${error}`)
        }
      })

    const look = (ask: (args: ReadonlyArray<string>) => Effect.Effect<unknown, { readonly message: string }>) =>
      Effect.gen(function* () {
        const reply = yield* ask(["GET", KEY])
        const text = Buffer.isBuffer(reply) && reply.length <= MAX_DOCUMENT ? reply.toString("utf8") : ""
        const found = decode(text)
        const isNew = text !== read
        read = text
        if (isNew && found._tag === "Some" && found.value.generation !== state?.generation)
          return yield* adopt(found.value)
        const own = sharedOf(control.running().overrides)
        if (isDeepStrictEqual(own, had)) return
        const generation = (state?.generation ?? 0) + 1
        const document: Document = { generation, author, atMs: Date.now(), settings: own }
        const written = yield* ask(["EVAL", WRITE, "1", KEY, read, JSON.stringify(document)])
        // Where another was first, its document is read next, and wins.
        if (Number(written) !== 1) return
        read = JSON.stringify(document)
        had = own
        state = { generation, author, error: "" }
        yield* Effect.logInfo("the settings that were changed here are given to all servers on this Redis", {
          generation
        })
      })

    const share = (address: RedisAddress, authorities: ReadonlyArray<string>) =>
      Effect.gen(function* () {
        // Its client takes a tenth of a second to load: only for those who want it.
        const { clientOptions, connect } = yield* Effect.promise(() => import("../cache/shared/redis/connection.ts"))
        const { isClusterNode, throughCluster } = yield* Effect.promise(
          () => import("../cache/shared/redis/cluster.ts")
        )
        const client = clientOptions(address, authorities)
        const one = Effect.gen(function* () {
          const node = yield* connect(client)
          const { ask, ended } = (yield* isClusterNode(node)) ? yield* throughCluster(node, client) : node
          return yield* Effect.raceFirst(ended, Effect.forever(Effect.andThen(look(ask), Effect.sleep(LOOK_MS))))
        })
        let isSaid = false
        yield* Effect.forever(
          Effect.catch(Effect.scoped(one), ({ message }) =>
            Effect.gen(function* () {
              if (!isSaid) yield* Effect.logWarning(`the shared configuration cannot be read: ${message}`)
              isSaid = true
              yield* Effect.sleep(PAUSE_MS)
            })
          )
        )
      })

    yield* configuration.derive(["configShared", "redisUrl", "tlsCaFile"], ({ configShared, redisUrl, tlsCaFile }) =>
      configShared && redisUrl !== undefined
        ? Effect.asVoid(Effect.forkScoped(share(redisUrl, tlsCaFile?.certificates ?? [])))
        : Effect.void
    )
    return { state: () => (configuration.current().configShared ? state : undefined) }
  })
