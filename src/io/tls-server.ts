/** How connections of clients are encrypted: what every way of doing it is given. */

/** A chain of certificates, the server's own first, and its key: both in PEM. */
export interface KeyPair {
  readonly certificate: string
  readonly key: string
}

/** The first is shown to clients that name no host, and to those that name one that no certificate is for. */
export type KeyPairs = readonly [KeyPair, ...ReadonlyArray<KeyPair>]

/** Octets of a secret for session tickets: a name of 16, and two keys of 32. */
export const TICKET_SECRET_OCTETS = 80

export interface TlsTerms {
  /** What is shown to connections from now on; the same object for as long as it is the same. */
  readonly keyPairs: () => KeyPairs
  /** What may be chosen by ALPN (RFC 7301), most wanted first. A client that offers only others is refused. */
  readonly protocols: ReadonlyArray<string>
  /**
   * What session tickets are made of (RFC 5077 §4), the same object for as long as it is the same: a client may come back
   * to any thread that has it.
   */
  readonly ticketSecret: () => Uint8Array
}
