/** What is spoken at each listener on streams, by which certificates, and with whom. */
import { Effect, type Scope } from "effect"
import { Configuration } from "../config/configuration.ts"
import type { Settings } from "../config/schema/settings.ts"
import { type Endpoint, isLoopback } from "../io/endpoint.ts"
import type { Peer } from "../io/peer.ts"
import type { ListenProtocol } from "../io/protocols.ts"
import type { KeyPairs, TlsTerms } from "../io/tls-server.ts"
import { compileAcl } from "../policy/acl.ts"
import { HTTP, HTTPS, TCP, TLS } from "../query/transport.ts"
import { inSlices } from "../runtime/slices.ts"
import type { Site } from "./http/site.ts"
import { FramedConversation } from "./stream/framed.ts"
import type { Spoken } from "./stream/listen.ts"
import { TlsSecretMemory, TlsSecrets } from "./tls-secrets.ts"

export type StreamProtocol = Exclude<ListenProtocol, "udp">

export interface Speech {
  /**
   * @param endpoint as the configuration has it
   * @param path where HTTP is asked, until the configuration has another for this address
   */
  readonly at: (protocol: StreamProtocol, endpoint: Endpoint, path?: string) => Effect.Effect<Spoken>
  /** Whether a peer is a proxy that says first who is behind it. */
  readonly announces: (peer: Peer) => boolean
}

/** RFC 7858 §3.2 asks for none; `dot` is registered for it, and some clients insist. */
const OVER_TLS = ["dot"]

const anybody = (): boolean => true

/** The certificates that are configured; undefined where none is. */
const configuredPairs = ({
  tlsCertificateFile,
  tlsKeyFile
}: Pick<Settings, "tlsCertificateFile" | "tlsKeyFile">): KeyPairs | undefined => {
  const [first, ...others] = tlsCertificateFile.map(({ pem }, i) => ({ certificate: pem, key: tlsKeyFile[i]!.pem }))
  return first === undefined ? undefined : [first, ...others]
}

export const makeSpeech: Effect.Effect<Speech, never, Configuration | Scope.Scope> = Effect.gen(function* () {
  const configuration = yield* Configuration
  const secrets = new TlsSecrets(yield* TlsSecretMemory)
  const configured = yield* configuration.derive(["tlsCertificateFile", "tlsKeyFile"], (settings) =>
    Effect.succeed(configuredPairs(settings))
  )
  const proxies = yield* configuration.derive(["trustedProxies"], ({ trustedProxies }) =>
    inSlices(() => compileAcl(trustedProxies))
  )
  const announcing = yield* configuration.derive(["proxyProtocolFrom"], ({ proxyProtocolFrom }) =>
    // Most servers have none, and each datagram asks.
    proxyProtocolFrom.length === 0 ? Effect.undefined : inSlices(() => compileAcl(proxyProtocolFrom))
  )
  const announces = (peer: Peer): boolean => announcing.current?.(peer) === true
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
  const isProxy = (peer: Peer): boolean => proxies.current(peer)
  const siteOf = (protocol: StreamProtocol, { address, port }: Endpoint, first: string): Site => {
    let path = first
    return {
      // Another path of the same address is asked at from the next request on. Where the address is taken away, what is under
      // way is asked at the one that it had.
      path: () => {
        const found = configuration
          .current()
          .listen.find(
            ({ endpoint, protocols }) =>
              protocols.includes(protocol) && endpoint.address === address && endpoint.port === port
          )
        path = found?.path ?? path
        return path
      },
      isProxy
    }
  }
  const at: Speech["at"] = (protocol, endpoint, path = "/") => {
    switch (protocol) {
      case "tcp":
        return Effect.succeed({ transport: TCP, converse: framed, terms: undefined, announces, mayConnect: anybody })
      case "tls":
        return Effect.succeed({
          transport: TLS,
          converse: framed,
          terms: terms(OVER_TLS),
          announces,
          mayConnect: anybody
        })
      case "https":
      case "http":
        // HTTP is loaded where it is spoken.
        return Effect.map(
          Effect.promise(() => import("./http/conversation.ts")),
          ({ converseAt, HTTP_PROTOCOLS }): Spoken => {
            const converse = converseAt(siteOf(protocol, endpoint, path))
            return protocol === "https"
              ? { transport: HTTPS, converse, terms: terms(HTTP_PROTOCOLS), announces, mayConnect: anybody }
              : {
                  transport: HTTP,
                  converse,
                  terms: undefined,
                  announces,
                  mayConnect: (peer) => isProxy(peer) || isLoopback(peer.address)
                }
          }
        )
    }
  }
  return { at, announces }
})
