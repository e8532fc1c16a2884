/**
 * The functions of OpenSSL that a server needs, called in the copy that is part of Node.
 *
 * `node:tls` costs a stream, an event and buffers for each record, which is most of what a query by TLS costs; and a
 * connection that waits costs it three times the memory (docs/decisions/0038). The functions used here are those that
 * OpenSSL 3 keeps for its whole life; where Node was built without them, clients are served by `node:tls`.
 */
import { createHash } from "node:crypto"
import { createRequire } from "node:module"

export interface OpenSsl {
  readonly TLS_server_method: () => number
  readonly SSL_CTX_new: (method: number) => number
  readonly SSL_CTX_free: (context: number) => void
  readonly SSL_CTX_ctrl: (context: number, command: number, number: number, pointer: number) => number
  readonly SSL_CTX_callback_ctrl: (context: number, command: number, callback: unknown) => number
  readonly SSL_CTX_set_options: (context: number, options: number) => number
  readonly SSL_CTX_set_num_tickets: (context: number, count: number) => number
  readonly SSL_CTX_use_certificate: (context: number, certificate: number) => number
  readonly SSL_CTX_use_PrivateKey: (context: number, key: number) => number
  readonly SSL_CTX_check_private_key: (context: number) => number
  readonly SSL_CTX_set_alpn_select_cb: (context: number, callback: unknown, argument: number) => void
  readonly SSL_CTX_set_client_hello_cb: (context: number, callback: unknown, argument: number) => void
  readonly SSL_client_hello_get0_ext: (connection: number, type: number, into: number, length: number) => number
  readonly SSL_set_session_id_context: (connection: number, octets: number, length: number) => number
  readonly SSL_set_SSL_CTX: (connection: number, context: number) => number
  readonly SSL_new: (context: number) => number
  readonly SSL_free: (connection: number) => void
  readonly SSL_set_fd: (connection: number, fd: number) => number
  readonly SSL_set_accept_state: (connection: number) => void
  readonly SSL_read: (connection: number, buffer: number, length: number) => number
  readonly SSL_write: (connection: number, buffer: number, length: number) => number
  readonly SSL_has_pending: (connection: number) => number
  readonly SSL_shutdown: (connection: number) => number
  readonly SSL_get_error: (connection: number, result: number) => number
  readonly SSL_get_servername: (connection: number, type: number) => string | null
  readonly ERR_clear_error: () => void
  readonly BIO_new_mem_buf: (memory: number, length: number) => number
  readonly BIO_free: (bio: number) => number
  readonly PEM_read_bio_X509: (bio: number, into: number, callback: number, argument: number) => number
  readonly PEM_read_bio_PrivateKey: (bio: number, into: number, callback: number, argument: number) => number
  readonly X509_free: (certificate: number) => void
  readonly EVP_PKEY_free: (key: number) => void
}

const signatures: { readonly [Name in keyof OpenSsl]: string } = {
  TLS_server_method: "intptr_t TLS_server_method()",
  SSL_CTX_new: "intptr_t SSL_CTX_new(intptr_t)",
  SSL_CTX_free: "void SSL_CTX_free(intptr_t)",
  SSL_CTX_ctrl: "long SSL_CTX_ctrl(intptr_t, int, long, intptr_t)",
  SSL_CTX_callback_ctrl: "long SSL_CTX_callback_ctrl(intptr_t, int, StrandServerName*)",
  SSL_CTX_set_options: "uint64_t SSL_CTX_set_options(intptr_t, uint64_t)",
  SSL_CTX_set_num_tickets: "int SSL_CTX_set_num_tickets(intptr_t, size_t)",
  SSL_CTX_use_certificate: "int SSL_CTX_use_certificate(intptr_t, intptr_t)",
  SSL_CTX_use_PrivateKey: "int SSL_CTX_use_PrivateKey(intptr_t, intptr_t)",
  SSL_CTX_check_private_key: "int SSL_CTX_check_private_key(intptr_t)",
  SSL_CTX_set_alpn_select_cb: "void SSL_CTX_set_alpn_select_cb(intptr_t, StrandAlpn*, intptr_t)",
  SSL_CTX_set_client_hello_cb: "void SSL_CTX_set_client_hello_cb(intptr_t, StrandClientHello*, intptr_t)",
  SSL_client_hello_get0_ext: "int SSL_client_hello_get0_ext(intptr_t, unsigned int, intptr_t, intptr_t)",
  SSL_set_session_id_context: "int SSL_set_session_id_context(intptr_t, intptr_t, unsigned int)",
  SSL_set_SSL_CTX: "intptr_t SSL_set_SSL_CTX(intptr_t, intptr_t)",
  SSL_new: "intptr_t SSL_new(intptr_t)",
  SSL_free: "void SSL_free(intptr_t)",
  SSL_set_fd: "int SSL_set_fd(intptr_t, int)",
  SSL_set_accept_state: "void SSL_set_accept_state(intptr_t)",
  SSL_read: "int SSL_read(intptr_t, intptr_t, int)",
  SSL_write: "int SSL_write(intptr_t, intptr_t, int)",
  SSL_has_pending: "int SSL_has_pending(intptr_t)",
  SSL_shutdown: "int SSL_shutdown(intptr_t)",
  SSL_get_error: "int SSL_get_error(intptr_t, int)",
  SSL_get_servername: "const char *SSL_get_servername(intptr_t, int)",
  ERR_clear_error: "void ERR_clear_error()",
  BIO_new_mem_buf: "intptr_t BIO_new_mem_buf(intptr_t, int)",
  BIO_free: "int BIO_free(intptr_t)",
  PEM_read_bio_X509: "intptr_t PEM_read_bio_X509(intptr_t, intptr_t, intptr_t, intptr_t)",
  PEM_read_bio_PrivateKey: "intptr_t PEM_read_bio_PrivateKey(intptr_t, intptr_t, intptr_t, intptr_t)",
  X509_free: "void X509_free(intptr_t)",
  EVP_PKEY_free: "void EVP_PKEY_free(intptr_t)"
}

