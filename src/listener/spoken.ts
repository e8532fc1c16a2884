/** What is spoken at each listener on streams, and by which certificates. */
import { Effect, type Scope } from "effect"
import { Configuration } from "../config/configuration.ts"
import type { Settings } from "../config/schema/settings.ts"
import type { Endpoint } from "../io/endpoint.ts"
import type { ListenProtocol } from "../io/protocols.ts"
import type { KeyPairs, TlsTerms } from "../io/tls-server.ts"
import { HTTP, HTTPS, TCP, TLS } from "../query/transport.ts"
import { FramedConversation } from "./stream/framed.ts"
import type { Spoken } from "./stream/listen.ts"
import { TlsSecretMemory, TlsSecrets } from "./tls-secrets.ts"

export type StreamProtocol = Exclude<ListenProtocol, "udp">

/** @param endpoint as the configuration has it */
export type SpokenAt = (protocol: StreamProtocol, endpoint: Endpoint) => Spoken

/** RFC 7858 §3.2 asks for none; `dot` is registered for it, and some clients insist. */
const OVER_TLS = ["dot"]

/** The certificates that are configured; undefined where none is. */
const configuredPairs = ({
  tlsCertificateFile,
  tlsKeyFile
}: Pick<Settings, "tlsCertificateFile" | "tlsKeyFile">): KeyPairs | undefined => {
  const [first, ...others] = tlsCertificateFile.map(({ pem }, i) => ({ certificate: pem, key: tlsKeyFile[i]!.pem }))
  return first === undefined ? undefined : [first, ...others]
}

export const makeSpokenAt: Effect.Effect<SpokenAt, never, Configuration | Scope.Scope> = Effect.gen(function* () {
  const configuration = yield* Configuration
  const secrets = new TlsSecrets(yield* TlsSecretMemory)
  const configured = yield* configuration.derive(["tlsCertificateFile", "tlsKeyFile"], (settings) =>
    Effect.succeed(configuredPairs(settings))
  )
  let own: KeyPairs | undefined
  const terms = (protocols: ReadonlyArray<string>): TlsTerms => ({
    keyPairs: () => {
      if (configured.current !== undefined) return configured.current
      own ??= [secrets.selfSigned()]
      return own
    },
    protocols,
    ticketSecret: () => secrets.ticketSecret()
  })
  const framed: Spoken["converse"] = (connection) => new FramedConversation(connection)
  return (protocol) => {
    switch (protocol) {
      case "tcp":
        return { transport: TCP, converse: framed, terms: undefined }
      case "tls":
        return { transport: TLS, converse: framed, terms: terms(OVER_TLS) }
      case "https":
        return { transport: HTTPS, converse: framed, terms: terms([]) }
      case "http":
        return { transport: HTTP, converse: framed, terms: undefined }
    }
  }
})
