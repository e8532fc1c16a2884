/**
 * Fibers that are supervised while they run: those that are left are interrupted when the scope closes.
 *
 * What `FiberSet` does, for fibers that come and go by the ten thousand: a `Set` that lives long keeps the fibers that
 * have left it in memory until the next full collection (docs/decisions/0009-short-lives.md).
 */
import { Effect, Fiber, Latch, type Scope } from "effect"

export class FiberList {
  private readonly fibers: Array<Fiber.Fiber<unknown, unknown> | undefined> = []
  private readonly free: Array<number> = []
  private readonly empty = Latch.makeUnsafe(true)
  private isClosed = false
  private count = 0
  private peak = 0

  /** A list for as long as the scope lives. */
  static readonly make: Effect.Effect<FiberList, never, Scope.Scope> = Effect.acquireRelease(
    Effect.sync(() => new FiberList()),
    (list) => list.close
  )

  /** The most that ran at once since this was asked last. */
  takePeak(): number {
    const { peak } = this
    this.peak = this.count
    return peak
  }

  /** How many run. */
  get size(): number {
    return this.count
  }

  /** Waits until none runs. */
  get awaitEmpty(): Effect.Effect<void> {
    return this.empty.await
  }

  /** Takes a fiber that has begun; one that is over already is not kept. */
  add(fiber: Fiber.Fiber<unknown, unknown>): void {
    if (this.isClosed) {
      fiber.interruptUnsafe()
      return
    }
    if (fiber.pollUnsafe() !== undefined) return
    const index = this.free.pop() ?? this.fibers.length
    this.fibers[index] = fiber
    if (this.count++ === 0) this.empty.closeUnsafe()
    if (this.count > this.peak) this.peak = this.count
    fiber.addObserver(() => {
      this.fibers[index] = undefined
      this.free.push(index)
      if (--this.count === 0) this.empty.openUnsafe()
    })
  }

  private readonly close: Effect.Effect<void> = Effect.suspend(() => {
    this.isClosed = true
    return Fiber.interruptAll(this.fibers.filter((fiber) => fiber !== undefined))
  })
}
