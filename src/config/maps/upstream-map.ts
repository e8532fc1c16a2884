/**
 * An upstream as a map: `{ name: quad9, address: 9.9.9.9, protocol: tls, server_name: dns.quad9.net, weight: 3 }`.
 *
 * `address` may be one of the short forms too (`tls://9.9.9.9#dns.quad9.net`, a stamp): what stands in it has no key of
 * its own then.
 */
import { isIPv6 } from "node:net"
import { Result, type Schema } from "effect"
import { Host } from "effect/net"
import type { Read } from "../codec/text-form.ts"
import {
  defaultPorts,
  isCalledByAddress,
  isDigest,
  isNameSaid,
  readIdentityName,
  readUpstreamAddress,
  USUAL_PATH
} from "../codec/upstream.ts"
import {
  AUTHORITY,
  CHAIN_DIGEST,
  fragment,
  HTTPS_PORT,
  type HttpsAddress,
  isNamed,
  PIN,
  readHost,
  type UpstreamAddress
} from "../codec/upstream-address.ts"
import { TEMPLATE_END } from "../codec/uri-template.ts"
import {
  isUpstreamLabel,
  LABEL,
  LABEL_EXPECTED,
  MAX_WEIGHT,
  readWeightedUpstream,
  type WeightedUpstream
} from "../codec/weighted-upstream.ts"
import { UPSTREAM_PATTERN } from "../schema/patterns.ts"
import { fromText, number, word } from "../schema/setting.ts"
import { coordinates } from "./coordinates.ts"
import { checkedText, field, fromMap, oneOrMore, requiredField, textOrMap, type Wrong, wrongAt } from "./map.ts"

const digest = fromText(checkedText(isDigest, "the SHA-256 of a key in base64"), {
  kind: "text",
  pattern: "^[A-Za-z0-9+/]{43}=?$"
})

