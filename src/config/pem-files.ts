/** Files in PEM that settings name: what is decoded is what was read there. */
import { createPrivateKey, X509Certificate } from "node:crypto"
import { Effect, Result, Schema } from "effect"
import { readBounded } from "../io/bounded-file.ts"
import { messageOf } from "../runtime/error-text.ts"
import { certificatesIn } from "./certificates.ts"

/** Written as a path; what is decoded is what was read there. */
export const PemFile = Schema.Struct({ file: Schema.String, pem: Schema.String }).annotate({ shape: { kind: "text" } })
export type PemFile = typeof PemFile.Type

/** A chain of certificates, or a key, is some KiB. */
const BOUNDS = { maxOctets: 256 * 1024, withinMs: 5_000 }

const KEY = /-----BEGIN (?:[A-Z]+ )?PRIVATE KEY-----[^-]+-----END (?:[A-Z]+ )?PRIVATE KEY-----/

const read = (
  file: string,
  what: string,
  check: (text: string) => Result.Result<string, string>
): Effect.Effect<PemFile, string> =>
  Effect.mapError(readBounded(file, BOUNDS), ({ reason }) => `a readable file with ${what} in PEM: ${reason}`).pipe(
    Effect.flatMap((octets) => Effect.fromResult(check(octets.toString("latin1")))),
    Effect.map((pem) => ({ file, pem }))
  )

/** Reads a chain of certificates; fails with what was expected of the file. */
export const readCertificates = (file: string): Effect.Effect<PemFile, string> =>
  read(file, "a certificate", (text) =>
    Result.flatMap(certificatesIn(text), (certificates) =>
      certificates.length === 0
        ? Result.fail("a file with a certificate in PEM, and those that vouch for it")
        : Result.succeed(`${certificates.join("\n")}\n`)
    )
  )

/** Reads a private key; fails with what was expected of the file. */
export const readKey = (file: string): Effect.Effect<PemFile, string> =>
  read(file, "a private key", (text) => {
    const [pem] = KEY.exec(text) ?? []
    if (pem === undefined) return Result.fail("a file with a private key in PEM, without a password")
    return Result.try({
      try: () => {
        createPrivateKey(pem)
        return `${pem}\n`
      },
      catch: (cause) => `a private key in PEM that can be read: ${messageOf(cause)}`
    })
  })

/** Whether the key is that of the first certificate. */
export const belongTogether = (certificate: PemFile, key: PemFile): boolean =>
  new X509Certificate(certificate.pem).checkPrivateKey(createPrivateKey(key.pem))
