/**
 * HalfSipHash-1-3: a keyed hash of few instructions on 32-bit words.
 *
 * The key is drawn at start, so that nobody outside can aim names at one bucket.
 */
import { randomFillSync } from "node:crypto"
import { LOWER } from "../dns/name.ts"
import { u8 } from "../dns/wire.ts"

const key = randomFillSync(new Int32Array(2))

/**
 * The hash of `length` octets from `at`, letters in lower case, and of one more word.
 *
 * @returns 32 bits, unsigned
 */
export const hashName = (wire: Uint8Array, at: number, length: number, word: number): number => {
  let v0 = key[0]!
  let v1 = key[1]!
  let v2 = 0x6c796765 ^ v0
  let v3 = 0x74656462 ^ v1
  const words = ((length + 3) >>> 2) + 2
  for (let i = 0; i < words + 3; i++) {
    let m = 0
    if (i < words - 2) {
      const base = at + (i << 2)
      const left = at + length - base
      m = LOWER[u8(wire, base)]!
      if (left > 1) m |= LOWER[u8(wire, base + 1)]! << 8
      if (left > 2) m |= LOWER[u8(wire, base + 2)]! << 16
      if (left > 3) m |= LOWER[u8(wire, base + 3)]! << 24
    } else if (i === words - 2) {
      m = word
    } else if (i === words - 1) {
      m = length << 24
    } else if (i === words) {
      v2 ^= 0xff
    }
    v3 ^= m
    v0 = (v0 + v1) | 0
    v1 = (v1 << 5) | (v1 >>> 27)
    v1 ^= v0
    v0 = (v0 << 16) | (v0 >>> 16)
    v2 = (v2 + v3) | 0
    v3 = (v3 << 8) | (v3 >>> 24)
    v3 ^= v2
    v0 = (v0 + v3) | 0
    v3 = (v3 << 7) | (v3 >>> 25)
    v3 ^= v0
    v2 = (v2 + v1) | 0
    v1 = (v1 << 13) | (v1 >>> 19)
    v1 ^= v2
    v2 = (v2 << 16) | (v2 >>> 16)
    v0 ^= m
  }
  return (v1 ^ v3) >>> 0
}
