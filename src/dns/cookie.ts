/**
 * DNS cookies (RFC 7873): a client that shows the cookie that this server gave it has its address proven, so that what
 * is sent there is no flood for a victim. Made as RFC 9018 says, so that servers that share a secret take each other's.
 *
 * Pure: it is told the time, and the secrets.
 *
 * Hot path of queries with a cookie: one hash where the cookie is good and young, two where another one is given.
 */
import { sipHash } from "./siphash.ts"
import { copyOctets, putU32, u32 } from "./wire.ts"

/** What a client makes itself. */
export const CLIENT_COOKIE_SIZE = 8
const SERVER_COOKIE_SIZE = 16
/** What this server sends: the client's part, and its own (RFC 9018 §4). */
export const COOKIE_SIZE = CLIENT_COOKIE_SIZE + SERVER_COOKIE_SIZE
/** Both parts, of other makers (RFC 7873 §4). */
export const MIN_WHOLE_COOKIE_SIZE = CLIENT_COOKIE_SIZE + 8
export const MAX_COOKIE_SIZE = CLIENT_COOKIE_SIZE + 32
export const COOKIE_SECRET_SIZE = 16

const VERSION = 1
/** Version, three reserved octets, the time, the hash. */
const TIME_AT = CLIENT_COOKIE_SIZE + 4
const HASH_AT = CLIENT_COOKIE_SIZE + 8
/** Good for an hour, and five minutes ahead for clocks of other servers; another is given after half of that (§4.3). */
const GOOD_SECONDS = 3_600
const AHEAD_SECONDS = 300
const RENEWED_SECONDS = 1_800

/** Whether an option of so many octets is a cookie (RFC 7873 §5.2.2). */
export const isCookieSize = (size: number): boolean =>
  size === CLIENT_COOKIE_SIZE || (size >= MIN_WHOLE_COOKIE_SIZE && size <= MAX_COOKIE_SIZE)

/** What a client's cookie tells. */
export type CookieState =
  /** The client has no cookie of this server's yet. */
  | "new"
  /** It has one that this server gave it, not long ago. */
  | "valid"
  /** It is of another server, too old, or forged. */
  | "invalid"

/** What the hash is made of: the cookie up to the hash, and the client's address. */
const source = new Uint8Array(HASH_AT + 16)
const hash = new Uint8Array(8)

/**
 * Reads the cookie in `wire` at `at`, and writes the one that the client is to have from now on into `out`.
 *
 * @param size of the option's data: `isCookieSize` holds
 * @param address of the client: 4 octets, or 16
 * @param secrets the first makes cookies; those of all are good, so that a secret can be replaced
 * @param nowSeconds since 1970
 * @param out `COOKIE_SIZE` octets
 */
export const answerCookie = (
  wire: Uint8Array,
  at: number,
  size: number,
  address: Uint8Array,
  secrets: ReadonlyArray<Uint8Array>,
  nowSeconds: number,
  out: Uint8Array
): CookieState => {
  if (size === COOKIE_SIZE && wire[at + CLIENT_COOKIE_SIZE] === VERSION) {
    // Serial numbers, as the time will be after 2106 (RFC 1982).
    const age = (nowSeconds - u32(wire, at + TIME_AT)) | 0
    if (age <= GOOD_SECONDS && age >= -AHEAD_SECONDS) {
      copyOctets(wire, at, at + HASH_AT, source, 0)
      for (const secret of secrets) {
        writeHash(secret, address)
        if (!isHashAt(wire, at + HASH_AT)) continue
        if (age <= RENEWED_SECONDS && secret === secrets[0]) copyOctets(wire, at, at + COOKIE_SIZE, out, 0)
        else makeCookie(wire, at, address, secrets[0]!, nowSeconds, out)
        return "valid"
      }
    }
  }
  makeCookie(wire, at, address, secrets[0]!, nowSeconds, out)
  return size === CLIENT_COOKIE_SIZE ? "new" : "invalid"
}

const makeCookie = (
  wire: Uint8Array,
  at: number,
  address: Uint8Array,
  secret: Uint8Array,
  nowSeconds: number,
  out: Uint8Array
): void => {
  copyOctets(wire, at, at + CLIENT_COOKIE_SIZE, source, 0)
  source.fill(0, CLIENT_COOKIE_SIZE, TIME_AT)
  source[CLIENT_COOKIE_SIZE] = VERSION
  putU32(source, TIME_AT, nowSeconds)
  writeHash(secret, address)
  copyOctets(source, 0, HASH_AT, out, 0)
  copyOctets(hash, 0, hash.length, out, HASH_AT)
}

const writeHash = (secret: Uint8Array, address: Uint8Array): void => {
  source.set(address, HASH_AT)
  sipHash(secret, source, 0, HASH_AT + address.length, hash, 0)
}

/** Compares all octets, whichever differ: how long it takes tells nothing. */
const isHashAt = (wire: Uint8Array, at: number): boolean => {
  let difference = 0
  for (let i = 0; i < hash.length; i++) difference |= hash[i]! ^ wire[at + i]!
  return difference === 0
}
