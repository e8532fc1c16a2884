/**
 * What clients call themselves where what they send is encrypted: behind the path of DNS over HTTPS, or in the name of the
 * server that they ask for (SNI, RFC 6066 §3). A word for policies, and no proof: anybody may say any.
 */
import type { X509Certificate } from "node:crypto"

/** What can stand in a label of a host, and in a path, as it is. */
const CLIENT_NAME = /^[a-z0-9]([a-z0-9_-]{0,61}[a-z0-9])?$/

export const CLIENT_NAME_EXPECTED = "a name of letters, digits, - and _, at most 63"

/** @param text in small letters */
export const isClientName = (text: string): boolean => CLIENT_NAME.test(text)

/** Whether it has a name with `*` as its first label. */
export const hasWildcard = ({ subjectAltName }: X509Certificate): boolean => /DNS:\*\./.test(subjectAltName ?? "")

/**
 * The label that stands where a certificate's name has a `*`; undefined where the name is a server's own, or none that a
 * certificate is for.
 *
 * @param serverName as the client asked for it
 */
export const clientNameIn = (certificates: ReadonlyArray<X509Certificate>, serverName: string): string | undefined => {
  const found = certificates
    .map((certificate) => certificate.checkHost(serverName))
    .filter((name) => name !== undefined)
  if (found.length === 0 || found.some((name) => !name.startsWith("*."))) return undefined
  const label = serverName.slice(0, serverName.indexOf(".")).toLowerCase()
  return isClientName(label) ? label : undefined
}
