/** Who is asked, and how. */
import { Schema } from "effect"
import { Authorities } from "../authorities.ts"
import { serverEndpoint } from "../codec/endpoint.ts"
import { policies } from "../codec/policy.ts"
import { errorRcode, errorRcodes } from "../codec/rcodes.ts"
import { shownUpstream } from "../codec/secrets.ts"
import { weightedUpstream } from "../codec/weighted-upstream.ts"
import { ADDRESS_PATTERN, UPSTREAM_PATTERN } from "./patterns.ts"
import { fromText, list, listOrNone, number, section, truth, word } from "./setting.ts"

export const upstreams = section("Upstreams", {
  upstreams: {
    schema: list(
      fromText(weightedUpstream, {
        kind: "text",
        pattern: UPSTREAM_PATTERN,
        examples: ["9.9.9.9", "tls://1.1.1.1#cloudflare-dns.com", "https://dns.quad9.net/dns-query"]
      })
    ),
    default: undefined,
    otherwise: "the system's resolvers",
    touches: ["upstream", "table"],
    isList: true,
    shown: shownUpstream,
    meaning:
      "servers to forward to: an address is UDP, with TCP for what comes truncated; tcp://address, tls://address#name, https://name/dns-query, sdns://stamp; label=address*weight"
  },
  bootstrap: {
    // Empty where the system names none and no upstream has a name.
    schema: listOrNone(
      fromText(serverEndpoint, {
        kind: "text",
        pattern: `^${ADDRESS_PATTERN}$`,
        examples: ["9.9.9.9", "[2620:fe::9]:53"]
      })
    ),
    default: undefined,
    otherwise: "the system's resolvers",
    touches: ["upstream"],
    isList: true,
    meaning: "servers that are asked where upstreams with a name are; by default the system's resolvers"
  },
  tlsCaFile: {
    // Written as a path; what is decoded is what was read there.
    schema: Schema.UndefinedOr(Authorities),
    default: undefined,
    touches: ["upstream", "table"],
    meaning:
      "certificates in PEM of authorities of your own that certificates of upstreams and of Redis may be signed by"
  },
  upstreamPolicy: {
    schema: word(...policies),
    default: undefined,
    otherwise: "fastest; ordered where the system's resolvers are asked",
    touches: ["upstream"],
    meaning: `which upstream is asked first: ${policies.join(", ")}`
  },
  parallelUpstreams: {
    schema: number({ min: 2, max: 8 }),
    default: "2",
    touches: ["upstream"],
    meaning: "upstreams that the policy parallel asks at once"
  },
  failoverRcodes: {
    schema: list(fromText(errorRcode, { kind: "word", words: [...errorRcodes.keys()], isAnyCase: true })),
    default: "FORMERR,SERVFAIL,NOTIMP,REFUSED,NOTAUTH",
    touches: ["upstream"],
    isList: true,
    meaning: "errors on which the next upstream is asked; others go to the client as they are"
  },
  maxQueriesPerUpstream: {
    schema: number({ min: 1, max: 1_000_000 }),
    default: "100000",
    touches: ["upstream"],
    meaning: "questions that one upstream may have under way"
  },
  trustUpstreamAd: {
    schema: truth,
    default: "false",
    touches: ["upstream", "table"],
    meaning: "whether the AD bit of upstreams that are not on loopback is believed"
  }
})
