/**
 * Upstreams as users write them: `9.9.9.9`, `tcp://9.9.9.9`, `tls://1.1.1.1#cloudflare-dns.com`,
 * `https://dns.quad9.net/dns-query`, `sdns://…`.
 */
import { isIP } from "node:net"
import { Result } from "effect"
import type { ServerIdentity } from "../io/server-identity.ts"
import { meantAddress, meantPlain, meantUpstream } from "./slips.ts"
import { readStamp } from "./stamp.ts"
import { DOT_PORT, HTTPS_PORT, readHost, readName, somebody, type UpstreamAddress } from "./upstream-address.ts"
import { DNS_PORT, type Read, readEndpoint, splitScheme, TEMPLATE_END } from "./values.ts"

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
  const url = URL.parse(`https://${target}`)
  const isUsable = url !== null && url.username === "" && url.password === "" && !/[{}\s]/.test(target)
  if (endpoint === undefined || !isUsable || (isTemplate && url.search !== "")) {
    return Result.fail(
      `https:// before an IP address or a name and a path, such as https://dns.example/dns-query${meantAddress(host)}`
    )
  }
  return Result.flatMap(readIdentity(fragment), (given) =>
    somebody({
      protocol: "https",
      endpoint,
      identity: identityOf(given, endpoint.address),
      authority: url.host,
      path: url.pathname + url.search,
      method: isTemplate ? "GET" : "POST"
    })
  )
}

const cut = (text: string, at: string): readonly [before: string, after: string | undefined] => {
  const i = text.indexOf(at)
  return i < 0 ? [text, undefined] : [text.slice(0, i), text.slice(i + at.length)]
}

type GivenIdentity = Pick<ServerIdentity, "name" | "pins">

const PIN = "pin-sha256="
const IDENTITY =
  "after # the name in the server's certificate, pin-sha256= with the SHA-256 of its key in base64, or both with & between"

const readIdentity = (fragment: string | undefined): Read<GivenIdentity> => {
  const parts = fragment === undefined ? [] : fragment.split("&")
  const pins = parts.filter((part) => part.startsWith(PIN)).map((part) => part.slice(PIN.length))
  const names = parts.filter((part) => !part.startsWith(PIN))
  const [name, ...others] = names.map((text) => (isIP(text) === 0 ? readName(text) : text) ?? "")
  return pins.every(isDigest) && name !== "" && others.length === 0
    ? Result.succeed({ name, pins })
    : Result.fail(IDENTITY)
}

const DIGEST_SIZE = 32

const isDigest = (text: string): boolean =>
  /^[A-Za-z0-9+/]+=?$/.test(text) && Buffer.from(text, "base64").length === DIGEST_SIZE && text.length >= 43

/** Without a word on it, the certificate has to bear what the upstream is addressed by. */
const identityOf = (given: GivenIdentity, host: string): ServerIdentity => ({
  name: given.name ?? (given.pins.length > 0 ? undefined : host),
  pins: given.pins.map((pin) => Buffer.from(pin, "base64").toString("base64")),
  chainDigests: []
})