interface Koffi {
  readonly load: (path: null) => { readonly func: (signature: string) => unknown }
  readonly proto: (signature: string) => unknown
  readonly pointer: (type: unknown) => unknown
  readonly register: (callback: (...args: Array<never>) => number, type: unknown) => unknown
  readonly address: (memory: ArrayBuffer) => bigint
  readonly view: (address: number, length: number) => ArrayBuffer
  readonly encode: (address: number, type: string, value: number) => void
}

/**
 * Chooses by ALPN.
 *
 * @param offered as the client sent it: each name with its length before it
 * @returns where in it the chosen name begins, its length included; -1 where none is taken
 */
export type ChooseProtocol = (context: number, connection: number, offered: Uint8Array) => number

/** Shows the certificate that is for the name. */
export type ChooseCertificate = (context: number, connection: number) => void

export interface Tls extends OpenSsl {
  /** To be given with a number by which the callbacks are told which context it is. */
  readonly alpnCallback: unknown
  readonly serverNameCallback: unknown
  /** Binds each session to the name of the host that it was begun with. */
  readonly clientHelloCallback: unknown
}

/** What the callbacks say; called with the number that the context was given. */
export interface TlsCallbacks {
  readonly chooseProtocol: ChooseProtocol
  readonly chooseCertificate: ChooseCertificate
}

/** The extension with the name of the host (RFC 6066 §3). */
const SERVER_NAME = 0
const CLIENT_HELLO_GOES_ON = 1
const SESSION_CONTEXT_OCTETS = 32
const ALPN_TAKEN = 0
const ALPN_REFUSED = 2
const NO_NAME = new Uint8Array(0)

/**
 * @param callbacks must not throw: they are called in the midst of OpenSSL's own work
 * @returns undefined where the functions cannot be called
 */
export const loadOpenSsl = ({ chooseCertificate, chooseProtocol }: TlsCallbacks): Tls | undefined => {
  try {
    const koffi: Koffi = createRequire(import.meta.url)("koffi")
    const alpn = koffi.proto("int StrandAlpn(intptr_t, intptr_t, intptr_t, intptr_t, unsigned int, intptr_t)")
    const serverName = koffi.proto("int StrandServerName(intptr_t, intptr_t, intptr_t)")
    const clientHello = koffi.proto("int StrandClientHello(intptr_t, intptr_t, intptr_t)")
    const program = koffi.load(null)
    const calls = Object.entries(signatures).map(([name, signature]) => [name, program.func(signature)] as const)
    const onAlpn = (ssl: number, out: number, outLength: number, offered: number, length: number, context: number) => {
      const names = new Uint8Array(koffi.view(offered, length))
      const at = chooseProtocol(context, ssl, names)
      if (at < 0) return ALPN_REFUSED
      koffi.encode(out, "intptr_t", offered + at + 1)
      koffi.encode(outLength, "uint8_t", names[at]!)
      return ALPN_TAKEN
    }
    const onServerName = (ssl: number, _alert: number, context: number): number => {
      chooseCertificate(context, ssl)
      return 0
    }
    const functions = Object.fromEntries(calls) as unknown as OpenSsl
    const found = new BigUint64Array(2)
    const foundAt = Number(koffi.address(found.buffer))
    const sessionContext = new Uint8Array(SESSION_CONTEXT_OCTETS)
    const sessionContextAt = Number(koffi.address(sessionContext.buffer))
    // A session that was begun with another name is not taken up (RFC 6066 §3): the whole handshake is made.
    const onClientHello = (ssl: number): number => {
      const isNamed = functions.SSL_client_hello_get0_ext(ssl, SERVER_NAME, foundAt, foundAt + 8) === 1
      const name = isNamed ? new Uint8Array(koffi.view(Number(found[0]), Number(found[1]))) : NO_NAME
      sessionContext.set(createHash("sha256").update(name).digest())
      functions.SSL_set_session_id_context(ssl, sessionContextAt, SESSION_CONTEXT_OCTETS)
      return CLIENT_HELLO_GOES_ON
    }
    return {
      ...functions,
      clientHelloCallback: koffi.register(onClientHello, koffi.pointer(clientHello)),
      alpnCallback: koffi.register(onAlpn, koffi.pointer(alpn)),
      serverNameCallback: koffi.register(onServerName, koffi.pointer(serverName))
    }
  } catch {
    return undefined
  }
}

/** Commands of `SSL_CTX_ctrl` (openssl/ssl.h). */
export const Ctrl = {
  Mode: 33,
  ReadAhead: 41,
  SessionCacheMode: 44,
  ServerNameCallback: 53,
  ServerNameArgument: 54,
  TicketKeys: 59,
  Chain: 89,
  MinimumVersion: 123
} as const

/** SSL_MODE_ENABLE_PARTIAL_WRITE, SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER, SSL_MODE_RELEASE_BUFFERS. */
export const MODE = 1 | 2 | 0x10
/** SSL_OP_IGNORE_UNEXPECTED_EOF, SSL_OP_NO_COMPRESSION, SSL_OP_CIPHER_SERVER_PREFERENCE, SSL_OP_NO_RENEGOTIATION. */
export const OPTIONS = 2 ** 7 + 2 ** 17 + 2 ** 22 + 2 ** 30
export const TLS1_2 = 0x0303

/** What `SSL_get_error` says. */
export const SslError = { WantRead: 2, WantWrite: 3, ZeroReturn: 6 } as const
