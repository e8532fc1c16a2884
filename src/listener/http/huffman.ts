/**
 * The Huffman code of HPACK (RFC 7541 §5.2, Appendix B), read four bits at a time.
 *
 * Hot path: each request that brings a name of its own has its path in this code.
 */

/**
 * How long the code of each octet is, from 0 on, and last that of the end: `28x7` is seven times 28. The codes follow from
 * it: the shorter first, and of those that are as long, in the order of the octets.
 */
const LENGTHS =
  "13 23 28x7 24 30 28x2 30 28x8 30 28x9 6 10x2 12 13 6 8 11 10x2 8 11 8 6x3 5x3 6x7 7 8 15 6 12 10 13 6 7x22 8 7 8 13 19 " +
  "13 14 6 15 5 6 5 6 5 6x3 5 7x2 6x3 5 6 7 6 5x2 6 7x5 15 11 14 13 28 20 22 20x2 22x3 23 22 23x5 24 23 24x2 22 23 24 " +
  "23x4 21 22 23 22 23x2 24 22 21 20 22x2 23x2 21 23 22x2 24 21 22 23x2 21x2 22 21 23 22 23x2 20 22x3 23 22x2 23 26x2 20 " +
  "19 22 23 22 25 26x3 27x2 26 24 25 19 21 26 27x2 26 27 24 21x2 26x2 28 27x3 20 24 20 21 22 21x2 23 22x2 25x2 24x2 26 " +
  "23 26 27 26x2 27x5 28 27x5 26 30"

const END = 256
const LONGEST = 30
/** More bits than this are no padding (RFC 7541 §5.2). */
const MOST_PADDING = 7

const lengths = LENGTHS.split(" ").flatMap((entry) => {
  const [length, times = 1] = entry.split("x").map(Number)
  return Array<number>(times).fill(length!)
})

/** Nodes of the tree of codes, two words each: what follows a 0 and a 1. A symbol stands as -1 less itself. */
const treeOf = (): { readonly next: Int16Array; readonly nodes: number } => {
  const next = new Int16Array(2 * END)
  let nodes = 1
  let code = 0
  for (let length = 1; length <= LONGEST; length++) {
    code *= 2
    for (const [symbol, own] of lengths.entries()) {
      if (own !== length) continue
      let node = 0
      for (let bit = length - 1; bit > 0; bit--) {
        const at = 2 * node + (Math.floor(code / 2 ** bit) & 1)
        if (next[at] === 0) next[at] = nodes++
        node = next[at]!
      }
      next[2 * node + (code & 1)] = -1 - symbol
      code++
    }
  }
  return { next, nodes }
}

/** For a node and four bits: the node behind them in the low nine bits, above them the octet that ended, plus one. */
const steps = ((): Int32Array => {
  const { next, nodes } = treeOf()
  const table = new Int32Array(nodes * 16)
  for (let from = 0; from < nodes; from++) {
    for (let bits = 0; bits < 16; bits++) {
      let node = from
      let ended = 0
      for (let bit = 3; bit >= 0 && node >= 0; bit--) {
        const to = next[2 * node + ((bits >>> bit) & 1)]!
        if (to >= 0) node = to
        else if (to === -1 - END) node = -1
        else {
          ended = -to
          node = 0
        }
      }
      table[from * 16 + bits] = node < 0 ? -1 : (ended << 9) | node
    }
  }
  return table
})()

/** The nodes at which a text may end: on the way to the end's code, few bits behind a symbol. */
const mayEnd = ((): Uint8Array => {
  const { next, nodes } = treeOf()
  const found = new Uint8Array(nodes)
  for (let node = 0, depth = 0; depth <= MOST_PADDING; depth++) {
    found[node] = 1
    node = next[2 * node + 1]!
  }
  return found
})()

const scratch = Buffer.alloc(32 * 1024)

/** The text that stands in `octets[at, end)`; undefined where it is none. */
export const readHuffman = (octets: Uint8Array, at: number, end: number): string | undefined => {
  let node = 0
  let length = 0
  // The shortest code is of five bits.
  if ((end - at) * 8 > scratch.length * 5) return undefined
  for (let i = at; i < end; i++) {
    const octet = octets[i]!
    for (let half = 0; half < 2; half++) {
      const step = steps[node * 16 + (half === 0 ? octet >>> 4 : octet & 15)]!
      if (step < 0) return undefined
      node = step & 0x1ff
      if (step >= 0x200) scratch[length++] = (step >>> 9) - 1
    }
  }
  return mayEnd[node] === 1 ? scratch.toString("latin1", 0, length) : undefined
}
