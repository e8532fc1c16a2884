/**
 * What all encrypted connections of a listener share: certificates and keys, one context of OpenSSL for each, and the
 * choices that are made in a handshake.
 */
import { CertificatesShown } from "../certificates-shown.ts"
import { ServerNames } from "../client-name.ts"
import type { KeyPair, KeyPairs, TlsTerms } from "../tls-server.ts"
import type { Libc } from "./libc.ts"
import { Ctrl, loadOpenSsl, MODE, OPTIONS, TLS1_2, type Tls } from "./openssl.ts"

/** The contexts of this thread, by the numbers that OpenSSL's callbacks are given. */
const contexts = new Map<number, TlsContext>()
let lastNumber = 0

/** OpenSSL in this thread, loaded when the first listener needs it; null where it cannot be called. */
let loaded: Tls | null | undefined

/** OpenSSL's functions; undefined where they cannot be called. */
export const openSsl = (): Tls | undefined => {
  if (loaded === undefined) {
    loaded =
      loadOpenSsl({
        chooseProtocol: (number, ssl, offered) => contexts.get(number)?.chooseProtocol(ssl, offered) ?? -1,
        chooseCertificate: (number, ssl) => contexts.get(number)?.chooseCertificate(ssl)
      }) ?? null
  }
  return loaded ?? undefined
}

/** What OpenSSL reads from: kept from the garbage collector, which does not know that. */
let inUse: ArrayBuffer | undefined
/** Given as the password of every key: without one, OpenSSL would ask for it at the terminal. */
const NO_PASSWORD = new ArrayBuffer(1)

export class TlsContext {
  readonly tls: Tls
  private readonly libc: Libc
  private readonly number: number
  private readonly protocols: ReadonlyArray<string>
  private readonly keyPairs: KeyPairs
  private readonly shown: CertificatesShown
  /** OpenSSL's own contexts, by the places of the key pairs that each has. */
  private readonly made = new Map<string, number>()
  private readonly usual: number
  private readonly serverNames: ServerNames
  private readonly asksForName: boolean
  private ticketSecret: Uint8Array | undefined
  /** The protocols that were chosen by ALPN, by connections. */
  private readonly chosen = new Map<number, string>()
  private connections = 0
  private isRetired = false

  /** @throws an Error with the reason, where a certificate or its key cannot be used */
  constructor(tls: Tls, libc: Libc, keyPairs: KeyPairs, protocols: ReadonlyArray<string>) {
    this.tls = tls
    this.libc = libc
    this.protocols = protocols
    this.number = ++lastNumber
    this.keyPairs = keyPairs
    this.shown = new CertificatesShown(keyPairs)
    this.serverNames = new ServerNames(this.shown.certificates)
    // By TLS 1.2 a session that is resumed has the name only where it was asked for here.
    this.asksForName = keyPairs.length > 1 || this.serverNames.haveWildcard
    try {
      // Each by itself, too: one that cannot be used is found now, whichever names it is for.
      for (const place of keyPairs.keys()) this.contextOf([place])
      this.usual = this.contextOf(this.shown.placesFor(undefined))
    } catch (cause) {
      this.freeAll()
      throw cause
    }
    contexts.set(this.number, this)
  }

  /** Session tickets are made of this from now on; those of before are no good any more. */
  makeTicketsOf(secret: Uint8Array): void {
    this.ticketSecret = secret
    for (const context of this.made.values()) this.giveSecret(context, secret)
  }

  /** A connection on the descriptor, as it is before its handshake. */
  open(fd: number): number {
    const { tls } = this
    const ssl = tls.SSL_new(this.usual)
    if (ssl === 0) throw new Error("no memory for a connection by TLS")
    tls.SSL_set_fd(ssl, fd)
    tls.SSL_set_accept_state(ssl)
    this.connections++
    return ssl
  }

  close(ssl: number): void {
    this.tls.SSL_free(ssl)
    this.chosen.delete(ssl)
    this.connections--
    this.freeWhenUnused()
  }

  /** No more connections are opened by it; those that are open stay, and may still choose among its certificates. */
  retire(): void {
    if (this.isRetired) return
    this.isRetired = true
    this.freeWhenUnused()
  }

  private freeWhenUnused(): void {
    if (!this.isRetired || this.connections > 0) return
    this.freeAll()
    contexts.delete(this.number)
  }

  private freeAll(): void {
    for (const context of this.made.values()) this.tls.SSL_CTX_free(context)
    this.made.clear()
  }

  protocolOf(ssl: number): string {
    return this.chosen.get(ssl) ?? ""
  }

  clientNameOf(ssl: number): string | undefined {
    const serverName = this.serverNames.haveWildcard ? this.tls.SSL_get_servername(ssl, 0) : null
    return serverName === null ? undefined : this.serverNames.clientNameIn(serverName)
  }

  /** Where in what a client offers the protocol stands that is most wanted here; -1 where none is. */
  chooseProtocol(ssl: number, offered: Uint8Array): number {
    let best = this.protocols.length
    let found = -1
    for (let at = 0; at < offered.length; at += 1 + offered[at]!) {
      const name = String.fromCharCode(...offered.subarray(at + 1, at + 1 + offered[at]!))
      const rank = this.protocols.indexOf(name)
      if (rank < 0 || rank >= best) continue
      best = rank
      found = at
    }
    if (found >= 0) this.chosen.set(ssl, this.protocols[best]!)
    return found
  }

  /** Shows those certificates that are for the name that the client asked for. */
  chooseCertificate(ssl: number): void {
    const name = this.tls.SSL_get_servername(ssl, 0)
    if (name === null) return
    try {
      this.tls.SSL_set_SSL_CTX(ssl, this.contextOf(this.shown.placesFor(name)))
    } catch {
      // No memory: the usual ones are shown. Nothing may be thrown in the midst of OpenSSL's work.
    }
  }

