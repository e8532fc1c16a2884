/** Names within the texts of settings, where more than a dot has a meaning. */

/** So much stands for itself in all of these texts; all else is written `\\DDD` (RFC 1035 §5.1). */
const PLAIN = /[a-z0-9_-]/

/**
 * The name as a text that `parseName` makes the same octets of, wherever it stands: nothing in it looks like a quote, a
 * condition, an exception or an arrow.
 *
 * @param plain what else stands for itself there, besides small letters, digits, `-` and `_`
 */
export const writeName = (name: Uint8Array, plain?: RegExp): string => {
  const labels: Array<string> = []
  for (let at = 0; name[at] !== undefined && name[at] !== 0; at += name[at]! + 1) {
    const label = name.subarray(at + 1, at + 1 + name[at]!)
    labels.push([...label].map((octet) => writeOctet(octet, plain)).join(""))
  }
  return labels.length === 0 ? "." : labels.join(".")
}

const writeOctet = (octet: number, plain: RegExp | undefined): string => {
  const character = String.fromCharCode(octet)
  return PLAIN.test(character) || plain?.test(character) === true ? character : `\\${String(octet).padStart(3, "0")}`
}
