/**
 * DNS stamps: all that is needed to ask a server in one line of base64url (draft-denis-dns-stamps).
 *
 * Plain DNS, DNS over TLS and DNS over HTTPS are read. The properties (no logs, no filter, DNSSEC) are the server's word
 * and change nothing here; bootstrap servers in a stamp are optional to use and are not: the configured ones are asked.
 */
import { Result } from "effect"
import { type Endpoint, formatEndpoint } from "../../io/endpoint.ts"
import type { ServerIdentity } from "../../io/server-identity.ts"
import { DNS_PORT, readEndpoint } from "./endpoint.ts"
import type { Read } from "./text-form.ts"
import { DOT_PORT, HTTPS_PORT, readHost, somebody, type UpstreamAddress } from "./upstream-address.ts"

const PLAIN = 0x00
const DOH = 0x02
const DOT = 0x03

/** What is spoken elsewhere, and not by this server. */
const notSpoken: ReadonlyMap<number, string> = new Map([
  [0x01, "DNSCrypt"],
  [0x04, "DNS over QUIC"],
  [0x05, "Oblivious DoH"],
  [0x81, "a DNSCrypt relay"],
  [0x85, "an Oblivious DoH relay"]
])

const SPOKEN = "plain DNS, DNS over TLS or DNS over HTTPS"
const PROPERTIES_SIZE = 8
const DIGEST_SIZE = 32

/** @param text what follows `sdns://` */
export const readStamp = (text: string): Read<UpstreamAddress> => {
  const octets = /^[A-Za-z0-9_-]+={0,2}$/.test(text) ? Buffer.from(text, "base64url") : Buffer.alloc(0)
  if (octets.length === 0) return Result.fail("a stamp: sdns:// and base64url")
  const protocol = octets[0]!
  const foreign = notSpoken.get(protocol)
  if (foreign !== undefined) return Result.fail(`a stamp of ${SPOKEN}: this is one of ${foreign}, which is not spoken`)
  if (protocol !== PLAIN && protocol !== DOH && protocol !== DOT) {
    return Result.fail(`a stamp of ${SPOKEN}: this one's protocol is 0x${protocol.toString(16).padStart(2, "0")}`)
  }
  const fields = new Fields(octets, 1 + PROPERTIES_SIZE)
  const address = fields.text()
  if (protocol === PLAIN) {
    if (!fields.isAtEnd) return cutShort
    return Result.flatMap(readEndpoint(address, DNS_PORT), (endpoint) => somebody({ protocol: "udp", endpoint }))
  }
  const digests = fields.list().filter(({ length }) => length > 0)
  const host = fields.text()
  const path = protocol === DOH ? fields.text() : ""
  if (!fields.isAtEnd) fields.list()
  if (!fields.isAtEnd) return cutShort
  const defaultPort = protocol === DOH ? HTTPS_PORT : DOT_PORT
  const named = readHost(host, defaultPort)
  if (named === undefined) return Result.fail("a stamp with the name in the server's certificate")
  const endpoint = endpointOf(address, named)
  if (endpoint === undefined) return Result.fail("a stamp with an IP address, or none")
  if (digests.some(({ length }) => length !== DIGEST_SIZE)) return Result.fail("a stamp with SHA-256 digests")
  const identity: ServerIdentity = {
    name: named.address,
    pins: [],
    chainDigests: digests.map((digest) => Buffer.from(digest).toString("base64"))
  }
  if (protocol === DOT) return somebody({ protocol: "tls", endpoint, identity })
  const url = /^\/[\x21\x22\x24-\x7e]*$/.test(path) ? URL.parse(`https://host${path}`) : null
  if (url === null) return Result.fail("a stamp with a path that begins with /")
  const authority = formatEndpoint(named).replace(new RegExp(`:${HTTPS_PORT}$`), "")
  return somebody({ protocol: "https", endpoint, identity, authority, path: pathOf(url), method: "POST" })
}

const cutShort: Read<never> = Result.fail("a whole stamp: this one ends too early, or goes on after its end")

/** As it is written in URLs; braces belong to templates there. */
const pathOf = ({ pathname, search }: URL): string => (pathname + search).replace(/[{}]/g, encodeURIComponent)

/** An address with or without a port; a port alone, or nothing, where the name is to be looked up. */
const endpointOf = (text: string, named: Endpoint): Endpoint | undefined => {
  if (text === "") return named
  const port = /^:(\d{1,5})$/.exec(text)?.[1]
  if (port !== undefined) return Number(port) <= 65_535 ? { address: named.address, port: Number(port) } : undefined
  return Result.getOrUndefined(readEndpoint(text, named.port))
}

/** Texts with an octet of length before each. */
class Fields {
  private readonly octets: Buffer
  private at: number

  constructor(octets: Buffer, at: number) {
    this.octets = octets
    this.at = at
  }

  /** Whether all was read and nothing was missing. */
  get isAtEnd(): boolean {
    return this.at === this.octets.length
  }

  text(): string {
    return this.take(0xff).toString("utf8")
  }

  /** A set: the high bit of a length says that another follows. */
  list(): ReadonlyArray<Buffer> {
    const items: Array<Buffer> = []
    let isLast = false
    while (!isLast && this.at < this.octets.length) {
      isLast = (this.octets[this.at]! & 0x80) === 0
      items.push(this.take(0x7f))
    }
    return items
  }

  private take(lengthMask: number): Buffer {
    const start = this.at + 1
    this.at = start + ((this.octets[this.at] ?? 0) & lengthMask)
    return this.octets.subarray(start, this.at)
  }
}
