/**
 * ECS scopes: the scopes with which answers to a question came, as far as this thread has seen, so that only these are
 * looked up.
 *
 * A table of fixed size by the question's hash. Questions that share a row share its scopes: that costs a useless
 * lookup. What another thread stored under a scope not seen here is not found: that costs one exchange.
 */

const ROWS = 4096
/** Bits for scopes from 1 to 128. */
const WORDS = 4

export class EcsScopes {
  private readonly words = new Int32Array(ROWS * WORDS)

  /** @param hash of the question, as it is for everybody */
  note(hash: number, scope: number): void {
    const at = rowOf(hash) + ((scope - 1) >>> 5)
    this.words[at] = this.words[at]! | (1 << ((scope - 1) & 31))
  }

  /** The longest scope seen that is shorter than `scope`; 0 where there is none. */
  before(hash: number, scope: number): number {
    const row = rowOf(hash)
    for (let bit = scope - 2; bit >= 0; ) {
      const word = this.words[row + (bit >>> 5)]! << (31 - (bit & 31))
      if (word !== 0) return bit - Math.clz32(word) + 1
      bit = (bit & ~31) - 1
    }
    return 0
  }
}

const rowOf = (hash: number): number => ((hash ^ (hash >>> 16)) & (ROWS - 1)) * WORDS
