/** Certificates of a test's own making, good and bad. */
import { generateKeyPairSync } from "node:crypto"
import { type Made, makeCertificate } from "../../../src/io/certificate.ts"

export interface Certificate {
  /** Both in PEM. */
  readonly cert: string
  readonly key: string
}

interface Wanted {
  /** Names and IP addresses it is for. */
  readonly names: ReadonlyArray<string>
  /** Days from now until it has run out; before now, for one that has. */
  readonly days?: number
  /** Whether its key is for RSA, and not for ECDSA. */
  readonly isRsa?: boolean
}

export interface Authority extends Certificate {
  readonly issue: (wanted: Wanted) => Certificate
}

const DAY_MS = 86_400_000
const times = (days: number) => ({ fromMs: Date.now() - 100 * DAY_MS, untilMs: Date.now() + days * DAY_MS })

const certificateOf = ({ pair: { certificate, key } }: Made): Certificate => ({ cert: certificate, key })

/** An authority that nobody knows who is not told of it. */
export const authority = (name = "An authority for tests"): Authority => {
  const own = makeCertificate({ subject: name, names: [], isAuthority: true, ...times(100) })
  return {
    ...certificateOf(own),
    issue: ({ names, days = 10, isRsa = false }) =>
      certificateOf(
        makeCertificate({
          subject: names[0]!,
          issuer: { name, key: own.key },
          names,
          ...times(days),
          ...(isRsa ? { keys: generateKeyPairSync("rsa", { modulusLength: 2048 }) } : {})
        })
      )
  }
}
