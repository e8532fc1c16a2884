/** Clients' connections by `node:tls`. */
import type { Socket } from "node:net"
import type { Duplex } from "node:stream"
import { createSecureContext, type SecureContext, TLSSocket } from "node:tls"
import { CertificatesShown } from "../certificates-shown.ts"
import { ServerNames } from "../client-name.ts"
import type { KeyPairs, TlsTerms } from "../tls-server.ts"

/** Octets of what Node makes session tickets of. */
const TICKET_KEYS = 48
/** Sessions are taken up again only where they were begun: by this program. */
const SESSIONS = "strand"

/** What is shown by the certificates and the secret that there are. */
class Shown {
  readonly serverNames: ServerNames
  /** For clients that name no host, and those that get the same. */
  readonly usual: SecureContext
  private readonly keyPairs: KeyPairs
  private readonly ticketKeys: Buffer
  private readonly certificates: CertificatesShown
  /** By the places of the key pairs that each has. */
  private readonly made = new Map<string, SecureContext>()

  /** @throws an Error with the reason, where a certificate or its key cannot be used */
  constructor(keyPairs: KeyPairs, ticketSecret: Uint8Array) {
    this.keyPairs = keyPairs
    this.ticketKeys = Buffer.from(ticketSecret.subarray(0, TICKET_KEYS))
    this.certificates = new CertificatesShown(keyPairs)
    this.serverNames = new ServerNames(this.certificates.certificates)
    for (const place of keyPairs.keys()) this.contextOf([place])
    this.usual = this.contextOf(this.certificates.placesFor(undefined))
  }

  /**
   * Undefined where it is the usual one. Where another takes its place in a handshake, Node uses only one of its certificates.
   *
   * @param name that the client asks for
   */
  contextFor(name: string): SecureContext | undefined {
    const places = this.certificates.placesFor(name)
    return places.join() === this.certificates.placesFor(undefined).join() ? undefined : this.contextOf([places[0]!])
  }

  private contextOf(places: ReadonlyArray<number>): SecureContext {
    const key = places.join()
    const known = this.made.get(key)
    if (known !== undefined) return known
    const pairs = places.map((place) => this.keyPairs[place]!)
    const context = createSecureContext({
      cert: pairs.map(({ certificate }) => certificate),
      key: pairs.map(({ key }) => key),
      minVersion: "TLSv1.2",
      ticketKeys: this.ticketKeys,
      sessionIdContext: SESSIONS
    })
    this.made.set(key, context)
    return context
  }
}

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
  let shown = new Shown(keyPairs, ticketSecret)
  const renew = (): void => {
    if (keyPairs === terms.keyPairs() && ticketSecret === terms.ticketSecret()) return
    keyPairs = terms.keyPairs()
    ticketSecret = terms.ticketSecret()
    shown = new Shown(keyPairs, ticketSecret)
  }
  const clientNameOf = (encrypted: Duplex): string | undefined => {
    const { servername } = encrypted as Duplex & { readonly servername?: string | false | null }
    return typeof servername === "string" && shown.serverNames.haveWildcard
      ? shown.serverNames.clientNameIn(servername)
      : undefined
  }
  const secure = (socket: Duplex): Duplex => {
    renew()
    const encrypted = new TLSSocket(socket as Socket, {
      isServer: true,
      secureContext: shown.usual,
      ALPNProtocols: [...terms.protocols],
      SNICallback: (name, answer) => answer(null, shown.contextFor(name))
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
