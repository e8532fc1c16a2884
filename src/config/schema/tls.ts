/** By what the server proves itself to clients, and whose word it takes for who they are. */
import { Schema } from "effect"
import { PemFile } from "../pem-files.ts"
import { networkLike } from "./networks.ts"
import { listOrNone, section } from "./setting.ts"

const pemFiles = Schema.Array(PemFile).annotate({ shape: { kind: "list", item: { kind: "text" } } })

export const tls = section("TLS", {
  tlsCertificateFile: {
    schema: pemFiles,
    default: "",
    touches: ["listener"],
    isList: true,
    meaning:
      "certificates in PEM for tls:// and https://, each with those that vouch for it; of several, the one that is for the name that a client asks for. Read again when the files change. Without any, one of the server's own that nobody vouches for"
  },
  tlsKeyFile: {
    schema: pemFiles,
    default: "",
    touches: ["listener"],
    isList: true,
    meaning: "keys of those certificates in PEM, in the same order"
  },
  proxyProtocolFrom: {
    schema: listOrNone(networkLike("10.0.0.7/32")),
    default: "",
    touches: ["listener"],
    isList: true,
    meaning:
      "networks of proxies that say first who is behind them (PROXY protocol, version 1 or 2), on each connection and in each datagram; what does not begin so is not taken from them"
  },
  trustedProxies: {
    schema: listOrNone(networkLike("127.0.0.1/32", "10.0.0.0/8")),
    default: "",
    touches: ["listener"],
    isList: true,
    meaning:
      "networks of proxies: http:// takes connections from them alone, and from loopback, and believes their X-Forwarded-For"
  }
})
