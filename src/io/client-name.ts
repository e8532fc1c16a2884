/**
 * What clients call themselves where what they send is encrypted: behind the path of DNS over HTTPS, or in the name of the
 * server that they ask for (SNI, RFC 6066 §3). A word for policies, and no proof: anybody may say any.
 */
import type { X509Certificate } from "node:crypto"

/** What can stand in a label of a host, and in a path, as it is. */
export const CLIENT_NAME_PATTERN = "^[A-Za-z0-9]([A-Za-z0-9_-]{0,61}[A-Za-z0-9])?$"
const CLIENT_NAME = new RegExp(CLIENT_NAME_PATTERN)

export const CLIENT_NAME_EXPECTED = "a name of letters, digits, - and _, at most 63"

/** The name in small letters; undefined where the text is none. */
export const readClientName = (text: string): string | undefined =>
  CLIENT_NAME.test(text) ? text.toLowerCase() : undefined

/** Finds clients' names in the names that they ask a server for, by its certificates. */
export class ServerNames {
  /** Whether a certificate has a name with `*` as its first label: else no name is a client's. */
  readonly haveWildcard: boolean
  private readonly certificates: ReadonlyArray<X509Certificate>

  constructor(certificates: ReadonlyArray<X509Certificate>) {
    this.certificates = certificates
    this.haveWildcard = certificates.some(({ subjectAltName }) => /DNS:\*\./.test(subjectAltName ?? ""))
  }

  /**
   * The label that stands where a certificate's name has a `*`; undefined where the name is a server's own, or none that a
   * certificate is for.
   *
   * @param serverName as the client asked for it
   */
  clientNameIn(serverName: string): string | undefined {
    const found = this.certificates
      .map((certificate) => certificate.checkHost(serverName))
      .filter((name) => name !== undefined)
    if (found.length === 0 || found.some((name) => !name.startsWith("*."))) return undefined
    return readClientName(serverName.slice(0, serverName.indexOf(".")))
  }
}
