/** FNV-1a over octets: the same in every thread and on every start. */
export const stableHash = (octets: Uint8Array): number => {
  let hash = 0x811c9dc5
  for (let i = 0; i < octets.length; i++) hash = Math.imul(hash ^ octets[i]!, 0x01000193)
  return hash
}
