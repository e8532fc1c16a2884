/**
 * Redis's clock, as far as this server knows it: ages in the shared tier are told by one clock, whatever those of the
 * servers say.
 *
 * Set at every heartbeat; in between it goes on with the monotonic clock.
 */
export class RedisClock {
  private aheadMs = 0

  /** @param wallMs milliseconds since 1970 that Redis told at `performance.now()` = `atMs` */
  set(wallMs: number, atMs: number): void {
    if (Number.isFinite(wallMs)) this.aheadMs = wallMs - atMs
  }

  /** Seconds since 1970. */
  nowSeconds(): number {
    return Math.floor((performance.now() + this.aheadMs) / 1000)
  }
}
