/** Authorities of the user's own that servers' certificates may be signed by, beside those that Node knows. */
import { Effect, Result, Schema } from "effect"
import { readBounded } from "../io/bounded-file.ts"
import { certificatesIn } from "./certificates.ts"

export const Authorities = Schema.Struct({
  file: Schema.String,
  /** In PEM, one each. */
  certificates: Schema.NonEmptyArray(Schema.String)
})
export type Authorities = typeof Authorities.Type

/** All that operating systems trust is some 200 KiB. */
const BOUNDS = { maxOctets: 4 * 1024 * 1024, withinMs: 5_000 }

/** Reads the file that is named; fails with what was expected of it. */
export const readAuthorities = (file: string): Effect.Effect<Authorities, string> =>
  Effect.flatMap(
    Effect.mapError(readBounded(file, BOUNDS), ({ reason }) => `a readable file of certificates in PEM: ${reason}`),
    (octets) => Effect.fromResult(authoritiesIn(file, octets.toString("latin1")))
  )

const authoritiesIn = (file: string, text: string): Result.Result<Authorities, string> =>
  Result.flatMap(certificatesIn(text), ([first, ...others]) => {
    if (first !== undefined) return Result.succeed({ file, certificates: [first, ...others] as const })
    return Result.fail(
      /-----BEGIN [A-Z ]*PRIVATE KEY-----/.test(text)
        ? "a file of certificates in PEM: this one has a private key, which is not needed here"
        : "a file with at least one certificate in PEM"
    )
  })
