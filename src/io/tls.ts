/**
 * TLS to a server that proves who it is (RFC 8310 §5): every connection is authenticated, or it is none.
 *
 * Sessions are resumed (RFC 8446 §2.2): a connection after the first costs no certificates. What was authenticated is
 * asked for its certificate again after an hour, so that one that has run out in the meantime is noticed.
 */
import { isIP } from "node:net"
import { connect, createSecureContext, getCACertificates, type SecureContext, type TLSSocket } from "node:tls"
import type { Effect, Scope } from "effect"
import type { SocketError } from "./datagram.ts"
import { refusal, type ServerIdentity } from "./server-identity.ts"
import { connectOptions, type Destination, establish } from "./stream.ts"

const SESSION_LIFE_MS = 3_600_000

/**
 * Whom to believe: Node's authorities, those of `NODE_EXTRA_CA_CERTS`, and those given.
 *
 * Dear to make, for it reads them all: once for all connections.
 */
export const trustIn = (authorities: ReadonlyArray<string>): SecureContext =>
  createSecureContext({ ca: [...getCACertificates("default"), ...authorities], minVersion: "TLSv1.2" })

export class TlsClient {
  private readonly identity: ServerIdentity
  private readonly trust: () => SecureContext
  private trusted: SecureContext | undefined
  private readonly protocols: ReadonlyArray<string>
  private readonly nowMs: () => number
  private session: { readonly ticket: Buffer; readonly authenticatedMs: number } | undefined

  /**
   * @param trust whom to believe now: asked for at each connection
   * @param protocols that are asked for by ALPN (RFC 7301); the server has to take one, where there are any
   */
  constructor(
    identity: ServerIdentity,
    trust: () => SecureContext,
    protocols: ReadonlyArray<string>,
    nowMs: () => number
  ) {
    this.identity = identity
    this.trust = trust
    this.protocols = protocols
    this.nowMs = nowMs
  }

  dial(destination: Destination): Effect.Effect<TLSSocket, SocketError, Scope.Scope> {
    return establish(
      destination,
      "secureConnect",
      () => this.open(destination),
      (socket) => this.accept(socket)
    )
  }

  private open(destination: Destination): TLSSocket {
    const { name } = this.identity
    const asked = name ?? destination.remote.address
    const trusted = this.trust()
    const isOld = this.session !== undefined && this.nowMs() - this.session.authenticatedMs > SESSION_LIFE_MS
    // A session was made by the word of those that were believed then.
    if (isOld || trusted !== this.trusted) this.session = undefined
    this.trusted = trusted
    return connect({
      ...connectOptions(destination),
      secureContext: trusted,
      // Where pins alone are given the key is what counts, whoever has signed it (RFC 7858 §4.2); `accept` looks at it.
      rejectUnauthorized: name !== undefined,
      checkServerIdentity: () => undefined,
      ALPNProtocols: [...this.protocols],
      // Names only (RFC 6066 §3).
      ...(isIP(asked) === 0 ? { servername: asked } : {}),
      ...(this.session === undefined ? {} : { session: this.session.ticket })
    })
  }

  private accept(socket: TLSSocket): string | undefined {
    const isResumed = socket.isSessionReused()
    const wrong = isResumed ? undefined : refusal(this.identity, socket.getPeerCertificate(true))
    if (wrong !== undefined) return wrong
    if (this.protocols.length > 0 && socket.alpnProtocol === false) return `the server speaks no ${this.protocols}`
    const authenticatedMs = isResumed ? (this.session?.authenticatedMs ?? this.nowMs()) : this.nowMs()
    const keep = (ticket: Buffer): void => {
      this.session = { ticket, authenticatedMs }
    }
    // TLS 1.2 has its session by now, TLS 1.3 sends it later.
    const ticket = socket.getProtocol() === "TLSv1.2" ? socket.getSession() : undefined
    if (ticket !== undefined) keep(ticket)
    socket.on("session", keep)
    return undefined
  }
}
