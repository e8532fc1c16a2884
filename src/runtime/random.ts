/** Unpredictable numbers for what an attacker must not guess: ids and source ports (RFC 5452 §9). */
import { randomFillSync, randomInt } from "node:crypto"

const pool = new Uint16Array(4096)
let next = pool.length

/** Sixteen bits from the system's cryptographic source, drawn 4,096 at a time. */
export const randomU16 = (): number => {
  if (next === pool.length) {
    randomFillSync(pool)
    next = 0
  }
  return pool[next++]!
}

/** Thirty-two of them. */
export const randomU32 = (): number => randomU16() * 0x10000 + randomU16()

const FIRST_UNPRIVILEGED_PORT = 1024

/** A port from the full unprivileged range. */
export const randomPort = (): number => randomInt(FIRST_UNPRIVILEGED_PORT, 65_536)

/** A port drawn at random may be taken: so often another is drawn before the kernel may choose. */
export const MAX_PORT_DRAWS = 16

/**
 * The key of hashes that must not be predictable from outside: another at each start, the same for all of this thread.
 */
export const SEED = randomInt(2 ** 32)
