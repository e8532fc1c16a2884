/**
 * Upstreams as users write them: `9.9.9.9`, `tcp://9.9.9.9`, `tls://1.1.1.1#cloudflare-dns.com`,
 * `https://dns.quad9.net/dns-query`, `sdns://…`.
 */
import { isIP } from "node:net"
import { Result } from "effect"
import { type Endpoint, formatEndpoint } from "../../io/endpoint.ts"
import type { ServerIdentity } from "../../io/server-identity.ts"
import { DNS_PORT, readEndpoint, splitScheme } from "./endpoint.ts"
import { meantAddress, meantPlain, meantUpstream } from "./slips.ts"
import { readStamp } from "./stamp.ts"
import type { Read } from "./text-form.ts"
import {
  AUTHORITY,
  CHAIN_DIGEST,
  DOT_PORT,
  formatDigests,
  fragment,
  HTTPS_PORT,
  type HttpsAddress,
  isNamed,
  PIN,
  readHost,
  readName,
  somebody,
  type UpstreamAddress
} from "./upstream-address.ts"
import { TEMPLATE_END } from "./uri-template.ts"

const FORMS = "an address, udp://, tcp://, tls:// or https:// before one or before a name, or a stamp (sdns://)"

export const readUpstreamAddress = (text: string): Read<UpstreamAddress> => {
  const [scheme, rest] = splitScheme(text)
  switch (scheme) {
    case undefined:
      return readBare(rest)
    case "udp":
    case "tcp":
      return readPlain(scheme, rest)
    case "tls":
      return readTls(rest)
    case "https":
      return readHttps(rest)
    case "sdns":
      return readStamp(rest)
    default:
      return Result.fail(`${FORMS}${meantUpstream(text)}`)
  }
}

/** A name without a scheme is more often a slip than meant. */
const readBare = (text: string): Read<UpstreamAddress> => {
  const read = readEndpoint(text, DNS_PORT)
  return Result.isSuccess(read)
    ? somebody({ protocol: "udp", endpoint: read.success })
    : Result.fail(
        "an IP address, with or without a port (IPv6 as [address]:port), or a name behind udp:// or tcp://" +
          meantUpstream(text)
      )
}

const readPlain = (protocol: "udp" | "tcp", text: string): Read<UpstreamAddress> => {
  const endpoint = readHost(text, DNS_PORT)
  return endpoint === undefined
    ? Result.fail(`${protocol}:// before an IP address or a name, with or without a port${meantPlain(protocol, text)}`)
    : somebody({ protocol, endpoint })
}

const readTls = (text: string): Read<UpstreamAddress> => {
  const [at, fragment] = cut(text, "#")
  const identity = readIdentity(fragment)
  const endpoint = readHost(at.replace(/\/$/, ""), DOT_PORT)
  if (endpoint === undefined) {
    return Result.fail(`tls:// before an IP address or a name, with or without a port${meantPlain("tls", at)}`)
  }
  return Result.flatMap(identity, (given) =>
    somebody({ protocol: "tls", endpoint, identity: identityOf(given, endpoint.address) })
  )
}

/** Where no path is written: what RFC 8484 has in its examples, and public resolvers use. */
export const USUAL_PATH = "/dns-query"

const readHttps = (text: string): Read<UpstreamAddress> => {
  const [before, fragment] = cut(text, "#")
  const isTemplate = before.endsWith(TEMPLATE_END)
  const written = isTemplate ? before.slice(0, -TEMPLATE_END.length) : before
  const target = /[/?]/.test(written) ? written : written + USUAL_PATH
  const [host] = cut(target, "/")
  const endpoint = readHost(host, HTTPS_PORT)
  const [called, authority] = takeAuthority(fragment)
  // A host with a scope is none in a URL.
  const url = URL.parse(`https://${authority === undefined ? target : `host${target.slice(host.length)}`}`)
  const isUsable = url !== null && url.username === "" && url.password === "" && !/[{}\s]/.test(target)
  if (endpoint === undefined || !isUsable || (isTemplate && url.search !== "")) {
    return Result.fail(
      `https:// before an IP address or a name and a path, such as https://dns.example/dns-query${meantAddress(host)}`
    )
  }
  if (authority !== undefined && readHost(authority, HTTPS_PORT) === undefined) return Result.fail(IDENTITY)
  return Result.flatMap(readIdentity(called), (given) =>
    somebody({
      protocol: "https",
      endpoint,
      identity: identityOf(given, endpoint.address),
      authority: authority ?? url.host,
      path: url.pathname + url.search,
      method: isTemplate ? "GET" : "POST"
    })
  )
}

const cut = (text: string, at: string): readonly [before: string, after: string | undefined] => {
  const i = text.indexOf(at)
  return i < 0 ? [text, undefined] : [text.slice(0, i), text.slice(i + at.length)]
}

