/** The admin side: where it listens, who may use it, what it shows of queries. */
import { adminAddress } from "../codec/admin-address.ts"
import { ADDRESS_PATTERN } from "./patterns.ts"
import { fromText, listOrNone, optional, section, text, textLike, truth } from "./setting.ts"

const hidden = (): string => "…"

const token = optional(textLike({ pattern: "^\\S{16,}$" }))

export const admin = section("Admin", {
  admin: {
    schema: fromText(adminAddress, {
      kind: "text",
      pattern: `^([Oo][Ff][Ff]|${ADDRESS_PATTERN})$`,
      examples: ["127.0.0.1:8053", "off"]
    }),
    default: "127.0.0.1:8053",
    touches: ["process"],
    meaning: "address of the admin page, API and metrics (HTTP); off for none. Beyond loopback it needs admin_token"
  },
  adminToken: {
    schema: token,
    default: undefined,
    touches: ["process"],
    shown: hidden,
    meaning: "what has to be shown to change anything (Authorization: Bearer …); without one, all who reach it may"
  },
  adminReadToken: {
    schema: token,
    default: undefined,
    touches: ["process"],
    shown: hidden,
    meaning: "the same for reading only; without one, admin_token is needed for that too"
  },
  adminHosts: {
    schema: listOrNone(textLike({ examples: ["dns.example.net"] })),
    default: "",
    touches: ["process"],
    isList: true,
    meaning: "names under which the admin side is reached, beside addresses and localhost; others are refused"
  },
  adminTlsCertificateFile: {
    schema: optional(text),
    default: undefined,
    touches: ["process"],
    meaning: "certificate in PEM: the admin side then speaks HTTPS"
  },
  adminTlsKeyFile: {
    schema: optional(text),
    default: undefined,
    touches: ["process"],
    meaning: "key of that certificate in PEM"
  },
  recentQueries: {
    schema: truth,
    default: "true",
    touches: ["telemetry"],
    meaning: "whether the last queries are remembered, for the admin side: names, clients, what came of them"
  }
})