const PATH = /^\/[^\s{}#]*(\{\?dns\})?$/

const fields = {
  address: requiredField(
    fromText(
      checkedText((text) => text !== "", "an IP address or a name"),
      {
        kind: "text",
        examples: ["9.9.9.9", "dns.quad9.net", "[2620:fe::fe]:8853"]
      }
    ),
    "an IP address or a name, with or without a port; or an upstream in short, such as tls://9.9.9.9#dns.quad9.net",
    "an address: in { address: 192.0.2.1, weight: 3 }"
  ),
  name: field(
    fromText(checkedText(isUpstreamLabel, LABEL_EXPECTED), {
      kind: "text",
      pattern: LABEL.source,
      isMaybeNumber: true
    }),
    "what it is called in logs, metrics and traces; by default its address"
  ),
  protocol: field(
    word("udp", "tcp", "tls", "https"),
    "udp (with TCP for what comes truncated), tcp, tls (DNS over TLS) or https (DNS over HTTPS)"
  ),
  port: field(number({ min: 1, max: 65_535 }), "by default 53, 853 for tls, 443 for https"),
  server_name: field(
    fromText(checkedText((text) => readIdentityName(text) !== undefined, "a host name or an IP address")),
    "the name that the server's certificate has to bear; by default the address"
  ),
  pins: field(oneOrMore(digest), "SHA-256 of the server's public key, in base64: one of them has to be right"),
  chain_digests: field(
    oneOrMore(digest),
    "SHA-256 of a certificate in the server's chain, in base64, as stamps have it"
  ),
  path: field(
    fromText(
      checkedText((text) => PATH.test(text), "a path that begins with /, such as /dns-query"),
      {
        kind: "text",
        pattern: "^/\\S*$",
        examples: ["/dns-query"]
      }
    ),
    "of DNS over HTTPS; by default /dns-query. {?dns} at its end is method GET"
  ),
  method: field(word("POST", "GET"), "of DNS over HTTPS; by default POST"),
  authority: field(
    fromText(checkedText((text) => readHost(text, HTTPS_PORT) !== undefined, "a host, with or without a port")),
    "of DNS over HTTPS: the host that requests name, where it is not the address"
  ),
  weight: field(number({ min: 1, max: MAX_WEIGHT }), "its share beside the others of its group; by default 1"),
  place: field(coordinates, "where it is, in degrees north and east; by default where its address is")
}

type Fields = Schema.Struct<typeof fields>["Type"]
type Key = keyof Fields

/** Not shown where they are wrong: they may be secret. */
export const SECRET_KEYS: ReadonlySet<string> = new Set<Key>(["path"])

const OF_HTTPS: ReadonlyArray<Key> = ["path", "method", "authority"]
const OF_TLS: ReadonlyArray<Key> = ["server_name", "pins", "chain_digests"]
/** What the short form says itself. */
const OF_SHORT_FORM: ReadonlyArray<Key> = ["protocol", "port", ...OF_TLS, ...OF_HTTPS]

const readUpstream = (map: Fields): Result.Result<WeightedUpstream, Wrong> => {
  const wrong = misplaced(map)
  if (wrong !== undefined) return Result.fail(wrong)
  const { name, weight, place } = map
  return Result.flatMap(wrongAt(readAddress(map), "address"), (upstream) => {
    if (name !== undefined && upstream.name !== undefined) return twice("name")
    if (weight !== undefined && upstream.weight !== undefined) return twice("weight")
    if (place !== undefined && upstream.spot !== undefined) return twice("place")
    return Result.succeed({
      ...upstream,
      ...(name === undefined ? {} : { name }),
      ...(weight === undefined ? {} : { weight }),
      ...(place === undefined ? {} : { spot: place })
    })
  })
}

const twice = (key: Key): Result.Result<never, Wrong> => Result.fail({ key, expected: "it once: the address has one" })

/** A key that means nothing beside the others. */
const misplaced = (map: Fields): Wrong | undefined => {
  const { address, protocol, path, method } = map
  const has = (key: Key): boolean => map[key] !== undefined
  const isShort = /^[a-z]+:\/\//i.test(address) || address.includes("#")
  const beside = OF_SHORT_FORM.find(has)
  if (isShort) {
    return beside === undefined
      ? undefined
      : { key: beside, expected: "an address without :// and # beside it, or no such key" }
  }
  const isHttps = protocol === "https"
  const ofTls = OF_TLS.find(has)
  if (ofTls !== undefined && !isHttps && protocol !== "tls")
    return { key: ofTls, expected: "protocol: tls or https beside it" }
  const ofHttps = OF_HTTPS.find(has)
  if (ofHttps !== undefined && !isHttps) return { key: ofHttps, expected: "protocol: https beside it" }
  if (path?.endsWith(TEMPLATE_END) === true && method === "POST")
    return { key: "method", expected: `GET: the path ends with ${TEMPLATE_END}` }
  return undefined
}

const readAddress = (map: Fields): Read<WeightedUpstream> => {
  const { address, port, protocol } = map
  if (protocol === undefined && port === undefined) return readWeightedUpstream(address)
  const host = isIPv6(address.split("%", 1)[0]!) ? `[${address}]` : address
  if (port !== undefined && Host.hostPortFromString(host)._tag === "Success") {
    return Result.fail("an address without a port, for port is written beside it")
  }
  const at = port === undefined ? host : `${host}:${port}`
  if (protocol === undefined) return readUpstreamAddress(at)
  return readUpstreamAddress(`${protocol}://${at}${protocol === "https" ? pathOf(map) : ""}${fragment(proofOf(map))}`)
}

const pathOf = ({ path = USUAL_PATH, method }: Fields): string =>
  method === "GET" && !path.endsWith(TEMPLATE_END) ? path + TEMPLATE_END : path

const proofOf = ({
  server_name: name,
  pins = [],
  chain_digests: chain = [],
  authority
}: Fields): ReadonlyArray<string> => [
  ...(name === undefined ? [] : [name]),
  ...pins.map((pin) => PIN + pin),
  ...chain.map((one) => CHAIN_DIGEST + one),
  ...(authority === undefined ? [] : [AUTHORITY + authority])
]

const writeUpstream = (upstream: WeightedUpstream): Fields => {
  const { name, weight, spot, protocol, endpoint } = upstream
  const isBare = protocol === "udp" && !isNamed(upstream)
  return {
    ...(name === undefined ? {} : { name }),
    address: endpoint.address,
    ...(isBare ? {} : { protocol }),
    ...(endpoint.port === defaultPorts[protocol] ? {} : { port: endpoint.port }),
    ...writeProof(upstream),
    ...(weight === undefined ? {} : { weight }),
    ...(spot === undefined ? {} : { place: spot })
  }
}

const writeProof = (upstream: UpstreamAddress): Partial<Fields> => {
  if (!("identity" in upstream)) return {}
  const { identity, endpoint } = upstream
  const { name, pins, chainDigests } = identity
  return {
    ...(name === undefined || !isNameSaid(identity, endpoint.address) ? {} : { server_name: name }),
    ...(pins.length === 0 ? {} : { pins }),
    ...(chainDigests.length === 0 ? {} : { chain_digests: chainDigests }),
    ...(upstream.protocol === "https" ? writeRequest(upstream) : {})
  }
}

const writeRequest = (upstream: HttpsAddress): Partial<Fields> => ({
  path: upstream.path,
  ...(upstream.method === "GET" ? { method: "GET" } : {}),
  ...(isCalledByAddress(upstream) ? {} : { authority: upstream.authority })
})

export const upstreamMap = fromMap("upstream", fields, { read: readUpstream, write: writeUpstream })

/** In short, or as a map. */
export const upstreamItem = textOrMap(readWeightedUpstream, { kind: "text", pattern: UPSTREAM_PATTERN }, upstreamMap)
