/** The database of locations, which the supervisor follows, and workers are given. */
import { Effect } from "effect"
import { Configuration } from "../../config/configuration.ts"
import { followDatabase } from "../../geo/geography.ts"
import { sharedMemoryReleased } from "../../runtime/released-memory.ts"
import { locationsNeeded } from "../server.ts"

/** A database of one configuration. */
interface Followed {
  /** Undefined where there is none, or none that can be read yet. */
  memory: SharedArrayBuffer | undefined
  /** What is read from now on goes to the workers. */
  isInUse: boolean
}

export interface GivenLocations {
  /** What the workers have. */
  readonly current: () => SharedArrayBuffer | undefined
  /** What they are to have with the configuration that was prepared last. */
  readonly prepared: () => SharedArrayBuffer | undefined
}

/**
 * Follows the database that the configuration names.
 *
 * @param give gives a database that has changed to all workers, and runs `own` when they have agreed
 */
export const followLocations = (
  give: (memory: SharedArrayBuffer, own: Effect.Effect<void>) => Effect.Effect<void, Error>
) =>
  Effect.gen(function* () {
    const configuration = yield* Configuration
    let inUse: Followed = { memory: undefined, isInUse: false }
    let newest = inUse
    const followed = yield* configuration.derive(["geoDatabase"], ({ geoDatabase }) =>
      Effect.gen(function* () {
        const held: Followed = { memory: undefined, isInUse: false }
        newest = held
        // Nobody is given anything of a change that was abandoned, nor of a configuration that has been replaced.
        yield* Effect.addFinalizer(() =>
          Effect.sync(() => {
            if (newest === held) newest = inUse
            if (held.memory !== undefined) sharedMemoryReleased()
            held.memory = undefined
          })
        )
        if (geoDatabase === undefined) return held
        const adopt = (read: SharedArrayBuffer): Effect.Effect<void, Error> =>
          Effect.suspend(() => {
            const own = Effect.sync(() => {
              if (held.memory !== undefined) sharedMemoryReleased()
              held.memory = read
            })
            return held.isInUse ? give(read, own) : own
          })
        yield* followDatabase(geoDatabase, () => locationsNeeded(configuration.current()), adopt)
        return held
      })
    )
    inUse = followed.current
    inUse.isInUse = true
    yield* configuration.follow(["geoDatabase"], () => {
      inUse.isInUse = false
      inUse = followed.current
      inUse.isInUse = true
    })
    return {
      current: () => followed.current.memory,
      prepared: () => newest.memory
    } satisfies GivenLocations
  })
