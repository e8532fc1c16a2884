/** Clients' cookies: read, and answered with the one that a client is to have (RFC 7873 §5.2). */
import { createHash } from "node:crypto"
import type { Settings } from "../config/schema/settings.ts"
import { answerCookie, COOKIE_SECRET_SIZE, COOKIE_SIZE, type CookieState, isCookieSize } from "../dns/cookie.ts"
import type { Query } from "../dns/query.ts"
import { putU32 } from "../dns/wire.ts"
import type { Peer } from "../io/peer.ts"

/**
 * Notes in the query what its client is told, and whether its address is proven.
 *
 * @param nowMs since 1970
 * @returns what the cookie tells; "malformed" where it is none, and the query to be answered FORMERR
 */
export type ReadCookie = (query: Query, client: Peer, nowMs: number) => CookieState | "malformed"

const DAY_MS = 86_400_000

/** The same in all threads. */
const secretOf = (own: Uint8Array, day: number): Uint8Array =>
  createHash("sha256").update(own).update(String(day)).digest().subarray(0, COOKIE_SECRET_SIZE)

/**
 * Undefined where no cookies are given.
 *
 * @param ownSecret where none is configured
 */
export const makeCookies = (
  { cookies, cookieSecrets }: Pick<Settings, "cookies" | "cookieSecrets">,
  ownSecret: Uint8Array
): ReadCookie | undefined => {
  if (!cookies) return undefined
  let day = -1
  let secrets: ReadonlyArray<Uint8Array> = cookieSecrets
  /** One that is drawn is good for what is made of it: another secret each day, the one before for those who have it. */
  const roll = (today: number): void => {
    day = today
    secrets = [secretOf(ownSecret, today), secretOf(ownSecret, today - 1)]
  }
  const words = new Uint32Array(4)
  const octets = new Uint8Array(16)
  const ofIPv4 = octets.subarray(12)
  const told = new Uint8Array(COOKIE_SIZE)
  return (query, client, nowMs) => {
    const { cookieSize, cookieStart, wire } = query
    if (!isCookieSize(cookieSize)) return "malformed"
    const today = Math.floor(nowMs / DAY_MS)
    if (cookieSecrets.length === 0 && today !== day) roll(today)
    const isIPv4 = client.readWords(words)
    for (let i = isIPv4 ? 3 : 0; i < 4; i++) putU32(octets, i * 4, words[i]!)
    const address = isIPv4 ? ofIPv4 : octets
    const state = answerCookie(wire, cookieStart, cookieSize, address, secrets, Math.floor(nowMs / 1000), told)
    query.cookie = told
    query.isCookieValid = state === "valid"
    return state
  }
}
