/** Headers of HTTP/2: those of a request, checked, and those of an answer, written (RFC 9113 §8). */
import type { Header } from "./hpack.ts"

/** Names of headers by their places in HPACK's own table (RFC 7541 Appendix A). */
export const ALLOW = 22
export const CACHE_CONTROL = 24
export const CONTENT_LENGTH = 28
export const CONTENT_TYPE = 31
export const DATE = 33
const STATUS = 8
/** Statuses that stand in that table with their names. */
const statuses: ReadonlyMap<number, number> = new Map([
  [200, 8],
  [400, 12],
  [404, 13]
])
/** Octets of an answer's headers at most. */
export const MAX_FIELDS = 160

/**
 * Writes the headers of an answer, without anything that would have to be remembered by both sides.
 *
 * @param fields each name by its place, and its value
 */
export const putHeaders = (
  out: Buffer,
  from: number,
  status: number,
  fields: ReadonlyArray<number | string>
): number => {
  let at = from
  const known = statuses.get(status)
  if (known !== undefined) out[at++] = 0x80 | known
  else at = putField(out, at, STATUS, String(status))
  for (let i = 0; i < fields.length; i += 2) at = putField(out, at, fields[i] as number, fields[i + 1] as string)
  return at
}

/** A literal that is not kept (RFC 7541 §6.2.2). */
const putField = (out: Buffer, from: number, name: number, value: string): number => {
  let at = from
  if (name < 15) out[at++] = name
  else {
    out[at++] = 15
    out[at++] = name - 15
  }
  out[at++] = value.length
  return at + out.write(value, at, "latin1")
}

/** Of a connection only (RFC 9113 §8.2.2). */
const OF_CONNECTIONS: ReadonlySet<string> = new Set([
  "connection",
  "keep-alive",
  "proxy-connection",
  "transfer-encoding",
  "upgrade"
])
const PSEUDO: ReadonlySet<string> = new Set([":method", ":path", ":scheme", ":authority"])
const NAME = /^:?[!#$%&'*+.^_`|~0-9a-z-]+$/
const WRONG_VALUE = /[\0\r\n]|^[ \t]|[ \t]$/

/** The headers of a request by their names (RFC 9113 §8.2, §8.3). */
export const requestHeaders = (read: ReadonlyArray<Header>): ReadonlyMap<string, string> | "malformed" => {
  const headers = new Map<string, string>()
  let isBehindPseudo = false
  for (const [name, value] of read) {
    if (name.startsWith(":")) {
      if (isBehindPseudo || !PSEUDO.has(name) || headers.has(name)) return "malformed"
    } else {
      isBehindPseudo = true
      if (!NAME.test(name) || OF_CONNECTIONS.has(name)) return "malformed"
      if (name === "te" && value !== "trailers") return "malformed"
      if (name === "content-length" && headers.has(name)) return "malformed"
    }
    if (WRONG_VALUE.test(value)) return "malformed"
    const before = headers.get(name)
    headers.set(name, before === undefined ? value : `${before}, ${value}`)
  }
  const isWhole = headers.has(":method") && headers.has(":scheme") && (headers.get(":path") ?? "") !== ""
  return isWhole ? headers : "malformed"
}
