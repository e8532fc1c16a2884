/** A number of 32 bits that tells texts apart. */

/** FNV-1a; never 0. */
export const fingerprint = (text: string): number => {
  let hash = 0x811c9dc5
  for (const octet of Buffer.from(text)) hash = Math.imul(hash ^ octet, 0x01000193)
  return hash === 0 ? 1 : hash
}
