/**
 * What all threads of a server know together of its clients: a secret that is drawn at the start, and how many queries
 * their networks have sent lately.
 */
import { randomFillSync } from "node:crypto"
import { Context } from "effect"
import { COOKIE_SECRET_SIZE } from "../dns/cookie.ts"
import { rateTableOctets } from "./admission/rate-table.ts"

/** The secret of cookies, then the key of hashes. */
const SECRETS_OCTETS = 64
const HASH_KEY_AT = COOKIE_SECRET_SIZE

export const clientMemory = (): SharedArrayBuffer => {
  const memory = new SharedArrayBuffer(SECRETS_OCTETS + 3 * rateTableOctets())
  randomFillSync(new Uint8Array(memory, 0, SECRETS_OCTETS))
  return memory
}

/** The memory of this server's threads; a server of one thread has its own. */
export const ClientMemory: Context.Reference<SharedArrayBuffer> = Context.Reference("strand/query/ClientMemory", {
  defaultValue: clientMemory
})

/** What cookies are made of where no secret is configured. */
export const cookieSecretIn = (memory: SharedArrayBuffer): Uint8Array =>
  new Uint8Array(memory, 0, COOKIE_SECRET_SIZE).slice()
/** What hashes of clients' networks begin with, so that nobody can choose networks that share a cell. */
export const hashKeyIn = (memory: SharedArrayBuffer): number => new Int32Array(memory, HASH_KEY_AT, 1)[0]!
/** Where the table of queries lies, that of replies, and that of connections. */
export const QUERY_RATES_AT = SECRETS_OCTETS
export const REPLY_RATES_AT = SECRETS_OCTETS + rateTableOctets()
export const CONNECTION_RATES_AT = SECRETS_OCTETS + 2 * rateTableOctets()
