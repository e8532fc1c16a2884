/** Certificates in files of PEM (RFC 7468 §5). */
import { X509Certificate } from "node:crypto"
import { Result } from "effect"
import { messageOf } from "../runtime/error-text.ts"

const CERTIFICATE = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g

/** The certificates of a text, none where it has none; fails with what was expected of one that cannot be read. */
export const certificatesIn = (text: string): Result.Result<ReadonlyArray<string>, string> => {
  const certificates = text.match(CERTIFICATE) ?? []
  for (const [i, certificate] of certificates.entries()) {
    const read = Result.try({ try: () => new X509Certificate(certificate), catch: messageOf })
    if (Result.isFailure(read)) {
      return Result.fail(`certificates in PEM that can be read: number ${i + 1} cannot: ${read.failure}`)
    }
  }
  return Result.succeed(certificates)
}
