/** Authorities of the user's own that servers' certificates may be signed by, beside those that Node knows. */
import { X509Certificate } from "node:crypto"
import { readFileSync } from "node:fs"
import { Result } from "effect"
import type { Read } from "./values.ts"

export interface Authorities {
  readonly file: string
  /** In PEM, one each. */
  readonly certificates: ReadonlyArray<string>
}

const CERTIFICATE = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g

/** Reads the file that is named. */
export const readAuthorities = (file: string): Read<Authorities> => {
  const read = Result.try({
    try: () => {
      const certificates = readFileSync(file, "utf8").match(CERTIFICATE) ?? []
      for (const certificate of certificates) new X509Certificate(certificate)
      return certificates
    },
    catch: (cause) => (cause instanceof Error ? cause.message : String(cause))
  })
  if (Result.isFailure(read)) return Result.fail(`a readable file of certificates in PEM: ${read.failure}`)
  return read.success.length > 0
    ? Result.succeed({ file, certificates: read.success })
    : Result.fail("a file with at least one certificate in PEM")
}
