/** By what servers of tests prove themselves. */
import { randomBytes } from "node:crypto"
import { type KeyPair, type KeyPairs, TICKET_SECRET_OCTETS, type TlsTerms } from "../../../src/io/tls-server.ts"
import { authority } from "../wire/certificates.ts"

export const testAuthority = authority()

export const certificateFor = (...names: ReadonlyArray<string>): KeyPair => {
  const { cert, key } = testAuthority.issue({ names })
  return { certificate: cert, key }
}

export const rsaCertificateFor = (...names: ReadonlyArray<string>): KeyPair => {
  const { cert, key } = testAuthority.issue({ names, isRsa: true })
  return { certificate: cert, key }
}

/** Terms that may change while they are used. */
export interface ChangingTerms extends TlsTerms {
  readonly show: (keyPairs: KeyPairs) => void
  readonly makeTicketsOf: (secret: Uint8Array) => void
}

export const termsOf = (keyPairs: KeyPairs, protocols: ReadonlyArray<string> = []): ChangingTerms => {
  let shown = keyPairs
  let secret: Uint8Array = randomBytes(TICKET_SECRET_OCTETS)
  return {
    keyPairs: () => shown,
    protocols,
    ticketSecret: () => secret,
    show: (next) => {
      shown = next
    },
    makeTicketsOf: (next) => {
      secret = next
    }
  }
}