/** The host that requests name, where it is not the one that is connected to: stamps have both. */
const takeAuthority = (fragment: string | undefined): readonly [rest: string | undefined, authority?: string] => {
  const parts = fragment?.split("&") ?? []
  const authority = parts.find((part) => part.startsWith(AUTHORITY))
  if (authority === undefined) return [fragment]
  const rest = parts.filter((part) => part !== authority)
  return [rest.length === 0 ? undefined : rest.join("&"), authority.slice(AUTHORITY.length)]
}

type GivenIdentity = Pick<ServerIdentity, "name" | "pins" | "chainDigests">

const IDENTITY =
  "after # the name in the server's certificate, pin-sha256= with the SHA-256 of its key in base64, or both with & between"

const readIdentity = (fragment: string | undefined): Read<GivenIdentity> => {
  const parts = fragment === undefined ? [] : fragment.split("&")
  const behind = (word: string): ReadonlyArray<string> =>
    parts.filter((part) => part.startsWith(word)).map((part) => part.slice(word.length))
  const [pins, chainDigests] = [behind(PIN), behind(CHAIN_DIGEST)]
  const names = parts.filter((part) => !part.startsWith(PIN) && !part.startsWith(CHAIN_DIGEST))
  const [name, ...others] = names.map((text) => readIdentityName(text) ?? "")
  return [...pins, ...chainDigests].every(isDigest) && name !== "" && others.length === 0
    ? Result.succeed({ name, pins, chainDigests })
    : Result.fail(IDENTITY)
}

/** What a certificate may have to bear: a host name or an IP address; undefined where it is neither. */
export const readIdentityName = (text: string): string | undefined => (isIP(text) === 0 ? readName(text) : text)

const DIGEST_SIZE = 32

export const isDigest = (text: string): boolean =>
  /^[A-Za-z0-9+/]+=?$/.test(text) && Buffer.from(text, "base64").length === DIGEST_SIZE && text.length >= 43

/** Without a word on it, the certificate has to bear what the upstream is addressed by. */
const identityOf = ({ name, pins, chainDigests }: GivenIdentity, host: string): ServerIdentity => ({
  name: name ?? (pins.length > 0 ? undefined : host),
  pins: pins.map(canonicalDigest),
  chainDigests: chainDigests.map(canonicalDigest)
})

const canonicalDigest = (digest: string): string => Buffer.from(digest, "base64").toString("base64")

export const defaultPorts = { udp: DNS_PORT, tcp: DNS_PORT, tls: DOT_PORT, https: HTTPS_PORT } as const

/** As a user would write it: without the port and the name that it has anyway. A stamp is written as a URL. */
export const writeUpstreamAddress = (upstream: UpstreamAddress): string => {
  const { endpoint, protocol } = upstream
  const host = writeHost(endpoint, defaultPorts[protocol])
  switch (upstream.protocol) {
    case "https":
      return `https://${host}${writeRequest(upstream)}`
    case "tls":
      return `tls://${host}${fragment(writeIdentity(upstream.identity, endpoint.address))}`
    case "tcp":
      return `tcp://${host}`
    case "udp":
      return isNamed(upstream) ? `udp://${host}` : host
  }
}

const writeHost = (endpoint: Endpoint, defaultPort: number): string =>
  endpoint.port === defaultPort ? formatEndpoint(endpoint).replace(/:\d+$/, "") : formatEndpoint(endpoint)

/** What ends so would be read as a weight or a place. */
const AMBIGUOUS = /(\*\d+|@[^@/]+\/[^@/]+)$/

/** Whether requests name the host that is connected to. */
export const isCalledByAddress = ({ authority, endpoint }: HttpsAddress): boolean =>
  authority === URL.parse(`https://${writeHost(endpoint, HTTPS_PORT)}/`)?.host

/** Whether the name is another than is taken where none is written. */
export const isNameSaid = ({ name, pins }: ServerIdentity, host: string): boolean =>
  name !== (pins.length > 0 ? undefined : host)

const writeRequest = (upstream: HttpsAddress): string => {
  const { path, method, authority, identity, endpoint } = upstream
  const target = path + (method === "GET" ? TEMPLATE_END : "")
  const called = isCalledByAddress(upstream) ? [] : [`${AUTHORITY}${authority}`]
  return target + fragment([...writeIdentity(identity, endpoint.address, AMBIGUOUS.test(target)), ...called])
}

const writeIdentity = (identity: ServerIdentity, host: string, always = false): ReadonlyArray<string> => {
  const { name } = identity
  const isSaid = name !== undefined && (always || isNameSaid(identity, host))
  return [...(isSaid ? [name] : []), ...formatDigests(identity)]
}
