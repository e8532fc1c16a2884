/** Where clients ask, and who may. */

import { label } from "../codec/label.ts"
import { listenAddress } from "../codec/listen-address.ts"
import { networkLike } from "./networks.ts"
import { ADDRESS_PATTERN } from "./patterns.ts"
import { fromText, list, optional, section, word } from "./setting.ts"

/** Of this machine, of sites, and of links. */
export const PRIVATE_NETWORKS = [
  "127.0.0.0/8",
  "10.0.0.0/8",
  "172.16.0.0/12",
  "192.168.0.0/16",
  "169.254.0.0/16",
  "::1/128",
  "fc00::/7",
  "fe80::/10"
].join(",")

export const clients = section("Clients", {
  listen: {
    schema: list(
      fromText(listenAddress, {
        kind: "text",
        pattern: `^([A-Za-z]+://)?${ADDRESS_PATTERN}(/\\S*)?$`,
        examples: ["127.0.0.1:53", "[::1]:53", "tls://0.0.0.0:853", "https://0.0.0.0:443/dns-query"]
      })
    ),
    default: "127.0.0.1:1053",
    touches: ["listener"],
    isList: true,
    meaning:
      "addresses to listen on: host:port is UDP and TCP; udp://host:port, tcp://, tls:// (DNS over TLS), https://host:port/path (DNS over HTTPS), http:// (the same behind a proxy)"
  },
  allow: {
    schema: list(networkLike("10.0.0.0/8", "fd00::/8")),
    default: PRIVATE_NETWORKS,
    touches: ["query"],
    isList: true,
    meaning: "networks that may ask"
  },
  denyAction: {
    schema: word("refuse", "drop"),
    default: "refuse",
    touches: ["query"],
    meaning: "what all others get: refuse (REFUSED) or drop (nothing)"
  },
  anyQueries: {
    schema: word("minimal", "tcp", "forward"),
    default: "minimal",
    touches: ["query"],
    meaning:
      "what becomes of queries for ANY: minimal (one HINFO record, which says that there is no more), tcp (forwarded where they come by TCP), or forward"
  },
  serverId: {
    schema: optional(fromText(label, { kind: "text" })),
    default: undefined,
    touches: ["query"],
    meaning:
      "what this server calls itself, for clients that ask by NSID, id.server or hostname.bind; by default nothing"
  },
  serverVersion: {
    schema: optional(fromText(label, { kind: "text" })),
    default: undefined,
    touches: ["query"],
    meaning: "what it answers to version.bind and version.server; by default nothing"
  }
})
