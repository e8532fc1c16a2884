/** Addresses and networks as people write them by mistake, and what they probably meant. */
import { isIP, isIPv4, isIPv6 } from "node:net"
import { Result } from "effect"
import { IpNetwork, NetAddress } from "effect/net"

const asked = (meant: string): string => `: did you mean ${meant}?`

/** A question behind what was expected of an address, or nothing. */
export const meantAddress = (text: string): string => {
  const port = /:(\d+)$/.exec(text)?.[1]
  if (port !== undefined && Number(port) > 65_535) return "; a port is from 1 to 65535"
  if (/\s/.test(text)) return "; there are commas between several"
  const twice = /^([\d.]+):(\d+)(?::\d+)+$/.exec(text)
  if (twice !== null && isIPv4(twice[1]!)) return asked(`${twice[1]}:${twice[2]}`)
  const [, open = "", inside = "", close = "", behind = ""] = /^(\[?)([^[\]]*)(\]?)(.*)$/.exec(text) ?? []
  if (isIPv6(inside) && open !== close) return asked(`[${inside}]${behind}`)
  const [, address = "", sign = "", number = ""] = /^([^@#/]+)([@#/])(\d{1,5})(?:#.*)?$/.exec(text) ?? []
  if (isIP(address) !== 0) return asked(sign === "/" ? address : withPort(address, number))
  const [, host, ofHost = ""] = /^(localhost|\*|)((?::\d+)?)$/i.exec(text) ?? []
  if (host?.toLowerCase() === "localhost") return asked(`127.0.0.1${ofHost}`)
  if (host !== undefined && ofHost !== "") return asked(`0.0.0.0${ofHost} or [::]${ofHost}`)
  if (host === "*") return asked("0.0.0.0 or ::")
  return ""
}

/** Schemes of other programs, and what says the same here. */
const schemes: Readonly<Record<string, string>> = {
  dot: "tls://",
  dns: "udp://",
  "tcp-tls": "tls://",
  "dns-over-tls": "tls://",
  doh: "https://",
  http: "https://",
  h2: "https://"
}

/** A question behind what was expected of an upstream, or nothing. */
export const meantUpstream = (text: string): string => {
  const [, scheme, rest = ""] = /^([a-z0-9-]+):\/\/(.*)$/i.exec(text) ?? []
  if (scheme !== undefined) {
    const name = scheme.toLowerCase()
    if (["quic", "doq", "h3", "sdns"].includes(name)) return `; ${name}:// is not spoken`
    const ours = Object.hasOwn(schemes, name) ? schemes[name] : undefined
    return ours === undefined ? "" : asked(`${ours}${hostOf(rest)}${rest.includes("/") ? "/…" : ""}`)
  }
  const slip = /^(udp|tcp|tls|https):\/?([^/]*)/i.exec(text)
  if (slip !== null) return asked(`${slip[1]!.toLowerCase()}://${hostOf(slip[2]!)}`)
  const named = /^([^@#\s]+)(?:@(\d{1,5}))?#([a-z][a-z0-9.-]*)$/i.exec(text)
  if (named !== null && isIP(named[1]!) !== 0) {
    const [, address = "", port, name] = named
    return asked(`tls://${port === undefined ? bracketed(address) : withPort(address, port)}#${name}`)
  }
  const address = meantAddress(text)
  const isName = /^[a-z0-9-]+(\.[a-z0-9-]+)*\.[a-z][a-z0-9-]+\.?(:\d+)?$/i.test(text)
  return address === "" && isName ? asked(`udp://${text}, tls://${text} or https://${text}/dns-query`) : address
}

/** The same behind `udp://`, `tcp://` or `tls://`. */
export const meantPlain = (protocol: string, text: string): string => {
  const [, , path = ""] = /^([^/]*)(\/.*)?$/.exec(text) ?? []
  const host = hostOf(text)
  if (path === "" || host === "") return meantAddress(text)
  return path === "/" ? asked(`${protocol}://${host}`) : asked(`https://${host}/…, or ${protocol}://${host}`)
}

/** Without what may be secret: user and password, path, query. */
const hostOf = (text: string): string => (text.includes("@") ? "…" : /^[^/?#]*/.exec(text)![0])

const bracketed = (address: string): string => (isIPv6(address) ? `[${address}]` : address)

const withPort = (address: string, port: string): string =>
  isIPv6(address) ? `[${address}]:${port}` : `${address}:${port}`

/** Ports at which DNS is asked: what ends an IPv6 address so is more often one of them. */
const dnsPorts = new Set(["53", "443", "853", "1053", "5053", "5300", "5335", "5353", "8053", "8443", "8853"])

/**
 * The address with its port, where an IPv6 address without brackets ends like one with a port: `::1:53` is an address
 * of its own. Undefined where it does not.
 */
export const looksLikeAddressAndPort = (text: string): string | undefined => {
  const colon = text.lastIndexOf(":")
  const [address, port] = [text.slice(0, colon), text.slice(colon + 1)]
  return isIPv6(text) && isIPv6(address) && dnsPorts.has(port) ? `[${address}]:${port}` : undefined
}

/** A question behind what was expected of a network, or nothing. */
export const meantNetwork = (text: string): string => {
  const word = text.toLowerCase()
  if (["all", "any", "*", "everyone", "0/0"].includes(word)) return asked("0.0.0.0/0 and ::/0")
  if (["localhost", "loopback", "local"].includes(word)) return asked("127.0.0.0/8 and ::1")
  const [address, length] = splitAtSlash(text)
  const mask = length === undefined ? undefined : lengthOfMask(length)
  if (mask !== undefined) return isIPv4(address) ? asked(`${networkOf(address, mask)}`) : ""
  if (length !== undefined && isIP(address) !== 0) {
    const network = networkOf(address, Number(length))
    return network === undefined ? "" : `${asked(network).slice(0, -1)}, or ${address} alone?`
  }
  const octets = /^\d{1,3}(\.\d{1,3}){0,2}$/.test(address) ? address.split(".") : []
  if (octets.length > 0 && length !== undefined) {
    const network = networkOf([...octets, "0", "0", "0"].slice(0, 4).join("."), Number(length))
    return network === undefined ? "" : asked(network)
  }
  const stars = /^((?:\d{1,3}\.){1,3})\*(?:\.\*)*$/.exec(text)?.[1]?.split(".").slice(0, -1)
  return stars === undefined ? "" : asked(`${[...stars, "0", "0", "0"].slice(0, 4).join(".")}/${stars.length * 8}`)
}

const splitAtSlash = (text: string): readonly [before: string, after: string | undefined] => {
  const slash = text.indexOf("/")
  return slash < 0 ? [text, undefined] : [text.slice(0, slash).trim(), text.slice(slash + 1).trim()]
}

/** `255.255.255.0` is 24. */
const lengthOfMask = (text: string): number | undefined => {
  if (!isIPv4(text)) return undefined
  const bits = text
    .split(".")
    .map((octet) => Number(octet).toString(2).padStart(8, "0"))
    .join("")
  return /^1*0*$/.test(bits) ? (bits.indexOf("0") < 0 ? 32 : bits.indexOf("0")) : undefined
}

/** The network that an address lies in; undefined where there is none of that length. */
const networkOf = (text: string, length: number): string | undefined => {
  const address = NetAddress.ipFromString(text)
  if (Result.isFailure(address)) return undefined
  const network = IpNetwork.fromAddress(address.success, length)
  return Result.isFailure(network) ? undefined : IpNetwork.format(network.success)
}
