/** Where the shared tier is: `redis://user:password@host:6379/0`, `rediss://` for TLS. */
import { Result } from "effect"
import { formatEndpoint } from "../../io/endpoint.ts"
import { splitScheme } from "./endpoint.ts"
import type { Read, TextForm } from "./text-form.ts"
import { readHost } from "./upstream-address.ts"

const REDIS_PORT = 6379
/** Redis has 16 databases unless it is told otherwise; nobody has more than this. */
const MAX_DATABASE = 65_535
const EXPECTED = "redis:// or rediss:// (TLS) before a host, such as rediss://user:password@redis.example:6379/0"

export interface RedisAddress {
  readonly isEncrypted: boolean
  readonly host: string
  readonly port: number
  readonly username: string | undefined
  readonly password: string | undefined
  readonly database: number
}

/** User and password may be percent-encoded, and have to be where they hold one of `:/?#@`. */
export const readRedisAddress = (text: string): Read<RedisAddress> => {
  const [scheme, rest] = splitScheme(text)
  const at = rest.lastIndexOf("@")
  const place = /^([^/?#]+)(?:\/(\d*))?$/.exec(rest.slice(at + 1))
  const endpoint = place === null ? undefined : readHost(place[1]!, REDIS_PORT)
  const database = Number(place?.[2] ?? 0)
  const credentials = readCredentials(at < 0 ? "" : rest.slice(0, at))
  const isRedis = scheme === "redis" || scheme === "rediss"
  if (!isRedis || endpoint === undefined || endpoint.port === 0 || database > MAX_DATABASE || !credentials) {
    return Result.fail(EXPECTED)
  }
  return Result.succeed({
    isEncrypted: scheme === "rediss",
    host: endpoint.address,
    port: endpoint.port,
    ...credentials,
    database
  })
}

const readCredentials = (text: string): Pick<RedisAddress, "username" | "password"> | undefined => {
  const colon = text.indexOf(":")
  const parts = colon < 0 ? [text, ""] : [text.slice(0, colon), text.slice(colon + 1)]
  const decoded = Result.try(() => parts.map(decodeURIComponent))
  if (Result.isFailure(decoded)) return undefined
  const [username, password] = decoded.success
  return { username: username || undefined, password: password || undefined }
}

/** Without user and password: for logs. */
export const formatRedis = ({ isEncrypted, host, port, database }: RedisAddress): string => {
  const at = `${isEncrypted ? "rediss" : "redis"}://${formatEndpoint({ address: host, port })}`
  return database === 0 ? at : `${at}/${database}`
}

/** With them. */
const writeRedisAddress = (address: RedisAddress): string => {
  const { username, password } = address
  if (username === undefined && password === undefined) return formatRedis(address)
  const credentials = `${escaped(username)}${password === undefined ? "" : `:${escaped(password)}`}`
  return formatRedis(address).replace("://", () => `://${credentials}@`)
}

/** What divides the parts of the address, within one of them; and spaces, which nothing keeps at the ends of a text. */
const escaped = (part = ""): string => part.replace(/[%:/?#@\s]/g, encodeURIComponent)

export const redisAddress: TextForm<RedisAddress> = { read: readRedisAddress, write: writeRedisAddress }
