/** Addresses of IPv6 as texts (RFC 5952). */

/** @param octets sixteen */
export const ipv6Text = (octets: Uint8Array): string => {
  const groups = Array.from({ length: 8 }, (_, i) => (octets[2 * i]! << 8) | octets[2 * i + 1]!)
  const { start, length } = longestZeros(groups)
  const text = (part: ReadonlyArray<number>): string => part.map((group) => group.toString(16)).join(":")
  return length < 2 ? text(groups) : `${text(groups.slice(0, start))}::${text(groups.slice(start + length))}`
}

/** The first of the longest runs of zeros (RFC 5952 §4.2.3). */
const longestZeros = (groups: ReadonlyArray<number>): { readonly start: number; readonly length: number } => {
  let found = { start: 0, length: 0 }
  for (let start = 0; start < groups.length; start++) {
    let length = 0
    while (groups[start + length] === 0) length++
    if (length > found.length) found = { start, length }
  }
  return found
}
