/**
 * How much one client may ask of the admin side: so many requests a second, and fewer wrong tokens. In a table of fixed
 * size: where it is full the client that was heard of longest ago is forgotten.
 */
const CLIENTS = 1_024
/** How long who asks too much waits to be told so: as long as it should wait before it asks again. */
export const REFUSAL_MS = 1_000
const REQUESTS_A_SECOND = 50
const BURST = 200
const WRONG_A_SECOND = 1 / 6
const WRONG_BURST = 10

interface Bucket {
  tokens: number
  wrongs: number
  atMs: number
}

export class RateLimit {
  private readonly buckets = new Map<string, Bucket>()
  private readonly nowMs: () => number

  constructor(nowMs: () => number = () => performance.now()) {
    this.nowMs = nowMs
  }

  /** Whether the client may ask now; counts that it does. */
  takes(client: string): boolean {
    const bucket = this.bucketOf(client)
    if (bucket.tokens < 1) return false
    bucket.tokens--
    return true
  }

  /** Whether it has shown so many wrong tokens that it is not heard. */
  isGuessing(client: string): boolean {
    return this.bucketOf(client).wrongs < 1
  }

  /** It has shown a token that is wrong. */
  wrong(client: string): void {
    this.bucketOf(client).wrongs--
  }

  private bucketOf(client: string): Bucket {
    const nowMs = this.nowMs()
    const bucket = this.buckets.get(client) ?? { tokens: BURST, wrongs: WRONG_BURST, atMs: nowMs }
    const seconds = (nowMs - bucket.atMs) / 1000
    bucket.tokens = Math.min(BURST, bucket.tokens + seconds * REQUESTS_A_SECOND)
    bucket.wrongs = Math.min(WRONG_BURST, bucket.wrongs + seconds * WRONG_A_SECOND)
    bucket.atMs = nowMs
    // Heard of last: the first of the map is the one to forget.
    this.buckets.delete(client)
    this.buckets.set(client, bucket)
    if (this.buckets.size > CLIENTS) this.buckets.delete(this.buckets.keys().next().value!)
    return bucket
  }
}
