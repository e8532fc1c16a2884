/** An upstream that answers when the test says so: then what waits meanwhile waits for sure, on any machine. */
import { Effect, type Scope } from "effect"
import { type FakeUpstream, type WireBehaviour, wireUpstream } from "./fake-upstream.ts"
import { mirrorReply, nameIn } from "./mirror.ts"

export interface HeldUpstream extends FakeUpstream {
  /** Waits until so many different names were asked for. */
  readonly awaitNames: (count: number) => Effect.Effect<void>
  /** Answers what was held, and all that comes, a little at a time. */
  readonly release: Effect.Effect<void>
}

/** @param isHeld which names wait; all others are answered at once */
export const heldUpstream = (isHeld: (name: string) => boolean): Effect.Effect<HeldUpstream, never, Scope.Scope> =>
  Effect.gen(function* () {
    const names = new Set<string>()
    const held: Array<() => void> = []
    let isReleased = false
    const behaviour: WireBehaviour = (query) => {
      const name = nameIn(query)
      const reply = mirrorReply(query)
      if (isReleased || !isHeld(name)) return [{ reply }]
      names.add(name)
      return [{ reply, until: new Promise<void>((resolve) => held.push(resolve)) }]
    }
    const upstream = yield* wireUpstream(behaviour)
    return {
      ...upstream,
      awaitNames: (count) =>
        Effect.gen(function* () {
          while (names.size < count) yield* Effect.sleep(10)
        }),
      release: Effect.gen(function* () {
        isReleased = true
        while (held.length > 0) {
          for (const resume of held.splice(0, 50)) resume()
          yield* Effect.sleep(1)
        }
      })
    }
  })
