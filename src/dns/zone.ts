/** The zone that a name most likely belongs to, for sharing out what is short: its last two labels. */

/**
 * A number for the last two labels of a name; names of one zone have the same.
 *
 * Where a zone is cut deeper (`example.co.uk`) its neighbours share the number: that costs fairness between them, no
 * more.
 *
 * @param name uncompressed, in lower case
 * @param seed that nobody knows, so that nobody can choose a name that shares the number of another's zone
 */
export const zoneOf = (name: Uint8Array, seed: number): number => {
  let last = 0
  let start = 0
  for (let at = 0; name[at] !== 0 && at < name.length; at += name[at]! + 1) {
    start = last
    last = at
  }
  let hash = seed
  for (let at = start; at < name.length; at++) hash = Math.imul(hash ^ name[at]!, 0x01000193)
  return hash
}
