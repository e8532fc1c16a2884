/**
 * SipHash-2-4: a keyed hash of 64 bits of short messages (Aumasson and Bernstein, 2012), by which DNS cookies are made
 * (RFC 9018 §4.4).
 *
 * Hot path of queries with a cookie: numbers of 64 bits are two of 32, and nothing is allocated.
 */

/** The lower and the upper half of each of the four numbers. */
const state = new Int32Array(8)

/**
 * Writes the hash of `octets[start, end)`, eight octets, the lowest first.
 *
 * @param key 16 octets
 */
export const sipHash = (
  key: Uint8Array,
  octets: Uint8Array,
  start: number,
  end: number,
  out: Uint8Array,
  at: number
): void => {
  const k0 = littleEndian(key, 0)
  const k1 = littleEndian(key, 4)
  const k2 = littleEndian(key, 8)
  const k3 = littleEndian(key, 12)
  state[0] = k0 ^ 0x70736575
  state[1] = k1 ^ 0x736f6d65
  state[2] = k2 ^ 0x6e646f6d
  state[3] = k3 ^ 0x646f7261
  state[4] = k0 ^ 0x6e657261
  state[5] = k1 ^ 0x6c796765
  state[6] = k2 ^ 0x79746573
  state[7] = k3 ^ 0x74656462
  const whole = start + ((end - start) & ~7)
  for (let from = start; from < whole; from += 8) {
    mixIn(littleEndian(octets, from), littleEndian(octets, from + 4))
  }
  // The last block: what is left, and the length in its highest octet.
  let low = 0
  let high = (end - start) << 24
  for (let i = whole; i < end; i++) {
    const shift = (i - whole) * 8
    if (shift < 32) low |= octets[i]! << shift
    else high |= octets[i]! << (shift - 32)
  }
  mixIn(low, high)
  state[4]! ^= 0xff
  rounds(4)
  putLittleEndian(out, at, state[0]! ^ state[2]! ^ state[4]! ^ state[6]!)
  putLittleEndian(out, at + 4, state[1]! ^ state[3]! ^ state[5]! ^ state[7]!)
}

const mixIn = (low: number, high: number): void => {
  state[6]! ^= low
  state[7]! ^= high
  rounds(2)
  state[0]! ^= low
  state[1]! ^= high
}

const rounds = (count: number): void => {
  let a = state[0]!
  let aHigh = state[1]!
  let b = state[2]!
  let bHigh = state[3]!
  let c = state[4]!
  let cHigh = state[5]!
  let d = state[6]!
  let dHigh = state[7]!
  let swap: number
  let sum: number
  for (let i = 0; i < count; i++) {
    // a += b; b <<<= 13; b ^= a; a <<<= 32
    sum = (a >>> 0) + (b >>> 0)
    aHigh = (aHigh + bHigh + (sum > 0xffffffff ? 1 : 0)) | 0
    a = sum | 0
    swap = (b << 13) | (bHigh >>> 19)
    bHigh = (bHigh << 13) | (b >>> 19)
    b = swap ^ a
    bHigh ^= aHigh
    swap = a
    a = aHigh
    aHigh = swap
    // c += d; d <<<= 16; d ^= c
    sum = (c >>> 0) + (d >>> 0)
    cHigh = (cHigh + dHigh + (sum > 0xffffffff ? 1 : 0)) | 0
    c = sum | 0
    swap = (d << 16) | (dHigh >>> 16)
    dHigh = (dHigh << 16) | (d >>> 16)
    d = swap ^ c
    dHigh ^= cHigh
    // a += d; d <<<= 21; d ^= a
    sum = (a >>> 0) + (d >>> 0)
    aHigh = (aHigh + dHigh + (sum > 0xffffffff ? 1 : 0)) | 0
    a = sum | 0
    swap = (d << 21) | (dHigh >>> 11)
    dHigh = (dHigh << 21) | (d >>> 11)
    d = swap ^ a
    dHigh ^= aHigh
    // c += b; b <<<= 17; b ^= c; c <<<= 32
    sum = (c >>> 0) + (b >>> 0)
    cHigh = (cHigh + bHigh + (sum > 0xffffffff ? 1 : 0)) | 0
    c = sum | 0
    swap = (b << 17) | (bHigh >>> 15)
    bHigh = (bHigh << 17) | (b >>> 15)
    b = swap ^ c
    bHigh ^= cHigh
    swap = c
    c = cHigh
    cHigh = swap
  }
  state[0] = a
  state[1] = aHigh
  state[2] = b
  state[3] = bHigh
  state[4] = c
  state[5] = cHigh
  state[6] = d
  state[7] = dHigh
}

const littleEndian = (octets: Uint8Array, at: number): number =>
  octets[at]! | (octets[at + 1]! << 8) | (octets[at + 2]! << 16) | (octets[at + 3]! << 24)

const putLittleEndian = (octets: Uint8Array, at: number, word: number): void => {
  octets[at] = word
  octets[at + 1] = word >>> 8
  octets[at + 2] = word >>> 16
  octets[at + 3] = word >>> 24
}
