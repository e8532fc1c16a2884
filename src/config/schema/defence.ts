/** What keeps others from using this server against its clients, its upstreams or third parties. */
import { COOKIE_SECRET_SIZE } from "../../dns/cookie.ts"
import { octetsIn } from "../codec/octets.ts"
import { suffix } from "../codec/suffix.ts"
import { PRIVATE_NETWORKS } from "./clients.ts"
import { networkLike } from "./networks.ts"
import { fromText, listOrNone, number, optional, section, truth, word } from "./setting.ts"

const networks = listOrNone(networkLike("10.0.0.0/8", "fd00::/8"))

export const defence = section("Defence", {
  cookies: {
    schema: truth,
    default: "true",
    touches: ["query"],
    meaning: "whether clients that send a DNS cookie are given one, by which they prove their address"
  },
  cookieSecrets: {
    schema: listOrNone(
      fromText(octetsIn(COOKIE_SECRET_SIZE), { kind: "text", pattern: "^[0-9A-Fa-f]{32}$", isMaybeNumber: true })
    ),
    default: "",
    touches: ["query"],
    isList: true,
    shown: () => "…",
    meaning:
      "secrets that cookies are made of, 32 hexadecimal digits each: the first makes them, those of all are good. Servers at one address have the same. Without any, one that is drawn at the start"
  },
  maxAmplification: {
    schema: number({ min: 0, max: 1000, integer: false }),
    default: "0",
    touches: ["query"],
    meaning:
      "how many times as long as the query a reply by UDP may be for clients without a good cookie, the rest by TCP; 0 for as long as they take"
  },
  rateLimit: {
    schema: number({ min: 0, max: 1_000_000, integer: false }),
    default: "0",
    touches: ["query"],
    meaning:
      "queries a second that a client network may send, those by TCP, TLS, HTTPS or with a good cookie apart from the others; 0 for any number"
  },
  rateLimitBurst: {
    schema: optional(number({ min: 1, max: 10_000_000 })),
    default: undefined,
    otherwise: "as rate_limit, at least 1",
    touches: ["query"],
    meaning:
      "queries that a client network may send at once after a pause; by default as many as rate_limit allows in a second"
  },
  rateLimitAction: {
    schema: word("refuse", "drop", "truncate"),
    default: "refuse",
    touches: ["query"],
    meaning:
      "what queries beyond rate_limit get: refuse (REFUSED), drop (nothing), or truncate (by UDP an empty answer that sends them to TCP, by others REFUSED)"
  },
  responseRateLimit: {
    schema: number({ min: 0, max: 1_000_000, integer: false }),
    default: "0",
    touches: ["query"],
    meaning:
      "equal replies a second that a client network gets by UDP without a good cookie; what is beyond is not sent. 0 for any number"
  },
  responseRateLimitSlip: {
    schema: number({ min: 0, max: 10 }),
    default: "2",
    touches: ["query"],
    meaning:
      "of the replies beyond response_rate_limit one in so many is sent truncated, so that a client whose address was forged finds its way by TCP; 1 for all, 0 for none"
  },
  rateLimitIpv4Prefix: {
    schema: number({ min: 8, max: 32 }),
    default: "32",
    touches: ["query"],
    meaning: "bits of an IPv4 address that make a client network"
  },
  rateLimitIpv6Prefix: {
    schema: number({ min: 16, max: 128 }),
    default: "56",
    touches: ["query"],
    meaning: "bits of an IPv6 address that make a client network"
  },
  rateLimitExempt: {
    schema: networks,
    default: PRIVATE_NETWORKS,
    touches: ["query"],
    isList: true,
    meaning: "networks whose queries and replies are not limited"
  },
  rebindProtection: {
    schema: truth,
    default: "false",
    touches: ["upstream", "table"],
    meaning: "whether private addresses are taken out of what upstreams answer"
  },
  rebindAllowNames: {
    schema: listOrNone(fromText(suffix, { kind: "text", examples: ["corp.example"] })),
    default: "",
    touches: ["upstream", "table"],
    isList: true,
    meaning: "names that may have private addresses all the same, with all below them"
  },
  rebindAllowNetworks: {
    schema: networks,
    default: "",
    touches: ["upstream", "table"],
    isList: true,
    meaning: "private networks whose addresses stay, whatever the name"
  },
  upstreamCookies: {
    schema: truth,
    default: "true",
    touches: ["upstream"],
    meaning: "whether upstreams that are asked by UDP are sent a DNS cookie, by which they prove their answers"
  },
  mixCase: {
    schema: word("auto", "on", "off"),
    default: "auto",
    touches: ["upstream"],
    meaning:
      "whether upstreams that are asked by UDP are asked with small and capital letters mixed at random, which a forger has to guess (0x20); " +
      "auto: all but those on loopback, for which nobody else can answer"
  }
})
