/** What there is to know of an upstream to ask it: protocol, place, and who it has to prove to be. */
import { isIP } from "node:net"
import { Result } from "effect"
import { Host } from "effect/net"
import { type Endpoint, formatEndpoint, isWildcard } from "../../io/endpoint.ts"
import type { ServerIdentity } from "../../io/server-identity.ts"
import { readEndpoint } from "./endpoint.ts"
import { shownUpstream } from "./secrets.ts"
import type { Read } from "./text-form.ts"
import { TEMPLATE_END } from "./uri-template.ts"

/** RFC 7858 §3.1. */
export const DOT_PORT = 853
export const HTTPS_PORT = 443

/** `udp`: by UDP, and by TCP what comes truncated. */
export interface PlainAddress {
  readonly protocol: "udp" | "tcp"
  /** Its `address` is an IP address, or a name that the bootstrap servers know. */
  readonly endpoint: Endpoint
}

/** DNS over TLS (RFC 7858). */
export interface TlsAddress {
  readonly protocol: "tls"
  /** Its `address` is an IP address, or a name that the bootstrap servers know. */
  readonly endpoint: Endpoint
  readonly identity: ServerIdentity
}

/** DNS over HTTPS (RFC 8484). */
export interface HttpsAddress {
  readonly protocol: "https"
  /** Its `address` is an IP address, or a name that the bootstrap servers know. */
  readonly endpoint: Endpoint
  readonly identity: ServerIdentity
  /** Host and port as the server is to be called in requests. */
  readonly authority: string
  readonly path: string
  readonly method: "GET" | "POST"
}

export type UpstreamAddress = PlainAddress | TlsAddress | HttpsAddress

/**
 * How an upstream is called in logs, metrics and traces: by the name that its user gave it, else as it is written,
 * without what only its server should see.
 */
export const nameUpstream = (upstream: UpstreamAddress & { readonly name?: string }): string =>
  upstream.name ?? shownUpstream(formatUpstream(upstream))

/**
 * The key of whatever is known of an upstream; not for people, for its path may be secret. All that it is stands in it:
 * protocol, address, port, path, method, and who it has to prove to be. Two that differ in any of it are two.
 */
export const formatUpstream = (upstream: UpstreamAddress): string => {
  const { protocol, endpoint } = upstream
  const at = `${protocol}://${formatEndpoint(endpoint)}`
  switch (upstream.protocol) {
    case "https":
      return at + formatRequest(upstream)
    case "tls":
      return at + fragment(formatIdentity(upstream.identity, endpoint.address))
    case "udp":
    case "tcp":
      return at
  }
}

const formatRequest = ({ path, method, authority, identity, endpoint }: HttpsAddress): string => {
  const own = formatEndpoint(endpoint).replace(new RegExp(`:${HTTPS_PORT}$`), "")
  const called = authority === own ? [] : [`${AUTHORITY}${authority}`]
  const template = method === "GET" ? TEMPLATE_END : ""
  return path + template + fragment([...formatIdentity(identity, endpoint.address), ...called])
}

/** Behind `#`: what a key's digest, one of a certificate in the chain, and host and port in requests begin with. */
export const PIN = "pin-sha256="
export const CHAIN_DIGEST = "chain-sha256="
export const AUTHORITY = "authority="

/** As it is written behind the address: nothing where the address itself is what the certificate has to bear. */
const formatIdentity = ({ name, pins, chainDigests }: ServerIdentity, host: string): ReadonlyArray<string> => {
  const digests = formatDigests({ pins, chainDigests }).sort()
  return name === undefined || (name === host && digests.length === 0) ? digests : [name, ...digests]
}

export const formatDigests = ({ pins, chainDigests }: Pick<ServerIdentity, "pins" | "chainDigests">): Array<string> => [
  ...pins.map((pin) => `${PIN}${pin}`),
  ...chainDigests.map((digest) => `${CHAIN_DIGEST}${digest}`)
]

export const fragment = (parts: ReadonlyArray<string>): string => (parts.length === 0 ? "" : `#${parts.join("&")}`)

/** Whether the upstream is known by a name only. */
export const isNamed = ({ endpoint }: UpstreamAddress): boolean => isIP(endpoint.address.split("%", 1)[0]!) === 0

/** An IP address or a host name, with or without a port; undefined where it is neither. */
export const readHost = (text: string, defaultPort: number): Endpoint | undefined => {
  const address = readEndpoint(text, defaultPort)
  if (Result.isSuccess(address)) return address.success
  const alone = readName(text)
  if (alone !== undefined) return { address: alone, port: defaultPort }
  const parsed = Host.hostPortFromString(text)
  if (Result.isFailure(parsed)) return undefined
  const name = readName(Host.formatHost(parsed.success.host))
  return name === undefined ? undefined : { address: name, port: parsed.success.port }
}

/** A host name in its one spelling; undefined where it is none: what ends in digits is an address gone wrong. */
export const readName = (text: string): string | undefined => {
  const name = Host.domainNameFromString(text)
  return Result.isFailure(name) || /(^|\.)\d+\.?$/.test(text) ? undefined : name.success.replace(/\.$/, "")
}

/** Refuses an address at which nobody can be. */
export const somebody = <A extends UpstreamAddress>(upstream: A): Read<UpstreamAddress> => {
  if (upstream.endpoint.port === 0) return Result.fail("a port from 1 to 65535")
  return isWildcard(upstream.endpoint)
    ? Result.fail("the address of a server")
    : Result.succeed<UpstreamAddress>(upstream)
}
