/**
 * Who an encrypted upstream has to prove to be (RFC 8310 §5, RFC 7858 §4.2), and whether the certificate it shows does.
 */
import { createHash, X509Certificate } from "node:crypto"
import { checkServerIdentity, type PeerCertificate } from "node:tls"

/** At least one of them is given; whatever is given has to be right. */
export interface ServerIdentity {
  /** A name, or an IP address, that a certificate of a trusted authority has to bear; undefined where pins suffice. */
  readonly name: string | undefined
  /** SHA-256 of public keys (SubjectPublicKeyInfo), in base64: the server's own has to be one of them. */
  readonly pins: ReadonlyArray<string>
  /** SHA-256 of signed certificates (TBSCertificate), in base64: one of the verified chain has to be among them. */
  readonly chainDigests: ReadonlyArray<string>
}

const sha256 = (octets: Uint8Array): string => createHash("sha256").update(octets).digest("base64")

/**
 * What is wrong with the certificate; undefined where it proves the identity.
 *
 * @param certificate with its issuers, where digests of the chain are to be compared
 */
export const refusal = (identity: ServerIdentity, certificate: PeerCertificate): string | undefined => {
  if (identity.name !== undefined) {
    const error = checkServerIdentity(identity.name, certificate)
    if (error !== undefined) return error.message
  }
  if (identity.pins.length > 0 && !identity.pins.includes(pinOf(certificate.raw))) {
    return "the server's key is none of those pinned"
  }
  const { chainDigests } = identity
  if (chainDigests.length > 0 && !chainOf(certificate).some((raw) => chainDigests.includes(digestOfSigned(raw)))) {
    return "no certificate of the server's chain is one of those in the stamp"
  }
  return undefined
}

/** The pin of a certificate's key, as in RFC 7858 §4.2 and RFC 7469 §2.4. */
export const pinOf = (certificate: Uint8Array | string): string =>
  sha256(new X509Certificate(certificate).publicKey.export({ type: "spki", format: "der" }))

/**
 * The server's certificate and those above it, each having signed the one before: what is only shown does not count.
 */
const chainOf = (certificate: PeerCertificate): ReadonlyArray<Buffer> => {
  const chain = [certificate.raw]
  let below = certificate as { readonly raw: Buffer; readonly issuerCertificate?: PeerCertificate }
  for (let above = below.issuerCertificate; above !== undefined && above !== below; above = below.issuerCertificate) {
    const issuer = new X509Certificate(above.raw)
    if (above.raw.equals(below.raw) || !new X509Certificate(below.raw).verify(issuer.publicKey)) break
    chain.push(above.raw)
    below = above
  }
  return chain
}

/** Of the part that is signed, the first element of the outer sequence (RFC 5280 §4.1). */
export const digestOfSigned = (certificate: Uint8Array): string => {
  const start = contentAt(certificate, 0)
  return sha256(certificate.subarray(start, contentAt(certificate, start) + lengthAt(certificate, start)))
}

/** DER: one octet of type, the length in one octet or in so many as its first says (X.690 §8.1.3). */
const contentAt = (der: Uint8Array, at: number): number => {
  const first = der[at + 1]!
  return at + 2 + (first < 0x80 ? 0 : first & 0x7f)
}

const lengthAt = (der: Uint8Array, at: number): number => {
  const first = der[at + 1]!
  if (first < 0x80) return first
  let length = 0
  for (let i = 0; i < (first & 0x7f); i++) length = length * 256 + der[at + 2 + i]!
  return length
}
