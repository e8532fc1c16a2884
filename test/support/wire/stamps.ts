/** DNS stamps of a test's own making (draft-denis-dns-stamps). */

type Field = string | ReadonlyArray<Uint8Array>

const withLength = (octets: Uint8Array, isFollowed = false): Buffer =>
  Buffer.concat([Buffer.from([octets.length | (isFollowed ? 0x80 : 0)]), octets])

/** A text with its length before it; a set with the high bit of each length but the last. */
const encode = (field: Field): Buffer => {
  if (typeof field === "string") return withLength(Buffer.from(field))
  if (field.length === 0) return Buffer.from([0])
  return Buffer.concat(field.map((item, i) => withLength(item, i < field.length - 1)))
}

export const stampOf = (protocol: number, fields: ReadonlyArray<Field>): string =>
  `sdns://${Buffer.concat([Buffer.from([protocol]), Buffer.alloc(8), ...fields.map(encode)]).toString("base64url")}`
