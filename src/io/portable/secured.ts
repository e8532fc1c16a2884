/** Clients' connections by `node:tls`. */
import { X509Certificate } from "node:crypto"
import type { Socket } from "node:net"
import type { Duplex } from "node:stream"
import { createSecureContext, type SecureContext, TLSSocket } from "node:tls"
import { ServerNames } from "../client-name.ts"
import type { KeyPairs, TlsTerms } from "../tls-server.ts"

/** Octets of what Node makes session tickets of. */
const TICKET_KEYS = 48
/** Sessions are taken up again only where they were begun: by this program. */
const SESSIONS = "strand"

interface Shown {
  readonly context: SecureContext
  readonly certificate: X509Certificate
}

const shownBy = (keyPairs: KeyPairs, ticketSecret: Uint8Array): ReadonlyArray<Shown> =>
  keyPairs.map(({ certificate, key }) => ({
    context: createSecureContext({
      cert: certificate,
      key,
      minVersion: "TLSv1.2",
      ticketKeys: Buffer.from(ticketSecret.subarray(0, TICKET_KEYS)),
      sessionIdContext: SESSIONS
    }),
    certificate: new X509Certificate(certificate)
  }))

const serverNamesOf = (shown: ReadonlyArray<Shown>): ServerNames =>
  new ServerNames(shown.map(({ certificate }) => certificate))

/** How connections are encrypted. */
export interface Secured {
  /** What a connection is read and written by, for what it was accepted as. */
  readonly secure: (socket: Duplex) => Duplex
  /** What the client calls itself (`client-name.ts`), once octets have come. */
  readonly clientNameOf: (encrypted: Duplex) => string | undefined
}

/** @throws an Error with the reason, where a certificate or its key cannot be used */
export const secured = (terms: TlsTerms): Secured => {
  let keyPairs = terms.keyPairs()
  let ticketSecret = terms.ticketSecret()
  let shown = shownBy(keyPairs, ticketSecret)
  let serverNames = serverNamesOf(shown)
  const renew = (): void => {
    if (keyPairs === terms.keyPairs() && ticketSecret === terms.ticketSecret()) return
    keyPairs = terms.keyPairs()
    ticketSecret = terms.ticketSecret()
    shown = shownBy(keyPairs, ticketSecret)
    serverNames = serverNamesOf(shown)
  }
  const contextFor = (name: string): SecureContext =>
    (shown.find(({ certificate }) => certificate.checkHost(name) !== undefined) ?? shown[0]!).context
  const clientNameOf = (encrypted: Duplex): string | undefined => {
    const { servername } = encrypted as Duplex & { readonly servername?: string | false | null }
    return typeof servername === "string" && serverNames.haveWildcard ? serverNames.clientNameIn(servername) : undefined
  }
  const secure = (socket: Duplex): Duplex => {
    renew()
    const encrypted = new TLSSocket(socket as Socket, {
      isServer: true,
      secureContext: shown[0]!.context,
      ALPNProtocols: [...terms.protocols],
      SNICallback: (name, answer) => answer(null, contextFor(name))
    })
    encrypted.allowHalfOpen = true
    encrypted.on("error", () => encrypted.destroy())
    // What goes wrong before the end of the handshake is told by these alone.
    encrypted.on("_tlsError", () => encrypted.destroy())
    socket.on("close", () => encrypted.destroy())
    return encrypted
  }
  return { secure, clientNameOf }
}