  private contextOf(places: ReadonlyArray<number>): number {
    const key = places.join()
    const known = this.made.get(key)
    if (known !== undefined) return known
    const context = this.contextFor(places.map((place) => this.keyPairs[place]!))
    this.made.set(key, context)
    if (this.asksForName) {
      const { tls } = this
      tls.SSL_CTX_callback_ctrl(context, Ctrl.ServerNameCallback, tls.serverNameCallback)
      tls.SSL_CTX_ctrl(context, Ctrl.ServerNameArgument, 0, this.number)
      tls.SSL_CTX_set_client_hello_cb(context, tls.clientHelloCallback, 0)
    }
    if (this.ticketSecret !== undefined) this.giveSecret(context, this.ticketSecret)
    return context
  }

  private giveSecret(context: number, secret: Uint8Array): void {
    inUse = new Uint8Array(secret).buffer
    this.tls.SSL_CTX_ctrl(context, Ctrl.TicketKeys, secret.length, this.libc.addressOf(inUse))
    inUse = undefined
  }

  private contextFor(pairs: ReadonlyArray<KeyPair>): number {
    const { tls } = this
    const context = tls.SSL_CTX_new(tls.TLS_server_method())
    if (context === 0) throw new Error("no memory for TLS")
    try {
      tls.SSL_CTX_ctrl(context, Ctrl.MinimumVersion, TLS1_2, 0)
      tls.SSL_CTX_ctrl(context, Ctrl.Mode, MODE, 0)
      tls.SSL_CTX_ctrl(context, Ctrl.ReadAhead, 1, 0)
      // Sessions are in the clients' tickets: nothing is kept of them here.
      tls.SSL_CTX_ctrl(context, Ctrl.SessionCacheMode, 0, 0)
      tls.SSL_CTX_set_options(context, OPTIONS)
      tls.SSL_CTX_set_num_tickets(context, 1)
      tls.SSL_CTX_set_alpn_select_cb(context, tls.alpnCallback, this.number)
      for (const { certificate, key } of pairs) {
        this.useCertificates(context, certificate)
        this.useKey(context, key)
        if (tls.SSL_CTX_check_private_key(context) !== 1) throw new Error("the key is not that of the certificate")
      }
    } catch (cause) {
      tls.SSL_CTX_free(context)
      throw cause
    } finally {
      // The end of a file of certificates is an error to OpenSSL, and Node's own calls would find it.
      tls.ERR_clear_error()
    }
    return context
  }

  private useCertificates(context: number, pem: string): void {
    const { tls } = this
    this.reading(pem, (bio) => {
      let count = 0
      for (;;) {
        const certificate = tls.PEM_read_bio_X509(bio, 0, 0, 0)
        if (certificate === 0) break
        const isTaken =
          count++ === 0
            ? tls.SSL_CTX_use_certificate(context, certificate) === 1
            : tls.SSL_CTX_ctrl(context, Ctrl.Chain, 1, certificate) === 1
        tls.X509_free(certificate)
        if (!isTaken) throw new Error(`certificate ${count} cannot be used`)
      }
      if (count === 0) throw new Error("there is no certificate")
    })
  }

  private useKey(context: number, pem: string): void {
    const { tls } = this
    this.reading(pem, (bio) => {
      const key = tls.PEM_read_bio_PrivateKey(bio, 0, 0, this.libc.addressOf(NO_PASSWORD))
      if (key === 0) throw new Error("there is no private key, or it needs a password")
      const isTaken = tls.SSL_CTX_use_PrivateKey(context, key) === 1
      tls.EVP_PKEY_free(key)
      if (!isTaken) throw new Error("the key is not that of the certificate")
    })
  }

  private reading(pem: string, read: (bio: number) => void): void {
    const octets = new Uint8Array(Buffer.from(pem))
    inUse = octets.buffer
    const bio = this.tls.BIO_new_mem_buf(this.libc.addressOf(inUse), octets.length)
    try {
      read(bio)
    } finally {
      this.tls.BIO_free(bio)
      inUse = undefined
    }
  }
}

/** The context by which a listener opens connections: another one when certificates or the secret of tickets change. */
export class LiveTlsContext {
  private readonly tls: Tls
  private readonly libc: Libc
  private readonly terms: TlsTerms
  private keyPairs: KeyPairs
  private ticketSecret: Uint8Array
  private context: TlsContext

  /** @throws an Error with the reason, where a certificate or its key cannot be used */
  constructor(tls: Tls, libc: Libc, terms: TlsTerms) {
    this.tls = tls
    this.libc = libc
    this.terms = terms
    this.keyPairs = terms.keyPairs()
    this.ticketSecret = terms.ticketSecret()
    this.context = new TlsContext(tls, libc, this.keyPairs, terms.protocols)
    this.context.makeTicketsOf(this.ticketSecret)
  }

  current(): TlsContext {
    const keyPairs = this.terms.keyPairs()
    const ticketSecret = this.terms.ticketSecret()
    if (keyPairs !== this.keyPairs) {
      const next = new TlsContext(this.tls, this.libc, keyPairs, this.terms.protocols)
      next.makeTicketsOf(ticketSecret)
      this.context.retire()
      this.context = next
    } else if (ticketSecret !== this.ticketSecret) {
      this.context.makeTicketsOf(ticketSecret)
    }
    this.keyPairs = keyPairs
    this.ticketSecret = ticketSecret
    return this.context
  }

  retire(): void {
    this.context.retire()
  }
}
