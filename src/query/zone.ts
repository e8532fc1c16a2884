/** The zone that a name most likely belongs to, for sharing out room: its last two labels. */

/**
 * A number for the last two labels of a name; names of one zone have the same.
 *
 * Where a zone is cut deeper (`example.co.uk`) its neighbours share the number: that costs fairness between them, no more.
 *
 * @param name uncompressed, in lower case
 */
export const zoneOf = (name: Uint8Array): number => {
  let last = 0
  let start = 0
  for (let at = 0; name[at] !== 0 && at < name.length; at += name[at]! + 1) {
    start = last
    last = at
  }
  let hash = 0x811c9dc5
  for (let at = start; at < name.length; at++) hash = Math.imul(hash ^ name[at]!, 0x01000193)
  return hash
}
