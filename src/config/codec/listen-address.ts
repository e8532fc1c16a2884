/**
 * Where the server listens: `127.0.0.1:53`, `udp://127.0.0.1:53`, `tcp://[::1]:53`, `tls://127.0.0.1`,
 * `https://127.0.0.1/dns-query`, `http://127.0.0.1:8080/dns-query`.
 */
import { Result } from "effect"
import { type Endpoint, formatEndpoint } from "../../io/endpoint.ts"
import { isHttp, type ListenProtocol, listenProtocols } from "../../io/protocols.ts"
import { DNS_PORT, readEndpoint, splitScheme } from "./endpoint.ts"
import type { Read, TextForm } from "./text-form.ts"

/** An address and the protocols that are spoken at it. */
export interface ListenAddress {
  readonly protocols: ReadonlyArray<ListenProtocol>
  readonly endpoint: Endpoint
  /** Where HTTP is spoken: the path that is asked at. */
  readonly path: string | undefined
}

/** RFC 7858 §3.1, RFC 9110 §4.2. */
const defaultPorts: Record<ListenProtocol, number> = { udp: DNS_PORT, tcp: DNS_PORT, tls: 853, https: 443, http: 80 }

/** As RFC 8484 §4.1.1 has it in its examples. */
const DEFAULT_PATH = "/dns-query"
const PATH = /^\/(?:[\w.~!$&'()*+;=:@-]+(?:\/[\w.~!$&'()*+;=:@-]+)*)?$/

const isListenProtocol = (scheme: string): scheme is ListenProtocol =>
  (listenProtocols as ReadonlyArray<string>).includes(scheme)

export const readListenAddress = (text: string): Read<ListenAddress> => {
  const [scheme, rest] = splitScheme(text)
  if (scheme === undefined) {
    return Result.map(readEndpoint(rest, DNS_PORT), (endpoint) => ({
      protocols: ["udp", "tcp"],
      endpoint,
      path: undefined
    }))
  }
  if (!isListenProtocol(scheme)) {
    return Result.fail(
      "host:port (UDP and TCP), or udp://, tcp://, tls://, https:// or http://host:port: nothing else is spoken here"
    )
  }
  const slash = isHttp(scheme) ? rest.indexOf("/") : -1
  const [host, path] = slash < 0 ? [rest, DEFAULT_PATH] : [rest.slice(0, slash), rest.slice(slash)]
  if (isHttp(scheme) && !PATH.test(path)) return Result.fail("a path such as /dns-query behind the address")
  return Result.map(readEndpoint(host, defaultPorts[scheme]), (endpoint) => ({
    protocols: [scheme],
    endpoint,
    path: isHttp(scheme) ? path : undefined
  }))
}

const writeListenAddress = ({ protocols, endpoint, path }: ListenAddress): string =>
  `${protocols.length === 1 ? `${protocols[0]}://` : ""}${formatEndpoint(endpoint)}${path ?? ""}`

export const listenAddress: TextForm<ListenAddress> = { read: readListenAddress, write: writeListenAddress }
