/** The admin side: where it listens, who may use it, what it shows of queries. */
import { adminAddress } from "../codec/admin-address.ts"
import { PemFile } from "../pem-files.ts"
import { ADDRESS_PATTERN } from "./patterns.ts"
import { fromText, listOrNone, optional, section, textMatching, truth } from "./setting.ts"

const hidden = (): string => "…"

/** What a header can carry as it is. */
const token = optional(
  textMatching("^[!-~]{16,}$", "at least 16 characters: letters, digits and signs of ASCII, no spaces")
)

const hostName = textMatching(
  "^[A-Za-z0-9_]([A-Za-z0-9_.-]*[A-Za-z0-9_])?$",
  "the name of a host, such as dns.example.net: no scheme, and no port",
  "dns.example.net"
)

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
    schema: listOrNone(hostName),
    default: "",
    touches: ["process"],
    isList: true,
    meaning: "names under which the admin side is reached, beside addresses and localhost; others are refused"
  },
  adminTlsCertificateFile: {
    schema: optional(PemFile),
    default: undefined,
    touches: ["process"],
    meaning:
      "certificate in PEM, with those that vouch for it: the admin side then speaks HTTPS. Read again when the file changes"
  },
  adminTlsKeyFile: {
    schema: optional(PemFile),
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
